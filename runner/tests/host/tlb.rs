//! What a TLB may still hold: which TLBI is sufficient for what, by the manual's words on each.
//!
//! `old` is a tag's page, `new` is no page at all, or another; what is allowed after a sequence of steps
//! is told as a set of these.

use case::edit::Change;
use case::mapping::Attributes;
use case::probe::{El, Operation, Probe};
use case::scratch;
use oracle::answer::{Answer, Reach};

use crate::common::both_stages::{Guest, SCRATCH, STAGE1, STAGE2, TAGS_IPA, TAGS_VA};

/// The page of tags that is changed: not the first, so that its neighbours are tags too.
const VA: u64 = TAGS_VA + 0x3000;
const IPA: u64 = TAGS_IPA + 0x3000;
const OLD: u64 = SCRATCH + scratch::TAGS + 0x3000;

fn load() -> Probe {
    Probe::new(Operation::Load, VA).by(El::El1)
}

fn tlbi(operation: Operation, operand: u64) -> Probe {
    Probe::new(operation, operand)
}

/// The operand for one page, of ASID 1.
fn page(va: u64) -> u64 {
    1 << 48 | va >> 12
}

/// What is allowed: the old page, a fault, another page, and a TLB conflict.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Seen {
    old: bool,
    fault: bool,
    other: bool,
    conflict: bool,
}

const FAULT: Seen = Seen { old: false, fault: true, other: false, conflict: false };
const BOTH: Seen = Seen { old: true, ..FAULT };

fn seen(answers: &[Answer]) -> Seen {
    let mut seen = Seen::default();
    for answer in answers {
        match answer {
            Answer::Reached(reach) if *reach == Reach::new(OLD) => seen.old = true,
            Answer::Reached(_) => seen.other = true,
            Answer::Exception(taken) => match taken.abort.exception.esr.value & 0x3f {
                0b11_0000 => seen.conflict = true,
                _ => seen.fault = true,
            },
            other => panic!("{other:?}"),
        }
    }
    seen
}

fn after(guest: &Guest, steps: &[Probe]) -> Seen {
    seen(&guest.after(steps, load()))
}

/// What is allowed after the descriptor of `tree` is made invalid and these steps follow.
fn unmapped(guest: &Guest, tree: u8, steps: &[Probe]) -> Seen {
    let unmap = guest.late(tree, if tree == STAGE1 { VA } else { IPA }, 0);
    let steps: Vec<Probe> = [unmap].into_iter().chain(steps.iter().copied()).collect();
    after(guest, &steps)
}

#[test]
fn what_was_unmapped_may_be_found_until_it_is_taken_away() {
    for tree in [STAGE1, STAGE2] {
        assert_eq!(unmapped(&Guest::new(), tree, &[]), BOTH);
    }
}

#[test]
fn a_leaf_of_stage_1_is_taken_away_by_what_names_it() {
    let range = |tg: u64, num: u64| 1 << 48 | tg << 46 | num << 39 | VA >> 12;
    for is_global in [true, false] {
        let unmapped = |operation, operand| {
            let guest = if is_global { Guest::new() } else { Guest::new().without_global() };
            unmapped(&guest, STAGE1, &[tlbi(operation, operand)])
        };
        let if_global = if is_global { FAULT } else { BOTH };
        let unless_global = if is_global { BOTH } else { FAULT };
        let other_asid = page(VA) ^ 3 << 48;
        for (operation, operand, wanted) in [
            (Operation::TlbiVmalle1, 0, FAULT),
            (Operation::TlbiVmalls12e1, 0, FAULT),
            (Operation::TlbiAlle1, 0, FAULT),
            (Operation::TlbiVae1, page(VA), FAULT),
            (Operation::TlbiVae1, page(VA + 0x1000), BOTH),
            (Operation::TlbiVae1, other_asid, if_global),
            (Operation::TlbiVaae1, other_asid, FAULT),
            (Operation::TlbiVaae1, page(VA - 0x1000), BOTH),
            (Operation::TlbiVale1, page(VA), FAULT),
            (Operation::TlbiVale1, other_asid, if_global),
            (Operation::TlbiVaale1, other_asid, FAULT),
            (Operation::TlbiAside1, 1 << 48, unless_global),
            (Operation::TlbiAside1, 2 << 48, BOTH),
            (Operation::TlbiIpas2e1, IPA >> 12, BOTH),
            (Operation::TlbiIpas2le1, IPA >> 12, BOTH),
            // Two pages of 4 KB.
            (Operation::TlbiRvae1, range(1, 0), FAULT),
            (Operation::TlbiRvae1, range(1, 0) - 1, FAULT),
            (Operation::TlbiRvae1, range(1, 0) - 2, BOTH),
            (Operation::TlbiRvae1, range(1, 0) + 1, BOTH),
            (Operation::TlbiRvae1, range(1, 1) - 3, FAULT),
            // 64 pages each.
            (Operation::TlbiRvale1, (range(1, 0) - 60) | 1 << 44, FAULT),
            (Operation::TlbiRvaale1, range(1, 0) ^ 3 << 48, FAULT),
            (Operation::TlbiRvaae1, range(1, 0) ^ 3 << 48, FAULT),
            (Operation::TlbiRvae1, range(1, 0) ^ 3 << 48, if_global),
            // Another granule, whatever it is about.
            (Operation::TlbiRvae1, 1 << 48 | 2 << 46 | 31 << 39 | VA >> 14, BOTH),
            // Its leaf is at level 3, and is said to be at level 2.
            (Operation::TlbiRvae1, range(1, 0) | 3 << 37, FAULT),
            (Operation::TlbiRvae1, range(1, 0) | 2 << 37, BOTH),
            (Operation::TlbiVae1, page(VA) | 0b0111 << 44, FAULT),
            (Operation::TlbiVae1, page(VA) | 0b0110 << 44, BOTH),
            (Operation::TlbiVae1, page(VA) | 0b0101 << 44, BOTH),
            // A level of another granule.
            (Operation::TlbiVae1, page(VA) | 0b1011 << 44, BOTH),
            (Operation::TlbiVae1, page(VA) | 0b1101 << 44, BOTH),
            // Without FEAT_LPA2 there are no leaves at level 0 of 4K, nor at level 1 of 16K: that tells nothing, as
            // levels that no granule has leaves at.
            (Operation::TlbiVae1, page(VA) | 0b0100 << 44, FAULT),
            (Operation::TlbiVae1, page(VA) | 0b1000 << 44, FAULT),
            (Operation::TlbiVae1, page(VA) | 0b1001 << 44, FAULT),
            (Operation::TlbiVae1, page(VA) | 0b1100 << 44, FAULT),
            (Operation::TlbiVae1, page(VA) | 0b0011 << 44, FAULT),
        ] {
            let found = unmapped(operation, operand);
            assert_eq!(found, wanted, "{operation:?} {operand:#x}, global: {is_global}");
        }
    }
}

#[test]
fn a_table_of_stage_1_needs_more_than_the_last_level() {
    let unmapped = |operation, operand| {
        let guest = Guest::new();
        let unmap = guest.late_at(STAGE1, VA, 2, Change::Replace(0));
        after(&guest, &[unmap, tlbi(operation, operand)])
    };
    // 2 MB: 8 * 64 pages from the first of the table.
    let all = 1 << 48 | 1 << 46 | 7 << 39 | 1 << 44 | VA >> 12 & !511;
    for (operation, operand, wanted) in [
        (Operation::TlbiVmalle1, 0, FAULT),
        (Operation::TlbiVae1, page(VA), FAULT),
        (Operation::TlbiVaae1, page(VA), FAULT),
        (Operation::TlbiVae1, page(VA) ^ 3 << 48, BOTH),
        (Operation::TlbiVale1, page(VA), BOTH),
        (Operation::TlbiVaale1, page(VA), BOTH),
        (Operation::TlbiAside1, 1 << 48, FAULT),
        // What was found through the table for another page may be left.
        (Operation::TlbiVae1, page(VA + 0x1000), BOTH),
        (Operation::TlbiRvae1, all, FAULT),
        (Operation::TlbiRvale1, all, BOTH),
        (Operation::TlbiRvae1, all - (1 << 39), BOTH),
        // Tables above the level that TTL names go.
        (Operation::TlbiRvae1, all | 3 << 37, FAULT),
        (Operation::TlbiRvae1, all | 2 << 37, BOTH),
    ] {
        assert_eq!(unmapped(operation, operand), wanted, "{operation:?} {operand:#x}");
    }
}

/// Whether an entry with XS = 1 is taken away by an nXS form is IMPLEMENTATION SPECIFIC.
#[test]
fn an_nxs_form_may_leave_what_has_xs() {
    let unmapped = |guest: &Guest, tree, flags| {
        unmapped(guest, tree, &[tlbi(Operation::TlbiVmalls12e1, 0).with(flags)])
    };
    // Write-Back; Non-cacheable, and the same with XS = 0; Device; Write-Through, and with XS = 0; reserved.
    for (mair, wanted) in [
        (0xff, FAULT),
        (0x44, BOTH),
        (0x40, FAULT),
        (0x04, BOTH),
        (0x05, FAULT),
        (0xbb, BOTH),
        (0xa0, FAULT),
        (0x02, BOTH),
    ] {
        let guest = || Guest::new().with_mair(mair);
        assert_eq!(unmapped(&guest(), STAGE1, Probe::NXS), wanted, "{mair:#x}");
        assert_eq!(unmapped(&guest(), STAGE1, 0), FAULT, "{mair:#x}");
    }
    assert_eq!(unmapped(&Guest::new(), STAGE2, Probe::NXS), BOTH);
    assert_eq!(unmapped(&Guest::new(), STAGE2, 0), FAULT);
    let with_fnxs = Guest::new().with_flags(STAGE2, Attributes::FNXS);
    assert_eq!(unmapped(&with_fnxs, STAGE2, Probe::NXS), FAULT);
    // The same of a tree that is no longer loaded.
    for (mair, is_foreign) in [(0xff, false), (0x44, true)] {
        let guest = Guest::new().with_mair(mair);
        let steps =
            [guest.other(STAGE1, 2, true), tlbi(Operation::TlbiVmalle1, 0).with(Probe::NXS)];
        assert_eq!(guest.expected(&steps, load()).1, is_foreign, "{mair:#x}");
    }
}

/// Steps that make so many pages of a contiguous group invalid.
fn unmap_pages(guest: &Guest, tree: u8, pages: impl Iterator<Item = u64>) -> Vec<Probe> {
    let first = if tree == STAGE1 { TAGS_VA } else { TAGS_IPA };
    pages.map(|page| guest.late(tree, first + 0x1000 * page, 0)).collect()
}

#[test]
fn a_member_of_a_contiguous_group_stays_as_long_as_its_neighbours_are_there() {
    for tree in [STAGE1, STAGE2] {
        let guest = || Guest::new().contiguous(tree);
        let all = [tlbi(Operation::TlbiVmalls12e1, 0)];
        assert_eq!(unmapped(&guest(), tree, &all), BOTH, "tree {tree}");
        let unmap_all = |then: Probe| {
            let guest = guest();
            let mut steps = unmap_pages(&guest, tree, 0..16);
            steps.push(then);
            after(&guest, &steps)
        };
        assert_eq!(unmap_all(all[0]), FAULT, "tree {tree}");
        assert_eq!(unmap_all(tlbi(Operation::TlbiAside1, 9 << 48)), BOTH, "tree {tree}");
    }
}

#[test]
fn an_entry_for_a_contiguous_group_is_taken_away_by_what_names_any_of_it() {
    let by_va = |page: u64| tlbi(Operation::TlbiVae1, self::page(TAGS_VA + 0x1000 * page));
    let by_ipa = |page: u64| tlbi(Operation::TlbiIpas2e1, (TAGS_IPA >> 12) + page);
    let all = tlbi(Operation::TlbiVmalle1, 0);
    // The third page was broken as it must be, the others were not taken away.
    let after = |tree: u8, steps: &[Probe], page: u64| {
        let guest = Guest::new().contiguous(tree);
        let mut done = unmap_pages(&guest, tree, 3..4);
        done.push(tlbi(Operation::TlbiVmalls12e1, 0));
        done.extend(unmap_pages(&guest, tree, (0..16).filter(|page| *page != 3)));
        done.extend(steps);
        let load = Probe::new(Operation::Load, TAGS_VA + 0x1000 * page).by(El::El1);
        let answers = guest.after(&done, load);
        let fault = answers.iter().any(|answer| answer.fault().is_some());
        (fault, answers.len())
    };
    const FAULT: (bool, usize) = (true, 1);
    const BOTH: (bool, usize) = (true, 2);
    for (tree, by_address, others) in
        [(STAGE1, by_va as fn(u64) -> Probe, None), (STAGE2, by_ipa, Some(all))]
    {
        let taken =
            |page| [Some(by_address(page)), others].into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(after(tree, &[], 3), BOTH, "by the group");
        assert_eq!(after(tree, &taken(16), 3), BOTH, "the page behind it");
        for page in [0, 3, 7, 15] {
            assert_eq!(after(tree, &taken(page), 3), FAULT, "{page}");
        }
        // What was walked for another page may be held for that page alone.
        assert_eq!(after(tree, &taken(7), 5), BOTH);
        assert_eq!(after(tree, &taken(7), 7), FAULT);
    }
    // Entries of both stages for the group come of those of stage 2 for it.
    assert_eq!(after(STAGE2, &[all, by_ipa(7)], 3), BOTH);
    assert_eq!(after(STAGE2, &[by_ipa(16), all], 3), BOTH);
}

#[test]
fn stage_2_is_taken_away_alone_first_and_then_with_stage_1() {
    let unmapped = |steps: &[(Operation, u64)]| {
        let steps: Vec<_> = steps.iter().map(|(step, operand)| tlbi(*step, *operand)).collect();
        unmapped(&Guest::new(), STAGE2, &steps)
    };
    let (by_ipa, all) = ((Operation::TlbiIpas2e1, IPA >> 12), (Operation::TlbiVmalle1, 0));
    let last = (Operation::TlbiIpas2le1, IPA >> 12);
    let range = (Operation::TlbiRipas2e1, 1 << 46 | IPA >> 12);
    let wanted = [
        (&[(Operation::TlbiVmalls12e1, 0)][..], FAULT),
        (&[(Operation::TlbiAlle1, 0)], FAULT),
        (&[all], BOTH),
        (&[by_ipa], BOTH),
        (&[last], BOTH),
        (&[by_ipa, all], FAULT),
        (&[last, all], FAULT),
        (&[range, all], FAULT),
        (&[all, by_ipa], BOTH),
        (&[by_ipa, (Operation::TlbiVae1, page(VA))], BOTH),
        (&[(Operation::TlbiIpas2e1, (IPA >> 12) + 1), all], BOTH),
        (&[(Operation::TlbiRipas2le1, 1 << 46 | ((IPA >> 12) + 1)), all], BOTH),
        (&[(Operation::TlbiVae1, page(VA))], BOTH),
        (&[(Operation::TlbiAside1, 1 << 48)], BOTH),
    ];
    for (steps, wanted) in wanted {
        assert_eq!(unmapped(steps), wanted, "{steps:x?}");
    }
}

#[test]
fn a_table_of_stage_2_needs_more_than_the_last_level() {
    let unmapped = |operation, operand| {
        let guest = Guest::new();
        let unmap = guest.late_at(STAGE2, IPA, 2, Change::Replace(0));
        after(&guest, &[unmap, tlbi(operation, operand), tlbi(Operation::TlbiVmalle1, 0)])
    };
    let all = 1 << 46 | 7 << 39 | 1 << 44 | IPA >> 12 & !511;
    for (operation, operand, wanted) in [
        (Operation::TlbiVmalls12e1, 0, FAULT),
        (Operation::TlbiRipas2e1, all, FAULT),
        (Operation::TlbiRipas2le1, all, BOTH),
        (Operation::TlbiIpas2le1, IPA >> 12, BOTH),
    ] {
        assert_eq!(unmapped(operation, operand), wanted, "{operation:?} {operand:#x}");
    }
}

#[test]
fn a_vmid_of_its_own_is_left_alone() {
    // Unmapped while another VMID is current: what takes away the current one's is not enough.
    for (operation, wanted) in [
        (Operation::TlbiVmalls12e1, BOTH),
        (Operation::TlbiVmalle1, BOTH),
        (Operation::TlbiAlle1, FAULT),
    ] {
        let guest = Guest::new();
        let to_other = guest.other(STAGE2, 2, false);
        let unmap = guest.late(STAGE2, IPA, 0);
        let steps = [to_other, unmap, tlbi(operation, 0), Guest::back(STAGE2, 1)];
        assert_eq!(after(&guest, &steps), wanted, "{operation:?}");
    }
}

#[test]
fn another_vmid_finds_nothing_of_the_first() {
    let guest = Guest::new();
    let unmap = guest.late(STAGE2, IPA, 0);
    let to_other = guest.other(STAGE2, 2, false);
    let (answers, is_foreign) = guest.expected(&[unmap, to_other], load());
    assert_eq!((answers, is_foreign), (vec![Answer::Reached(Reach::new(OLD + 0x1000))], false));
    // With 8 bits, VMID 0x101 is 1.
    let same = guest.other(STAGE2, 0x101, false);
    assert!(guest.expected(&[same], load()).1);
    for (operation, is_foreign) in [
        (Operation::TlbiVmalls12e1, false),
        (Operation::TlbiAlle1, false),
        (Operation::TlbiVmalle1, true),
    ] {
        let found = guest.expected(&[same, tlbi(operation, 0)], load()).1;
        assert_eq!(found, is_foreign, "{operation:?}");
    }
}

#[test]
fn another_asid_finds_what_is_global_alone() {
    for (is_global, asid, steps, is_foreign) in [
        (true, 2, &[][..], true),
        (false, 2, &[], false),
        (false, 1, &[], true),
        (false, 1, &[tlbi(Operation::TlbiAside1, 1 << 48)], false),
        (false, 1, &[tlbi(Operation::TlbiAside1, 2 << 48)], true),
        (true, 1, &[tlbi(Operation::TlbiAside1, 1 << 48)], true),
        (true, 1, &[tlbi(Operation::TlbiVmalle1, 0)], false),
    ] {
        let guest = if is_global { Guest::new() } else { Guest::new().without_global() };
        let to_other = guest.other(STAGE1, asid, is_global);
        let all: Vec<_> = [to_other].into_iter().chain(steps.iter().copied()).collect();
        let (answers, found) = guest.expected(&all, load());
        assert_eq!(found, is_foreign, "global: {is_global}, ASID {asid}, {steps:x?}");
        assert_eq!(answers, [Answer::Reached(Reach::new(OLD + 0x1000))]);
    }
}

#[test]
fn what_is_stale_by_another_asid_does_not_show() {
    // Unmapped while ASID 2 is current.
    for (is_global, wanted) in [(false, FAULT), (true, BOTH)] {
        let guest = if is_global { Guest::new() } else { Guest::new().without_global() };
        let to_other = guest.other(STAGE1, 2, is_global);
        let unmap = guest.late(STAGE1, VA, 0);
        // The first tree, by an ASID under which it was never walked before the change.
        let all = tlbi(Operation::TlbiVmalle1, 0);
        let steps = [all, to_other, unmap, Guest::back(STAGE1, 3)];
        assert_eq!(after(&guest, &steps), wanted, "global: {is_global}");
    }
}

#[test]
fn a_page_that_is_moved_without_a_break_may_be_mixed_or_conflict() {
    for tree in [STAGE1, STAGE2] {
        let (input, moved) = match tree {
            STAGE1 => (VA, TAGS_IPA + 0x5000),
            _ => (IPA, SCRATCH + scratch::TAGS + 0x5000),
        };
        let attributes = if tree == STAGE1 { 0x743 } else { 0x7ff };
        let unbroken = Seen { old: true, fault: false, other: true, conflict: true };
        let moves = |between: &[Probe]| {
            let guest = Guest::new();
            let unmap = guest.late(tree, input, 0);
            let map = guest.late(tree, input, moved | attributes);
            let steps: Vec<_> = match between {
                [] => vec![map],
                between => {
                    [unmap].into_iter().chain(between.iter().copied()).chain([map]).collect()
                }
            };
            after(&guest, &steps)
        };
        assert_eq!(moves(&[]), unbroken, "tree {tree}");
        let insufficient = tlbi(Operation::TlbiAside1, 9 << 48);
        assert_eq!(
            moves(&[insufficient]),
            unbroken,
            "tree {tree}: it was broken, and not taken away"
        );
        let done = Seen { other: true, ..Seen::default() };
        assert_eq!(moves(&[tlbi(Operation::TlbiVmalls12e1, 0)]), done, "tree {tree}");
    }
}

#[test]
fn a_change_of_permissions_needs_no_break() {
    let guest = Guest::new();
    // The same page, read-only for all.
    let protect = guest.late(STAGE1, VA, IPA | 0x7c3);
    let store = Probe::new(Operation::Store, VA).by(El::El1);
    assert_eq!(seen(&guest.after(&[protect], store)), BOTH);
    assert_eq!(seen(&guest.after(&[protect, tlbi(Operation::TlbiVale1, page(VA))], store)), FAULT);
}

#[test]
fn what_was_invalid_or_never_accessed_is_held_by_nobody() {
    let guest = Guest::new();
    let unmap = guest.late(STAGE1, VA, 0);
    let map = guest.late(STAGE1, VA, IPA | 0x743);
    let all = tlbi(Operation::TlbiVmalle1, 0);
    let mapped = Seen { old: true, ..Seen::default() };
    assert_eq!(after(&guest, &[unmap, all, map]), mapped);
    // AF is 0: no TLB holds it.
    let old = guest.late(STAGE1, VA, IPA | 0x343);
    assert_eq!(after(&guest, &[unmap, all, old, map]), mapped);
}

#[test]
fn a_tlbi_is_for_its_own_pe_or_for_all() {
    for (flags, of_own, of_other) in [
        (0, FAULT, BOTH),
        (Probe::INNER_SHAREABLE, FAULT, FAULT),
        (Probe::OUTER_SHAREABLE, FAULT, FAULT),
        (Probe::NXS, FAULT, BOTH),
    ] {
        let guest = Guest::new();
        let unmap = guest.late(STAGE1, VA, 0);
        let mut done = tlbi(Operation::TlbiVae1, page(VA)).with(flags);
        done.pe = 1;
        let on = |pe| {
            let mut load = load();
            load.pe = pe;
            seen(&guest.after(&[unmap, done], load))
        };
        assert_eq!((on(1), on(0)), (of_own, of_other), "flags {flags:#x}");
    }
}

#[test]
fn an_at_instruction_may_use_what_is_held() {
    let guest = Guest::new();
    let unmap = guest.late(STAGE2, IPA, 0);
    let at = Probe::new(Operation::AtS12e1r, VA);
    let faults = |steps: &[Probe]| {
        let answers = guest.after(steps, at);
        let fault = |answer: &Answer| match answer {
            Answer::Par { fault, .. } => fault.is_some(),
            other => panic!("{other:?}"),
        };
        answers.iter().map(fault).collect::<Vec<_>>()
    };
    assert_eq!(faults(&[unmap]), [true, false]);
    assert_eq!(faults(&[unmap, tlbi(Operation::TlbiVmalls12e1, 0)]), [true]);
}
