//! Observations and expectations in words.

use case::guest::piece;
use case::probe::{El, Probe};
use link::observations::Exception;

use crate::kind::Kind;
use crate::observation::Observation;
use oracle::answer::{Answer, Reach, Taken};
use oracle::expectation::Allowed;

/// A question: `at_s12e1r of 0x1000`, or of a guest `store of 4 bytes at 0x1000 by EL1`.
pub fn question(probe: &Probe) -> String {
    let Some(operation) = probe.operation() else {
        return format!("operation {:#x} of {:#x}", probe.operation_number(), probe.address);
    };
    let name = operation.name();
    match probe.el() {
        Some(El::El2) | None => format!("{name} of {:#x}", probe.address),
        Some(el) => {
            let pan = if probe.has(Probe::PAN) { " with PAN" } else { "" };
            // Of an operation that has a size there is a piece of code for each.
            let has_size = piece(operation, 1) != piece(operation, 8);
            let bytes =
                if has_size { format!("of {} bytes at", probe.bytes()) } else { "of".into() };
            format!("{name} {bytes} {:#x} by EL{}{pan}", probe.address, el.level())
        }
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
        Answer::Reached(reach) => format!("{} is reached", place(*reach)),
        Answer::Maintained(_) => "it is done".into(),
        Answer::Exception(taken) => exception(taken),
    }
}

fn exception(taken: &Taken) -> String {
    let Taken { abort, target, elr, spsr, .. } = taken;
    let mut words = format!("an exception: {abort}");
    if *target != abort.exception.target.get() {
        words += &format!(", by EL{target} in its place");
    }
    if let Some(elr) = elr {
        words += &format!(", ELR_EL{target} = {elr:#x}, SPSR_EL{target} = {spsr}");
    }
    words
}

fn place(reach: Reach) -> String {
    match reach.rest {
        None => format!("PA {:#x}", reach.pa),
        Some((before, rest)) => format!("PA {:#x}, and {rest:#x} from byte {before} on", reach.pa),
    }
}

/// What was observed.
pub fn observation(observation: &Observation<'_>) -> String {
    match observation {
        Observation::Par(value) => format!("PAR_EL1 {value:#x}: {}", par(*value)),
        Observation::Reached { places, word } if places.is_empty() => {
            format!("it was done with the answer {word:#x}, which tells of no memory")
        }
        Observation::Reached { places, .. } => {
            let places: Vec<_> = places.iter().map(|reach| place(*reach)).collect();
            format!("{} was reached", places.join(" or "))
        }
        Observation::Exception(exception) => exception_words(exception),
        Observation::Runaway(exception) => {
            let Exception { elr, spsr, esr, .. } = exception;
            format!("stopped at {elr:#x}, PSTATE {spsr:#x}, ESR_EL1 {esr:#x}: it did not come back")
        }
    }
}

/// The value of `PAR_EL1` that `words` of an observation tell; `None` where it was something else.
pub fn observed_par(words: &str) -> Option<u64> {
    let (value, _) = words.strip_prefix("PAR_EL1 0x")?.split_once(':')?;
    u64::from_str_radix(value, 16).ok()
}

fn exception_words(exception: &Exception) -> String {
    let Exception { target, esr, far, hpfar, elr, spsr, .. } = exception;
    format!(
        "an exception, ESR_EL{target} {esr:#x}, FAR_EL{target} {far:#x}, HPFAR_EL2 {hpfar:#x}, \
         ELR_EL{target} {elr:#x}, SPSR_EL{target} {spsr:#x}: {}",
        Kind::of_syndrome(*esr)
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
    use case::probe::Operation;

    use super::*;

    #[test]
    fn a_question_says_who_asks_and_how() {
        let probe = |operation| Probe::new(operation, 0x1000);
        let store = probe(Operation::Store).of_bytes(4);
        assert_eq!(question(&store.by(El::El1)), "store of 4 bytes at 0x1000 by EL1");
        let fetch = probe(Operation::Fetch).by(El::El0).with(Probe::PAN);
        assert_eq!(question(&fetch), "fetch of 0x1000 by EL0 with PAN");
        assert_eq!(question(&probe(Operation::AtS12e1r)), "at_s12e1r of 0x1000");
    }

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
