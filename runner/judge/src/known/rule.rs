//! One known issue.
//!
//! ```text
//!                the question                                the answer
//!   operation, what is allowed, registers,         ->      what is wrong with it
//!   the walk's last descriptors, the root
//! ```
//!
//! A rule is as exact as it can be on both sides, so that it never excuses what it does not explain.

use std::collections::BTreeMap;
use std::path::Path;

use case::probe::Operation;
use golden::Registers;
use link::soak::KnownCrash;
use oracle::answer::Answer;
use oracle::expectation::Allowed;
use schemars::JsonSchema;
use serde::Deserialize;
use suite::name::Name;
use suite::yaml::{Spanned, YamlError, nearest};

use super::bits::{Bits, BitsFields, can_meet};
use super::conditions::{Conditions, ConditionsFields, Register};
use super::ineffective::IneffectiveFields;
use crate::kind::{AnswerKind, Class, Kinds};
use crate::sign::Sign;

/// A file of known issues.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Hypwalk known issues")]
pub struct File {
    /// The issues.
    #[schemars(with = "Vec<RuleFields>")]
    pub issues: Vec<Spanned<RuleFields>>,
    /// TLB maintenance that does nothing. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<IneffectiveFields>")]
    pub maintenance: Vec<Spanned<IneffectiveFields>>,
}

/// A known issue as its file says it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleFields {
    /// What reports call it.
    name: Name,
    /// What is wrong, by which rule, and where that is told.
    reference: String,
    /// Beginnings of the emulator versions that have it, such as `10.0.`. Default: any.
    #[serde(default)]
    emulators: Vec<String>,
    /// The targets that have it. Default: any.
    #[serde(default)]
    targets: Vec<Name>,
    /// The operations that show it, such as `at_s12e1w`. Default: any.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    operations: Vec<Spanned<String>>,
    /// The kinds of answer that the architecture asks for instead, as in a finding's signature. One
    /// without its level means all levels.
    #[schemars(with = "Vec<String>", length(min = 1))]
    expected: Spanned<Vec<Spanned<String>>>,
    /// What is observed, as in a finding's signature, what stands behind `instead of` left out.
    #[schemars(with = "Vec<String>", length(min = 1))]
    observed: Spanned<Vec<Spanned<String>>>,
    /// Whether it may kill the target. Probes that would show it are held back then, but for samples.
    #[serde(default)]
    kills: bool,
    /// It kills in these circumstances only: in any of them. Default: always.
    #[serde(default)]
    #[schemars(with = "Vec<CircumstanceFields>")]
    kills_if: Vec<Spanned<CircumstanceFields>>,
    /// It kills so seldom, and nobody can tell when, that probes that may show it are asked all the same.
    #[serde(default)]
    seldom: bool,
    /// Bits of registers that it takes: all of these conditions. Default: none.
    #[serde(default)]
    #[schemars(with = "BTreeMap<Register, Vec<BitsFields>>")]
    registers: BTreeMap<Register, Vec<Spanned<BitsFields>>>,
    /// Bits that it takes of the last descriptor that the walk reads, of stage 2 where that is asked: the leaf,
    /// or the one that faults. All of these conditions. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<BitsFields>")]
    descriptor: Vec<Spanned<BitsFields>>,
    /// Bits that it takes of the last descriptor of stage 1 that the walk reads, where both stages are asked. All
    /// of these conditions. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<BitsFields>")]
    stage1: Vec<Spanned<BitsFields>>,
    /// Bits that it takes of the byte of `MAIR_EL1` that this descriptor of stage 1 chooses. All of these
    /// conditions. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<BitsFields>")]
    memory_type: Vec<Spanned<BitsFields>>,
    /// What it takes besides: any one of these. Default: nothing.
    #[serde(default)]
    #[schemars(with = "Vec<ConditionsFields>")]
    either: Vec<Spanned<ConditionsFields>>,
    /// Whether what is expected is a fault of stage 2 on a walk of stage 1, or is none. Default: it does not matter.
    #[serde(default)]
    stage1_walk: Option<bool>,
    /// It takes a root table of fewer bytes than this.
    #[serde(default)]
    root_below: Option<u64>,
}

/// In which probes an issue kills, of those in which it may show.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Circumstance")]
struct CircumstanceFields {
    /// The operations. Default: all that show it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    operations: Vec<Spanned<String>>,
    /// Bits of the last descriptor, besides those that the issue takes anyway.
    #[serde(default)]
    #[schemars(with = "Vec<BitsFields>")]
    descriptor: Vec<Spanned<BitsFields>>,
}

/// The AT instructions of both stages.
const AT_S12: [Operation; 4] =
    [Operation::AtS12e1r, Operation::AtS12e1w, Operation::AtS12e0r, Operation::AtS12e0w];

/// A known issue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    name: Name,
    reference: String,
    emulators: Vec<String>,
    targets: Vec<Name>,
    /// Empty: any.
    operations: Vec<Operation>,
    expected: Kinds,
    observed: Vec<Sign>,
    kills: bool,
    /// Empty: always.
    kills_if: Vec<Circumstance>,
    seldom: bool,
    conditions: Conditions,
    /// Any one of these holds besides. Empty: nothing more is asked.
    either: Vec<Conditions>,
    stage1_walk: Option<bool>,
    root_below: Option<u64>,
}

/// In which probes an issue kills.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Circumstance {
    /// Empty: any.
    operations: Vec<Operation>,
    descriptor: Vec<Bits>,
}

/// What a probe asks, as far as rules look at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProbeFeatures {
    /// What is asked.
    pub operation: Operation,
    /// The kind of answer that the architecture allows.
    pub expected: AnswerKind,
    /// Whether it is a fault of stage 2 on a walk of stage 1.
    pub stage1_walk: bool,
    /// The last descriptor that the walk reads, of stage 2 where that is asked.
    pub descriptor: Option<u64>,
    /// The last one of stage 1.
    pub stage1: Option<u64>,
    /// The byte of `MAIR_EL1` that this one chooses.
    pub memory_type: Option<u8>,
    /// The registers that are asked under.
    pub registers: Registers,
}

impl ProbeFeatures {
    /// What `operation` asks under `registers` where `allowed` is the answer.
    pub fn of(operation: Operation, registers: &Registers, allowed: &Allowed) -> Self {
        let Allowed { descriptor, stage1, .. } = *allowed;
        let memory_type = stage1.map(|stage1| {
            let index = stage1 >> 2 & 7;
            (registers.mair_el1 >> (8 * index)) as u8
        });
        let fault = match allowed.answer {
            Answer::Par { fault, .. } => fault,
            Answer::Exception(taken) => Some(taken.abort.fault),
            Answer::Reached(_) | Answer::Maintained(_) => None,
        };
        Self {
            operation,
            expected: AnswerKind::of_answer(&allowed.answer),
            stage1_walk: fault.is_some_and(|fault| fault.s1_walk),
            descriptor,
            stage1,
            memory_type,
            registers: *registers,
        }
    }
}

impl Rule {
    /// Checks a rule, which stands in `text` of `file`.
    pub fn new(fields: Spanned<RuleFields>, text: &str, file: &Path) -> Result<Self, YamlError> {
        let refuse = |place, problem: String| YamlError::at(text, file, place, problem);
        let (place, fields) = (fields.referenced, fields.value);
        let bits = |list: Vec<Spanned<BitsFields>>| {
            let checked = |bits: Spanned<BitsFields>| {
                Bits::new(bits.value).map_err(|problem| refuse(bits.referenced, problem))
            };
            let list = list.into_iter().map(checked).collect::<Result<Vec<_>, _>>()?;
            let never = "these conditions rule each other out: it would never be so";
            if can_meet(list.iter()) { Ok(list) } else { Err(refuse(place, never.into())) }
        };
        if fields.reference.split_whitespace().next().is_none() {
            let problem = "`reference` is empty: say what is wrong, and by which rule";
            return Err(refuse(place, problem.into()));
        }
        for (name, list) in [("expected", &fields.expected), ("observed", &fields.observed)] {
            if list.value.is_empty() {
                let problem = format!("`{name}` is empty: nothing would be known");
                return Err(refuse(list.referenced, problem));
            }
        }
        let refuse_name = |name: &Spanned<String>, problem| refuse(name.referenced, problem);
        let operations = |names: Vec<Spanned<String>>| operations(&names, refuse_name);
        let circumstance = |fields: Spanned<CircumstanceFields>| {
            let CircumstanceFields { operations: named, descriptor } = fields.value;
            if named.is_empty() && descriptor.is_empty() {
                let problem = "this says nothing: name `operations`, or bits of the `descriptor`";
                return Err(refuse(fields.referenced, problem.into()));
            }
            Ok(Circumstance { operations: operations(named)?, descriptor: bits(descriptor)? })
        };
        let expected = expected(&fields.expected.value, refuse_name)?;
        let observed = observed(&fields.observed.value, refuse_name)?;
        let alternative = |fields: Spanned<ConditionsFields>| {
            let place = fields.referenced;
            let alternative = Conditions::new(fields.value, bits)?;
            let empty = "this says nothing: every probe would be of it";
            if alternative.is_empty() { Err(refuse(place, empty.into())) } else { Ok(alternative) }
        };
        let either = fields.either.into_iter().map(alternative).collect::<Result<_, _>>()?;
        let conditions = ConditionsFields {
            registers: fields.registers,
            descriptor: fields.descriptor,
            stage1: fields.stage1,
            memory_type: fields.memory_type,
        };
        let rule = Self {
            name: fields.name,
            reference: fields.reference.split_whitespace().collect::<Vec<_>>().join(" "),
            emulators: fields.emulators,
            targets: fields.targets,
            operations: operations(fields.operations)?,
            expected,
            observed,
            kills: fields.kills,
            kills_if: fields.kills_if.into_iter().map(circumstance).collect::<Result<_, _>>()?,
            seldom: fields.seldom,
            conditions: Conditions::new(conditions, bits)?,
            either,
            stage1_walk: fields.stage1_walk,
            root_below: fields.root_below,
        };
        rule.checked().map_err(|problem| refuse(place, problem))
    }

    /// Checks what the parts of a rule say together.
    fn checked(self) -> Result<Self, String> {
        let is_death = self.observed.iter().any(|sign| sign.is_death());
        if is_death && !self.kills {
            return Err(
                "it may kill the target: say so by `kills: true`, so that probes that would \
                        show it are held back, but for samples"
                    .into(),
            );
        }
        if self.kills && !is_death {
            return Err(
                "it `kills` the target, and `observed` does not say so: `the target died` or \
                        `the target hung` is missing"
                    .into(),
            );
        }
        if !self.kills && !self.kills_if.is_empty() {
            return Err("`kills_if` says when it kills, and `kills: true` is missing".into());
        }
        if self.seldom && (!self.kills || !self.kills_if.is_empty()) {
            return Err(
                "`seldom` says how often it kills where nobody can tell when: it goes with \
                        `kills: true` and without `kills_if`"
                    .into(),
            );
        }
        let answers = self.observed.iter().any(|sign| !sign.is_death());
        let narrow = !self.conditions.is_empty() || !self.either.is_empty();
        if answers && !narrow && self.root_below.is_none() {
            return Err(
                "it is too broad, and would swallow other issues: say which `registers`, what \
                        `descriptor` or what root it takes"
                    .into(),
            );
        }
        Ok(self)
    }

    /// What reports call it.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// What is wrong.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Whether every probe that would show it kills the target, so that samples alone are asked.
    pub const fn always_kills(&self) -> bool {
        self.kills && self.kills_if.is_empty() && !self.seldom
    }

    /// The AT instructions of both stages by which it may kill a target that goes on by itself, as far as
    /// their answers tell; `None` where it kills by none.
    pub fn known_crash(&self) -> Option<KnownCrash> {
        let is_about = |operation: &Operation| {
            self.operations.is_empty() || self.operations.contains(operation)
        };
        if !self.kills || self.seldom || !AT_S12.iter().any(is_about) {
            return None;
        }
        let is_broad = self.conditions.is_empty() && self.either.is_empty();
        let is_exact = self.always_kills()
            && AT_S12.iter().all(is_about)
            && is_broad
            && self.stage1_walk.is_none()
            && self.root_below.is_none();
        let mut crash = KnownCrash::default();
        for kind in AnswerKind::all().filter(|kind| self.expected.has(*kind)) {
            match kind {
                AnswerKind::Success => crash.flags |= KnownCrash::SUCCESS,
                AnswerKind::Fault { stage: 1, status } => crash.stage1 |= 1 << status,
                AnswerKind::Fault { status, .. } => crash.stage2 |= 1 << status,
                AnswerKind::Exception { status } => crash.exceptions |= 1 << status,
                AnswerKind::Trap { .. } | AnswerKind::Runaway => {}
            }
        }
        if crash == KnownCrash::default() {
            return None;
        }
        if is_exact {
            crash.flags |= KnownCrash::EXACT;
        }
        Some(crash)
    }

    /// The targets that it is about; none: all.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(Name::as_str)
    }

    /// Whether it is about the target called `name`, run by version `emulator` of its emulator.
    pub fn is_about(&self, name: &str, emulator: Option<&str>) -> bool {
        let emulator = emulator.unwrap_or_default();
        (self.targets.is_empty() || self.targets().any(|target| target == name))
            && (self.emulators.is_empty()
                || self.emulators.iter().any(|version| emulator.starts_with(version)))
    }

    /// Whether it can show in a case with these registers and a root of so many bytes.
    pub fn may_show(&self, registers: &Registers, root_bytes: u64) -> bool {
        let either = |one: &Conditions| one.fit_registers(registers);
        self.conditions.fit_registers(registers)
            && (self.either.is_empty() || self.either.iter().any(either))
            && self.root_below.is_none_or(|below| root_bytes < below)
    }

    /// Whether `question` is one that it may show in; the case is one in which it can show.
    pub fn is_asked(&self, question: &ProbeFeatures) -> bool {
        let either = |one: &Conditions| one.fit(question);
        (self.operations.is_empty() || self.operations.contains(&question.operation))
            && self.expected.has(question.expected)
            && self.stage1_walk.is_none_or(|walk| walk == question.stage1_walk)
            && self.conditions.fit(question)
            && (self.either.is_empty() || self.either.iter().any(either))
    }

    /// Whether it would kill the target in `question`, in which it may show.
    pub fn would_kill(&self, question: &ProbeFeatures) -> bool {
        let ProbeFeatures { operation, descriptor, .. } = question;
        let fit = |bits: &Bits| descriptor.is_some_and(|descriptor| bits.fit(descriptor));
        self.always_kills()
            || self.kills_if.iter().any(|circumstance| {
                let Circumstance { operations, descriptor } = circumstance;
                (operations.is_empty() || operations.contains(operation))
                    && descriptor.iter().all(fit)
            })
    }

    /// Whether `sign` is one of this issue.
    pub fn names(&self, sign: Sign) -> bool {
        self.observed.contains(&sign)
    }

    /// A sign that this rule and `other` could both name, of one probe of one target.
    pub fn overlap(&self, other: &Self) -> Option<Sign> {
        fn meet<T: PartialEq>(one: &[T], other: &[T]) -> bool {
            one.is_empty() || other.is_empty() || one.iter().any(|item| other.contains(item))
        }

        let begin = |one: &String| {
            other
                .emulators
                .iter()
                .any(|version| version.starts_with(one) || one.starts_with(version))
        };
        let emulators = self.emulators.is_empty()
            || other.emulators.is_empty()
            || self.emulators.iter().any(begin);
        let none = [Conditions::default()];
        let own = if self.either.is_empty() { &none[..] } else { &self.either };
        let others = if other.either.is_empty() { &none[..] } else { &other.either };
        let mut pairs = own.iter().flat_map(|one| others.iter().map(move |another| (one, another)));
        let possible = emulators
            && meet(&self.targets, &other.targets)
            && meet(&self.operations, &other.operations)
            && self.expected.meets(other.expected)
            && self.stage1_walk.zip(other.stage1_walk).is_none_or(|(one, another)| one == another)
            && pairs.any(|(one, another)| {
                Conditions::can_meet(&[&self.conditions, &other.conditions, one, another])
            });
        self.observed.iter().copied().find(|sign| possible && other.names(*sign))
    }
}

/// The operations with these names.
fn operations(
    names: &[Spanned<String>],
    refuse: impl Fn(&Spanned<String>, String) -> YamlError,
) -> Result<Vec<Operation>, YamlError> {
    let known = || Operation::of_real_builds().map(Operation::name);
    let operation = |name: &Spanned<String>| {
        let operation = Operation::from_name(&name.value);
        operation.ok_or_else(|| refuse(name, unknown("operation", &name.value, known())))
    };
    names.iter().map(operation).collect()
}

/// The kinds of answer with these names.
fn expected(
    names: &[Spanned<String>],
    refuse: impl Fn(&Spanned<String>, String) -> YamlError,
) -> Result<Kinds, YamlError> {
    names.iter().try_fold(Kinds::default(), |expected, name| {
        let kinds = Kinds::named(&name.value).ok_or_else(|| {
            let known =
                AnswerKind::all().flat_map(|kind| [kind.to_string(), Class::of(kind).to_string()]);
            refuse(name, unknown("kind of answer", &name.value, known))
        })?;
        Ok(expected.or(kinds))
    })
}

/// The signs with these names.
fn observed(
    names: &[Spanned<String>],
    refuse: impl Fn(&Spanned<String>, String) -> YamlError,
) -> Result<Vec<Sign>, YamlError> {
    let sign = |name: &Spanned<String>| {
        Sign::named(&name.value).ok_or_else(|| {
            let problem = match Kinds::named(&name.value) {
                Some(_) => format!("`{}` is observed at some level: say at which", name.value),
                None => {
                    let known = Sign::all().map(|sign| sign.to_string());
                    unknown("observation", &name.value, known)
                }
            };
            refuse(name, problem)
        })
    };
    names.iter().map(sign).collect()
}

/// What is wrong with a name that is not known, and the nearest one that is.
fn unknown<S: AsRef<str>>(what: &str, name: &str, known: impl IntoIterator<Item = S>) -> String {
    let known = nearest(name, known);
    let name = name.escape_debug();
    match known {
        Some(near) => {
            format!("unknown {what} `{name}`: did you mean `{}`?", near.as_ref())
        }
        None => format!("unknown {what} `{name}`: it is spelled as in the signature of a finding"),
    }
}
