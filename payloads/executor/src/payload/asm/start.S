// From whatever the loader left to Rust at EL2: see the module's page for the sequence.
//
// No literal pools and no memory accesses before the MMU and the data endianness are known: all
// constants are built in registers.
//
//   x19  device tree, or 0        x20  image start       x21  image end
//   x22  EL at entry              x23  HCR_EL2 at entry  x24  SCTLR_EL2 at entry

    .text
    .macro  address register, symbol
    adrp    \register, \symbol
    add     \register, \register, :lo12:\symbol
    .endm

    // Does \operation to every line of [\from, \to). Clobbers \from, x0, x1.
    .macro  each_line operation, from, to
    mrs     x0, ctr_el0             // DminLine: log2 of the words in the smallest line
    ubfx    x0, x0, #16, #4
    mov     x1, #4
    lsl     x0, x1, x0
    sub     x1, x0, #1
    bic     \from, \from, x1
91: dc      \operation, \from
    add     \from, \from, x0
    cmp     \from, \to
    b.lo    91b
    .endm

    // Leaves mark number \number in the mailbox, if there is one: see marks.rs. Clobbers x2, x3.
    .macro  leave_mark number
    address x2, image_config
    ldr     x2, [x2, #{CONFIG_MAILBOX}]
    cbz     x2, 92f
    mov     x3, #\number
    str     x3, [x2, #{MARK}]
    dsb     sy                      // it is seen before what it announces is done
92:
    .endm

// x0: a device tree, or anything that is none.
    .global entry
entry:
    msr     daifset, #0xf
    mov     x19, x0
    adrp    x20, image_start
    adrp    x21, image_end
    mrs     x22, CurrentEL
    lsr     x22, x22, #2
    mov     x23, #0
    mov     x24, #0

    // Out of reset some cores keep out of coherency, and want to be let in before any maintenance: Arm's
    // Cortex-A53, A35, A57, A72 and A73 (parts 0xd03, 4, 7, 8, 9), by CPUECTLR_EL1.SMPEN.
    cmp     x22, #3
    b.ne    1f
    mrs     x0, midr_el1
    ubfx    x1, x0, #24, #8
    cmp     x1, #0x41
    b.ne    1f
    ubfx    x1, x0, #4, #12
    sub     x1, x1, #0xd00
    cmp     x1, #9
    b.hi    1f
    mov     x0, #0x398              // a bit for each of them
    lsr     x0, x0, x1
    tbz     x0, #0, 1f
    mrs     x0, S3_1_C15_C2_1
    orr     x0, x0, #1 << 6
    msr     S3_1_C15_C2_1, x0
    isb
1:
    // The image came through somebody's caches, perhaps dirty ones, and what follows runs and writes
    // with caches off. Clean it to the point of coherency so that memory holds it, and invalidate so
    // that no dirty line is later written back over what is written below.
    mov     x2, x20
    each_line civac, x2, x21
    dsb     sy

    // MMU and caches off at this EL, little-endian data, everything else from scratch. The loader's
    // map is an identity map where the image lies: what follows is fetched from the same place.
    cmp     x22, #2
    b.lo    1f
    b.hi    2f
    mrs     x23, hcr_el2
    mrs     x24, sctlr_el2
    mov     x0, #{SCTLR_EL23_OFF_LOW}
    movk    x0, #{SCTLR_EL23_OFF_HIGH}, lsl #16
    msr     sctlr_el2, x0           // the same register whatever E2H is
    isb                             // off before anything else is done
    tlbi    alle2                   // nothing that the loader's map left
    b       3f
1:  mov     x0, #{SCTLR_EL1_OFF_LOW}
    movk    x0, #{SCTLR_EL1_OFF_HIGH}, lsl #16
    msr     sctlr_el1, x0
    isb
    tlbi    vmalle1
    b       3f
2:  mov     x0, #{SCTLR_EL23_OFF_LOW}
    movk    x0, #{SCTLR_EL23_OFF_HIGH}, lsl #16
    msr     sctlr_el3, x0
    isb
    tlbi    alle3
3:  ic      iallu                   // instructions now come from memory, as cleaned above
    dsb     nsh
    isb

    // One PE goes on, all others halt (Fischer's mutual exclusion: memory is Device while the MMU is
    // off, so accesses are ordered, and exclusives might not work). The word is in the file, so a
    // loaded image begins with 0; an image must be loaded again to be started again.
    address x0, claim
    mrs     x1, mpidr_el1
    orr     x1, x1, #1 << 31        // RES1 anyway: never 0
    ldr     x2, [x0]
    cbnz    x2, halt

    // What caches hold of the word for marks must not come to stand over the first one. Where the host writes
    // past the caches it is worth nothing; elsewhere it may be what the host has written.
    address x3, image_config
    ldr     x2, [x3, #{CONFIG_MAILBOX}]
    ldr     x3, [x3, #{CONFIG_MAILBOX_FLAGS}]
    cbz     x2, 6f
    add     x2, x2, #{MARK}
    tbnz    x3, #{BEHIND_CACHES}, 4f
    dc      civac, x2
    b       5f
4:  dc      ivac, x2
5:  dsb     sy
    leave_mark {MARK_ENTRY}
6:
    // No branch from load to store: an emulator translates code between branches, and may take long for what
    // follows one. What others have stored is stored again.
    ldr     x2, [x0]
    cmp     x2, #0
    csel    x2, x1, x2, eq
    str     x2, [x0]
    dsb     sy
    mov     x3, #1 << 16            // far longer than anybody is between its load and its store
4:  subs    x3, x3, #1
    b.ne    4b
    ldr     x2, [x0]
    cmp     x1, x2
    b.ne    halt

    leave_mark {MARK_TREE}
    // Is there a device tree? What is in X0 may be an address of nothing: an exception then says that there
    // is none. Nobody returns from it, all that it could mask is masked.
    cbz     x19, 6f
    tst     x19, #7
    b.ne    no_tree
    address x0, early_vectors
    cmp     x22, #2
    b.lo    1f
    b.hi    2f
    msr     vbar_el2, x0
    b       3f
1:  msr     vbar_el1, x0
    b       3f
2:  msr     vbar_el3, x0
3:  isb
    // It too may be in caches only: clean before memory is read.
    mov     x2, x19
    add     x3, x19, #8
    each_line civac, x2, x3
    dsb     sy
    ldp     w2, w3, [x19]
    rev     w2, w2
    mov     w4, #0xfeed
    movk    w4, #0xd00d, lsl #16
    cmp     w2, w4
    b.ne    no_tree
    rev     w3, w3                  // its size; Linux allows up to 2 MB
    cmp     w3, #2 << 20
    b.hi    no_tree
    mov     x2, x19
    add     x3, x19, x3
    each_line civac, x2, x3
    dsb     sy
    b       6f
no_tree:
    mov     x19, #0
6:
    leave_mark {MARK_IMAGE}
    bl      relocate
    address x0, bss_start
    address x1, bss_end
7:  cmp     x0, x1
    b.hs    8f
    stp     xzr, xzr, [x0], #16
    b       7b
8:

    cmp     x22, #2
    b.eq    at_el2
    msr     spsel, #1
    address x0, main_stack_top
    mov     sp, x0
    mov     x0, x19
    b.lo    boot_el1                // says what is wrong, and never returns

    leave_mark {MARK_MONITOR}
    mov     x0, x19
    bl      boot_el3                // sets EL3 up; never returns where there is no EL2
    mov     x0, #{SCTLR_EL23_OFF_LOW}
    movk    x0, #{SCTLR_EL23_OFF_HIGH}, lsl #16
    mrs     x23, hcr_el2            // of no use out of reset, but asked for
    mrs     x24, sctlr_el2
    msr     sctlr_el2, x0           // UNKNOWN out of reset: the MMU must be off on arrival
    mov     x0, #1 << 31            // HCR_EL2.RW
    msr     hcr_el2, x0
    mov     x0, #0x3c9              // EL2h, all masked
    msr     spsr_el3, x0
    address x0, at_el2
    msr     elr_el3, x0
    isb
    eret
    dsb     nsh                     // no speculation past the return
    isb

at_el2:
    leave_mark {MARK_VECTORS}
    // E2H off, now that the MMU is: from here on names mean what they say. Physical interrupts and
    // SErrors are routed to EL2: one that is not would not even end a WFI.
    mov     x0, #{HCR_EL2_EXECUTOR_LOW}
    movk    x0, #{HCR_EL2_EXECUTOR_HIGH}, lsl #16
    msr     hcr_el2, x0
    isb
    tlbi    alle2
    dsb     nsh
    isb
    address x0, vectors
    msr     vbar_el2, x0
    // Threads on SP_EL0, exceptions on SP_EL2.
    msr     spsel, #1
    address x0, exception_stack_top
    mov     sp, x0
    address x0, main_stack_top
    msr     sp_el0, x0
    msr     spsel, #0
    isb
    mov     x29, #0
    mov     x30, #0
    mov     x0, x19
    mov     x1, x22
    mov     x2, x23
    mov     x3, x24
    b       boot

    // Nothing more happens on this PE.
    .global halt
halt:
    msr     daifset, #0xf
9:  wfi
    b       9b

// Applies relocations, as often as it is called: each entry is offset, kind, addend; the link is at 0, so that
// the bias is the address of the image. The build allows R_AARCH64_RELATIVE (1027) only, and none to code.
// Clobbers x0 to x5.
    .global relocate
relocate:
    adrp    x5, image_start
    address x0, relocations_start
    address x1, relocations_end
1:  cmp     x0, x1
    b.hs    2f
    ldp     x2, x3, [x0], #16
    ldr     x4, [x0], #8
    cmp     w3, #1027
    b.ne    1b
    add     x4, x4, x5
    str     x4, [x5, x2]
    b       1b
2:  ret

    .balign 0x800
early_vectors:
    .rept   16
    .balign 0x80
    b       no_tree
    .endr

    .data
    .balign 8
    .global claim
claim:
    .quad   0
