//! Observations and expectations in words.

use case::probe::Probe;
use golden::{AtResult, FaultKind};
use link::observations::Exception;

use super::Observation;
use super::expectation::Allowed;

/// A question: `at_s12e1r of 0x1000`.
pub fn question(probe: &Probe) -> String {
    match probe.operation() {
        Some(operation) => format!("{} of {:#x}", operation.name(), probe.address),
        None => format!("operation {:#x} of {:#x}", probe.number(), probe.address),
    }
}

/// An outcome that is allowed, with the choices behind it.
pub fn allowed(allowed: &Allowed) -> String {
    let mut words = result(&allowed.result);
    for update in &allowed.updates {
        words += &format!("; descriptor {update}");
    }
    for (number, asked) in allowed.asked.iter().enumerate() {
        let before = if number == 0 { " if " } else { " and " };
        words += &format!("{before}{} is {}", asked.choice, asked.choice.answer_name(asked.answer));
    }
    words
}

fn result(result: &AtResult) -> String {
    match result {
        AtResult::Par { par: masked, .. } => format!("PAR_EL1 {masked}: {}", par(masked.value)),
        AtResult::Exception(abort) => format!("an exception: {abort}"),
    }
}

/// What was observed.
pub fn observation(observation: &Observation<'_>) -> String {
    match observation {
        Observation::Par(value) => format!("PAR_EL1 {value:#x}: {}", par(*value)),
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
        fault_name(esr & 0x3f)
    )
}

/// The kind of an outcome without addresses, for grouping findings.
pub fn kind_of_result(result: &AtResult) -> String {
    match result {
        AtResult::Par { par, .. } => kind_of_par(par.value),
        AtResult::Exception(abort) => {
            format!("exception {}", fault_name(abort.exception.esr.value & 0x3f))
        }
    }
}

/// What is wrong with an observation, without addresses: for grouping findings.
///
/// Where both name the same kind of answer, the fields in which they differ. Where there is none,
/// the hardware changed descriptors that it may not change, or left alone what it must change.
pub fn difference(expected: &AtResult, observed: &Observation<'_>) -> String {
    let (wanted, found) = (kind_of_result(expected), kind_of_observation(observed));
    if wanted != found {
        return format!("{found} instead of {wanted}");
    }
    let fields = match (expected, observed) {
        (AtResult::Par { par, .. }, Observation::Par(value)) => {
            fields_of_par(*value, (par.value ^ value) & par.mask)
        }
        _ => vec!["syndrome"],
    };
    match &fields[..] {
        [] => format!("{found}, with descriptors changed as they may not be"),
        fields => format!("{found}, with another {}", fields.join(" and ")),
    }
}

/// The fields of a `PAR_EL1` like `value` in which the bits of `differing` lie.
fn fields_of_par(value: u64, differing: u64) -> Vec<&'static str> {
    let fields: &[(u64, &str)] = match value & 1 {
        0 => &[
            (0x000f_ffff_ffff_f000, "PA"),
            (0xff << 56, "ATTR"),
            (3 << 7, "SH"),
            (0x00f0_0000_0000_0c7e, "reserved field"),
        ],
        _ => &[(1 << 8, "PTW"), (!0x37f, "reserved field")],
    };
    fields.iter().filter(|(mask, _)| differing & mask != 0).map(|(_, name)| *name).collect()
}

/// The kind of an outcome without addresses and levels, for telling what kills a target.
pub fn class_of(result: &AtResult) -> String {
    let kind = kind_of_result(result);
    kind.split(", level").next().unwrap_or_default().to_owned()
}

/// The kind of an observation without addresses, for grouping findings.
pub fn kind_of_observation(observation: &Observation<'_>) -> String {
    match observation {
        Observation::Par(value) => kind_of_par(*value),
        Observation::Exception(exception) => {
            format!("exception {}", fault_name(exception.esr & 0x3f))
        }
    }
}

fn kind_of_par(value: u64) -> String {
    if value & 1 == 0 {
        return "success".into();
    }
    let stage = 1 + (value >> 9 & 1);
    format!("stage {stage} {}", fault_name(value >> 1 & 0x3f))
}

fn par(value: u64) -> String {
    if value & 1 == 0 {
        let (pa, attr, sh) = (value & 0x000f_ffff_ffff_f000, value >> 56, value >> 7 & 3);
        return format!("PA {pa:#x}, ATTR {attr:#04x}, SH {sh:#04b}");
    }
    let on_walk = if value >> 8 & 1 == 1 { " on a stage 1 walk" } else { "" };
    format!("{}{on_walk}", kind_of_par(value))
}

/// The name of a fault status code of the long-descriptor format (DDI 0487, `ESR_ELx.DFSC`).
fn fault_name(status: u64) -> String {
    let level = status & 3;
    match status {
        0b10_1001 => format!("{}, level -1", FaultKind::AddressSize),
        0b10_1011 => format!("{}, level -1", FaultKind::Translation),
        0b01_0011 => format!("{}, level -1", FaultKind::ExternalAbortOnWalk),
        0b11_0000 => FaultKind::TlbConflict.to_string(),
        0b11_0001 => FaultKind::UnsupportedUpdate.to_string(),
        0b10_0001 => FaultKind::Alignment.to_string(),
        0b01_0000 => "External abort, not on a walk".into(),
        _ => match status >> 2 {
            0b0000 => format!("{}, level {level}", FaultKind::AddressSize),
            0b0001 => format!("{}, level {level}", FaultKind::Translation),
            0b0010 => format!("{}, level {level}", FaultKind::AccessFlag),
            0b0011 => format!("{}, level {level}", FaultKind::Permission),
            0b0101 => format!("{}, level {level}", FaultKind::ExternalAbortOnWalk),
            _ => format!("fault status {status:#08b}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use golden::Masked;

    use super::*;

    #[test]
    fn a_difference_names_what_differs() {
        let expected = |value| AtResult::Par { par: Masked::exact(value), fault: None };
        let difference = |wanted, found| difference(&expected(wanted), &Observation::Par(found));
        assert_eq!(
            difference(0xff00_0004_5678_9980, 0x4400_0004_5678_8980),
            "success, with another PA and ATTR"
        );
        assert_eq!(
            difference(0xa1b, 0x980),
            "success instead of stage 2 Permission fault, level 1"
        );
        assert_eq!(
            difference(0xa1b, 0xa1b),
            "stage 2 Permission fault, level 1, with descriptors changed as they may not be"
        );
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
