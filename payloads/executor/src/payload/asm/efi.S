// From UEFI to Rust: an application's entry (UEFI specification, 2.3.6).

    .text
// Entered at the EL of UEFI, with the MMU and caches on and all memory mapped to itself, on UEFI's stack.
// x0: the image's handle, x1: the system table.
    .global efi_entry
efi_entry:
    stp     x29, x30, [sp, #-32]!
    mov     x29, sp
    stp     x0, x1, [sp, #16]
    bl      relocate
    ldp     x0, x1, [sp, #16]
    bl      efi_main                // comes back with a status when UEFI could not be left
    ldp     x29, x30, [sp], #32
    ret
