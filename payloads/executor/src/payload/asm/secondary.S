// Secondary PEs: from PSCI to Rust at EL2.

    .text
// Entered at EL2 with the MMU off; x0: its per-CPU area, which is in memory.
    .global secondary_entry
secondary_entry:
    msr     daifset, #0xf
    mov     x19, x0
    mov     x0, #{SCTLR_OFF_LOW}
    movk    x0, #{SCTLR_OFF_HIGH}, lsl #16
    msr     sctlr_el2, x0
    isb                             // as the primary PE does it: see start.S
    mov     x0, #{HCR_EL2_EXECUTOR_LOW}
    movk    x0, #{HCR_EL2_EXECUTOR_HIGH}, lsl #16
    msr     hcr_el2, x0
    isb
    tlbi    alle2                   // out of reset it may hold anything
    ic      iallu
    dsb     nsh
    isb
    msr     tpidr_el2, x19
    adrp    x0, secondary_vectors
    add     x0, x0, :lo12:secondary_vectors
    msr     vbar_el2, x0
    // The stack is SP_EL0's, as on the primary PE.
    msr     spsel, #0
    ldr     x0, [x19, #{STACK}]
    mov     sp, x0
    isb
    mov     x29, #0
    mov     x30, #0
    mov     x0, x19
    bl      secondary_boot             // (area): the shortest wait
    mov     x20, x0
    ldp     x0, x1, [x19, #{MAP}]
    ldp     x2, x3, [x19, #{MAP} + 16]
    bl      switch_map
    // What was on the stack was written past the caches: nothing of it is used again.
    ldr     x0, [x19, #{STACK}]
    mov     sp, x0
    mov     x29, #0
    mov     x30, #0
    mov     x0, x19
    mov     x1, x20
    b       secondary_serve            // (area, shortest wait)

// An exception of an AT, while this PE asks: see ask.S, whose x9 to x12 are anybody's. It is recorded in the
// run list, and the asking goes on. Any other is the end.
secondary_taken:
    mrs     x9, elr_el2
    adrp    x10, ask_ats
    add     x10, x10, :lo12:ask_ats
    cmp     x9, x10
    b.lo    secondary_lost
    adrp    x10, ask_ats_end
    add     x10, x10, :lo12:ask_ats_end
    cmp     x9, x10
    b.hs    secondary_lost
    mrs     x10, tpidr_el2
    add     x10, x10, #{RUN_LIST}
    ldr     x11, [x10, #{TAKEN}]
    sub     w12, w4, #1             // the cursor has gone on already
    and     w12, w12, #0xffff
    str     w12, [x11]
    mov     w12, #{OF_PROBE} | 2 << 16
    str     w12, [x11, #4]
    adrp    x12, image_start
    sub     x9, x9, x12
    str     x9, [x11, #32]          // ELR, relative to the image
    mrs     x9, esr_el2
    mrs     x12, far_el2
    stp     x9, x12, [x11, #8]
    mrs     x9, hpfar_el2
    str     x9, [x11, #24]
    mrs     x9, spsr_el2
    str     x9, [x11, #40]
    add     x11, x11, #48
    str     x11, [x10, #{TAKEN}]
    bic     x9, x9, #0xc00          // PSTATE.BTYPE: where it goes on is no branch target
    msr     spsr_el2, x9
    adrp    x9, ask_excepted
    add     x9, x9, :lo12:ask_excepted
    msr     elr_el2, x9
    eret
    dsb     nsh                     // no speculation past the return
    isb

// An exception that is no probe's: the primary PE reports it.
    .global secondary_lost
secondary_lost:
    mrs     x0, tpidr_el2
    mrs     x1, esr_el2
    mrs     x2, elr_el2
    mrs     x3, far_el2
    add     x0, x0, #{LOST}
    stp     x1, x2, [x0]
    str     x3, [x0, #16]
    mov     x1, #1
    add     x0, x0, #24
    stlr    x1, [x0]                // behind what it is about
1:  wfi
    b       1b

    .balign 0x800
secondary_vectors:
    b       secondary_taken         // synchronous, current EL
    .rept   15
    .balign 0x80
    b       secondary_lost
    .endr
    .balign 0x80
