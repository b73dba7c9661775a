// EL2 stage 1 of the executor itself: from one map to another, MMU off in between.

    .text
// void switch_map(u64 ttbr0_el2, u64 tcr_el2, u64 mair_el2, u64 sctlr_el2)
//
// Goes over to another map, from any or none. All tables map this code to itself. Between off and on
// nothing is loaded or stored: caches may be off then, and what they hold is not seen.
    .global switch_map
switch_map:
    dsb     ish                     // the tables' last words are visible to the walker
    mrs     x4, sctlr_el2
    mov     x5, #0x1005             // I, C, M
    bic     x4, x4, x5
    msr     sctlr_el2, x4
    isb                             // off before a register is changed that the old map needs
    msr     ttbr0_el2, x0
    msr     tcr_el2, x1
    msr     mair_el2, x2
    isb                             // the registers are there before entries made of them can be
    tlbi    alle2                   // nothing of the old map, and nothing made on the way
    dsb     nsh
    isb
    msr     sctlr_el2, x3
    isb                             // on before the next access
    ret

// void invalidate_lines(u64 from, u64 to)
//
// Invalidates what caches hold of memory that was written while they were off. All of it was cleaned
// at the start, so that there is no dirty line to lose; but a clean one may have been fetched since,
// by speculation or as an instruction, and would hide what was written.
    .global invalidate_lines
invalidate_lines:
    mrs     x2, ctr_el0
    ubfx    x2, x2, #16, #4
    mov     x3, #4
    lsl     x2, x3, x2
    sub     x3, x2, #1
    bic     x0, x0, x3
    dsb     sy                      // what was written is in memory
1:  dc      ivac, x0
    add     x0, x0, x2
    cmp     x0, x1
    b.lo    1b
    dsb     sy
    ret
