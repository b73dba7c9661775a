// Fault injection of self-test builds.

    .text
// void push_at(u64 sp): pushes with the stack pointer at `sp`.
    .global push_at
push_at:
    mov     x9, sp
    mov     sp, x0
    stp     x9, x30, [sp, #-16]!
    mov     sp, x9
    ret
