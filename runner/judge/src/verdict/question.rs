//! Questions: a probe's operation, address, PE, EL and form, or what else a finding is about.

use std::fmt;

use case::guest::piece;
use case::probe::{El, Operation, Probe};
use serde::{Deserialize, Serialize};
use suite::case_file::ProbeFlag;
use suite::hex::Hex;

use super::operation;

/// What a finding is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    Probe(ProbeWords),
    Case,
    /// The tables of the case.
    Tables,
    /// The tables, and memory, after the last probe.
    TablesAfter,
    /// A choice of the target, by name.
    Choice(String),
    /// The words of a record whose format has nothing but words.
    Told(String),
}

impl Question {
    /// What `probe` asks, or does.
    pub fn of(probe: &Probe) -> Self {
        match (probe.operation(), probe.el()) {
            (Some(operation), Some(el)) => Self::Probe(ProbeWords {
                operation,
                address: Hex(probe.address),
                el: el.level(),
                bytes: probe.bytes(),
                pe: probe.pe,
                form: ProbeFlag::of(probe.flags).collect(),
            }),
            _ => {
                let (operation, address) = (probe.operation_number(), probe.address);
                Self::Told(format!("operation {operation:#x} of {address:#x}"))
            }
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe(probe) => probe.fmt(f),
            Self::Case => f.write_str("the case"),
            Self::Tables => f.write_str("the tables of the case"),
            Self::TablesAfter => f.write_str("the tables after the last probe"),
            Self::Choice(choice) => write!(f, "the choice {choice}"),
            Self::Told(words) => f.write_str(words),
        }
    }
}

/// A probe as records and people have it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeWords {
    #[serde(with = "operation")]
    pub operation: Operation,
    /// The input address, or the operand of a step.
    pub address: Hex,
    /// The exception level that does it, 0 to 2.
    #[serde(default = "el2", skip_serializing_if = "is_el2")]
    pub el: u8,
    /// Bytes of the access to one register's worth, 1 to 8.
    #[serde(default = "eight", skip_serializing_if = "is_eight")]
    pub bytes: u8,
    /// The number of the PE that does it.
    #[serde(default, skip_serializing_if = "is_first")]
    pub pe: u8,
    /// PAN, the forms of a TLBI, and whether it is done at the same time as the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub form: Vec<ProbeFlag>,
}

const fn el2() -> u8 {
    El::El2.level()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_el2(el: &u8) -> bool {
    *el == el2()
}

const fn eight() -> u8 {
    8
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_eight(bytes: &u8) -> bool {
    *bytes == eight()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_first(pe: &u8) -> bool {
    *pe == 0
}

/// `at_s12e1r of 0x1000`, of a guest `store of 4 bytes at 0x1000 by EL1`, of a step on another PE
/// `tlbi_vmalle1 (os, nxs) of 0x0 on PE 1`.
impl fmt::Display for ProbeWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, address, el, bytes, pe, form } = self;
        f.write_str(operation.name())?;
        let of_tlbi = |flag: &ProbeFlag| !matches!(flag, ProbeFlag::Pan | ProbeFlag::Together);
        let tlbi: Vec<&str> = form.iter().copied().filter(of_tlbi).map(ProbeFlag::name).collect();
        if !tlbi.is_empty() {
            write!(f, " ({})", tlbi.join(", "))?;
        }
        let is_guest = *el != el2();
        // Of an operation that has a size there is a piece of code for each.
        if is_guest && piece(*operation, 1) != piece(*operation, 8) {
            write!(f, " of {bytes} bytes at {address}")?;
        } else {
            write!(f, " of {address}")?;
        }
        if is_guest {
            write!(f, " by EL{el}")?;
        }
        if is_guest && form.contains(&ProbeFlag::Pan) {
            f.write_str(" with PAN")?;
        }
        if *pe != 0 {
            write!(f, " on PE {pe}")?;
        }
        if form.contains(&ProbeFlag::Together) {
            f.write_str(", together with the next")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_who_asks_and_how() {
        let words = |probe: &Probe| {
            let question = Question::of(probe);
            let json = serde_json::to_string(&question).unwrap();
            assert_eq!(serde_json::from_str::<Question>(&json).unwrap(), question, "{json}");
            question.to_string()
        };
        let probe = |operation| Probe::new(operation, 0x1000);
        assert_eq!(words(&probe(Operation::AtS12e1r)), "at_s12e1r of 0x1000");
        let store = probe(Operation::Store).of_bytes(4).by(El::El1);
        assert_eq!(words(&store), "store of 4 bytes at 0x1000 by EL1");
        let fetch = probe(Operation::Fetch).by(El::El0).with(Probe::PAN);
        assert_eq!(words(&fetch), "fetch of 0x1000 by EL0 with PAN");
        let load = store.on(1).with(Probe::TOGETHER);
        let wanted = "store of 4 bytes at 0x1000 by EL1 on PE 1, together with the next";
        assert_eq!(words(&load), wanted);
        let tlbi = probe(Operation::TlbiVmalle1).on(2).with(Probe::OUTER_SHAREABLE | Probe::NXS);
        assert_eq!(words(&tlbi), "tlbi_vmalle1 (os, nxs) of 0x1000 on PE 2");
    }

    #[test]
    fn what_is_as_usual_takes_no_room() {
        let json = serde_json::to_string(&Question::of(&Probe::new(Operation::Load, 0x1000)));
        assert_eq!(json.unwrap(), r#"{"probe":{"operation":"load","address":"0x1000"}}"#);
    }
}
