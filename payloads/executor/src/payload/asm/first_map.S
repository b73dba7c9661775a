// The executor's first map, tried with care: where it fails, the MMU is off again.

    .text
// u64 try_map(const MapRegisters *map, const Witness *first, const Witness *end, MapFault *fault)
//
// Turns the MMU on, from off, and reads the witnesses by the map; those that may be written are written what
// they hold, and cleaned. Returns 0 where all are as they should be. Otherwise the MMU is off as before, `fault`
// tells why, and 1 is returned for an exception, 2 for memory that is not the witness's.
//
// Nothing is stored but what is there already: what caches hold of it afterwards may be thrown away.
//
//   x7 SCTLR_EL2 of the map   x14 DAIF   x15 VBAR_EL2   x16 SCTLR_EL2 before   all of them, and x30, in no memory
    .global try_map
try_map:
    ldp     x4, x5, [x0]            // TTBR0_EL2, TCR_EL2
    ldp     x6, x7, [x0, #16]       // MAIR_EL2, SCTLR_EL2
    mrs     x14, daif
    mrs     x15, vbar_el2
    mrs     x16, sctlr_el2
    adrp    x8, trial_vectors
    add     x8, x8, :lo12:trial_vectors
    msr     vbar_el2, x8
    dsb     ish                     // the tables' last words are visible to the walker
    msr     ttbr0_el2, x4
    msr     tcr_el2, x5
    msr     mair_el2, x6
    isb                             // the registers are there before entries made of them can be
    tlbi    alle2
    dsb     nsh
    isb
    msr     sctlr_el2, x7
    isb                             // on before the next access
1:  cmp     x1, x2
    b.hs    3f
    ldp     x9, x10, [x1], #16      // where, and what is there
    ldr     x11, [x1], #8           // whether it may be written
    ldr     x12, [x9]
    cmp     x12, x10
    b.ne    2f
    cbz     x11, 1b
    str     x12, [x9]
    dc      civac, x9
    dsb     sy
    b       1b
2:  mov     x0, #2
    mov     x8, #0
    mov     x13, #0
    b       4f
3:  msr     vbar_el2, x15
    isb
    mov     x0, #0
    ret

trial_taken:
    mov     x0, #1
    mrs     x8, esr_el2
    mrs     x13, elr_el2
    mrs     x9, far_el2
4:  msr     sctlr_el2, x16
    isb                             // off before anything is stored
    tlbi    alle2                   // nothing of the map
    dsb     nsh
    msr     vbar_el2, x15
    // As before the exception, without a return from it: what it masked is what it masks again.
    msr     spsel, #0
    msr     daif, x14
    isb
    stp     x8, x13, [x3]
    str     x9, [x3, #16]
    ret

    .balign 0x800
trial_vectors:
    .rept   16
    .balign 0x80
    b       trial_taken
    .endr
    .balign 0x80
