// TLB maintenance, by encoding: assemblers know the younger ones only with their extension.
//
// void tlbi(u64 operand, u64 form)
//
// The form is its number here: 6 for each operation, by its number; 0, 1 and 2 for this PE, the Inner
// and the Outer Shareable domain; and 3 more for nXS.

    // The forms of one operation; CRm and op2 differ with the domain. CRn is 9 with nXS, and else 8.
    .macro  tlbi_forms operand, op1, pe_m, pe_2, inner_m, inner_2, outer_m, outer_2
    .irp    n, c8, c9
    sys     #\op1, \n, c\pe_m, #\pe_2, \operand
    ret
    sys     #\op1, \n, c\inner_m, #\inner_2, \operand
    ret
    sys     #\op1, \n, c\outer_m, #\outer_2, \operand
    ret
    .endr
    .endm

    .text
    .global tlbi
tlbi:
    adr     x9, 1f
    add     x9, x9, x1, lsl #3
    br      x9
1:  tlbi_forms xzr, 0, 7, 0, 3, 0, 1, 0     // VMALLE1
    tlbi_forms xzr, 4, 7, 6, 3, 6, 1, 6     // VMALLS12E1
    tlbi_forms x0, 0, 7, 1, 3, 1, 1, 1      // VAE1
    tlbi_forms x0, 0, 7, 3, 3, 3, 1, 3      // VAAE1
    tlbi_forms x0, 0, 7, 5, 3, 5, 1, 5      // VALE1
    tlbi_forms x0, 0, 7, 7, 3, 7, 1, 7      // VAALE1
    tlbi_forms x0, 0, 7, 2, 3, 2, 1, 2      // ASIDE1
    tlbi_forms x0, 4, 4, 1, 0, 1, 4, 0      // IPAS2E1
    tlbi_forms x0, 4, 4, 5, 0, 5, 4, 4      // IPAS2LE1
    tlbi_forms xzr, 4, 7, 4, 3, 4, 1, 4     // ALLE1
    tlbi_forms x0, 0, 6, 1, 2, 1, 5, 1      // RVAE1
    tlbi_forms x0, 0, 6, 3, 2, 3, 5, 3      // RVAAE1
    tlbi_forms x0, 0, 6, 5, 2, 5, 5, 5      // RVALE1
    tlbi_forms x0, 0, 6, 7, 2, 7, 5, 7      // RVAALE1
    tlbi_forms x0, 4, 4, 2, 0, 2, 4, 3      // RIPAS2E1
    tlbi_forms x0, 4, 4, 6, 0, 6, 4, 7      // RIPAS2LE1
