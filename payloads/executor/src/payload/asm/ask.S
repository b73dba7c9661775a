// The probes of a case, one after the other: the hot loop.
//
// u64 *ask(Probe *probe, Probe *end, u64 *answer, u64 *cursor, u64 here)
//
// Returns the first probe that it did not ask: `end`, or one whose operation is not an AT instruction of
// the EL1&0 regime. Registers: x0 probe, x1 end, x2 answer, x3 cursor word, x4 its value.
//
// The cursor is stored before the probe is asked. Nothing orders the store against the AT: program
// order is all that a PE needs which stops for ever in the AT, since its stores still drain.

    .text
    .global ask
ask:
    cmp     x0, x1
    b.eq    9f
1:  ldrb    w10, [x0, #8]           // operation
    ldr     x9, [x0]                // address
    str     x4, [x3]
    cmp     w10, #3
    b.hi    7f
    add     x4, x4, #1
    tbnz    w10, #1, 3f
    tbnz    w10, #0, 2f

    // An exception whose ELR lies between these two labels is the probe's own.
    .global ask_ats
ask_ats:
    at      s12e1r, x9
    b       5f
2:  at      s12e1w, x9
    b       5f
3:  tbnz    w10, #0, 4f
    at      s12e0r, x9
    b       5f
4:  at      s12e0w, x9
    b       5f
    // The less frequent ones: numbers 6 to 9, and two more.
7:  sub     w11, w10, #6
    cmp     w11, #3
    b.hi    8f
    add     x4, x4, #1
    adr     x12, 71f
    add     x12, x12, w11, uxtw #3
    br      x12
71: at      s1e1r, x9
    b       5f
    at      s1e1w, x9
    b       5f
    at      s1e0r, x9
    b       5f
    at      s1e0w, x9
    b       5f
8:  sub     w11, w10, #{AT_S1E1RP}
    cmp     w11, #1
    b.hi    9f
    add     x4, x4, #1
    cbnz    w11, 81f
    sys     #0, c7, c9, #0, x9      // AT S1E1RP
    b       5f
81: sys     #0, c7, c9, #1, x9      // AT S1E1WP
    .global ask_ats_end
ask_ats_end:

5:  isb                             // PAR_EL1 is written by the AT only as seen after this
    mrs     x9, par_el1
6:  str     x9, [x2], #8
    add     x0, x0, #16
    cmp     x0, x1
    b.ne    1b
9:  ret

    // Where the exception handler goes on after a probe's own exception.
    .global ask_excepted
ask_excepted:
    movz    x9, #{NO_ANSWER_TOP}, lsl #48
    b       6b
