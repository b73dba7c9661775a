//! Open choices: what is asked, and what follows from each answer.

use crate::guest::*;
use golden::{
    Access, Answer, At, Choice, El, FaultKind, Features, GroupInspection, Openness, Operation,
    Profile,
};

/// The answers to each open choice that led to an outcome, by name.
fn names(asked: &[golden::Asked]) -> Vec<String> {
    asked
        .iter()
        .map(|asked| format!("{}={}", asked.choice, asked.choice.answer_name(asked.answer)))
        .collect()
}

#[test]
fn nothing_open_is_one_walk() {
    let outcomes = Guest::both_stages().allowed_loads(0x5000);
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].1, []);
    assert_eq!(pa(&outcomes[0].0), 0x5000);
}

#[test]
fn choices_and_answers_have_names() {
    for &choice in Choice::ALL {
        assert_eq!(Choice::named(choice.name()), Some(choice));
        for n in 0..8 {
            let name = choice.answer_name(Answer(n)).to_string();
            if name != "?" && !name.starts_with("other_entry_") {
                assert_eq!(choice.answer_named(&name), Some(Answer(n)), "{choice}={name}");
            }
        }
    }
    assert_eq!(Choice::named("no_such_choice"), None);
    assert_eq!(Choice::ReservedMairActsAs.answer_named("0x44"), Some(Answer(0x44)));
    assert_eq!(Choice::ReservedMairActsAs.answer_named("44"), None);
    assert_eq!(Choice::TxszBelowMin.openness(), Openness::ImplementationDefined);
    assert_eq!(Choice::MisalignedBase.openness(), Openness::ConstrainedUnpredictable);
}

/// Bits of the base below the table's alignment are zero, or corrupt the address in themselves.
#[test]
fn a_misaligned_base() {
    let mut guest = Guest::stage2();
    // The table of level 1 has 512 entries; bit 3 is below its alignment.
    guest.registers.vttbr_el2 = S2_L1 | 8;
    guest.set(S2_L1 + 8, 0x4000_0000 | S2_BLOCK);
    let outcomes = guest.allowed_loads(0x5000);
    let found: Vec<_> =
        outcomes.iter().map(|(outcome, asked)| (pa(outcome), names(asked))).collect();
    assert_eq!(
        found,
        [
            (0x5000, vec!["misaligned_base=treated_as_zero".to_owned()]),
            (0x4000_5000, vec!["misaligned_base=ored".to_owned()]),
            (0x4000_5000, vec!["misaligned_base=inverting".to_owned()]),
        ]
    );
    // With bit 3 of the address set anyway, only inverting it shows.
    let outcomes = guest.allowed_loads(0x4000_5000);
    let found: Vec<_> = outcomes.iter().map(|(outcome, _)| pa(outcome)).collect();
    assert_eq!(found, [0x4000_5000, 0x4000_5000, 0x5000]);
}

/// CnP is no part of the base.
#[test]
fn cnp_does_not_misalign_the_base() {
    let mut guest = Guest::stage2();
    guest.registers.vttbr_el2 = S2_L1 | 1;
    assert_eq!(guest.allowed_loads(0x5000).len(), 1);
}

/// PS = 0b111 acts as 0b110, of a table base too or not, or as 0b101; where no output has 52 bits it says nothing.
#[test]
fn a_reserved_output_size() {
    const PS: u64 = 0b111 << 16;
    let mut guest = Guest::stage2();
    let features = features().with(Features::FEAT_LPA).with(Features::FEAT_TTST);
    guest.implementation = golden::Implementation::new(52, features);
    // 64KB pages from level 3, with an input of 29 bits; bit 2 of the base is address bit 48, or none.
    guest.registers.vtcr_el2 = 35 | 0b01 << 14 | PS;
    guest.registers.vttbr_el2 = 0x1_0000 | 1 << 2;
    let page = |high: u64| 0x7_0000 | high << 12 | S2_PAGE;
    guest.set(0x1_0000, page(0));
    guest.set(0x1_0000 + (1 << 48), page(1));
    let size = |answer| format!("reserved_output_size={answer}");
    assert_eq!(
        told_at(&guest, 0x123),
        [
            (Ok(0x7_0123), size("52_bits")),
            (Ok(1 << 48 | 0x7_0123), size("0b110")),
            (Ok(0x7_0123), size("0b101")),
        ]
    );
    // An output of more than 48 bits.
    guest.registers.vttbr_el2 = 0x1_0000;
    guest.set(0x1_0000, page(1));
    let told = told_at(&guest, 0x123);
    assert_eq!(told[0].0, Ok(1 << 48 | 0x7_0123));
    assert_eq!(told[2], (Err(FaultKind::AddressSize), size("0b101")));
    guest.implementation.features = features.without(Features::FEAT_LPA);
    assert_eq!(told_at(&guest, 0x123).len(), 1);
    guest.implementation.features = features;
    guest.registers.vtcr_el2 ^= 1 << 16;
    assert_eq!(told_at(&guest, 0x123), [(Ok(1 << 48 | 0x7_0123), String::new())]);
}

/// A group of 16 pages, all alike but for `odd` of them.
fn contiguous_guest(odd: u64, descriptor: u64) -> Guest {
    let mut guest = Guest::stage2();
    for page in 0..16 {
        guest.set(S2_L3 + 8 * page, page << 12 | S2_PAGE | CONTIGUOUS);
    }
    guest.set(S2_L3 + 8 * odd, descriptor);
    guest
}

#[test]
fn a_contiguous_group_that_agrees() {
    let guest = contiguous_guest(7, 0x7000 | S2_PAGE | CONTIGUOUS);
    let outcomes = guest.allowed_loads(0x5000);
    assert_eq!((outcomes.len(), pa(&outcomes[0].0)), (1, 0x5000));
    // The access flag, dirty state and software's bits may differ.
    let guest = contiguous_guest(7, 0x7000 | (S2_PAGE & !AF) | CONTIGUOUS | 0b1010 << 55);
    assert_eq!(guest.allowed_loads(0x5000).len(), 1);
}

/// The outcomes of a load at 0x5000: the page, or the kind of fault; with the choices behind each.
fn told(guest: &Guest) -> Vec<(Result<u64, FaultKind>, String)> {
    told_at(guest, 0x5000)
}

fn told_at(guest: &Guest, va: u64) -> Vec<(Result<u64, FaultKind>, String)> {
    let outcomes = guest.allowed_loads(va);
    let told = outcomes.iter().map(|(outcome, asked)| {
        let result = outcome.result.map(|translation| translation.pa.0);
        (result.map_err(|abort| abort.fault.kind), names(asked).join(" "))
    });
    told.collect()
}

fn named<const N: usize>(
    all: [(Result<u64, FaultKind>, &str); N],
) -> Vec<(Result<u64, FaultKind>, String)> {
    all.map(|(result, name)| (result, name.to_owned())).to_vec()
}

const OWN: &str = "contiguous_group=own_entry";
const OTHER: &str = "contiguous_group=other_entry_1";

/// R_JQQTC: the bits agree, so that there is no conflict; any member's translation may be used.
#[test]
fn a_contiguous_group_whose_member_is_elsewhere() {
    let guest = contiguous_guest(7, 0x4000_7000 | S2_PAGE | CONTIGUOUS);
    assert_eq!(told(&guest), named([(Ok(0x5000), OWN), (Ok(0x4000_5000), OTHER)]));
}

/// An output address that its place does not call for: its bits come from the input address, if the group
/// counts.
#[test]
fn a_contiguous_group_with_a_misplaced_member() {
    let guest = contiguous_guest(5, 0x8000 | S2_PAGE | CONTIGUOUS);
    assert_eq!(
        told(&guest),
        named([
            (Ok(0x5000), "contiguous_out_of_place=as_range"),
            (Ok(0x8000), "contiguous_out_of_place=alone"),
        ])
    );
}

/// Two 2MB blocks that call themselves contiguous, where the input address has no room for a group of 16.
fn too_large_group(second: u64) -> Guest {
    let mut guest = Guest::stage2();
    // From level 2, with an input of 22 bits.
    guest.registers.vtcr_el2 = 42 | 0b101 << 16;
    guest.registers.vttbr_el2 = S2_L2;
    guest.set(S2_L2, 0x4000_0000 | S2_BLOCK | CONTIGUOUS);
    guest.set(S2_L2 + 8, second | S2_BLOCK | CONTIGUOUS);
    guest
}

/// It faults, or the bit is ignored; what agrees gives the same either way.
#[test]
fn a_contiguous_group_larger_than_the_input() {
    let outcomes = too_large_group(0x4020_0000).allowed_loads(0x20_5000);
    assert_eq!(outcomes.len(), 2);
    assert_eq!(names(&outcomes[0].1), ["contiguous_misprogrammed=ignore"]);
    assert_eq!(pa(&outcomes[0].0), 0x4020_5000);
    let fault = outcomes[1].0.result.expect_err("too large").fault;
    assert_eq!(
        (fault.kind, names(&outcomes[1].1)),
        (FaultKind::Translation, vec!["contiguous_misprogrammed=fault".to_owned()],)
    );
}

/// If it does not fault, its members may disagree as those of any group.
#[test]
fn a_contiguous_group_larger_than_the_input_that_disagrees() {
    let fault = (0, "misprogrammed=fault".to_owned());
    let ignored = |page: u64, name: &str| (page, format!("misprogrammed=ignore {name}"));
    let misplaced = |alone| {
        [ignored(0x4020_5000, "out_of_place=as_range"), ignored(alone, "out_of_place=alone")]
    };
    let elsewhere =
        [ignored(0x8020_5000, "group=own_entry"), ignored(0x4020_5000, "group=other_entry_1")];
    for (second, ignored) in [
        (0x4060_0000, misplaced(0x4060_5000)),
        (0x4120_0000, misplaced(0x4120_5000)),
        (0x8020_0000, elsewhere),
    ] {
        let outcomes = too_large_group(second).allowed_loads(0x20_5000);
        let told = outcomes.iter().map(|(outcome, asked)| {
            let page = outcome.result.map_or(0, |translation| translation.pa.0);
            (page, names(asked).join(" ").replace("contiguous_", ""))
        });
        let [first, other] = ignored;
        assert_eq!(told.collect::<Vec<_>>(), [first, other, fault.clone()], "{second:#x}");
    }
}

/// A TLB can't hold what is invalid, not contiguous, or has no access flag.
#[test]
fn members_that_no_tlb_holds() {
    for descriptor in
        [0x4000_7000 | S2_PAGE & !1 | CONTIGUOUS, 0x4000_7000 | (S2_PAGE & !AF) | CONTIGUOUS]
    {
        assert_eq!(told(&contiguous_guest(7, descriptor)), named([(Ok(0x5000), "")]));
    }
}

/// R_SKQHL, I_PGVGZ: a member that is invalid is no misprogramming, but a TLB may hold its range all the same.
#[test]
fn an_invalid_member_may_be_found_by_its_neighbours() {
    for descriptor in [0, 0x4000_5000 | S2_PAGE & !1] {
        let wanted = named([(Err(FaultKind::Translation), OWN), (Ok(0x5000), OTHER)]);
        assert_eq!(told(&contiguous_guest(5, descriptor)), wanted);
    }
    // A group of which no TLB can hold a member.
    let mut guest = contiguous_guest(5, 0);
    (0..16).filter(|page| *page != 5).for_each(|page| {
        guest.set(S2_L3 + 8 * page, page << 12 | S2_PAGE & !AF | CONTIGUOUS);
    });
    assert_eq!(told(&guest), named([(Err(FaultKind::Translation), "")]));
}

/// The same without the access flag, where hardware does not set it; where it does, it need not.
#[test]
fn a_member_without_access_flag_may_be_found_by_its_neighbours() {
    let mut guest = contiguous_guest(5, 0x5000 | S2_PAGE & !AF | CONTIGUOUS);
    let wanted = named([(Err(FaultKind::AccessFlag), OWN), (Ok(0x5000), OTHER)]);
    assert_eq!(told(&guest), wanted);
    guest.registers.vtcr_el2 |= VTCR_HA;
    let updates = |guest: &Guest| -> Vec<usize> {
        let outcomes = guest.allowed_loads(0x5000);
        outcomes.iter().map(|(outcome, _)| outcome.updates.as_slice().len()).collect()
    };
    assert_eq!(updates(&guest), [1, 0], "R_GPHKF");
    // No member has it: one must get it.
    (0..16).for_each(|page| {
        guest.set(S2_L3 + 8 * page, page << 12 | S2_PAGE & !AF | CONTIGUOUS);
    });
    assert_eq!(updates(&guest), [1]);
}

/// A store makes one entry of the group dirty, whichever the TLB holds it by; none, if one is dirty already.
#[test]
fn dirty_state_is_any_members() {
    const WRITABLE: u64 = 1 << 7;
    let clean = |page: u64| page << 12 | S2_PAGE & !WRITABLE | DBM | CONTIGUOUS;
    let mut guest = contiguous_guest(0, clean(0));
    guest.registers.vtcr_el2 |= VTCR_HA | VTCR_HD;
    (0..16).for_each(|page| guest.set(S2_L3 + 8 * page, clean(page)));
    let updated = |guest: &Guest, operation| -> Vec<Option<u64>> {
        let outcomes = guest.allowed_accesses(Access::new(operation, El::El1), 0x5000);
        let one = |(outcome, _): &(golden::AccessOutcome, _)| {
            assert_eq!(pa(outcome), 0x5000);
            assert!(outcome.updates.as_slice().len() <= 1);
            outcome.updates.iter().next().map(|update| update.pa.0)
        };
        outcomes.iter().map(one).collect()
    };
    let place = |page: u64| Some(S2_L3 + 8 * page);
    let others = (0..16).filter(|page| *page != 5);
    let any: Vec<_> = [5].into_iter().chain(others.clone()).map(place).collect();
    assert_eq!(updated(&guest, Operation::Store), any, "I_QDCMP");
    assert_eq!(updated(&guest, Operation::Load), [None]);
    guest.set(S2_L3 + 8 * 9, clean(9) | WRITABLE);
    let mut or_none = any.clone();
    or_none.retain(|updated| *updated != place(9));
    or_none.insert(9, None);
    assert_eq!(updated(&guest, Operation::Store), or_none, "R_JKCXG");
    // The read of another member that is dirty gives the same.
    assert_eq!(updated(&guest, Operation::Load), [None, None]);
}

/// R_QTRPM, R_NGLXZ: the bits disagree. Besides any member's translation there is a conflict, and below block
/// translation change level 1 anything.
#[test]
fn a_contiguous_group_with_the_bit_in_some_members_may_conflict() {
    let explored = |guest: &Guest| {
        golden::allowed(
            &Profile::open(),
            |choices| guest.access_with(Access::new(Operation::Load, El::El1), 0x5000, choices),
            |_, _| std::ops::ControlFlow::Continue(()),
        )
    };
    // The one that is asked about lacks it, or another one.
    let lacking = contiguous_guest(5, 0x4000_5000 | S2_PAGE);
    let beside = contiguous_guest(7, 0x4000_7000 | S2_PAGE);
    let none = "contiguous_conflict=none";
    let conflict = (Err(FaultKind::TlbConflict), "contiguous_conflict=tlb_conflict");
    let (own, other) = (format!("{none} {OWN}"), format!("{none} {OTHER}"));
    let wanted = named([(Ok(0x4000_5000), &own), (Ok(0x5000), &other), conflict]);
    assert_eq!(told(&lacking), wanted);
    assert_eq!(told(&beside), named([(Ok(0x5000), none), conflict]));
    for mut guest in [lacking, beside] {
        for (bbm_level, complete) in [(0, false), (1, true), (2, true)] {
            guest.implementation.bbm_level = bbm_level;
            assert_eq!(explored(&guest).complete, complete, "{bbm_level}");
        }
    }
    // Of the other kinds of group nothing is open at any level.
    assert!(explored(&contiguous_guest(5, 0)).complete);
    assert!(explored(&contiguous_guest(7, 0x4000_7000 | S2_PAGE | CONTIGUOUS)).complete);
}

/// A block with the bit reaches what its neighbour's table maps.
#[test]
fn a_table_beside_contiguous_blocks() {
    let mut guest = Guest::stage2();
    guest.set(S2_L2 + 8, 0x4020_0000 | S2_BLOCK | CONTIGUOUS);
    let told = told(&guest);
    assert!(told.iter().any(|(result, _)| *result == Ok(0x4000_5000)), "{told:?}");
    assert!(told.iter().any(|(result, _)| *result == Ok(0x5000)), "{told:?}");
    assert_eq!(told.len(), 3, "and a conflict: {told:?}");
}

/// What takes descriptors at their word does not look at their neighbours.
#[test]
fn neighbours_are_not_inspected_by_the_pseudocode() {
    let profile = Profile::open().with_group_inspection(GroupInspection::Never);
    let guest = contiguous_guest(5, 0);
    let access = Access::new(Operation::Load, El::El1);
    let explored = golden::allowed(
        &profile,
        |choices| guest.access_with(access, 0x5000, choices),
        |outcome, _| {
            assert!(outcome.result.is_err());
            std::ops::ControlFlow::Continue(())
        },
    );
    assert_eq!(explored.walks, 1);
}

#[test]
fn at_may_set_the_access_flag() {
    let mut guest = Guest::stage2();
    guest.registers.vtcr_el2 |= VTCR_HA;
    guest.set(S2_L3 + 8 * 5, 0x5000 | S2_PAGE & !AF);
    let mut profile = Profile::open();
    profile.settle(Choice::ParAttributes, Answer(0));
    let mut updates = Vec::new();
    golden::allowed(
        &profile,
        |choices| guest.at_with(At::S12E1W, El::El2, 0x5000, choices),
        |outcome, asked| {
            assert!(par(&outcome).admits(0x5000 | 1 << 11 | 0b10 << 7));
            updates.push((outcome.updates.as_slice().len(), names(asked)));
            std::ops::ControlFlow::Continue(())
        },
    );
    assert_eq!(
        updates,
        [
            (1, vec!["at_leaves_access_flag=false".to_owned()]),
            (0, vec!["at_leaves_access_flag=true".to_owned()]),
        ]
    );
    // A load must set it.
    assert_eq!(guest.allowed_loads(0x5000).len(), 1);
}

/// With the data cache off, the attributes of the descriptor and those of the access differ.
#[test]
fn par_attributes() {
    let mut guest = Guest::both_stages();
    guest.registers.sctlr_el1 &= !SCTLR_C;
    let pars: Vec<_> = guest
        .allowed_ats(At::S1E1R, 0x5000)
        .iter()
        .map(|(outcome, asked)| (par(outcome), names(asked)))
        .collect();
    let names: Vec<_> = pars.iter().map(|(_, names)| names.join(" ")).collect();
    assert_eq!(
        names,
        ["par_attributes=translated", "par_attributes=descriptors", "par_attributes=implemented"]
    );
    let attr_and_sh = |value: u64| (value >> 56, value >> 7 & 0b11);
    assert_eq!(attr_and_sh(pars[0].0.value), (0x44, 0b10), "Non-cacheable, Outer Shareable");
    assert_eq!(attr_and_sh(pars[1].0.value), (0xff, 0b11), "Write-back, Inner Shareable");
    assert_eq!(attr_and_sh(pars[2].0.mask), (0, 0), "anything");

    // Through stage 2: HCR_EL2.CD is one more control.
    let mut guest = Guest::both_stages();
    guest.registers.hcr_el2 |= 1 << 32;
    let pars: Vec<_> =
        guest.allowed_ats(At::S12E1R, 0x5000).iter().map(|(outcome, _)| par(outcome)).collect();
    assert_eq!(attr_and_sh(pars[0].value), (0x44, 0b10));
    assert_eq!(attr_and_sh(pars[1].value), (0xff, 0b11));

    // With FEAT_S2FWB, stage 2's MemAttr 0b0111 passes on what stage 1 said.
    guest.implementation.features = guest.implementation.features.with(Features::FEAT_S2FWB);
    guest.registers.hcr_el2 = HCR_VM | 1 << 46;
    guest.registers.sctlr_el1 &= !SCTLR_C;
    let pars: Vec<_> =
        guest.allowed_ats(At::S12E1R, 0x5000).iter().map(|(outcome, _)| par(outcome)).collect();
    assert!(pars.iter().any(|par| attr_and_sh(par.value) == (0x44, 0b10)));
    assert!(pars.iter().any(|par| attr_and_sh(par.value) == (0xff, 0b11)));
}

/// The descriptions of HCR_EL2.VM and DC say that they behave as 0 in a host; the pseudocode does not.
#[test]
fn stage_2_of_at_in_a_host() {
    let mut guest = Guest::stage2();
    guest.registers.hcr_el2 |= HCR_E2H | HCR_TGE;
    guest.set(S2_L3 + 8 * 5, 0x4000_5000 | S2_PAGE);
    let mut profile = Profile::open();
    profile.settle(Choice::ParAttributes, Answer(0));
    let mut found = Vec::new();
    golden::allowed(
        &profile,
        |choices| guest.at_with(At::S12E1R, El::El2, 0x5000, choices),
        |outcome, asked| {
            found.push((par(&outcome).value & 0xffff_f000, names(asked)));
            std::ops::ControlFlow::Continue(())
        },
    );
    assert_eq!(
        found,
        [
            (0x4000_5000, vec!["host_stage2=as_written".to_owned()]),
            (0x5000, vec!["host_stage2=off".to_owned()]),
        ]
    );
}

/// MemAttr 0bx100 is reserved with FEAT_S2FWB.
#[test]
fn reserved_memattr_with_forced_write_back() {
    let mut guest = Guest::both_stages();
    guest.implementation.features = guest.implementation.features.with(Features::FEAT_S2FWB);
    guest.registers.hcr_el2 |= 1 << 46;
    guest.registers.mair_el1 = 0xbb;
    guest.set(S2_L3 + 8 * 5, 0x5000 | (S2_PAGE & !(0b1111 << 2)) | 0b0100 << 2);
    let found: Vec<_> = guest
        .allowed_loads(0x5000)
        .iter()
        .map(|(outcome, asked)| {
            let attributes = outcome.result.expect("it translates").attributes;
            (attributes.to_mair(false), names(asked).join(" "))
        })
        .collect();
    assert_eq!(
        found,
        [
            (0x44, "reserved_fwb_memattr=nc".to_owned()),
            (0xff, "reserved_fwb_memattr=wb".to_owned()),
            (0xbb, "reserved_fwb_memattr=stage1".to_owned()),
            (0x00, "reserved_fwb_memattr=device_ngnrne".to_owned()),
            (0x04, "reserved_fwb_memattr=device_ngnre".to_owned()),
            (0x08, "reserved_fwb_memattr=device_ngre".to_owned()),
            (0x0c, "reserved_fwb_memattr=device_gre".to_owned()),
        ]
    );
}

/// A reserved MAIR byte may act as any byte; what is not reserved is never asked about.
#[test]
fn reserved_mair() {
    let mut guest = Guest::both_stages();
    guest.registers.mair_el1 = 0xf0;
    assert_eq!(guest.allowed_loads(0x5000).len(), 256);
    guest.registers.mair_el1 = 0x40;
    assert_eq!(guest.allowed_loads(0x5000).len(), 256, "0x40 is reserved without FEAT_XS");
    guest.implementation.features = guest.implementation.features.with(Features::FEAT_XS);
    assert_eq!(guest.allowed_loads(0x5000).len(), 1);
}

/// The whole matrix of two choices, each at most once in a walk if it is IMPLEMENTATION DEFINED.
#[test]
fn choices_multiply() {
    let mut guest = Guest::stage2();
    guest.registers.vtcr_el2 |= VTCR_HA;
    // No access flag, and no permission: the flag may be set all the same.
    guest.set(S2_L3 + 8 * 5, 0x5000 | S2_PAGE & !AF & !(0b11 << 6) & !(0b11 << 8) | 0b01 << 8);
    let outcomes = guest.allowed_loads(0x5000);
    let all: Vec<_> = outcomes.iter().map(|(_, asked)| names(asked).join(" ")).collect();
    assert_eq!(
        all,
        [
            "reserved_shareability=osh af_update_on_fault=false",
            "reserved_shareability=osh af_update_on_fault=true",
            "reserved_shareability=ish af_update_on_fault=false",
            "reserved_shareability=ish af_update_on_fault=true",
            "reserved_shareability=nsh af_update_on_fault=false",
            "reserved_shareability=nsh af_update_on_fault=true",
        ]
    );
    for (n, (outcome, _)) in outcomes.iter().enumerate() {
        assert_eq!(outcome.updates.is_empty(), n % 2 == 0);
    }
}

#[test]
fn an_implementation_defined_answer_holds_within_a_walk() {
    let mut guest = Guest::both_stages();
    // Both stages have T0SZ above the maximum, and the answer to one is the answer to the other.
    guest.registers.tcr_el1 |= 50;
    guest.registers.vtcr_el2 |= 50;
    for (_, asked) in guest.allowed_loads(0x5000) {
        let times = asked.iter().filter(|asked| asked.choice == Choice::TxszAboveMax).count();
        assert_eq!(times, 1);
    }
}

#[test]
fn a_settled_choice_is_not_asked() {
    let mut guest = Guest::stage2();
    guest.registers.vttbr_el2 = S2_L1 | 8;
    let mut profile = Profile::open();
    profile.settle(Choice::MisalignedBase, Answer(0));
    assert_eq!(profile.to_string(), "misaligned_base=treated_as_zero");
    let access = Access::new(Operation::Load, El::El1);
    let explored = golden::allowed(
        &profile,
        |choices| guest.access_with(access, 0x5000, choices),
        |_, asked| {
            assert_eq!(asked, []);
            std::ops::ControlFlow::Continue(())
        },
    );
    assert_eq!((explored.walks, explored.complete), (1, true));
    profile.reopen(Choice::MisalignedBase);
    assert_eq!(profile, Profile::open());
}

#[test]
fn breaking_off_is_not_complete() {
    let mut guest = Guest::stage2();
    guest.registers.vttbr_el2 = S2_L1 | 8;
    let access = Access::new(Operation::Load, El::El1);
    let explored = golden::allowed(
        &Profile::open(),
        |choices| guest.access_with(access, 0x5000, choices),
        |_, _| std::ops::ControlFlow::Break(()),
    );
    assert_eq!((explored.walks, explored.complete), (1, false));
}
