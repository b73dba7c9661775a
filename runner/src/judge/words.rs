//! Observations and expectations in words.

use case::probe::Probe;
use link::observations::Exception;

use super::Observation;
use super::answer::Answer;
use super::expectation::Allowed;
use super::kind::{Kind, fault_name};

/// A question: `at_s12e1r of 0x1000`.
pub fn question(probe: &Probe) -> String {
    match probe.operation() {
        Some(operation) => format!("{} of {:#x}", operation.name(), probe.address),
        None => format!("operation {:#x} of {:#x}", probe.operation_number(), probe.address),
    }
}

/// An outcome that is allowed, with the choices behind it.
pub fn allowed(allowed: &Allowed) -> String {
    let mut words = answer(&allowed.answer);
    for update in &allowed.updates {
        words += &format!("; descriptor {update}");
    }
    for (number, asked) in allowed.asked.iter().enumerate() {
        let before = if number == 0 { " if " } else { " and " };
        words += &format!("{before}{} is {}", asked.choice, asked.choice.answer_name(asked.answer));
    }
    words
}

/// An answer that is allowed.
pub fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Par { par: masked, .. } => format!("PAR_EL1 {masked}: {}", par(masked.value)),
        Answer::Reached(pa) => format!("PA {pa:#x} is reached"),
        Answer::Exception(abort) => format!("an exception: {abort}"),
    }
}

/// What was observed.
pub fn observation(observation: &Observation<'_>) -> String {
    match observation {
        Observation::Par(value) => format!("PAR_EL1 {value:#x}: {}", par(*value)),
        Observation::Reached(Some(pa)) => format!("PA {pa:#x} was reached"),
        Observation::Reached(None) => "no known memory was reached".into(),
        Observation::Exception(exception) => exception_words(exception),
    }
}

/// The value of `PAR_EL1` that `words` of an observation tell; `None` where it was something else.
pub fn observed_par(words: &str) -> Option<u64> {
    let (value, _) = words.strip_prefix("PAR_EL1 0x")?.split_once(':')?;
    u64::from_str_radix(value, 16).ok()
}

fn exception_words(exception: &Exception) -> String {
    let Exception { esr, far, hpfar, elr, .. } = exception;
    format!(
        "an exception, ESR_EL2 {esr:#x}, FAR_EL2 {far:#x}, HPFAR_EL2 {hpfar:#x}, at image + {elr:#x}: {}",
        fault_name((esr & 0x3f) as u8)
    )
}

fn par(value: u64) -> String {
    if value & 1 == 0 {
        let (pa, attr, sh) = (value & 0x000f_ffff_ffff_f000, value >> 56, value >> 7 & 3);
        return format!("PA {pa:#x}, ATTR {attr:#04x}, SH {sh:#04b}");
    }
    let on_walk = if value >> 8 & 1 == 1 { " on a stage 1 walk" } else { "" };
    format!("{}{on_walk}", Kind::of_par(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_par_is_read_back_from_its_words() {
        for value in [0, 1, 0xa1b, 0xff00_0004_5678_9b80, u64::MAX] {
            let words = observation(&Observation::Par(value));
            assert_eq!(observed_par(&words), Some(value));
            let updated = words + "; descriptor [0x1000] is now 0x0000000000000003";
            assert_eq!(observed_par(&updated), Some(value));
        }
        for words in ["", "an exception, ESR_EL2 0x1: x", "PAR_EL1 0x", "PAR_EL1 0xg: y"] {
            assert_eq!(observed_par(words), None, "{words}");
        }
    }

    #[test]
    fn a_par_reads_as_the_manual_has_it() {
        let words = |value| observation(&Observation::Par(value));
        assert_eq!(
            words(0xff00_0004_5678_9b80),
            "PAR_EL1 0xff00000456789b80: PA 0x456789000, ATTR 0xff, SH 0b11"
        );
        assert_eq!(words(0xa1b), "PAR_EL1 0xa1b: stage 2 Permission fault, level 1");
        assert_eq!(
            words(0xb57),
            "PAR_EL1 0xb57: stage 2 Translation fault, level -1 on a stage 1 walk"
        );
    }
}
