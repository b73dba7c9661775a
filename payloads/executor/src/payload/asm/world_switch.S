// World switch: to a case's set-up of EL2, where its probes are asked, and back.
//
//   executor, MMU off --> trampoline [--> MMU on, with the idmap tree; off again] --> MMU on
//                 --> runtime, at its virtual address: the probes
//                 --> exit, at its physical address --> MMU off --> executor
//
// Whatever is needed while the MMU goes on or off is in registers:
//   x1 MAIR  x2 TCR  x3 TTBR0  x4 TTBR1  x5 SCTLR  x6 HCR         of the case
//   x7 TCR  x8 TTBR0                                              of the idmap tree
//   x10 runtime  x11 vectors  x28 probe block                     virtual addresses
//   x13 exit                                                      physical address
//   x14 HCR  x15 TTBR0  x16 TCR  x17 MAIR  x18 VBAR  x19 SCTLR    of the executor
//   x20 the executor's code, its physical address
//   x21 .. x26                                                    what the trampoline has seen
//   x27 phase                                                     see probe_block.S
//   x29 bit 0: there is an idmap tree; bit 1: there is a TTBR1_EL2
// By their _EL2 names registers are the same whatever HCR_EL2.E2H is.

    .text

    // MMU and caches off at EL2, RES1 bits only. Clobbers x0.
    .macro  turn_off
    mov     x0, #{SCTLR_OFF_LOW}
    movk    x0, #{SCTLR_OFF_HIGH}, lsl #16
    msr     sctlr_el2, x0
    isb                             // off before a register is changed that the map needs
    .endm

    // MMU on with the case's SCTLR_EL2, and the TLB empty.
    .macro  turn_on
    isb                             // the registers are there before entries made of them can be
    tlbi    alle2                   // nothing of any map before, in the regime that E2H chooses
    dsb     nsh                     // it has finished
    isb
    msr     sctlr_el2, x5
    isb                             // on before anything else is fetched
    .endm

    // Looks where this is, and under which registers: x21 .. x26.
    .macro  look
    adr     x21, .
    mrs     x22, sctlr_el2
    mrs     x23, tcr_el2
    mrs     x24, ttbr0_el2
    mov     x25, #0
    tbz     x29, #1, 91f
    mrs     x25, S3_4_C2_C0_1       // TTBR1_EL2
91: mrs     x26, hcr_el2
    .endm

    // Writes what was seen to \point of the probe block.
    .macro  write_point point
    stp     x21, x22, [x28, #\point]
    stp     x23, x24, [x28, #\point + 16]
    stp     x25, x26, [x28, #\point + 32]
    .endm

// What lies at the start of each scratch arena. It is copied: nothing in it refers to anything outside.
    .balign 0x1000
    .global world_code
world_code:
    // The trampoline, at its physical address, MMU off.
    mov     x21, #0
    mov     x22, #0
    mov     x23, #0
    mov     x24, #0
    mov     x25, #0
    mov     x26, #0
    msr     mair_el2, x1
    msr     vbar_el2, x11
    msr     hcr_el2, x6
    isb                             // E2H counts for what TCR_EL2 and TLBI mean
    tbz     x29, #1, 1f
    msr     S3_4_C2_C0_1, x4        // TTBR1_EL2
1:  tbz     x29, #0, 2f

    msr     tcr_el2, x7
    msr     ttbr0_el2, x8
    turn_on
    look
    turn_off
    msr     tcr_el2, x2
    msr     ttbr0_el2, x3
    turn_on                         // fetching on from here faults to the runtime's vectors
    br      x10

2:  msr     tcr_el2, x2
    msr     ttbr0_el2, x3
    turn_on
    look
    br      x10

    // The runtime, at its virtual address.
    .global world_runtime
world_runtime:
    mov     x27, #WORKING
    write_point {TRAMPOLINE}
    look
    write_point {RUNTIME}
    ask_block el2, 12
    mov     x27, #LEAVING
    br      x13

    // The exit, at its physical address.
    .global world_exit
world_exit:
    look
    write_point {EXIT}
    dsb     sy                      // all that was stored here is done, whatever it was mapped as
    turn_off
    br      x20

taken:
    cbnz    x27, 1f
    // The runtime is reached by the abort of the trampoline's next fetch.
    add     x4, x28, #{ARRIVAL}
    mov     x0, #OF_PROBE_el2
    write_exception el2
    resume  el2, world_runtime
1:  take_in_world el2

taken_asynchronously:
    mov     x27, #WORKING           // nobody's probe
    b       1b

    .org    world_code + 0x800
    .global world_vectors
world_vectors:
    .irp    entry, taken, taken_asynchronously, taken_asynchronously, taken_asynchronously
    .balign 0x80
    b       \entry                  // current EL, SP_EL0
    .endr
    .irp    entry, taken, taken_asynchronously, taken_asynchronously, taken_asynchronously
    .balign 0x80
    b       \entry                  // current EL, SP_EL2
    .endr
    .rept   8
    .balign 0x80
    b       taken_asynchronously    // lower ELs: nothing runs there
    .endr
    .balign 0x80
    .global world_code_end
world_code_end:

// void world_switch(const ContextBlock *)
//
// Switches to the set-up of the context block, asks, and switches back.
    .global world_switch
world_switch:
    stp     x19, x20, [sp, #-96]!
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    mov     x30, x0
    ldp     x1, x2, [x30]
    ldp     x3, x4, [x30, #16]
    ldp     x5, x6, [x30, #32]
    ldp     x7, x8, [x30, #48]
    ldp     x10, x11, [x30, #64]
    ldp     x28, x13, [x30, #80]
    ldp     x29, x30, [x30, #96]    // flags, trampoline
    mrs     x14, hcr_el2
    mrs     x15, ttbr0_el2
    mrs     x16, tcr_el2
    mrs     x17, mair_el2
    mrs     x18, vbar_el2
    mrs     x19, sctlr_el2
    adr     x20, 1f
    mov     x27, #ENTERING
    dsb     sy                      // tables and probe block were cleaned: they are in memory
    turn_off
    br      x30
    // Back, MMU off. Nothing is loaded or stored until it is on.
1:  msr     hcr_el2, x14
    isb                             // E2H is 0: names of registers and TLBI mean what they say
    msr     ttbr0_el2, x15
    msr     tcr_el2, x16
    msr     mair_el2, x17
    msr     vbar_el2, x18
    isb
    tlbi    alle2                   // nothing of the case's map
    dsb     nsh
    isb
    msr     sctlr_el2, x19
    isb                             // on before the next access
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     x19, x20, [sp], #96
    ret
