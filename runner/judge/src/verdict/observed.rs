//! Observations in records: `PAR_EL1`, the registers of an exception, places reached, updates, or a death.

use std::fmt;

use link::observations::{self, Exception};
use oracle::answer::Reach;
use serde::{Deserialize, Serialize};
use suite::hex::Hex;

use super::ending::Par;
use super::fact::{Fact, Word};
use crate::kind::AnswerKind;
use crate::observation::Observation;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// The answer, or what came in its place.
    pub answer: Seen,
    /// Descriptors that are changed since the probe before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<Word>,
}

/// What a target answered, or what came in the place of an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// An AT instruction completed: `PAR_EL1`.
    Par(Hex),
    /// An access was done.
    Reached {
        /// Where it may have been done; nowhere where no memory that is known tells of it.
        places: Vec<Place>,
        word: Hex,
    },
    /// It took an exception.
    Exception(Syndrome),
    /// The guest did not come back, and was stopped there.
    Runaway(Syndrome),
    Death(DeathRecord),
    Fact(Fact),
    /// These answers to a choice are possible.
    Choice(Vec<String>),
    /// The words of a record whose format has nothing but words, or what is not data yet.
    Told(String),
}

/// A physical address that was reached.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// That of the first byte.
    pub pa: Hex,
    /// Of an access that crosses pages: how many bytes lie there, and the address of the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<(u8, Hex)>,
}

/// What the registers say of an exception.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Syndrome {
    /// The exception level that took it, 1 to 3.
    pub target: u16,
    /// `ESR_ELx` of that level.
    pub esr: Hex,
    /// `FAR_ELx`.
    pub far: Hex,
    /// `HPFAR_EL2`.
    pub hpfar: Hex,
    /// `ELR_ELx`.
    pub elr: Hex,
    /// `SPSR_ELx`.
    pub spsr: Hex,
}

/// How a target died.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeathRecord {
    /// In which way.
    pub how: Demise,
    /// How that showed, and what the target said last.
    pub told: String,
}

/// In which way a target died.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demise {
    Exited,
    /// It stopped making progress.
    Hung,
    /// It started again by itself.
    Reset,
    /// The way to it was lost.
    Lost,
    /// Its executor gave up, and said why.
    GaveUp,
    /// It said what makes no sense.
    Garbage,
    /// It started again, and speaks another version.
    OtherVersion,
}

impl Observed {
    /// What `observation` is, with the descriptors in `updates` changed by it.
    pub fn new(observation: &Observation<'_>, updates: &[observations::Update]) -> Self {
        let answer = match observation {
            Observation::Par(value) => Seen::Par(Hex(*value)),
            Observation::Reached { places, word } => {
                let places = places.iter().map(|reach| (*reach).into()).collect();
                Seen::Reached { places, word: Hex(*word) }
            }
            Observation::Exception(exception) => Seen::Exception((*exception).into()),
            Observation::Runaway(exception) => Seen::Runaway((*exception).into()),
        };
        let updates = updates.iter().map(|update| Word::new(update.pa, update.value)).collect();
        Self { answer, updates }
    }
}

impl From<Seen> for Observed {
    fn from(answer: Seen) -> Self {
        Self { answer, updates: Vec::new() }
    }
}

impl From<Fact> for Observed {
    fn from(fact: Fact) -> Self {
        Seen::Fact(fact).into()
    }
}

impl From<Reach> for Place {
    fn from(Reach { pa, rest }: Reach) -> Self {
        Self { pa: Hex(pa), rest: rest.map(|(before, rest)| (before, Hex(rest))) }
    }
}

impl From<&Exception> for Syndrome {
    fn from(exception: &Exception) -> Self {
        let Exception { target, esr, far, hpfar, elr, spsr, .. } = *exception;
        let [esr, far, hpfar, elr, spsr] = [esr, far, hpfar, elr, spsr].map(Hex);
        Self { target, esr, far, hpfar, elr, spsr }
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.answer.fmt(f)?;
        for Word { pa, value } in &self.updates {
            write!(f, "; descriptor [{pa}] is now {:#018x}", value.0)?;
        }
        Ok(())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Par(value) => write!(f, "PAR_EL1 {value}: {}", Par(value.0)),
            Self::Reached { places, word } if places.is_empty() => {
                write!(f, "it was done with the answer {word}, which tells of no memory")
            }
            Self::Reached { places, .. } => {
                let places: Vec<_> = places.iter().map(Place::to_string).collect();
                write!(f, "{} was reached", places.join(" or "))
            }
            Self::Exception(syndrome) => syndrome.fmt(f),
            Self::Runaway(Syndrome { elr, spsr, esr, .. }) => {
                write!(f, "stopped at {elr}, PSTATE {spsr}, ESR_EL1 {esr}: it did not come back")
            }
            Self::Death(death) => f.write_str(&death.told),
            Self::Fact(fact) => fact.fmt(f),
            Self::Choice(answers) => f.write_str(&answers.join(" or ")),
            Self::Told(words) => f.write_str(words),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rest {
            None => write!(f, "PA {}", self.pa),
            Some((before, rest)) => {
                write!(f, "PA {}, and {rest} from byte {before} on", self.pa)
            }
        }
    }
}

impl fmt::Display for Syndrome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, esr, far, hpfar, elr, spsr } = self;
        write!(
            f,
            "an exception, ESR_EL{target} {esr}, FAR_EL{target} {far}, HPFAR_EL2 {hpfar}, \
             ELR_EL{target} {elr}, SPSR_EL{target} {spsr}: {}",
            AnswerKind::of_syndrome(esr.0)
        )
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;

    fn words(observation: &Observation<'_>) -> String {
        let update = observations::Update { probe: 0, pa: 0x1000, value: 3 };
        let observed = Observed::new(observation, &[update]);
        let json = serde_json::to_string(&observed).unwrap();
        assert_eq!(serde_json::from_str::<Observed>(&json).unwrap(), observed, "{json}");
        let words = observed.to_string();
        let answer = words.strip_suffix("; descriptor [0x1000] is now 0x0000000000000003");
        answer.expect("the update is told").to_owned()
    }

    #[test]
    fn a_par_reads_as_the_manual_has_it() {
        let words = |value| words(&Observation::Par(value));
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

    #[test]
    fn accesses_and_exceptions_read_by_their_registers() {
        let rest = Reach { pa: 0x1ffc, rest: Some((4, 0x8000)) };
        let places = smallvec![Reach::new(0x40), rest];
        assert_eq!(
            words(&Observation::Reached { places, word: 0x40 }),
            "PA 0x40 or PA 0x1ffc, and 0x8000 from byte 4 on was reached"
        );
        assert_eq!(
            words(&Observation::Reached { places: smallvec![], word: 7 }),
            "it was done with the answer 0x7, which tells of no memory"
        );
        let exception = Exception {
            target: 2,
            esr: 0x9200_0047,
            far: 0x4000,
            hpfar: 0x40,
            elr: 0x8020,
            spsr: 0x3c0,
            ..Exception::default()
        };
        assert_eq!(
            words(&Observation::Exception(&exception)),
            "an exception, ESR_EL2 0x92000047, FAR_EL2 0x4000, HPFAR_EL2 0x40, ELR_EL2 0x8020, \
             SPSR_EL2 0x3c0: exception Translation fault, level 3"
        );
        assert_eq!(
            words(&Observation::Runaway(&exception)),
            "stopped at 0x8020, PSTATE 0x3c0, ESR_EL1 0x92000047: it did not come back"
        );
    }
}
