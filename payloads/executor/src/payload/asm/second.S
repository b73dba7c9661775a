// Another PE than the first: from PSCI to Rust at EL2.

    .text
// Entered at EL2 with the MMU off; x0: its seat, which is in memory.
    .global second_entry
second_entry:
    msr     daifset, #0xf
    mov     x19, x0
    mov     x0, #{SCTLR_OFF_LOW}
    movk    x0, #{SCTLR_OFF_HIGH}, lsl #16
    msr     sctlr_el2, x0
    isb                             // as the first PE does it: see start.S
    mov     x0, #{HCR_EL2_HOME_LOW}
    movk    x0, #{HCR_EL2_HOME_HIGH}, lsl #16
    msr     hcr_el2, x0
    isb
    tlbi    alle2                   // out of reset it may hold anything
    ic      iallu
    dsb     nsh
    isb
    msr     tpidr_el2, x19
    adrp    x0, second_vectors
    add     x0, x0, :lo12:second_vectors
    msr     vbar_el2, x0
    // The stack is SP_EL0's, as at home.
    msr     spsel, #0
    ldr     x0, [x19, #{STACK}]
    mov     sp, x0
    isb
    mov     x29, #0
    mov     x30, #0
    mov     x0, x19
    bl      second_boot             // (seat): the shortest wait
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
    b       second_serve            // (seat, shortest wait)

// An exception that is no guest's: the first PE tells of it.
    .global second_lost
second_lost:
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
second_vectors:
    .rept   16
    .balign 0x80
    b       second_lost
    .endr
    .balign 0x80
