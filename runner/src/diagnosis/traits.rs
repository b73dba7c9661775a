//! Traits of probes and cases: what an erratum's showing may depend on.

use std::fmt;

use case::probe::{Operation, Probe};
use golden::{FieldName, Registers};

/// What holds in some way of each probe, the more general first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trait {
    Instruction,
    Operation,
    El,
    Pan,
    Bytes,
    Stage1Level,
    Stage2Level,
    /// A field of a register, by the names of both.
    Field(&'static str, &'static str),
}

/// In which way it holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Value {
    Number(u8),
    Name(&'static str),
    Level(i8),
    Field(u64),
}

impl fmt::Display for Trait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Field(register, field) => return write!(f, "{register}.{field}"),
            Self::Stage1Level => "level of stage 1",
            Self::Stage2Level => "level of stage 2",
            Self::Instruction => "instruction",
            Self::Operation => "operation",
            Self::El => "EL",
            Self::Pan => "PSTATE.PAN",
            Self::Bytes => "size in bytes",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Level(level) => write!(f, "{level}"),
            Self::Field(value) => write!(f, "{value:#x}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// What holds of a probe; nothing of a kind where its words mean nothing.
pub fn of(probe: &Probe) -> impl Iterator<Item = (Trait, Value)> {
    let operation = probe.operation();
    let told = |of| Some((of, of_operation(of, operation?)?));
    let traits = [
        told(Trait::Instruction),
        told(Trait::Operation),
        probe.el().map(|el| (Trait::El, Value::Number(el.level()))),
        Some((Trait::Pan, Value::Number(probe.has(Probe::PAN).into()))),
        Some((Trait::Bytes, Value::Number(probe.bytes()))),
    ];
    traits.into_iter().flatten()
}

/// What the fields of registers say.
pub fn of_registers(registers: &Registers) -> impl Iterator<Item = (Trait, Value)> {
    let fields = FieldName::values(registers);
    fields.map(|(register, field, value)| (Trait::Field(register, field), Value::Field(value)))
}

/// What holds of all probes that ask by `operation`.
pub const fn of_operation(of: Trait, operation: Operation) -> Option<Value> {
    match of {
        Trait::Instruction => Some(Value::Name(family(operation))),
        Trait::Operation => Some(Value::Name(operation.name())),
        Trait::El
        | Trait::Pan
        | Trait::Bytes
        | Trait::Stage1Level
        | Trait::Stage2Level
        | Trait::Field(..) => None,
    }
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
