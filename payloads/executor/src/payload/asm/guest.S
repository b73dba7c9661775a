// Guests: their code, which lies in each scratch arena, and the loop that enters them.

    // An instruction that the base architecture may lack is UNDEFINED there: an exception like another.
    .arch_extension lse

    .text

// --- the guest's code ---------------------------------------------------------------------------
//
// It is copied: nothing in it refers to anything outside. Where each piece lies is what the table says
// that the judge knows, too: a piece that were too long, or in another's place, would not assemble.
//
//   x9 address   x12 what is stored   x11 how often an exclusive is tried   x0 the address; the answer

    .macro  done
    brk     #{DONE}
    .endm

    .macro  at_piece offset, size=0
    .org    guest_code + \offset + \size * {PIECE_BYTES}
    .endm

    // \one, \two and \four are the instruction for 1, 2, and 4 or 8 bytes.
    .macro  loads offset, one, two, four
    at_piece \offset, 0
    \one    w0, [x9]
    done
    at_piece \offset, 1
    \two    w0, [x9]
    done
    at_piece \offset, 2
    \four   w0, [x9]
    done
    at_piece \offset, 3
    \four   x0, [x9]
    done
    .endm

    .macro  stored
    dsb     sy                      // the store has taken whatever exception it takes
    mov     x0, x12
    done
    .endm

    .macro  stores offset, one, two, four
    at_piece \offset, 0
    \one    w12, [x9]
    stored
    at_piece \offset, 1
    \two    w12, [x9]
    stored
    at_piece \offset, 2
    \four   w12, [x9]
    stored
    at_piece \offset, 3
    \four   x12, [x9]
    stored
    .endm

    // \first and \second are the registers of each size: what is given, and what comes back.
    .macro  atomic offset, size, instruction, first, second
    at_piece \offset, \size
    \instruction \first, \second, [x9]
    dsb     sy
    done
    .endm

    .macro  exclusive_load offset, size, instruction, register
    at_piece \offset, \size
    \instruction \register, [x9]
    clrex
    done
    .endm

    .macro  exclusive_store offset, size, load, store, loaded, given
    at_piece \offset, \size
1:  \load   \loaded, [x9]
    \store  w10, \given, [x9]
    cbz     w10, 2f
    subs    x11, x11, #1
    b.ne    1b
    movz    x0, #{NOT_STORED_TOP}, lsl #48
2:  dsb     sy
    done
    .endm

    .macro  maintenance offset, instruction:vararg
    at_piece \offset
    \instruction, x9
    dsb     sy
    isb
    mov     x0, #0
    done
    .endm

    .macro  translation offset, instruction:vararg
    at_piece \offset
    \instruction, x9
    isb                             // PAR_EL1 is written by the AT only as seen after this
    mrs     x0, par_el1
    done
    .endm

    .balign 0x1000
    .global guest_code
guest_code:
    loads   {LOAD}, ldrb, ldrh, ldr
    stores  {STORE}, strb, strh, str
    exclusive_load {LOAD_EXCLUSIVE}, 0, ldxrb, w0
    exclusive_load {LOAD_EXCLUSIVE}, 1, ldxrh, w0
    exclusive_load {LOAD_EXCLUSIVE}, 2, ldxr, w0
    exclusive_load {LOAD_EXCLUSIVE}, 3, ldxr, x0
    exclusive_store {STORE_EXCLUSIVE}, 0, ldxrb, stxrb, w0, w12
    exclusive_store {STORE_EXCLUSIVE}, 1, ldxrh, stxrh, w0, w12
    exclusive_store {STORE_EXCLUSIVE}, 2, ldxr, stxr, w0, w12
    exclusive_store {STORE_EXCLUSIVE}, 3, ldxr, stxr, x0, x12
    atomic  {SWAP}, 0, swpalb, w12, w0
    atomic  {SWAP}, 1, swpalh, w12, w0
    atomic  {SWAP}, 2, swpal, w12, w0
    atomic  {SWAP}, 3, swpal, x12, x0
    atomic  {ADD}, 0, ldaddalb, w12, w0
    atomic  {ADD}, 1, ldaddalh, w12, w0
    atomic  {ADD}, 2, ldaddal, w12, w0
    atomic  {ADD}, 3, ldaddal, x12, x0
    atomic  {COMPARE_AND_SWAP}, 0, casalb, w0, w12
    atomic  {COMPARE_AND_SWAP}, 1, casalh, w0, w12
    atomic  {COMPARE_AND_SWAP}, 2, casal, w0, w12
    atomic  {COMPARE_AND_SWAP}, 3, casal, x0, x12
    loads   {LOAD_ACQUIRE}, ldarb, ldarh, ldar
    stores  {STORE_RELEASE}, stlrb, stlrh, stlr
    loads   {LOAD_UNPRIVILEGED}, ldtrb, ldtrh, ldtr
    stores  {STORE_UNPRIVILEGED}, sttrb, sttrh, sttr

    at_piece {FETCH}
    blr     x9
    done
    at_piece {LOAD_PAIR}
    ldp     x0, x10, [x9]
    eor     x0, x0, x10, ror #32
    done
    at_piece {STORE_PAIR}
    stp     x12, x12, [x9]
    stored
    maintenance {DC_CVAC}, dc cvac
    maintenance {DC_CVAU}, dc cvau
    maintenance {DC_CIVAC}, dc civac
    maintenance {DC_IVAC}, dc ivac
    maintenance {DC_ZVA}, dc zva
    maintenance {IC_IVAU}, ic ivau
    translation {AT_S1E1R}, at s1e1r
    translation {AT_S1E1W}, at s1e1w
    translation {AT_S1E0R}, at s1e0r
    translation {AT_S1E0W}, at s1e0w
    translation {AT_S1E1RP}, sys #0, c7, c9, #0
    translation {AT_S1E1WP}, sys #0, c7, c9, #1
    at_piece {ROUND_TRIP}
    mov     x0, #0
    done

    .org    guest_code + {VECTORS}
    .irp    number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    .balign 0x80
    brk     #\number
    .endr
    .balign 0x80
    .global guest_code_end
guest_code_end:

    .arch_extension nolse

// --- the loop -----------------------------------------------------------------------------------
//
// u64 guests(RunList *)
//
// Enters the guests of the entries from `at` to `end`, one after the other. Returns 0 when all are done, and 1 behind
// one that ended in a way no piece does: EL1's registers may then be anything that EL1 can make them.
//
//   guests --> next --ERET--> guest --BRK, abort--> answered or excepted --> next
//                             |  ^
//                             +--+ tick
//
// The stack pointer is the run list; there is no stack. The executor's context is in it, since a guest sees and
// changes x0 to x30, SP_EL0 and whatever else is EL1's.

    .equ    EXECUTOR_SPS, {EXECUTOR} + 96
    .equ    EXECUTOR_VBAR_MDCR, {EXECUTOR} + 112

    .global guests
guests:
    stp     x19, x20, [x0, #{EXECUTOR}]
    stp     x21, x22, [x0, #{EXECUTOR} + 16]
    stp     x23, x24, [x0, #{EXECUTOR} + 32]
    stp     x25, x26, [x0, #{EXECUTOR} + 48]
    stp     x27, x28, [x0, #{EXECUTOR} + 64]
    stp     x29, x30, [x0, #{EXECUTOR} + 80]
    mov     x1, sp
    msr     spsel, #1
    mov     x2, sp
    stp     x1, x2, [x0, #EXECUTOR_SPS]
    mov     sp, x0
    mrs     x1, vbar_el2
    mrs     x2, mdcr_el2
    stp     x1, x2, [sp, #EXECUTOR_VBAR_MDCR]
    adrp    x1, guest_exits
    add     x1, x1, :lo12:guest_exits
    msr     vbar_el2, x1
    mov     x1, #{MDCR_GUEST}
    orr     x2, x2, x1
    msr     mdcr_el2, x2
    ldr     x1, [sp, #{TICK}]
    cbz     x1, 1f
    msr     cnthp_tval_el2, x1
    mov     x1, #1
    msr     cnthp_ctl_el2, x1
1:  isb                             // an exception from here on is the loop's

next:
    ldp     x1, x2, [sp, #{AT}]
    cmp     x1, x2
    mov     x0, #0
    b.eq    finish
    ldp     x3, x4, [x1]            // pc, spsr
    ldp     x9, x12, [x1, #16]      // address, what is stored
    msr     elr_el2, x3
    msr     spsr_el2, x4
    // The cursor is stored before the guest is entered; program order is all that a PE needs which stops
    // for ever in it, since its stores still drain.
    ldp     x3, x4, [sp, #{CURSOR}]
    bfxil   x4, x12, #0, #16
    str     x4, [x3]
    mov     x0, x9
    mov     x11, #{EXCLUSIVE_TRIES}
    eret
    dsb     nsh                     // no speculation past the return
    isb

// x0: the answer.
answered:
    ldr     x1, [sp, #{AT}]
    ldr     x2, [sp, #{ANSWERS}]
    ldrh    w3, [x1, #24]           // the number of the probe
    str     x0, [x2, x3, lsl #3]
    add     x1, x1, #{ENTRY_BYTES}
    str     x1, [sp, #{AT}]
    str     xzr, [sp, #{TICKS}]
    b       next

    // Begins the record of an exception: x4 points behind its probe, origin and target.
    .macro  open_record origin, target
    ldr     x1, [sp, #{AT}]
    ldrh    w3, [x1, #24]           // the number of the probe
    mov     w2, #\origin | \target << 16
    ldr     x4, [sp, #{TAKEN}]
    stp     w3, w2, [x4], #8
    .endm

    // Ends it: ESR and FAR in x0 and x1, ELR and SPSR in x2 and x3. There is one for each entry at most.
    .macro  close_record
    stp     x0, x1, [x4]
    mrs     x0, hpfar_el2
    stp     x0, x2, [x4, #16]
    str     x3, [x4, #32]
    add     x4, x4, #40
    str     x4, [sp, #{TAKEN}]
    movz    x0, #{NO_ANSWER_TOP}, lsl #48
    .endm

// The guest did what it was to do, or an exception was taken.
exit:
    stp     x0, x1, [sp, #{GUEST}]
    mrs     x0, esr_el2
    mov     x1, #{DONE}
    movk    x1, #0xf200, lsl #16    // BRK, a 32-bit instruction
    cmp     x0, x1
    ldr     x0, [sp, #{GUEST}]
    b.eq    answered

    mrs     x0, esr_el2
    ubfx    x1, x0, #26, #6
    cmp     x1, #0x20               // Instruction Abort from below
    b.eq    excepted
    cmp     x1, #0x24               // Data Abort from below
    b.eq    excepted
    cmp     x1, #0x3c               // BRK
    b.ne    wild
    and     x0, x0, #0xffff
    cmp     x0, #16
    b.hs    wild
    mrs     x0, spsr_el2
    and     x0, x0, #0x1f
    cmp     x0, #0b00101            // EL1h: in one of EL1's vectors
    b.ne    wild
    open_record {OF_PROBE}, 1
    mrs     x0, esr_el1
    mrs     x1, far_el1
    mrs     x2, elr_el1
    mrs     x3, spsr_el1
    close_record
    b       answered

excepted:
    open_record {OF_PROBE}, 2
    mrs     x0, esr_el2
    mrs     x1, far_el2
    mrs     x2, elr_el2
    mrs     x3, spsr_el2
    close_record
    b       answered

// No piece ends like this.
wild:
    open_record {OF_PROBE}, 2
    mrs     x0, esr_el2
    mrs     x1, far_el2
    mrs     x2, elr_el2
    mrs     x3, spsr_el2
stopped:
    close_record
    ldr     x1, [sp, #{AT}]
    ldr     x2, [sp, #{ANSWERS}]
    ldrh    w3, [x1, #24]
    str     x0, [x2, x3, lsl #3]
    add     x1, x1, #{ENTRY_BYTES}
    str     x1, [sp, #{AT}]
    str     xzr, [sp, #{TICKS}]
    mov     x0, #1
    b       finish

// An interrupt while a guest runs: the timer's, which goes away when it counts down again.
tick:
    stp     x0, x1, [sp, #{GUEST}]
    mrs     x0, cnthp_ctl_el2
    tbz     x0, #2, 1f              // another's: it stays pending until the timer ends this
    ldr     x0, [sp, #{TICK}]
    msr     cnthp_tval_el2, x0
    isb                             // the interrupt goes away before it can be taken again
    ldr     x0, [sp, #{TICKS}]
    add     x0, x0, #1
    str     x0, [sp, #{TICKS}]
    cmp     x0, #{MAX_TICKS}
    b.hs    runaway
1:  ldp     x0, x1, [sp, #{GUEST}]
    eret
    dsb     nsh                     // no speculation past the return
    isb

// What EL1 last took, and where it is.
runaway:
    open_record {RUNAWAY}, 2
    mrs     x0, esr_el1
    mrs     x1, far_el1
    mrs     x2, elr_el2
    mrs     x3, spsr_el2
    b       stopped

// x0: what `guests` returns.
finish:
    msr     cnthp_ctl_el2, xzr
    ldp     x1, x2, [sp, #EXECUTOR_VBAR_MDCR]
    msr     vbar_el2, x1
    msr     mdcr_el2, x2
    isb                             // an exception from here on is the executor's
    mov     x9, sp
    ldp     x1, x2, [x9, #EXECUTOR_SPS]
    mov     sp, x2
    msr     spsel, #0
    mov     sp, x1
    ldp     x19, x20, [x9, #{EXECUTOR}]
    ldp     x21, x22, [x9, #{EXECUTOR} + 16]
    ldp     x23, x24, [x9, #{EXECUTOR} + 32]
    ldp     x25, x26, [x9, #{EXECUTOR} + 48]
    ldp     x27, x28, [x9, #{EXECUTOR} + 64]
    ldp     x29, x30, [x9, #{EXECUTOR} + 80]
    ret

// The loop's own exception: it is handled as if it had been taken outside of the loop. x1: number of the vector.
own:
    stp     x2, x3, [sp, #{GUEST} + 16]
    msr     cnthp_ctl_el2, xzr
    mov     x0, sp
    ldp     x2, x3, [x0, #EXECUTOR_VBAR_MDCR]
    msr     vbar_el2, x2
    msr     mdcr_el2, x3
    isb
    ldr     x2, [x0, #EXECUTOR_SPS + 8]
    sub     sp, x2, #{FRAME_BYTES}
    ldp     x2, x3, [x0, #{GUEST}]
    stp     x2, x3, [sp]
    ldp     x2, x3, [x0, #{GUEST} + 16]
    ldr     x0, [x0, #{HANDLER}]
    br      x0

    .macro  from_loop number
    .balign 0x80
    stp     x0, x1, [sp, #{GUEST}]
    mov     x1, #\number
    b       own
    .endm

    .balign 0x800
guest_exits:
    .irp    number, 0, 1, 2, 3, 0, 1, 2, 3
    from_loop \number               // current EL
    .endr
    .irp    handler, exit, tick, tick, wild
    .balign 0x80
    b       \handler                // lower EL, AArch64
    .endr
    .irp    handler, wild, tick, tick, wild
    .balign 0x80
    b       \handler                // lower EL, AArch32: never entered
    .endr
    .balign 0x80
