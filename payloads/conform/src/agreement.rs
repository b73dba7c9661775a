//! Agreement of what was observed with what is allowed.

use golden::Certainty;
use link::observations::{Exception, Update};

/// The field of `HPFAR_EL2` that holds the faulting IPA.
const HPFAR_FIPA: u64 = 0x0000_ffff_ffff_fff0;

/// Whether the syndrome registers of the exception that was `found`, ESR, FAR and HPFAR, say what they must
/// where `wanted` is taken, in all bits that are not UNKNOWN.
pub fn has_syndrome(wanted: &golden::Exception, found: &Exception) -> bool {
    wanted.esr.admits(found.esr)
        && wanted.far.0 == found.far
        && wanted.hpfar.is_none_or(|hpfar| hpfar == found.hpfar & HPFAR_FIPA)
}

/// Whether the hardware changed each descriptor that it must, and none that it may not, and each as it must.
pub fn is_updated(expected: &[golden::Update], observed: &[Update]) -> bool {
    let done = |wanted: &golden::Update| {
        let change = observed.iter().find(|update| update.pa == wanted.pa.0);
        match change {
            Some(update) => {
                update.value == wanted.new || wanted.certainty == Certainty::InPart(update.value)
            }
            None => wanted.certainty == Certainty::Permitted,
        }
    };
    let meant = |update: &Update| expected.iter().any(|wanted| wanted.pa.0 == update.pa);
    expected.iter().all(done) && observed.iter().all(meant)
}

#[cfg(test)]
mod tests {
    use golden::{El, Masked, Pa, Stage, Va};

    use super::*;

    #[test]
    fn a_syndrome_counts_in_all_that_is_not_unknown() {
        let wanted = golden::Exception {
            target: El::El2,
            esr: Masked::new(0x9200_0047, 0xffff_ffff),
            far: Va(0x4000),
            hpfar: Some(0x80),
        };
        // HPFAR_EL2.NS and the bits above FIPA are not the fault's.
        let seen = Exception { esr: 0x9200_0047, far: 0x4000, hpfar: 0x81, ..Exception::default() };
        assert!(has_syndrome(&wanted, &seen));
        type Change = fn(&mut Exception);
        let changes: [Change; 3] =
            [|seen| seen.esr ^= 1 << 6, |seen| seen.far += 8, |seen| seen.hpfar ^= 0x10];
        for change in changes {
            let mut other = seen;
            change(&mut other);
            assert!(!has_syndrome(&wanted, &other), "{other:?}");
        }
        let unknown = golden::Exception { hpfar: None, ..wanted };
        assert!(has_syndrome(&unknown, &Exception { hpfar: 0x770, ..seen }));
    }

    #[test]
    fn updates_that_must_be_are_there_and_no_others() {
        let update = |certainty| golden::Update {
            stage: Stage::Two,
            pa: Pa(0x1000),
            old: 0x3,
            new: 0x403,
            certainty,
        };
        let seen = |pa, value| Update { pa, value, ..Update::default() };
        let must = [update(Certainty::Certain)];
        let may = [update(Certainty::Permitted)];
        let partly = [update(Certainty::InPart(0x83))];
        assert!(is_updated(&must, &[seen(0x1000, 0x403)]));
        assert!(!is_updated(&must, &[]));
        assert!(!is_updated(&must, &[seen(0x1000, 0x483)]));
        assert!(is_updated(&may, &[]));
        assert!(is_updated(&may, &[seen(0x1000, 0x403)]));
        assert!(!is_updated(&may, &[seen(0x1000, 0x3)]));
        assert!(!is_updated(&may, &[seen(0x1008, 0x403)]));
        assert!(is_updated(&partly, &[seen(0x1000, 0x83)]));
        assert!(is_updated(&partly, &[seen(0x1000, 0x403)]));
        assert!(!is_updated(&partly, &[]));
        assert!(!is_updated(&partly, &[seen(0x1000, 0x3)]));
    }
}
