// Asking the probes of a probe block: in a case's set-up of EL2, or at EL3.
//
// There is no stack. Throughout:
//   x28 probe block   x1 probe   x2 end   x3 answer   x4 exception   x5 number of the probe   x6 rounds left
//   x27 phase
// and x0, x9 .. x12 and x30 are for anybody.

    // Whose an exception is, and the EL that took it.
    .equ    OF_PROBE_el2, {OF_PROBE} | 2 << 16
    .equ    OF_PROBE_el3, {OF_PROBE} | 3 << 16
    .equ    OF_EXECUTOR_el2, {OF_EXECUTOR} | 2 << 16
    .equ    OF_EXECUTOR_el3, {OF_EXECUTOR} | 3 << 16

    // What x27 says: whose an exception is.
    .equ    ENTERING, 0             // the MMU is being turned on: the runtime is reached by it
    .equ    ASKING, 1               // the probe's
    .equ    WORKING, 2              // our own, and the end
    .equ    LEAVING, 3              // our own, and there is no way out

    // Asks the probes of the probe block at x28, of operations up to \most, and goes on behind it.
    .macro  ask_block el, most
    ldr     x6, [x28, #{ROUNDS}]
6:  ldr     x2, [x28, #{COUNT}]
    ldr     x5, [x28, #{FIRST}]
    add     x1, x28, #{PROBES}
    add     x2, x1, x2, lsl #4
    add     x3, x28, #{ANSWERS}
    add     x4, x28, #{EXCEPTIONS}
1:  cmp     x1, x2
    b.eq    7f
    ldr     x9, [x1]                // address
    ldrb    w10, [x1, #8]           // operation
    cmp     w10, #\most
    b.hi    asked_\el
    mov     x12, #{STORED_TOP}
    orr     x12, x5, x12, lsl #48
    mov     x27, #ASKING
    adr     x11, 2f
    add     x11, x11, w10, uxtw #3
    br      x11
2:  at      s12e1r, x9
    b       3f
    at      s12e1w, x9
    b       3f
    at      s12e0r, x9
    b       3f
    at      s12e0w, x9
    b       3f
    at      s1e2r, x9
    b       3f
    at      s1e2w, x9
    b       3f
    at      s1e1r, x9
    b       3f
    at      s1e1w, x9
    b       3f
    at      s1e0r, x9
    b       3f
    at      s1e0w, x9
    b       3f
    ldr     x0, [x9]
    b       4f
    str     x12, [x9]
    b       5f
    blr     x9
    b       4f
5:  dsb     sy                      // the store has taken whatever exception it takes
    mov     x0, x12
    b       4f
3:  isb                             // PAR_EL1 is written by the AT only as seen after this
    mrs     x0, par_el1
4:  mov     x27, #WORKING
answered_\el:
    str     x0, [x3], #8
    add     x1, x1, #16
    add     x5, x5, #1
    b       1b
7:  subs    x6, x6, #1
    b.hi    6b
asked_\el:
    ldr     x0, [x28, #{FIRST}]
    sub     x0, x5, x0
    str     x0, [x28, #{ASKED}]
    add     x0, x28, #{EXCEPTIONS}
    sub     x0, x4, x0
    str     x0, [x28, #{EXCEPTION_BYTES}]
    .endm

    // Writes an exception to where x4 points; w0 says whose it is, and who took it.
    .macro  write_exception el
    stp     w5, w0, [x4]
    mrs     x0, esr_\el
    mrs     x9, far_\el
    stp     x0, x9, [x4, #8]
    mrs     x0, hpfar_el2
    mrs     x9, elr_\el
    stp     x0, x9, [x4, #24]
    mrs     x0, spsr_\el
    str     x0, [x4, #40]
    .endm

    // Goes on at \label as the interrupted code would: with its PSTATE, but for PSTATE.BTYPE, since
    // \label is no branch target.
    .macro  resume el, label
    mrs     x9, spsr_\el
    bic     x9, x9, #0xc00
    msr     spsr_\el, x9
    adr     x9, \label
    msr     elr_\el, x9
    eret
    dsb     nsh                     // no speculation past the return
    isb
    .endm

    // An exception was taken while the phase was not ENTERING.
    .macro  take_in_world el
    cmp     x27, #ASKING
    b.ne    1f
    mov     x0, #OF_PROBE_\el
    write_exception \el
    add     x4, x4, #48
    movz    x0, #{NO_ANSWER_TOP}, lsl #48
    mov     x27, #WORKING
    resume  \el, answered_\el
1:  cmp     x27, #LEAVING
    b.eq    2f
    mov     x27, #LEAVING           // the next one is the last
    movz    x0, #{OF_EXECUTOR}
    movk    x0, #OF_EXECUTOR_\el >> 16, lsl #16
    write_exception \el
    add     x4, x4, #48
    resume  \el, asked_\el
    // There is no way back that is known to work: whoever watches notices.
2:  wfi
    b       2b
    .endm
