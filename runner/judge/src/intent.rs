//! Does the reference walker find what the case's own mappings ask for?
//!
//! The builder runs on host and target alike. Were it wrong in the same way on both, device and
//! reference would agree on wrong tables; this check would not.

mod guest;
mod stage1;

use case::CaseRef;
use case::control::hcr;
use case::mapping::{Attributes, Mapping};
use case::memory::MemoryMap;
use case::probe::{Operation, Probe};
use case::tree::Role;
use oracle::answer::Answer;

use crate::verdict::Ending;

/// `VTCR_EL2.HA`.
const VTCR_HA: u64 = 1 << 21;
/// `VTCR_EL2.HD`.
const VTCR_HD: u64 = 1 << 22;
/// `VTCR_EL2.DS`.
const VTCR_DS: u64 = 1 << 32;

/// Fault status codes of `PAR_EL1.FST`, less the level.
const TRANSLATION: u64 = 0b00_01;
const ACCESS_FLAG: u64 = 0b00_10;
const PERMISSION: u64 = 0b00_11;

/// What is wrong with `answer`, the reference walker's, to `probe`; `None` where it is what the mappings of
/// `case` ask for, or where they do not determine it. `map` says where the arenas are.
///
/// `pa_bits` is the PE's physical address size: with stage 1 off, larger addresses never reach
/// stage 2.
pub fn violated(
    case: CaseRef<'_>,
    map: &MemoryMap,
    probe: &Probe,
    answer: &Answer,
    pa_bits: u8,
) -> Option<String> {
    if let Some(asked) = guest::Asked::of(case, probe) {
        return asked.violated(case, map, answer, pa_bits);
    }
    let operation = probe.operation()?;
    let wanted = if Operation::STAGE2.contains(&operation) {
        if matches!(answer, Answer::Exception(_)) {
            return Some("a walk in the case's own tables took an exception".into());
        }
        let has_stage2 = case.header.registers.hcr_el2 & (hcr::VM | hcr::DC) != 0;
        let reaches_stage2 = has_stage2 && probe.address >> pa_bits == 0;
        reaches_stage2.then(|| Intent::of_stage2(case, map, probe)).flatten()?
    } else {
        stage1::wanted(case, map, operation, probe.address)?
    };
    let ended = || Ending::of(answer);
    match (wanted, fault(answer)) {
        (Intent::Fault { status, .. }, Some(found)) if found == status => None,
        (Intent::Fault { why, .. }, _) => Some(format!("{why}, but the walk ended in {}", ended())),
        (Intent::Output { pa, attr, sh }, None) => match *answer {
            Answer::Par { par, .. } => {
                let found = par.value & 0x000f_ffff_ffff_f000;
                if found != pa & !0xfff {
                    return Some(format!("it is mapped to {pa:#x}, but the walk gave {found:#x}"));
                }
                let wrong_attr = attr
                    .is_some_and(|(value, mask)| (without_xs(par.value >> 56) ^ value) & mask != 0);
                let wrong_sh = sh.is_some_and(|sh| par.value >> 7 & 3 != sh);
                (wrong_attr || wrong_sh).then(|| format!("its memory attributes are not in {par}"))
            }
            Answer::Reached(found) if found.pa == pa => None,
            Answer::Reached(_) | Answer::Maintained(_) | Answer::Exception(_) => {
                Some(format!("it is mapped to {pa:#x}, but {}", ended()))
            }
        },
        (Intent::Output { pa, .. }, Some(_)) => {
            Some(format!("it is mapped to {pa:#x}, but the walk ended in {}", ended()))
        }
    }
}

/// Bits 5:2 of the fault status that `answer` tells of: its kind. Level -1 has codes of its own.
fn fault(answer: &Answer) -> Option<u64> {
    let status = match answer {
        Answer::Par { par, .. } => (par.value & 1 == 1).then_some(par.value >> 1 & 0x3f)?,
        Answer::Exception(taken) => taken.abort.exception.esr.value & 0x3f,
        Answer::Reached(_) | Answer::Maintained(_) => return None,
    };
    Some(if status == 0b10_1011 { TRANSLATION } else { status >> 2 })
}

/// What the mappings ask for.
enum Intent {
    Fault {
        status: u64,
        why: &'static str,
    },
    Output {
        pa: u64,
        /// Bits of `PAR_EL1.ATTR`, value and mask, where the mapping alone decides over them.
        attr: Option<(u64, u64)>,
        /// `PAR_EL1.SH`, where the mapping alone decides over it.
        sh: Option<u64>,
    },
}

impl Intent {
    /// Of stage 2, with stage 1 off. `None` where the mapping does not determine the answer.
    fn of_stage2(case: CaseRef<'_>, map: &MemoryMap, probe: &Probe) -> Option<Self> {
        let vtcr_el2 = case.header.registers.vtcr_el2;
        let Some(mapping) = mapping_of(case, Role::Stage2, probe.address) else {
            return Some(Self::Fault { status: TRANSLATION, why: "nothing is mapped there" });
        };
        let attributes = &mapping.attributes;
        if attributes.af == 0 && vtcr_el2 & VTCR_HA == 0 {
            return Some(Self::Fault { status: ACCESS_FLAG, why: "its access flag is clear" });
        }
        // S2AP bit 0 permits reads, bit 1 writes.
        let writes = matches!(probe.operation()?, Operation::AtS12e1w | Operation::AtS12e0w);
        if attributes.ap >> u8::from(writes) & 1 == 0 {
            // A clean but dirty-managed page is the reference walker's matter.
            let managed = vtcr_el2 & VTCR_HD != 0 && attributes.has(Attributes::DBM);
            let why = "it does not permit the access";
            return (!managed).then_some(Self::Fault { status: PERMISSION, why });
        }
        let pa = map.resolve(mapping.output)? + (probe.address - mapping.input);
        let (attr, sh) = attributes_wanted(case, attributes);
        Some(Self::Output { pa, attr, sh })
    }
}

fn mapping_of<'a>(case: CaseRef<'a>, role: Role, address: u64) -> Option<&'a Mapping> {
    let number = case.trees.iter().position(|tree| tree.role() == Some(role))?;
    let granule = case.trees[number].format()?.granule;
    let in_tree = |mapping: &&Mapping| usize::from(mapping.tree) == number;
    case.mappings.iter().filter(in_tree).find(|mapping| {
        let bytes = u64::from(mapping.entries) << granule.entry_bits(mapping.level);
        address.checked_sub(mapping.input).is_some_and(|offset| offset < bytes)
    })
}

/// With DC = 1 stage 1 gives Normal Write-Back, Non-shareable memory, so that stage 2's attributes
/// show as they are.
fn attributes_wanted(
    case: CaseRef<'_>,
    attributes: &Attributes,
) -> (Option<(u64, u64)>, Option<u64>) {
    let registers = &case.header.registers;
    if registers.hcr_el2 & hcr::DC == 0 || registers.hcr_el2 & hcr::CD != 0 {
        return (None, None);
    }
    let mem_attr = u64::from(attributes.mem_attr);
    let fwb = registers.hcr_el2 & hcr::FWB != 0;
    let attr = match (fwb, mem_attr >> 2) {
        // Device, by kind: 0b0000dd00. FnXS moves bit 0.
        (_, 0) => (mem_attr << 2 & 0xc, 0xfc),
        (true, _) if mem_attr == 0b0101 => (0x44, 0xff),
        (true, _) => (0xcc, 0xcc),
        (false, outer) => {
            let (outer, outer_mask) = cacheability(outer);
            let (inner, inner_mask) = cacheability(mem_attr & 3);
            (outer << 4 | inner, outer_mask << 4 | inner_mask)
        }
    };
    let cacheable = attr.0 >> 4 != 0 && attr.0 & 0x88 != 0;
    let sh = (registers.vtcr_el2 & VTCR_DS == 0).then_some(match cacheable {
        // Device and fully Non-cacheable memory is Outer Shareable.
        false => 0b10,
        true => u64::from(attributes.sh),
    });
    (Some(attr), sh)
}

/// `ATTR` with the encodings that FEAT_XS adds for XS = 0 replaced by those that they vary.
const fn without_xs(attr: u64) -> u64 {
    match attr {
        0x40 => 0x44,
        0xa0 => 0xaa,
        _ => attr,
    }
}

/// The nibble of `PAR_EL1.ATTR` for a two-bit cacheability, value and mask: the allocation hints are
/// stage 1's.
const fn cacheability(cacheability: u64) -> (u64, u64) {
    match cacheability {
        0b01 => (0x4, 0xf),
        0b10 => (0x8, 0xc),
        _ => (0xc, 0xc),
    }
}
