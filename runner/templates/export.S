// One question to the MMU, and what the Arm architecture (DDI 0487) allows as its answer.
//
{% for line in about %}//{% if !line.is_empty() %} {{ line }}{% endif %}
{% endfor %}//
// asked:    {{ question.words }}
{% for line in expected %}// expected: {{ line }}
{% endfor %}//
// It says on a PL011 what it asks and what was observed, and then
//
//   PASS    this is allowed
//   FAIL    this is not allowed
//   BROKEN  the question could not be asked as it is meant: this tells nothing
//
// and turns the machine off. To build and to run it, see the Makefile{% if board.is_qemu() %}, or type
//
//   aarch64-linux-gnu-as -o case.o case.S && aarch64-linux-gnu-ld -Ttext={{ board.load() }} -e _start -o case.elf case.o
//   {{ board.command() }}{% endif %}
//
// On another machine there must be RAM where the tables are (`memory`), a PL011 at UART, and a loader that enters the program
// at {% if board.is_el3 %}EL3{% else %}EL2{% endif %} as the one of Linux does: MMU off, and the program itself in memory, not in caches alone.
//
// --- the tables ---------------------------------------------------------------------------------
//
{% for line in scene.drawing %}// {{ line }}
{% endfor %}//
// --- the walk by the architecture, with the function of the pseudocode that decides each step ---------
//
{% for line in walk %}// {{ line }}
{% endfor %}
        .equ    UART, {{ board.uart() }}
        .equ    SYSTEM_OFF, 0x84000008          // PSCI
        .equ    SCTLR_OFF, 0x30c50830           // M, C and I are 0; what is RES1 is 1
        .equ    HCR_OWN, 1 << 31                // RW: EL1 is AArch64. No stage 2, and E2H is 0
        .equ    DONE, 0x100                     // BRK of a guest that is done; its vectors have BRK of their numbers

        .macro  set register, value
        ldr     x0, =\value
        msr     \register, x0
        .endm

        // Says \text. Clobbers x0 to x3 and x30.
        .macro  say text
        adr     x0, 8f
        bl      puts
        b       9f
8:      .asciz  "\text"
        .balign 4
9:
        .endm

        // Says \text and the number in \register. Clobbers x0 to x4 and x30.
        .macro  tell text, register
        say     "\text"
        mov     x0, \register
        bl      puthex
        .endm

        .macro  new_line
        adr     x0, newline
        bl      puts
        .endm

        // Zeroes a register that exists where the field at \lsb of \id is not 0.
        .macro  clear_if id, lsb, register:vararg
        mrs     x0, \id
        ubfx    x0, x0, #\lsb, #4
        cbz     x0, 9f
        msr     \register, xzr
9:
        .endm

        .arch   armv8.2-a
        .arch_extension lse
        .text
        .global _start
_start:
        msr     daifset, #0xf
        mov     x28, #0
        mrs     x1, CurrentEL
        lsr     x1, x1, #2
{% if board.is_el3 %}        cmp     x1, #3
        b.eq    at_el3
{% endif %}{% if !question.is_monitor() %}        cmp     x1, #2
        b.eq    at_el2
{% endif %}        mov     x20, x1
        tell    "BROKEN: it is to be entered at EL{% if board.is_el3 %}3{% else %}2{% endif %}, and was at EL ", x20
        new_line
        cmp     x20, #1
        b.ne    off
        ldr     w0, =SYSTEM_OFF                 // SMC is not EL1's
        hvc     #0
        b       .
{% if board.is_el3 %}
// EL3 lets EL2 and EL1 do all that a case needs, and stays behind. Its bits that would let EL2 use TCR2_EL2, HCRX_EL2,
// fine-grained traps and the like stay 0: those registers then count as 0. What is fetched at EL3 is fetched by Secure
// addresses: they must lead to the same memory. Nothing is stored there.
at_el3:
        set     sctlr_el3, SCTLR_OFF
        isb
        set     scr_el3, 0x531                  // RW, HCE, RES1, NS
        msr     cptr_el3, xzr
        msr     mdcr_el3, xzr
        adr     x0, el3_vectors
        msr     vbar_el3, x0
        set     sctlr_el2, SCTLR_OFF
        set     hcr_el2, HCR_OWN
        adr     x0, at_el2
        msr     elr_el3, x0
        set     spsr_el3, 0x3c9                 // EL2h, DAIF masked
        isb
        eret
{% endif %}
at_el2:
        set     sctlr_el2, SCTLR_OFF
        isb                                     // the MMU is off before E2H changes what its registers mean
        set     hcr_el2, HCR_OWN
        isb                                     // E2H is 0: from here on *_EL1 names are EL1's
        msr     spsel, #1
        adr     x0, vectors
        msr     vbar_el2, x0
        isb
        mrs     x0, hcr_el2
        tbz     x0, #34, 1f
        say     "BROKEN: HCR_EL2.E2H can't be 0 here\n"
        b       off
1:
// --- what the answer depends on -----------------------------------------------------------------
// What is allowed was worked out for the PE that is named above. \values has a bit for each value of a field of an ID
// register by which the same is allowed.

        .macro  need name, register, lsb, values
        mrs     x20, \register
        ubfx    x20, x20, #\lsb, #4
        mov     x0, #\values
        lsr     x0, x0, x20
        tbnz    x0, #0, 7f
        tell    "BROKEN: another answer is allowed on this PE, or it lacks what is used: \name is ", x20
        new_line
        b       off
7:
        .endm

{% for need in needs %}        need    {{ need.name }}, {{ need.register }}, {{ need.lsb }}, {{ need.mask() }}
{% endfor %}
// --- registers that a loader may have left in any state -----------------------------------------

        mrs     x0, id_aa64mmfr1_el1
        ubfx    x0, x0, #20, #4
        cbz     x0, 1f
        msr     pan, #0                         // PSTATE.PAN counts at EL2 where E2H is 1
1:      mrs     x0, mdcr_el2
        and     x0, x0, #0x1f                   // HPMN: not every number is allowed
        orr     x0, x0, #1 << 8                 // TDE: BRK goes to EL2, from wherever it is executed
        msr     mdcr_el2, x0
        msr     mdscr_el1, xzr
        msr     amair_el1, xzr
        msr     amair_el2, xzr
        msr     contextidr_el1, xzr
{% if !board.is_el3 %}        clear_if id_aa64mmfr0_el1, 56, S3_4_C1_C1_4     // HFGRTR_EL2
        clear_if id_aa64mmfr0_el1, 56, S3_4_C1_C1_5     // HFGWTR_EL2
        clear_if id_aa64mmfr0_el1, 56, S3_4_C1_C1_6     // HFGITR_EL2: AT and DC of guests
        clear_if id_aa64mmfr1_el1, 40, S3_4_C1_C2_2     // HCRX_EL2
        clear_if S3_0_C0_C7_3, 0, S3_4_C2_C0_3          // TCR2_EL2
        clear_if S3_0_C0_C7_3, 0, S3_0_C2_C0_3          // TCR2_EL1
        clear_if S3_0_C0_C7_3, 4, S3_4_C1_C0_3          // SCTLR2_EL2
        clear_if S3_0_C0_C7_3, 4, S3_0_C1_C0_3          // SCTLR2_EL1
{% endif %}
// --- memory -------------------------------------------------------------------------------------
// The MMU is off: stores go past the caches, to where a walk of any cacheability finds them once no cache holds the same
// memory. Whatever a loader left in caches goes first, or it could be written back over what is stored here; and again
// afterwards, since lines may have been fetched meanwhile.

        bl      sweep_memory
        adr     x20, cleared                    // the tables: all zero
1:      ldp     x0, x1, [x20], #16
        cbz     x1, 3f
2:      stp     xzr, xzr, [x0], #16
        cmp     x0, x1
        b.ne    2b
        b       1b
3:      adr     x20, tables                     // and their descriptors
4:      ldp     x0, x1, [x20], #16
        cbz     x0, 5f
        str     x1, [x0]
        b       4b
5:      adr     x20, tags                       // data: each word holds its own address, by which a load tells where it went
6:      ldp     x0, x1, [x20], #16
        cbz     x1, 8f
7:      str     x0, [x0]
        add     x0, x0, #8
        cmp     x0, x1
        b.ne    7b
        b       6b
8:
{% if question.is_fetch %}
        .macro  move_address instruction, lsb   // MOVZ or MOVK of 16 bits of the address to x0
        ubfx    x4, x0, #\lsb, #16
        ldr     w3, =\instruction
        orr     w3, w3, w4, lsl #5
        str     w3, [x2], #4
        .endm

        adr     x20, slots                      // code that returns its own address, every 32 bytes
1:      ldp     x0, x1, [x20], #16
        cbz     x1, 3f
2:      mov     x2, x0
        ldr     w3, =0xd503245f                 // BTI c
        str     w3, [x2], #4
        move_address 0xd2800000, 0
        move_address 0xf2a00000, 16
        move_address 0xf2c00000, 32
        move_address 0xf2e00000, 48
        ldr     w3, =0xd65f03c0                 // RET
        str     w3, [x2]
        add     x0, x0, #32
        cmp     x0, x1
        b.ne    2b
        b       1b
3:
{% endif %}{% if question.is_guest() %}
        ldr     x0, ={{ scene.guest.pa() }} + {{ question.piece() }}  // the guest's code: the question, and its vectors
        adr     x1, guest_code
        adr     x2, guest_code_end
        bl      copy
        ldr     x0, ={{ scene.guest.pa() }} + 0x800
        adr     x1, guest_vectors
        adr     x2, guest_vectors_end
        bl      copy
{% endif %}{% if question.is_world() %}
        .irp    place, {{ scene.trampoline() }}, {{ scene.world.pa() }}, {{ scene.exit() }}
        ldr     x0, =\place                     // the code that turns the MMU on, asks, and turns it off
        adr     x1, world_code
        adr     x2, world_code_end
        bl      copy
        .endr
{% endif %}
        bl      sweep_memory
        ic      iallu                           // nothing that was fetched there before is executed
        dsb     sy
        isb

// --- registers ----------------------------------------------------------------------------------
// EL1's while E2H is 0: otherwise these names would be EL2's. What turns translation on comes last, stage 2 before
// stage 1, so that no walk is made meanwhile that would go astray; and nothing is left in TLBs that was made of registers as
// they were in between.

{% for register in scene.registers.el1 %}{{ register.set() }}
{% endfor %}        isb
{% if question.is_of_el2() || question.is_guest() %}{{ scene.registers.hcr_el2.set() }}
        isb
{% endif %}{{ scene.registers.sctlr_el1.set() }}
        isb
        dsb     sy
        tlbi    alle1
        tlbi    alle2
        dsb     sy
        isb

// --- the question -------------------------------------------------------------------------------
// x9 the address, x12 what is stored, x11 how often an exclusive is tried, x0 the answer. What comes of it is in
//
//   x19 kind: 0 done, 1 exception taken to EL1, 2 to EL2, 3 to EL3
//   x20 the answer, or ESR_ELx   x21 FAR_ELx   x22 HPFAR_EL2   x23 ELR_ELx   x24 SPSR_ELx

        say     "asked: {{ question.words }}\n"
        mov     x19, #0
        mov     x21, #0
        mov     x22, #0
        mov     x23, #0
        mov     x24, #0
        ldr     x9, ={{ question.address() }}
        ldr     x12, ={{ question.stored() }}
        mov     x11, #{{ question.tries() }}
{% if question.is_guest() %}
        set     vbar_el1, {{ scene.guest.va() }} + 0x800
        ldr     x25, ={{ scene.guest.va() }} + {{ question.piece() }}
        msr     elr_el2, x25
        set     spsr_el2, {{ question.spsr() }}
        mov     x0, x9
        isb
        eret
        dsb     nsh                             // no speculation past the return
        isb
{% elif question.is_world() %}
// The way there and back:
//
//   MMU off, here --> trampoline --M--> trampoline, where it is mapped to itself --> question, at its virtual address
//   MMU off, here <------------------------------ M --- exit, which is mapped to itself <---+

{{ scene.registers.sctlr_el2.comment() }}
        ldr     x5, ={{ scene.registers.sctlr_el2.value() }}
        ldr     x6, =SCTLR_OFF
        ldr     x7, ={{ scene.trampoline() }}
        ldr     x25, ={{ scene.world.va() }}
        adr     x1, world_code
        adr     x2, question
        adr     x3, world_exit
        sub     x2, x2, x1
        sub     x3, x3, x1
        add     x10, x25, x2                    // the question, by its virtual address
        ldr     x13, ={{ scene.exit() }}
        add     x13, x13, x3
        adr     x14, world_back
        add     x4, x25, #0x800                 // its vectors
        mov     x25, x10
        mov     x27, #0                         // phase: 0 on the way, 1 asking, 2 on the way back
{{ scene.registers.hcr_el2.set() }}
        isb                                     // E2H is there before TCR_EL2, whose layout it chooses
{% for register in scene.registers.el2 %}{{ register.set() }}
{% endfor %}        msr     vbar_el2, x4                    // from here on an exception is the case's
        mov     x0, x9
        isb
        tlbi    alle2                           // of the regime that E2H chooses
        dsb     sy
        isb
        br      x7
world_back:
        set     hcr_el2, HCR_OWN
        isb                                     // E2H is 0 again
        adr     x1, vectors
        msr     vbar_el2, x1
        isb
        cbz     x19, judge
        b       check_return
{% elif question.is_monitor() %}
        adr     x25, question
        mov     x0, #0                          // no function of PSCI: see el3_called
        smc     #0
        cbz     x19, judge
        b       check_return
{% else %}
        adr     x25, question
        mov     x0, x9
question:
{% for line in question.instructions %}        {{ line }}
{% endfor %}question_end:
        mov     x20, x0
        b       judge
{% endif %}
// --- exceptions ---------------------------------------------------------------------------------

        .macro  take el, kind                   // what an exception says that was taken to \el
        mov     x19, #\kind
        mrs     x20, esr_\el
        mrs     x21, far_\el
        mrs     x23, elr_\el
        mrs     x24, spsr_\el
        .endm

{% if question.is_guest() %}
lower:                                          // taken to EL2, from the guest
        mrs     x1, esr_el2
        lsr     x2, x1, #26
        cmp     x2, #0x3c                       // BRK
        b.ne    1f
        and     x2, x1, #0xffff
        cmp     x2, #DONE
        mov     x20, x0
        b.eq    judge
        take    el1, 1                          // it comes from the guest's vectors
        b       check_return
1:      take    el2, 2
        mrs     x22, hpfar_el2
        b       check_return
{% endif %}
own:                                            // taken to EL2, of this program
        take    el2, 2
        mrs     x22, hpfar_el2
{% if !question.is_of_el2() %}        b       elsewhere
{% endif %}
// Is it the question that took the exception? x25: where it is executed.
check_return:
        sub     x1, x23, x25
        adr     x2, question
        adr     x3, question_end
        sub     x3, x3, x2
        cmp     x1, x3
        b.hs    1f
        ubfx    x1, x20, #27, #5
        cmp     x1, #0x10                       // Instruction Abort, of a lower EL or of this one
        b.eq    not_found
        b       judge
1:
{% if question.is_fetch %}        eor     x1, x23, x25
        lsr     x1, x1, #12
        cbnz    x1, judge                       // it is that of the code that was called
{% endif %}
elsewhere:
        mov     x28, #1
        say     "BROKEN: an exception that is not the question's"
        b       1f
not_found:
        mov     x28, #1
        say     "BROKEN: the code that asks can't be fetched"
1:      tell    ": ESR ", x20
        tell    ", FAR ", x21
        tell    ", ELR ", x23
        new_line
        b       off

// --- the judgement ------------------------------------------------------------------------------

judge:
        set     hcr_el2, HCR_OWN
        isb
        dsb     sy                              // what was stored is done
        bl      sweep_memory                    // and in memory, past what caches hold
        tell    "observed: kind ", x19
        cbnz    x19, 1f
        tell    ", answer ", x20
        b       2f
1:      tell    ", ESR ", x20
        tell    ", FAR ", x21
        tell    ", HPFAR ", x22
        tell    ", ELR ", x23
        tell    ", SPSR ", x24
2:      new_line

// Words of tables and data that are not as they were: their addresses in `changes`, up to x27.
        adr     x27, changes
        adr     x25, tables
1:      ldp     x0, x1, [x25], #16
        cbz     x0, 2f
        bl      note_change
        b       1b
2:      adr     x25, tags
3:      ldp     x5, x6, [x25], #16
        cbz     x6, 5f
4:      mov     x0, x5
        mov     x1, x5
        bl      note_change
        add     x5, x5, #8
        cmp     x5, x6
        b.ne    4b
        b       3b
5:
// One outcome after the other: kind, registers, each word that it names, and no other word that is not as it was.
        adr     x25, allowed
next_outcome:
        ldp     x0, x26, [x25], #16             // kind, and how many words
        cmn     x0, #1
        b.eq    not_allowed
        eor     x3, x0, x19
        .irp    found, x20, x21, x22, x23, x24
        ldp     x1, x2, [x25], #16              // mask and value
        and     x1, x1, \found
        eor     x1, x1, x2
        orr     x3, x3, x1                      // 0 as long as all is as it is to be
        .endr
        mov     x6, x25
        mov     x0, #24
        madd    x25, x26, x0, x25               // the next one
1:      cmp     x6, x25
        b.eq    2f
        ldp     x0, x1, [x6], #16               // address, mask, value
        ldr     x2, [x6], #8
        ldr     x4, [x0]
        and     x4, x4, x1
        eor     x4, x4, x2
        orr     x3, x3, x4
        b       1b
2:      cbnz    x3, next_outcome
        adr     x5, changes
3:      cmp     x5, x27
        b.eq    is_allowed
        ldr     x0, [x5], #8
        mov     x1, #24
        msub    x6, x26, x1, x25
4:      cmp     x6, x25
        b.eq    next_outcome
        ldr     x1, [x6], #24
        cmp     x0, x1
        b.ne    4b
        b       3b

is_allowed:
        say     "PASS: this is allowed\n"
        b       off
not_allowed:
{% for outcome in allowed %}        say     "expected: {{ outcome.in_words() }}\n"
{% endfor %}        say     "FAIL: this is not allowed\n"
off:
        ldr     w0, =SYSTEM_OFF
        smc     #0
1:      wfi
        b       1b

// --- what it works with -------------------------------------------------------------------------

// Cleans and invalidates all that is set up, to the point of coherency. Clobbers x0 to x5.
sweep_memory:
        dsb     sy
        mrs     x2, ctr_el0
        ubfx    x2, x2, #16, #4                 // DminLine: log2 of words in a line
        mov     x3, #4
        lsl     x2, x3, x2
        sub     x3, x2, #1
        adr     x4, memory
1:      ldp     x0, x1, [x4], #16
        cbz     x1, 3f
        bic     x0, x0, x3
2:      dc      civac, x0
        add     x0, x0, x2
        cmp     x0, x1
        b.lo    2b
        b       1b
3:      dsb     sy
        ret

// To x0, from x1 to x2.
copy:
        ldr     w3, [x1], #4
        str     w3, [x0], #4
        cmp     x1, x2
        b.lo    copy
        ret

// Notes and tells the word at x0, where it is no longer x1. Keeps x5 and x6.
note_change:
        ldr     x7, [x0]
        cmp     x7, x1
        b.ne    1f
        ret
1:      adr     x1, changes_end
        cmp     x27, x1
        b.eq    2f                              // those that are noted are too many already
        str     x0, [x27], #8
2:      mov     x8, x0
        mov     x29, x30
        tell    "changed:  [", x8
        tell    "] is ", x7
        new_line
        ret     x29

puts:
        ldr     x1, =UART
1:      ldrb    w2, [x0], #1
        cbz     w2, 3f
2:      ldr     w3, [x1, #0x18]                 // UARTFR.TXFF
        tbnz    w3, #5, 2b
        str     w2, [x1]
        b       1b
3:      ret

puthex:
        ldr     x1, =UART
        mov     x4, #60
1:      lsr     x2, x0, x4
        and     x2, x2, #0xf
        cmp     x2, #10
        add     x3, x2, #'0'
        add     x2, x2, #'a' - 10
        csel    x2, x3, x2, lo
2:      ldr     w3, [x1, #0x18]
        tbnz    w3, #5, 2b
        str     w2, [x1]
        subs    x4, x4, #4
        b.ge    1b
        ret

        .balign 0x800
vectors:
        .rept   8
        .balign 0x80
        cbnz    x28, .                          // not even that it is broken can be said
        b       own
        .endr
        .rept   8
        .balign 0x80
        b       {% if question.is_guest() %}lower{% else %}own{% endif %}
        .endr
        .balign 0x80
{% if question.is_guest() %}
guest_code:
question:
{% for line in question.instructions %}        {{ line }}
{% endfor %}question_end:
        brk     #DONE
guest_code_end:
guest_vectors:
        .irp    number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        brk     #\number
        .space  0x7c
        .endr
guest_vectors_end:
{% endif %}{% if question.is_world() %}
        .balign 0x800
world_code:                                     // the trampoline
        msr     sctlr_el2, x5
        isb                                     // the MMU is on before anything else is fetched
        br      x10
question:
        mov     x27, #1
{% for line in question.instructions %}        {{ line }}
{% endfor %}question_end:
        mov     x20, x0
        mov     x27, #2
        br      x13
world_exit:
        dsb     sy
        msr     sctlr_el2, x6
        isb                                     // the MMU is off
        br      x14
        .balign 0x800
        .rept   16
        .balign 0x80
        cmp     x27, #1
        b.hi    .                               // on the way back: there is none
        b.eq    1f
        br      x10                             // on the way: the trampoline is not mapped to itself
1:      take    el2, 2
        mrs     x22, hpfar_el2
        mov     x27, #2
        br      x13
        .endr
        .balign 0x80
world_code_end:
{% endif %}{% if board.is_el3 %}
// --- EL3 ----------------------------------------------------------------------------------------

        .balign 0x800
el3_vectors:
        .rept   8
        .balign 0x80
        b       {% if question.is_monitor() %}el3_own{% else %}.{% endif %}
        .endr
        .rept   8
        .balign 0x80
        b       el3_called
        .endr
        .balign 0x80

el3_called:
        ldr     w1, =SYSTEM_OFF
        cmp     x0, x1
        b.eq    el3_off
{% if question.is_monitor() %}        mrs     x14, elr_el3                    // an exception of the question writes these
        mrs     x15, spsr_el3
{{ scene.registers.hcr_el2.set() }}
        isb                                     // E2H is there before TCR_EL2, whose layout it chooses
{% for register in scene.registers.el2 %}{{ register.set() }}
{% endfor %}{{ scene.registers.sctlr_el2.set() }}
        isb
        tlbi    alle2                           // of the regime that E2H chooses
        dsb     sy
        isb
question:
{% for line in question.instructions %}        {{ line }}
{% endfor %}question_end:
        mov     x20, x0
el3_back:
        set     sctlr_el2, SCTLR_OFF
        isb
        set     hcr_el2, HCR_OWN
        isb
        tlbi    alle2                           // nothing is left that was made of the case's registers
        dsb     sy
        msr     elr_el3, x14
        msr     spsr_el3, x15
        isb
        eret
        dsb     nsh                             // no speculation past the return
        isb

el3_own:
        take    el3, 3
        b       el3_back
{% else %}        b       .
{% endif %}
el3_off:                                        // by semihosting: whoever has none waits here
        adr     x1, 1f
        mov     x0, #0x18                       // SYS_EXIT
        hlt     #0xf000
        b       .
        .balign 8
1:      .quad   0x20026, 0                      // ADP_Stopped_ApplicationExit
{% endif %}
        .ltorg

// --- data ---------------------------------------------------------------------------------------

        .balign 16
memory:                                         // all that is set up: first address, and one behind the last
{% for line in self::quads(&scene.memory()) %}        .quad   {{ line }}
{% endfor %}        .quad   0, 0
cleared:                                        // the tables, likewise
{% for line in self::quads(scene.cleared) %}        .quad   {{ line }}
{% endfor %}        .quad   0, 0
tables:                                         // physical address, descriptor
{% for line in self::quads(scene.words) %}        .quad   {{ line }}
{% endfor %}        .quad   0, 0
tags:                                           // data: first address, and one behind the last
{% for line in self::quads(scene.tags) %}        .quad   {{ line }}
{% endfor %}        .quad   0, 0
{% if question.is_fetch %}slots:                                          // code that is called, likewise
{% for line in self::quads(scene.slots) %}        .quad   {{ line }}
{% endfor %}        .quad   0, 0
{% endif %}
// Each outcome that is allowed: kind, number of words; mask and value of x20 to x24; and of each word that is then not as it
// was, or may be, its address, a mask, and its value.
allowed:
{% for outcome in allowed %}        // {{ outcome.in_words() }}
{% for line in outcome.lines() %}        .quad   {{ line }}
{% endfor %}{% endfor %}        .quad   -1, 0

        .balign 8
changes:
        .space  8 * 32
changes_end:
newline:
        .asciz  "\n"
