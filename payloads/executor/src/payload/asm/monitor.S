// The monitor: EL3 asks about a set-up of EL2 that EL2 itself could not live in.
//
// EL3's MMU is off. It reads and writes memory past the caches, and the probe block alone: the executor
// cleans and invalidates its lines before and after.

    .text
    .balign 0x800
    .global monitor_vectors
monitor_vectors:
    .irp    entry, monitor_taken, monitor_lost, monitor_lost, monitor_lost
    .balign 0x80
    b       \entry                  // current EL, SP_EL0
    .endr
    .irp    entry, monitor_taken, monitor_lost, monitor_lost, monitor_lost
    .balign 0x80
    b       \entry                  // current EL, SP_EL3
    .endr
    .irp    entry, monitor_called, monitor_lost, monitor_lost, monitor_lost
    .balign 0x80
    b       \entry                  // lower EL, AArch64
    .endr
    .rept   4
    .balign 0x80
    b       monitor_lost            // lower EL, AArch32
    .endr
    .balign 0x80

monitor_taken:
    take_in_world el3

    // Nothing that could be survived is routed here.
monitor_lost:
    wfi
    b       monitor_lost

    // x0: see `monitor`. All registers are the caller's to save.
monitor_called:
    mov     x27, #LEAVING           // no exception but a probe's is survived
    mrs     x9, esr_el3
    lsr     x9, x9, #26
    cmp     x9, #0x17               // SMC, AArch64
    b.ne    monitor_lost
    // An exception of a probe writes these.
    mrs     x13, elr_el3
    mrs     x14, spsr_el3
    mrs     x15, mair_el2
    mrs     x16, tcr_el2
    mrs     x17, ttbr0_el2
    mrs     x18, sctlr_el2
    mrs     x19, hcr_el2
    ldp     x1, x2, [x0]
    ldp     x3, x4, [x0, #16]
    ldp     x5, x6, [x0, #32]
    ldr     x28, [x0, #80]
    ldr     x29, [x0, #96]
    msr     mair_el2, x1
    msr     tcr_el2, x2
    msr     ttbr0_el2, x3
    msr     sctlr_el2, x5
    msr     hcr_el2, x6
    tbz     x29, #1, 1f
    mrs     x20, S3_4_C2_C0_1       // TTBR1_EL2
    msr     S3_4_C2_C0_1, x4
1:  isb                             // E2H counts for what TLBI means
    tlbi    alle2                   // nothing that was made of other registers
    dsb     nsh
    isb
    ask_block el3, 9
    msr     mair_el2, x15
    msr     tcr_el2, x16
    msr     ttbr0_el2, x17
    msr     sctlr_el2, x18
    msr     hcr_el2, x19
    tbz     x29, #1, 1f
    msr     S3_4_C2_C0_1, x20       // TTBR1_EL2
1:  isb
    tlbi    alle2                   // nothing that was made of the case's
    dsb     sy                      // and what was written to the probe block is there
    msr     elr_el3, x13
    msr     spsr_el3, x14
    isb
    eret
    dsb     nsh                     // no speculation past the return
    isb

// void monitor(const ContextBlock *)
//
// Has EL3 ask the probes of the probe block. The context block lies in memory, not in caches alone.
    .global monitor
monitor:
    stp     x19, x20, [sp, #-96]!
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    smc     #0
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     x19, x20, [sp], #96
    ret
