//! Expectations in records: the outcomes that the architecture allows, with the choices behind them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use golden::{Certainty, Masked};
use serde::{Deserialize, Serialize};
use suite::hex::Hex;

use super::{Fact, Place};
use crate::kind::{Kind, fault_name};
use oracle::answer::{self, Answer};
use oracle::expectation::{Allowed, Expectation};

/// What should have been observed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// One of these outcomes, the pseudocode's own first.
    Outcomes(Vec<Outcome>),
    /// This.
    Fact(Fact),
    /// Any answer.
    Answer,
    /// An exception of the instruction that asks, if any.
    NoException,
    /// What the case's own mappings ask for.
    Mappings,
    /// What an earlier case told of a choice.
    Choice {
        /// The answers that are possible.
        answers: Vec<String>,
        /// The case.
        case: u64,
    },
    /// The lines of a record whose format has nothing but words.
    Told(Vec<String>),
}

impl Wanted {
    /// The outcomes of `expectation`, equal ones once.
    pub fn of(expectation: &Expectation) -> Self {
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut known: HashMap<(Ending, Vec<Update>), usize> = HashMap::new();
        for allowed in &expectation.outcomes {
            let outcome = Outcome::of(allowed);
            match known.entry((outcome.ending.clone(), outcome.updates.clone())) {
                Entry::Occupied(at) => outcomes[*at.get()].choices.extend(outcome.choices),
                Entry::Vacant(at) => {
                    at.insert(outcomes.len());
                    outcomes.push(outcome);
                }
            }
        }
        for outcome in &mut outcomes {
            outcome.choices = joined(std::mem::take(&mut outcome.choices));
        }
        Self::Outcomes(outcomes)
    }

    /// One line an outcome.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Outcomes(outcomes) => outcomes.iter().map(Outcome::to_string).collect(),
            Self::Fact(fact) => vec![fact.to_string()],
            Self::Answer => vec!["an answer".to_owned()],
            Self::NoException => vec!["no exception outside the instruction that asks".to_owned()],
            Self::Mappings => vec!["what the case's own mappings say".to_owned()],
            Self::Choice { answers, case } => {
                vec![format!("{}, as in case {case}", answers.join(" or "))]
            }
            Self::Told(lines) => lines.clone(),
        }
    }
}

/// One outcome that is allowed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// What is observed.
    pub ending: Ending,
    /// Descriptors that the hardware changes with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<Update>,
    /// The open choices that lead here, in so many ways; none where none is open.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "if")]
    pub choices: Vec<Way>,
}

/// Choices by name, each with the answers by which the outcome comes about.
pub type Way = Vec<(String, Vec<String>)>;

/// How a walk or an access may end.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// An AT instruction writes `PAR_EL1`.
    Par(Bits),
    /// An access is done there.
    Reached(Place),
    /// Cache maintenance is done.
    Maintained,
    /// The instruction takes an exception.
    Exception(Box<Taken>),
}

/// A value, and which of its bits the architecture determines.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bits {
    /// The value; 0 where it is not determined.
    pub value: Hex,
    /// The bits that are determined.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    pub mask: Hex,
}

const fn all() -> Hex {
    Hex(u64::MAX)
}

fn is_all(mask: &Hex) -> bool {
    *mask == all()
}

/// An exception that an instruction may take.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// The stage that faults, 1 or 2.
    pub stage: u8,
    /// The fault status code.
    pub status: u8,
    /// A fault of stage 2 on the access to a descriptor of stage 1.
    #[serde(default, skip_serializing_if = "is_false")]
    pub s1_walk: bool,
    /// The IPA that could not be translated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipa: Option<Hex>,
    /// The exception level that the fault is reported to.
    pub target: u8,
    /// `ESR_ELx`.
    pub esr: Bits,
    /// `FAR_ELx`.
    pub far: Hex,
    /// `HPFAR_EL2`, where it is determined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hpfar: Option<Hex>,
    /// The exception level that takes it in the place of `target`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<u8>,
    /// `ELR_ELx` and `SPSR_ELx`, where it is known which instruction it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<(Hex, Bits)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(is: &bool) -> bool {
    !*is
}

/// A descriptor that the hardware changes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Its physical address.
    pub pa: Hex,
    /// What it holds before.
    pub old: Hex,
    /// What it holds after.
    pub new: Hex,
    /// It may happen, and need not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub permitted: bool,
}

impl Outcome {
    fn of(allowed: &Allowed) -> Self {
        let update = |update: &golden::Update| Update {
            pa: Hex(update.pa.0),
            old: Hex(update.old),
            new: Hex(update.new),
            permitted: update.certainty == Certainty::Permitted,
        };
        let settled = |asked: &golden::Asked| {
            let answer = asked.choice.answer_name(asked.answer);
            (asked.choice.to_string(), vec![answer.to_string()])
        };
        let way: Way = allowed.asked.iter().map(settled).collect();
        Self {
            ending: Ending::of(&allowed.answer),
            updates: allowed.updates.iter().map(update).collect(),
            choices: if way.is_empty() { Vec::new() } else { vec![way] },
        }
    }
}

/// The same ways, those that differ in the answer to one choice alone joined, as long as there are any.
fn joined(mut ways: Vec<Way>) -> Vec<Way> {
    let longest = ways.iter().map(Vec::len).max().unwrap_or(0);
    loop {
        let before = ways.len();
        ways = (0..longest).fold(ways, joined_at);
        if ways.len() == before {
            return ways;
        }
    }
}

/// The same ways, those that differ in choice number `number` alone joined.
fn joined_at(ways: Vec<Way>, number: usize) -> Vec<Way> {
    let mut joined: Vec<Way> = Vec::new();
    let mut known: HashMap<Way, usize> = HashMap::new();
    for way in ways {
        let mut others = way.clone();
        let mut answers = others.get_mut(number).map(|(_, answers)| std::mem::take(answers));
        match known.entry(others) {
            Entry::Occupied(at) => {
                let Some((_, known)) = joined[*at.get()].get_mut(number) else { continue };
                let new = answers.iter_mut().flat_map(std::mem::take);
                let new: Vec<String> = new.filter(|answer| !known.contains(answer)).collect();
                known.extend(new);
            }
            Entry::Vacant(at) => {
                at.insert(joined.len());
                joined.push(way);
            }
        }
    }
    joined
}

impl Ending {
    /// The ending that `answer` is.
    pub fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Par { par, .. } => Self::Par((*par).into()),
            Answer::Reached(reach) => Self::Reached((*reach).into()),
            Answer::Maintained(_) => Self::Maintained,
            Answer::Exception(taken) => Self::Exception(Box::new(taken.into())),
        }
    }
}

impl From<Masked> for Bits {
    fn from(Masked { value, mask }: Masked) -> Self {
        Self { value: Hex(value), mask: Hex(mask) }
    }
}

impl From<&answer::Taken> for Taken {
    fn from(taken: &answer::Taken) -> Self {
        let golden::Abort { fault, exception } = taken.abort;
        let target = exception.target.get();
        Self {
            stage: if fault.stage == golden::Stage::One { 1 } else { 2 },
            status: fault.status_code() as u8,
            s1_walk: fault.s1_walk,
            ipa: fault.ipa.map(|ipa| Hex(ipa.0)),
            target,
            esr: exception.esr.into(),
            far: Hex(exception.far.0),
            hpfar: exception.hpfar.map(Hex),
            by: Some(taken.target).filter(|by| *by != target),
            returns: taken.elr.map(|elr| (Hex(elr), taken.spsr.into())),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ending.fmt(f)?;
        for Update { pa, old, new, permitted } in &self.updates {
            write!(f, "; descriptor [{pa}] {:#018x} -> {:#018x}", old.0, new.0)?;
            if *permitted {
                f.write_str(" (permitted)")?;
            }
        }
        for (number, way) in self.choices.iter().enumerate() {
            if number > 0 {
                f.write_str(", or")?;
            }
            for (number, (choice, answers)) in way.iter().enumerate() {
                let before = if number == 0 { " if" } else { " and" };
                write!(f, "{before} {choice} is {}", answers.join(" or "))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Par(bits) => write!(f, "PAR_EL1 {bits}: {}", Par(bits.value.0)),
            Self::Reached(place) => write!(f, "{place} is reached"),
            Self::Maintained => f.write_str("it is done"),
            Self::Exception(taken) => taken.fmt(f),
        }
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Masked { value: self.value.0, mask: self.mask.0 }.fmt(f)
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, status, s1_walk, ipa, target, esr, far, hpfar, by, returns } = self;
        write!(f, "an exception: stage {stage} {}", fault_name(*status))?;
        if *s1_walk {
            f.write_str(", on a stage 1 walk")?;
        }
        if let Some(ipa) = ipa {
            write!(f, ", IPA {ipa}")?;
        }
        write!(f, ", taken to EL{target}: ESR_EL{target} = {esr}, FAR_EL{target} = {far}")?;
        if let Some(hpfar) = hpfar {
            write!(f, ", HPFAR_EL2 = {hpfar}")?;
        }
        let by = match by {
            Some(by) => {
                write!(f, ", by EL{by} in its place")?;
                by
            }
            None => target,
        };
        match returns {
            Some((elr, spsr)) => write!(f, ", ELR_EL{by} = {elr}, SPSR_EL{by} = {spsr}"),
            None => Ok(()),
        }
    }
}

/// What a value of `PAR_EL1` tells, in words.
pub(super) struct Par(pub u64);

impl fmt::Display for Par {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        if value & 1 == 0 {
            let (pa, attr, sh) = (value & 0x000f_ffff_ffff_f000, value >> 56, value >> 7 & 3);
            return write!(f, "PA {pa:#x}, ATTR {attr:#04x}, SH {sh:#04b}");
        }
        let on_walk = if value >> 8 & 1 == 1 { " on a stage 1 walk" } else { "" };
        write!(f, "{}{on_walk}", Kind::of_par(value))
    }
}

#[cfg(test)]
mod tests {
    use golden::{
        Abort, Asked, Choice, El, Exception, Fault, FaultKind, Level, Pa, Stage, Update, Va,
    };

    use super::*;

    fn allowed(par: u64, asked: &[(Choice, u16)]) -> Allowed {
        let asked = asked.iter().map(|(choice, answer)| Asked {
            choice: *choice,
            answer: golden::Answer(*answer),
            count: 3,
        });
        Allowed {
            answer: Answer::Par { par: Masked::exact(par), fault: None },
            updates: Vec::new(),
            descriptor: None,
            stage1: None,
            attributes: Default::default(),
            asked: asked.collect(),
        }
    }

    fn lines(outcomes: Vec<Allowed>) -> Vec<String> {
        let outcomes = outcomes.into();
        let expectation =
            Expectation { outcomes, complete: true, strays_to: None, is_foreign: false };
        let expected = Wanted::of(&expectation);
        let json = serde_json::to_string(&expected).unwrap();
        assert_eq!(serde_json::from_str::<Wanted>(&json).unwrap(), expected, "{json}");
        expected.lines()
    }

    #[test]
    fn equal_outcomes_are_listed_once_with_all_their_choices() {
        use Choice::{ReservedShareability as Sh, TxszAboveMax as Txsz};
        let name = |choice: Choice, answer| choice.answer_name(golden::Answer(answer)).to_string();
        let [fault, clamp] = [0, 1].map(|answer| name(Txsz, answer));
        let [first, second] = [0, 1].map(|answer| name(Sh, answer));
        assert_eq!(
            lines(vec![allowed(0xa1b, &[])]),
            ["PAR_EL1 0xa1b: stage 2 Permission fault, level 1"]
        );
        let told = lines(vec![
            allowed(0xa1b, &[(Txsz, 0)]),
            allowed(0xa1d, &[(Txsz, 1), (Sh, 0)]),
            allowed(0xa1d, &[(Txsz, 1), (Sh, 1)]),
        ]);
        let wanted = [
            format!("PAR_EL1 0xa1b: stage 2 Permission fault, level 1 if {Txsz} is {fault}"),
            format!(
                "PAR_EL1 0xa1d: stage 2 Permission fault, level 2 if {Txsz} is {clamp} and {Sh} is {first} \
                 or {second}"
            ),
        ];
        assert_eq!(told, wanted);
        let told = lines(vec![allowed(0xa1b, &[(Txsz, 0)]), allowed(0xa1b, &[(Txsz, 1), (Sh, 1)])]);
        let wanted = format!(
            "PAR_EL1 0xa1b: stage 2 Permission fault, level 1 if {Txsz} is {fault}, or if {Txsz} is {clamp} and \
             {Sh} is {second}"
        );
        assert_eq!(told, [wanted]);
    }

    #[test]
    fn ways_are_joined_until_none_is_left_that_could_be() {
        let [one, other] = [Choice::TxszAboveMax, Choice::ReservedShareability];
        let all = (0..2).flat_map(|a| (0..3).map(move |b| (a, b)));
        let all = all.map(|(a, b)| allowed(0xa1b, &[(one, a), (other, b)])).collect();
        let [line] = &lines(all)[..] else { panic!("they are equal") };
        assert_eq!(line.matches(" if ").count(), 1, "{line}");
        assert_eq!(line.matches(" or ").count(), 3, "{line}");
    }

    #[test]
    fn an_exception_reads_as_the_reference_walker_has_it() {
        for (kind, level) in [
            (FaultKind::Translation, Level::L3),
            (FaultKind::Permission, Level::L1),
            (FaultKind::ExternalAbortOnWalk, Level::L0),
            (FaultKind::TlbConflict, Level::L3),
            (FaultKind::UnsupportedUpdate, Level::L3),
            (FaultKind::UnsupportedAtomic, Level::L3),
            (FaultKind::Alignment, Level::L3),
        ] {
            let fault = Fault {
                kind,
                level,
                stage: Stage::Two,
                s1_walk: true,
                ipa: Some(golden::Ipa(0x4000)),
                write: true,
                dirty_bit: false,
            };
            let esr = Masked { value: 0x9200_0047, mask: 0xffff_ffff };
            let exception = Exception { target: El::El2, esr, far: Va(0x4000), hpfar: Some(0x40) };
            let taken = answer::Taken::new(Abort { fault, exception });
            let told = Taken::from(&taken).to_string();
            assert_eq!(told, format!("an exception: {}", taken.abort));
            let guest = answer::Taken { target: 1, elr: Some(0x8020), spsr: esr, ..taken };
            let wanted = format!(
                "an exception: {}, by EL1 in its place, ELR_EL1 = 0x8020, SPSR_EL1 = {esr}",
                taken.abort
            );
            assert_eq!(Taken::from(&guest).to_string(), wanted);
        }
    }

    #[test]
    fn an_update_reads_as_the_reference_walker_has_it() {
        for certainty in [Certainty::Certain, Certainty::Permitted] {
            let update =
                Update { stage: Stage::Two, pa: Pa(0x1000), old: 3, new: 0x403, certainty };
            let outcome = Allowed { updates: vec![update], ..allowed(0xa1b, &[]) };
            let [line] = &lines(vec![outcome])[..] else { panic!("one outcome") };
            assert!(line.ends_with(&format!("; descriptor {update}")), "{line}");
        }
    }
}
