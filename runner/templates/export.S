// One question to the MMU, and what the Arm architecture (DDI 0487) allows as its answer.
//
{% for line in about %}// {{ line }}
{% endfor %}//
// asked:    {{ question.words }}
{% for line in expected %}// expected: {{ line }}
{% endfor %}//
// It is entered at EL2 with the MMU off, says PASS or FAIL on a PL011, and turns the machine off by PSCI. `make run`
// builds and runs it on QEMU. On a board: there must be RAM where the tables are (see `tables`), a PL011 at UART, and
// PSCI by SMC.

        .equ    UART, 0x09000000
        .equ    SYSTEM_OFF, 0x84000008
        .equ    HCR_EL2_RW, 0x80000000
        .equ    SCTLR_EL2_OFF, 0x30c50830
        .equ    MDCR_EL2_TDE, 1 << 8            // BRK goes to EL2, from wherever it is executed
        .equ    DONE, 0x100                     // BRK of a guest that is done; those of its vectors are below

        .macro  set register, value
        ldr     x0, =\value
        msr     \register, x0
        .endm

        .arch   armv8.2-a
        .text
        .global _start
_start:
        msr     daifset, #0xf
        set     sctlr_el2, SCTLR_EL2_OFF
        set     hcr_el2, HCR_EL2_RW
        isb
        adr     x0, stack
        mov     sp, x0
        adr     x0, vectors
        msr     vbar_el2, x0
        isb

// --- memory -------------------------------------------------------------------------------------
// The MMU is off: stores go past the caches. What caches hold of the same memory would be written over them, or
// be found by walks: it goes first.

        adr     x20, cleared                    // memory of tables: all zero
1:      ldp     x0, x1, [x20], #16
        cbz     x1, 2f
        bl      clear
        b       1b
2:      adr     x20, tables                     // the descriptors
3:      ldp     x0, x1, [x20], #16
        cbz     x0, 4f
        str     x1, [x0]
        b       3b
4:      adr     x20, tags                       // words that hold their own addresses
5:      ldp     x0, x1, [x20], #16
        cbz     x1, 7f
6:      dc      civac, x0
        str     x0, [x0]
        dc      civac, x0
        add     x0, x0, #8
        cmp     x0, x1
        b.ne    6b
        b       5b
7:
{% if question.is_guest() %}
        ldr     x0, ={{ scene.guest.0 }}        // the guest's code: the question, and its vectors
        ldr     x1, ={{ question.at() }}
        add     x0, x0, x1
        adr     x1, guest_code
        adr     x2, guest_code_end
        bl      copy
        ldr     x0, ={{ scene.guest.0 }} + 0x4800
        adr     x1, guest_vectors
        adr     x2, guest_vectors_end
        bl      copy
{% endif %}{% if question.is_world() %}
        ldr     x0, ={{ scene.trampoline }}     // the code that turns the MMU on, asks, and turns it off
        adr     x1, world_code
        adr     x2, world_code_end
        bl      copy
{% endif %}
        dsb     sy
        ic      iallu
        dsb     sy
        isb

// --- registers ----------------------------------------------------------------------------------

{% if question.is_world() %}        set     hcr_el2, {{ scene.hcr_el2 }}
        isb
{% endif %}{% for (name, value) in scene.registers %}        set     {{ name }}, {{ value }}
{% endfor %}{% if !question.is_world() %}        set     hcr_el2, {{ scene.hcr_el2 }}
{% endif %}        isb
        tlbi    alle1
        tlbi    alle2
        dsb     sy
        isb

// --- the question -------------------------------------------------------------------------------
// x9 the address, x12 what is stored, x0 the answer; what comes of it is in
// x19 kind: 0 done, 1 exception taken to EL1, 2 to EL2      x20 x0, or ESR_ELx      x21 FAR_ELx      x22 HPFAR_EL2

        mov     x19, #0
        ldr     x9, ={{ question.address() }}
        ldr     x12, =0x5704000000000000
        mov     x0, x9
{% if question.is_guest() %}
        set     mdcr_el2, MDCR_EL2_TDE
        set     vbar_el1, {{ scene.guest.1 }} + 0x800
        ldr     x1, ={{ scene.guest.1 }} - 0x4000
        ldr     x2, ={{ question.at() }}
        add     x1, x1, x2
        msr     elr_el2, x1
        set     spsr_el2, {{ question.spsr_in_hex() }}
        mov     x0, x9
        isb
        eret
{% elif question.is_world() %}
        ldr     x1, ={{ scene.sctlr_el2 }}
        ldr     x2, =SCTLR_EL2_OFF
        ldr     x3, ={{ scene.trampoline }}
        add     x4, x3, #0x800
        msr     vbar_el2, x4
        isb
        blr     x3
        adr     x1, vectors
        msr     vbar_el2, x1
        mov     x20, x0
        cbz     x19, judge
        mrs     x20, esr_el2
        mrs     x21, far_el2
        mrs     x22, hpfar_el2
        b       judge
{% else %}
{% for line in question.instructions %}        {{ line }}
{% endfor %}        mov     x20, x0
        b       judge
{% endif %}
// --- exceptions ---------------------------------------------------------------------------------

taken:                                          // at EL2, of a lower EL; or of this program, which is a bug of it
        mrs     x1, esr_el2
        lsr     x2, x1, #26
        cmp     x2, #0x3c                       // BRK
        b.ne    1f
        and     x2, x1, #0xffff
        cmp     x2, #DONE
        mov     x20, x0
        b.eq    judge
        mov     x19, #1                         // the guest's vectors: an exception that EL1 has taken
        mrs     x20, esr_el1
        mrs     x21, far_el1
        b       judge
1:      mov     x19, #2
        mov     x20, x1
        mrs     x21, far_el2
        mrs     x22, hpfar_el2

// --- the judgement ------------------------------------------------------------------------------

judge:
        set     hcr_el2, HCR_EL2_RW
        isb
        adr     x0, say_kind
        bl      puts
        mov     x0, x19
        bl      puthex
        adr     x0, say_first
        bl      puts
        mov     x0, x20
        bl      puthex
        cbz     x19, 1f
        adr     x0, say_far
        bl      puts
        mov     x0, x21
        bl      puthex
        cmp     x19, #1
        b.eq    1f
        adr     x0, say_hpfar
        bl      puts
        mov     x0, x22
        bl      puthex
1:      adr     x0, newline
        bl      puts
        adr     x23, allowed
        adr     x24, allowed_end
2:      cmp     x23, x24
        b.eq    4f
        ldp     x1, x2, [x23], #16              // kind, and a mask and a value of each register
        ldp     x3, x4, [x23], #16
        ldp     x5, x6, [x23], #16
        ldp     x7, x8, [x23], #16
        cmp     x1, x19
        b.ne    2b
        and     x3, x3, x20
        cmp     x3, x4
        b.ne    2b
        cbz     x5, 3f
        and     x5, x5, x21
        cmp     x5, x6
        b.ne    2b
3:      cbz     x7, 5f
        and     x7, x7, x22
        cmp     x7, x8
        b.ne    2b
5:      adr     x0, say_pass
        b       6f
4:      adr     x0, say_fail
6:      bl      puts
        ldr     x0, =SYSTEM_OFF
        smc     #0
7:      wfi
        b       7b

// --- what it works with -------------------------------------------------------------------------

clear:                                          // from x0 to x1
        dc      civac, x0
        stp     xzr, xzr, [x0]
        dc      civac, x0
        add     x0, x0, #16
        cmp     x0, x1
        b.ne    clear
        dsb     sy
        ret

copy:                                           // to x0, from x1 to x2
        dc      civac, x0
        ldr     w3, [x1], #4
        str     w3, [x0]
        dc      civac, x0
        add     x0, x0, #4
        cmp     x1, x2
        b.lo    copy
        dsb     sy
        ret

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
        .irp    number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        .balign 0x80
        b       taken
        .endr
        .balign 0x80
{% if question.is_guest() %}
guest_code:
{% for line in question.instructions %}        {{ line }}
{% endfor %}        brk     #DONE
guest_code_end:
        .balign 0x800
guest_vectors:
        .irp    number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        .balign 0x80
        brk     #\number
        .endr
        .balign 0x80
guest_vectors_end:
{% endif %}{% if question.is_world() %}
        .balign 0x800
world_code:                                     // x1 SCTLR_EL2 of the case, x2 with the MMU off, x30 the way back
        msr     sctlr_el2, x1
        isb
{% for line in question.instructions %}        {{ line }}
{% endfor %}1:      msr     sctlr_el2, x2
        isb
        ret
        .balign 0x800
        .irp    number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        .balign 0x80
        mov     x19, #2
        msr     sctlr_el2, x2
        isb
        ret
        .endr
        .balign 0x80
world_code_end:
{% endif %}
        .balign 16
        .space  0x100
stack:

// --- data ---------------------------------------------------------------------------------------

        .balign 16
cleared:                                        // first address, and one behind the last
{% for (first, end) in scene.cleared %}        .quad   {{ first }}, {{ end }}
{% endfor %}        .quad   0, 0
tables:                                         // physical address, descriptor
{% for (pa, value) in scene.words %}        .quad   {{ pa }}, {{ value }}
{% endfor %}        .quad   0, 0
tags:                                           // first address, and one behind the last
{% for (first, end) in scene.tags %}        .quad   {{ first }}, {{ end }}
{% endfor %}        .quad   0, 0
allowed:                                        // kind, 0, and mask and value of x20, x21, x22
{% for outcome in allowed %}        .quad   {{ outcome.words() }}
{% endfor %}allowed_end:

say_kind:
        .asciz  "observed: kind "
say_first:
        .asciz  ", answer or ESR "
say_far:
        .asciz  ", FAR "
say_hpfar:
        .asciz  ", HPFAR "
say_pass:
        .asciz  "PASS: this is allowed\n"
say_fail:
{% for outcome in allowed %}        .ascii  "expected: {{ outcome.in_words() }}\n"
{% endfor %}        .asciz  "FAIL: this is not allowed\n"
newline:
        .asciz  "\n"
        .balign 8
        .ltorg
