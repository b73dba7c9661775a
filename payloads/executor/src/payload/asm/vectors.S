// Vectors of EL2, and the way back.
//
// Exceptions from the main stack's code run on the exception stack. An exception in an exception,
// which may be that very stack's, runs on the last one.
//
// What is saved: `Frame` in Rust.
//   0   x0 .. x30         248  ELR_EL2        256  SPSR_EL2

    .text
    .macro  on_own_stack number
    .balign 0x80
    sub     sp, sp, #{FRAME_BYTES}
    stp     x0, x1, [sp]
    mov     x1, #\number
    b       exception
    .endm

    .macro  on_last_stack number
    .balign 0x80
    msr     tpidr_el2, x0
    adrp    x0, last_stack_top
    add     x0, x0, :lo12:last_stack_top
    mov     sp, x0
    sub     sp, sp, #{FRAME_BYTES}
    mrs     x0, tpidr_el2
    stp     x0, x1, [sp]
    mov     x1, #\number
    b       exception
    .endm

    .balign 0x800
    .global vectors
vectors:
    .irp    number, 0, 1, 2, 3      // current EL, SP_EL0: synchronous, IRQ, FIQ, SError
    on_own_stack \number
    .endr
    .irp    number, 4, 5, 6, 7      // current EL, SP_EL2
    on_last_stack \number
    .endr
    .irp    number, 8, 9, 10, 11, 12, 13, 14, 15
    on_own_stack \number            // lower ELs
    .endr
    .balign 0x80

    // x0 and x1 are in the frame at sp; x1 is the number of the vector.
    .global exception
exception:
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x2, elr_el2
    mrs     x3, spsr_el2
    stp     x30, x2, [sp, #240]
    str     x3, [sp, #256]
    mov     x0, sp
    mov     x29, #0
    bl      take_exception          // (frame, number of the vector)
    ldp     x30, x2, [sp, #240]
    ldr     x3, [sp, #256]
    msr     elr_el2, x2
    msr     spsr_el2, x3
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldp     x0, x1, [sp]
    add     sp, sp, #{FRAME_BYTES}
    eret
    dsb     nsh                     // no speculation past the return
    isb

// u64 guarded(extern "C" fn(*mut u8), *mut u8)
//
// Calls the function. Returns 0 when it returns, and 1 when an exception handler returned to
// `recover` instead: all that the function had in registers and on the stack is then lost.
    .global guarded
guarded:
    adrp    x9, recovery_point
    add     x9, x9, :lo12:recovery_point
    stp     x19, x20, [x9]
    stp     x21, x22, [x9, #16]
    stp     x23, x24, [x9, #32]
    stp     x25, x26, [x9, #48]
    stp     x27, x28, [x9, #64]
    stp     x29, x30, [x9, #80]
    mov     x10, sp
    str     x10, [x9, #96]
    mov     x10, x0
    mov     x0, x1
    blr     x10
    mov     x0, #0
    b       1f
    .global recover
recover:
    mov     x0, #1
1:  adrp    x9, recovery_point
    add     x9, x9, :lo12:recovery_point
    ldp     x19, x20, [x9]
    ldp     x21, x22, [x9, #16]
    ldp     x23, x24, [x9, #32]
    ldp     x25, x26, [x9, #48]
    ldp     x27, x28, [x9, #64]
    ldp     x29, x30, [x9, #80]
    ldr     x10, [x9, #96]
    mov     sp, x10
    ret

    .bss
    .balign 16
recovery_point:
    .skip   112
