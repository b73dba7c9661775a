//! What the mappings of both stages of the EL1&0 regime ask for.
//!
//! ```text
//!   VA --mapping of EL1--> IPA --mapping of stage 2--> PA
//! ```
//!
//! Where the tables of stage 1 are mapped is not asked: a fault on the way to them says nothing here.

use case::CaseRef;
use case::control::{hcr, sctlr};
use case::format::{AddressFormat, Format};
use case::mapping::{Attributes, Mapping};
use case::memory::MemoryMap;
use case::probe::{El, Operation, Probe};
use case::tree::Role;
use case::vtcr::ps_bits;
use oracle::access::Accesses;
use oracle::answer::Answer;

use super::{ACCESS_FLAG, PERMISSION, TRANSLATION, VTCR_HA, VTCR_HD, fault, mapping_of};
use crate::verdict::Ending;

/// One use of an address.
#[derive(Clone, Copy)]
struct Use {
    reads: bool,
    writes: bool,
    fetches: bool,
    is_user: bool,
    /// PSTATE.PAN, where it counts.
    pan: bool,
}

/// A question to the EL1&0 regime.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    address: u64,
    /// What is done, one after the other; `None` where the mappings alone do not determine it.
    uses: Option<(Use, Option<Use>)>,
    has_stage2: bool,
}

/// What the mappings ask for.
enum GuestIntent {
    Address(u64),
    Fault { stage: u8, status: u64, why: &'static str },
}

impl Asked {
    /// What `probe` asks of both stages, or by a guest; `None` where it asks something else.
    pub fn of(case: CaseRef<'_>, probe: &Probe) -> Option<Self> {
        let registers = &case.header.registers;
        let operation = probe.operation()?;
        let has_stage1 =
            registers.sctlr_el1 & sctlr::M != 0 && registers.hcr_el2 & (hcr::DC | hcr::E2H) == 0;
        let el = probe.el()?;
        let has_stage2 = registers.hcr_el2 & (hcr::VM | hcr::DC) != 0;
        if el == El::El2 && !(has_stage1 && operation.is_at()) {
            return None;
        }
        let address = probe.address;
        if operation.is_at() {
            let (is_user, writes) = match operation {
                Operation::AtS12e1r | Operation::AtS1e1r => (false, false),
                Operation::AtS12e1w | Operation::AtS1e1w => (false, true),
                Operation::AtS12e0r | Operation::AtS1e0r => (true, false),
                Operation::AtS12e0w | Operation::AtS1e0w => (true, true),
                _ => return None,
            };
            let only = Use { reads: !writes, writes, fetches: false, is_user, pan: false };
            let has_stage2 = has_stage2 && Operation::STAGE2.contains(&operation);
            return Some(Self { address, uses: Some((only, None)), has_stage2 });
        }
        let accesses = Accesses::of(probe)?;
        let is_aligned = address.is_multiple_of(accesses.bytes().into());
        let uses = uses(operation, el == El::El0, probe.has(Probe::PAN));
        Some(Self { address, uses: uses.filter(|_| is_aligned), has_stage2 })
    }

    /// What is wrong with `answer`, the reference walker's.
    pub fn violated(
        &self,
        case: CaseRef<'_>,
        map: &MemoryMap,
        answer: &Answer,
        pa_bits: u8,
    ) -> Option<String> {
        let is_changed = |probe: &Probe| {
            matches!(probe.operation(), Some(Operation::Change | Operation::UseTree))
        };
        if case.probes.iter().any(is_changed) || is_on_stage_1_walk(answer) {
            return None;
        }
        let (first, then) = self.uses?;
        let mut wanted = self.wanted(case, map, first, pa_bits)?;
        if let (GuestIntent::Address(_), Some(then)) = (&wanted, then) {
            wanted = self.wanted(case, map, then, pa_bits)?;
        }
        let ended = || Ending::of(answer);
        match wanted {
            GuestIntent::Fault { stage, status, why } => {
                let is_it = fault(answer) == Some(status) && stage_of(answer) == Some(stage);
                (!is_it).then(|| format!("{why}, but the walk ended in {}", ended()))
            }
            GuestIntent::Address(address) => {
                let found = match answer {
                    Answer::Par { par, fault: None } => {
                        Some(par.value & 0x000f_ffff_ffff_f000 | address & 0xfff)
                    }
                    Answer::Reached(reach) => Some(reach.pa),
                    _ => None,
                };
                (found != Some(address))
                    .then(|| format!("it is mapped to {address:#x}, but {}", ended()))
            }
        }
    }

    /// What the mappings ask for of one use; `None` where they do not determine it.
    fn wanted(
        &self,
        case: CaseRef<'_>,
        map: &MemoryMap,
        used: Use,
        pa_bits: u8,
    ) -> Option<GuestIntent> {
        let ipa = match stage1(case, self.address, used, pa_bits)? {
            GuestIntent::Address(ipa) => ipa,
            fault @ GuestIntent::Fault { .. } => return Some(fault),
        };
        if !self.has_stage2 {
            return Some(GuestIntent::Address(ipa));
        }
        stage2(case, map, ipa, used, pa_bits)
    }
}

/// What `operation` does to memory; `None` where permissions are another matter.
fn uses(operation: Operation, is_user: bool, pan: bool) -> Option<(Use, Option<Use>)> {
    let one = |reads, writes| Use { reads, writes, fetches: false, is_user, pan };
    let unprivileged = |used: Use| Use { is_user: true, pan: false, ..used };
    Some(match operation {
        Operation::Load
        | Operation::LoadPair
        | Operation::LoadExclusive
        | Operation::LoadAcquire => (one(true, false), None),
        Operation::Store | Operation::StorePair | Operation::StoreRelease => {
            (one(false, true), None)
        }
        Operation::Swap | Operation::Add | Operation::CompareAndSwap => (one(true, true), None),
        Operation::StoreExclusive => (one(true, false), Some(one(false, true))),
        Operation::LoadUnprivileged => (unprivileged(one(true, false)), None),
        Operation::StoreUnprivileged => (unprivileged(one(false, true)), None),
        Operation::Fetch => (Use { fetches: true, pan: false, ..one(false, false) }, None),
        _ => return None,
    })
}

fn stage1(case: CaseRef<'_>, address: u64, used: Use, pa_bits: u8) -> Option<GuestIntent> {
    let registers = &case.header.registers;
    let tcr = registers.tcr_el1;
    let is_upper = address >> 55 & 1 == 1;
    let bit = |lower: u32| tcr >> (lower + u32::from(is_upper)) & 1 == 1;
    if registers.sctlr_el1 & sctlr::M == 0 || registers.hcr_el2 & hcr::DC != 0 {
        return Some(GuestIntent::Address(address)).filter(|_| address >> pa_bits == 0);
    }
    let fault = |status, why| Some(GuestIntent::Fault { stage: 1, status, why });
    let role = if is_upper { Role::Ttbr1El1 } else { Role::Ttbr0El1 };
    let unmapped = "nothing is mapped there at stage 1";
    let Some(format) = case.format(role) else { return fault(TRANSLATION, unmapped) };
    // TBI, and TBID for fetches.
    let top = if bit(37) && !(used.fetches && bit(51)) { 8 } else { 0 };
    let above = address << top >> top >> format.ia_bits;
    let all = if is_upper { u64::MAX << top >> top >> format.ia_bits } else { 0 };
    // E0PD keeps EL0 out.
    if used.is_user && bit(55) {
        return None;
    }
    let input = address & ((1 << format.ia_bits) - 1);
    let mapping = mapping_of(case, role, input).filter(|_| above == all);
    let Some(Mapping { attributes, output, input: first, .. }) = mapping else {
        return fault(TRANSLATION, unmapped);
    };
    let ipa = output.offset() + (input - first);
    // What a stage may not put out is the reference walker's matter.
    if ipa >> output_bits(&format, tcr >> 32 & 7, pa_bits) != 0 {
        return None;
    }
    if attributes.af == 0 && tcr >> 39 & 1 == 0 {
        return fault(ACCESS_FLAG, "its access flag is clear at stage 1");
    }
    let (is_for_user, is_read_only) = (attributes.ap & 1 != 0, attributes.ap & 2 != 0);
    let may_be_dirty = tcr >> 40 & 1 == 1 && attributes.has(Attributes::DBM);
    let is_undetermined = is_read_only && may_be_dirty && (used.writes || used.fetches)
        || used.pan && registers.sctlr_el1 & sctlr::EPAN != 0;
    if is_undetermined {
        return None;
    }
    let wxn = registers.sctlr_el1 & sctlr::WXN != 0;
    let is_refused = if used.fetches {
        match used.is_user {
            true => attributes.xn & 2 != 0 || wxn && is_for_user && !is_read_only,
            // What EL0 may write EL1 does not execute.
            false => attributes.xn & 1 != 0 || !is_read_only && (is_for_user || wxn),
        }
    } else {
        let is_kept_out = if used.is_user { !is_for_user } else { used.pan && is_for_user };
        is_kept_out || used.writes && is_read_only
    };
    if is_refused {
        return fault(PERMISSION, "stage 1 does not permit the access");
    }
    Some(GuestIntent::Address(ipa))
}

fn stage2(
    case: CaseRef<'_>,
    map: &MemoryMap,
    ipa: u64,
    used: Use,
    pa_bits: u8,
) -> Option<GuestIntent> {
    let vtcr = case.header.registers.vtcr_el2;
    let fault = |status, why| Some(GuestIntent::Fault { stage: 2, status, why });
    let Some(mapping) = mapping_of(case, Role::Stage2, ipa) else {
        return fault(TRANSLATION, "nothing is mapped there at stage 2");
    };
    let pa = map.resolve(mapping.output)? + (ipa - mapping.input);
    let format = case.format(Role::Stage2)?;
    if pa >> output_bits(&format, vtcr >> 16 & 7, pa_bits) != 0 {
        return None;
    }
    let attributes = &mapping.attributes;
    if attributes.af == 0 && vtcr & VTCR_HA == 0 {
        return fault(ACCESS_FLAG, "its access flag is clear at stage 2");
    }
    let lacks_write = attributes.ap & 2 == 0;
    let may_be_dirty = vtcr & VTCR_HD != 0 && attributes.has(Attributes::DBM);
    // XN[0] counts with FEAT_XNX alone.
    let is_undetermined =
        used.writes && lacks_write && may_be_dirty || used.fetches && attributes.xn & 1 != 0;
    if is_undetermined {
        return None;
    }
    let is_refused = used.reads && attributes.ap & 1 == 0
        || used.writes && lacks_write
        || used.fetches && attributes.xn & 2 != 0;
    if is_refused {
        return fault(PERMISSION, "stage 2 does not permit the access");
    }
    Some(GuestIntent::Address(pa))
}

/// How many bits an output address of tables of this format may have, where PS or IPS is `ps`.
fn output_bits(format: &Format, ps: u64, pa_bits: u8) -> u8 {
    let of_format = if format.address == AddressFormat::Bits48 { 48 } else { 52 };
    pa_bits.min(ps_bits(ps)).min(of_format)
}

fn is_on_stage_1_walk(answer: &Answer) -> bool {
    match answer {
        Answer::Par { fault, .. } => fault.is_some_and(|fault| fault.s1_walk),
        Answer::Exception(taken) => taken.abort.fault.s1_walk,
        Answer::Reached(_) | Answer::Maintained(_) => false,
    }
}

/// The stage whose fault `answer` tells of.
fn stage_of(answer: &Answer) -> Option<u8> {
    let fault = match answer {
        Answer::Par { fault, .. } => (*fault)?,
        Answer::Exception(taken) => taken.abort.fault,
        Answer::Reached(_) | Answer::Maintained(_) => return None,
    };
    Some(match fault.stage {
        golden::Stage::One => 1,
        golden::Stage::Two => 2,
    })
}
