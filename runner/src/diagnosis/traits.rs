//! Traits of cases and probes: what an erratum's showing may depend on.

use std::fmt;

use case::format::Granule;
use case::probe::{Operation, Probe};
use case::tree::Role;
use case::{CaseRef, Flags};
use golden::registers::{Field, HcrEl2, Sctlr, Tcr, TcrEl2, VtcrEl2};

/// What holds in some way of each case or probe: a noun, or a register and its field. They are in the order of their
/// places, those of probes first, and the more general before others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Trait(u16, &'static str, &'static str);

/// In which way it holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Value {
    Number(i64),
    Name(&'static str),
}

impl fmt::Display for Trait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(_, noun, "") => f.write_str(noun),
            Self(_, register, field) if register.starts_with(char::is_uppercase) => {
                write!(f, "{register}.{field}")
            }
            Self(_, tree, what) => write!(f, "{what} of {tree}"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// What holds of a probe, the most general first.
pub fn of_probe(probe: &Probe) -> Vec<(Trait, Value)> {
    let mut traits = Vec::new();
    if let Some(operation) = probe.operation() {
        traits.push((Trait(0, "instruction", ""), Value::Name(family(operation))));
        traits.push((Trait(1, "operation", ""), Value::Name(operation.name())));
    }
    if let Some(el) = probe.el() {
        traits.push((Trait(2, "EL", ""), Value::Number(el.level().into())));
    }
    traits.push((Trait(3, "PSTATE", "PAN"), Value::Number(probe.has(Probe::PAN).into())));
    traits.push((Trait(4, "size in bytes", ""), Value::Number(probe.bytes().into())));
    traits
}

/// What holds of a whole case: who asks, the shape of its trees, and the fields of its registers, as it sets them.
pub fn of_case(case: CaseRef<'_>) -> Vec<(Trait, Value)> {
    let flags = case.flags();
    let asker = match flags {
        flags if flags.has(Flags::GUEST) => "a guest",
        flags if flags.has(Flags::WORLD_SWITCH) => "EL2 in its own set-up",
        flags if flags.has(Flags::MONITOR) => "a monitor at EL3",
        _ => "EL2",
    };
    let mut traits = vec![(Trait(5, "who asks", ""), Value::Name(asker))];
    for (role, place) in Role::ALL.into_iter().zip((10..).step_by(2)) {
        let Some(format) = case.format(role) else { continue };
        let granule = match format.granule {
            Granule::K4 => "4K",
            Granule::K16 => "16K",
            Granule::K64 => "64K",
        };
        traits.push((Trait(place, role.name(), "granule"), Value::Name(granule)));
        let level = format.start_level.into();
        traits.push((Trait(place + 1, role.name(), "start level"), Value::Number(level)));
    }
    let registers = &case.header.registers;
    let e2h = HcrEl2(registers.hcr_el2).e2h();
    for ((register, value), place) in registers.named().into_iter().zip((100..).step_by(100)) {
        let fields: &[Field] = match register {
            "HCR_EL2" => HcrEl2::FIELDS,
            "VTCR_EL2" => VtcrEl2::FIELDS,
            "SCTLR_EL1" | "SCTLR_EL2" => Sctlr::FIELDS,
            "TCR_EL1" => Tcr::FIELDS,
            "TCR_EL2" if e2h => Tcr::FIELDS,
            "TCR_EL2" => TcrEl2::FIELDS,
            _ => continue,
        };
        let field = |(field, place): (&Field, u16)| {
            let value = Value::Number(field.get(value).cast_signed());
            (Trait(place, register, field.name), value)
        };
        traits.extend(fields.iter().zip(place..).map(field));
    }
    traits
}

/// The instructions of which `operation` is one.
const fn family(operation: Operation) -> &'static str {
    match operation {
        operation if operation.is_at() => "AT",
        Operation::Fetch => "a fetch",
        Operation::DcCvac
        | Operation::DcCvau
        | Operation::DcCivac
        | Operation::DcIvac
        | Operation::DcZva => "DC",
        Operation::IcIvau => "IC",
        Operation::Load
        | Operation::LoadPair
        | Operation::LoadExclusive
        | Operation::LoadAcquire
        | Operation::LoadUnprivileged => "a load",
        Operation::Store
        | Operation::StorePair
        | Operation::StoreRelease
        | Operation::StoreUnprivileged => "a store",
        Operation::StoreExclusive
        | Operation::Swap
        | Operation::Add
        | Operation::CompareAndSwap => "an atomic or exclusive store",
        _ => "another",
    }
}
