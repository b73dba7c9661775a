//! Known issues: what a target is known to do wrong, and what it is called.
//!
//! ```text
//!   suites/known-issues/*.yaml --Rules::read--> Rules --for_target--> Known
//!                                                                       |
//!       a case --candidates--> a probe --asked--> held back, or sent    |
//!                                                           |           |
//!              an answer that does not conform --Sign--> named? --------+--> verdict `known`
//! ```
//!
//! A rule never changes what the architecture allows: the reference walker knows nothing of it. It
//! gives a name to a difference that has been explained, so that others show. TLB maintenance that does
//! nothing ([`Ineffective`]) shows in what comes after it: an answer that is not allowed is known, if it is what would be
//! allowed had that maintenance been left out.
//!
//! # What is shown, and what is fixed
//!
//! For each rule a case's record counts the probes that were [asked](Shown::asked) what the rule may show
//! in, and those that [showed](Shown::shown) it. Both are sums over records, whoever asked, in which order.
//! A rule says where an issue may show, and it shows in a part of that only; so one that was asked often and
//! never showed is [fixed](Shown::is_fixed).

mod bits;
mod conditions;
mod ineffective;
mod rule;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use golden::Registers;
use link::soak::KnownCrash;
use serde::{Deserialize, Serialize};

use crate::sign::Sign;
pub use ineffective::Ineffective;
use oracle::ineffective::IneffectiveTlbi;
pub use rule::{File, ProbeFeatures, Rule, RuleFields};
use suite::yaml::{self, YamlError, nearest};

/// So many probes asked, none of which showed an issue, and it counts as fixed. Each of the delivered rules
/// shows in one of ten of its probes at least; but the probes of a case have much in common, so it takes
/// many cases' worth.
const ENOUGH_PROBES: u64 = 1000;
/// The same for an issue that always kills the target, of which samples alone are asked. It takes some:
/// a sample may have met another answer that is allowed. Each of the delivered rules shows in three of four.
const ENOUGH_SAMPLES: u64 = 4;

/// The known issues of all targets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    ineffective: Vec<Ineffective>,
    sources: Vec<Source>,
}

/// A file of known issues.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub file: PathBuf,
    pub text: String,
}

/// Known issues that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// A file or folder can't be read.
    #[error("the known issues in {} can't be read", path.display())]
    Unreadable {
        /// Where they should be.
        path: PathBuf,
        source: std::io::Error,
    },
    /// A file is no list of rules, or its rules do not go together.
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

/// How a known issue showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Probes asked in which it may show.
    pub asked: u64,
    /// Probes that showed it.
    pub shown: u64,
}

impl Shown {
    /// Adds the counts of `other`.
    pub const fn merge(&mut self, other: Self) {
        self.asked += other.asked;
        self.shown += other.shown;
    }

    /// Whether it was asked often enough to show, and did not. Of one that always kills the target samples
    /// alone are asked.
    pub const fn is_fixed(self, only_samples: bool) -> bool {
        self.shown == 0 && self.asked >= if only_samples { ENOUGH_SAMPLES } else { ENOUGH_PROBES }
    }
}

/// What a run keeps of the known issues that it was judged by.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The files, whole.
    pub sources: Vec<Source>,
    /// The issues of the target, by name.
    pub issues: BTreeMap<String, Issue>,
}

/// A known issue, for reports.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    pub reference: String,
    /// Whether it always kills the target, so that samples alone are asked.
    pub only_samples: bool,
}

/// The number of a rule in [`Known`].
pub type RuleId = usize;

/// The known issues of one target.
#[derive(Clone, Debug, Default)]
pub struct Known {
    rules: Vec<Rule>,
    ineffective: Vec<Ineffective>,
    sources: Vec<Source>,
    in_full: bool,
}

impl Rules {
    /// Reads the rules in `path`: a file, or all `.yaml` files of a folder.
    pub fn read(path: &Path) -> Result<Self, KnownError> {
        let unreadable = |source| KnownError::Unreadable { path: path.to_owned(), source };
        let mut files = Vec::new();
        if path.is_dir() {
            for entry in fs::read_dir(path).map_err(unreadable)? {
                let file = entry.map_err(unreadable)?.path();
                if file.extension().is_some_and(|ending| ending == "yaml") {
                    files.push(file);
                }
            }
            files.sort();
        } else {
            files.push(path.to_owned());
        }
        let read = |file: PathBuf| match fs::read_to_string(&file) {
            Ok(text) => Ok(Source { file, text }),
            Err(source) => Err(KnownError::Unreadable { path: file, source }),
        };
        Ok(Self::from_sources(files.into_iter().map(read).collect::<Result<_, _>>()?)?)
    }

    /// Reads the rules in `text`; `file` is for messages.
    pub fn from_text(text: &str, file: &Path) -> Result<Self, YamlError> {
        Self::from_sources(vec![Source { file: file.to_owned(), text: text.to_owned() }])
    }

    /// Reads the rules of these files, and holds them against each other.
    pub fn from_sources(sources: Vec<Source>) -> Result<Self, YamlError> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut ineffective: Vec<Ineffective> = Vec::new();
        for Source { file, text } in &sources {
            let fields: File = yaml::from_str(text, file)?;
            for fields in fields.issues {
                let place = fields.referenced;
                let rule = Rule::new(fields, text, file)?;
                let problem = rules.iter().find_map(|other| quarrel(&rule, other));
                if let Some(problem) = problem {
                    return Err(YamlError::at(text, file, place, problem));
                }
                rules.push(rule);
            }
            for fields in fields.maintenance {
                let place = fields.referenced;
                let issue = Ineffective::new(fields, text, file)?;
                let others =
                    rules.iter().map(Rule::name).chain(ineffective.iter().map(Ineffective::name));
                if others.into_iter().any(|name| name == issue.name()) {
                    let problem = format!("there are two known issues called `{}`", issue.name());
                    return Err(YamlError::at(text, file, place, problem));
                }
                ineffective.push(issue);
            }
        }
        Ok(Self { rules, ineffective, sources })
    }

    /// Those of the target called `name`, run by version `emulator` of its emulator.
    pub fn for_target(&self, name: &str, emulator: Option<&str>) -> Known {
        let rules = self.rules.iter().filter(|rule| rule.is_about(name, emulator));
        let ineffective = self.ineffective.iter().filter(|issue| issue.is_about(name, emulator));
        Known {
            rules: rules.cloned().collect(),
            ineffective: ineffective.cloned().collect(),
            sources: self.sources.clone(),
            in_full: false,
        }
    }

    /// Names of targets in rules that are not among `targets`, and nearly are: the rule, what it says, and
    /// what may be meant. A name that is like none of them is somebody's own target.
    pub fn misspelled<'a>(&'a self, targets: &'a [String]) -> Vec<(&'a str, &'a str, &'a str)> {
        let of_rules =
            self.rules.iter().flat_map(|rule| rule.targets().map(|name| (rule.name(), name)));
        let of_maintenance = self
            .ineffective
            .iter()
            .flat_map(|issue| issue.targets().map(|name| (issue.name(), name)));
        let said = of_rules.chain(of_maintenance);
        let strange = said.filter(|(_, name)| !targets.iter().any(|target| target == name));
        let near = |(rule, name)| Some((rule, name, nearest(name, targets)?.as_str()));
        strange.filter_map(near).collect()
    }
}

/// Why two rules can't stand beside each other.
fn quarrel(rule: &Rule, other: &Rule) -> Option<String> {
    if rule.name() == other.name() {
        return Some(format!("there are two known issues called `{}`", rule.name()));
    }
    let sign = rule.overlap(other)?;
    Some(format!(
        "`{}` and `{}` could both name \"{sign}\" of one probe, and one would swallow the other's: narrow \
         one of them by `registers` or `descriptor`, so that no probe can be of both",
        rule.name(),
        other.name()
    ))
}

impl Known {
    /// The same, for a case that is told in full: nothing is held back, and what shows an issue is told
    /// like a finding.
    #[must_use]
    pub fn in_full(self) -> Self {
        Self { in_full: true, ..self }
    }

    /// Whether what shows an issue is told like a finding.
    pub const fn is_in_full(&self) -> bool {
        self.in_full
    }

    /// TLB maintenance that does nothing.
    pub fn ineffective(&self) -> Vec<IneffectiveTlbi> {
        self.ineffective.iter().map(Ineffective::maintenance).collect()
    }

    /// The rule with this number.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id]
    }

    /// By which probes they may kill a target that goes on by itself: see [`Rule::known_crash`].
    pub fn crashes(&self) -> Vec<(RuleId, KnownCrash)> {
        let crashes = self.rules.iter().map(|rule| rule.known_crash().filter(|_| !self.in_full));
        crashes.enumerate().filter_map(|(id, crash)| Some((id, crash?))).collect()
    }

    pub fn names(&self, rules: &[RuleId]) -> Vec<String> {
        rules.iter().map(|rule| self.rules[*rule].name().to_owned()).collect()
    }

    /// The rules that may show in a case with these registers and a root of so many bytes.
    pub fn candidates(&self, registers: &Registers, root_bytes: u64) -> Vec<RuleId> {
        let rules = self.rules.iter().enumerate();
        rules.filter(|(_, rule)| rule.may_show(registers, root_bytes)).map(|(id, _)| id).collect()
    }

    /// The rule among `candidates` that names all of `signs` of an answer to `question`, for each sign.
    /// `None` where one of them has no name.
    pub fn name(
        &self,
        candidates: &[RuleId],
        question: &ProbeFeatures,
        signs: impl Iterator<Item = Sign>,
    ) -> Option<Vec<RuleId>> {
        let named = |sign| {
            let mut candidates = candidates.iter().copied();
            candidates.find(|&id| self.rules[id].is_asked(question) && self.rules[id].names(sign))
        };
        let rules: Option<Vec<RuleId>> = signs.map(named).collect();
        rules.filter(|rules| !rules.is_empty())
    }

    /// Whether `rule`, which may show in `question`, would kill the target there, so that it is held back.
    pub fn holds_back(&self, rule: RuleId, question: &ProbeFeatures) -> bool {
        !self.in_full && self.rules[rule].would_kill(question)
    }

    /// What a run keeps of them.
    pub fn record(&self) -> Record {
        let issue = |rule: &Rule| {
            let reference = rule.reference().to_owned();
            let issue = Issue { reference, only_samples: rule.always_kills() };
            (rule.name().to_owned(), issue)
        };
        let ineffective = self.ineffective.iter().map(|ineffective| {
            let reference = ineffective.reference().to_owned();
            (ineffective.name().to_owned(), Issue { reference, only_samples: false })
        });
        let issues = self.rules.iter().map(issue).chain(ineffective).collect();
        Record { sources: self.sources.clone(), issues }
    }
}

#[cfg(test)]
mod tests {
    use case::probe::Operation;

    use super::*;
    use crate::kind::{AnswerKind, Kinds};

    const RULE: &str = "
issues:
  - name: fwb-device
    reference: the device type of stage 1 is lost
    emulators: ['10.0.']
    operations: [at_s12e1r]
    expected: [success]
    observed: ['success, with another ATTR']
    registers:
      HCR_EL2: [{ mask: 0x4000_0000_1000, value: 0x4000_0000_0000 }]
    descriptor: [{ mask: 0x30, value: 0 }]
";
    const PERMISSION: &str = "stage 2 Permission fault";

    fn rules(text: &str) -> Result<Rules, String> {
        Rules::from_text(text, Path::new("k.yaml")).map_err(|error| error.to_string())
    }

    fn fwb() -> Registers {
        Registers { hcr_el2: 0x4000_8000_0001, ..Registers::default() }
    }

    fn kind(name: &str) -> AnswerKind {
        AnswerKind::all().find(|kind| Kinds::named(name).unwrap().has(*kind)).unwrap()
    }

    fn question() -> ProbeFeatures {
        let (operation, expected) = (Operation::AtS12e1r, AnswerKind::Success);
        ProbeFeatures {
            operation,
            expected,
            stage1_walk: false,
            descriptor: Some(0x47),
            stage1: None,
            memory_type: None,
            registers: fwb(),
        }
    }

    /// Whether the one rule in `text` names these signs.
    fn names(text: &str, registers: &Registers, question: &ProbeFeatures, signs: &[&str]) -> bool {
        let known = rules(text).unwrap().for_target("qemu-max", Some("10.0.2 (Debian)"));
        let signs = signs.iter().map(|sign| Sign::named(sign).unwrap());
        let question = ProbeFeatures { registers: *registers, ..*question };
        known.name(&known.candidates(registers, 4096), &question, signs).is_some()
    }

    #[test]
    fn a_rule_names_what_it_says_and_nothing_else() {
        const SEEN: &str = "success, with another ATTR";
        assert!(names(RULE, &fwb(), &question(), &[SEEN]));
        let dc = Registers { hcr_el2: 0x4000_8000_1001, ..fwb() };
        assert!(!names(RULE, &dc, &question(), &[SEEN]), "DC = 1");
        for sign in
            ["success, with another ATTR and SH", "success, with another PA", "the target died"]
        {
            assert!(!names(RULE, &fwb(), &question(), &[sign]), "{sign}");
        }
        for other in [
            ProbeFeatures { expected: kind(PERMISSION), ..question() },
            ProbeFeatures { operation: Operation::AtS12e1w, ..question() },
            ProbeFeatures { descriptor: Some(0x77), ..question() },
            ProbeFeatures { descriptor: None, ..question() },
        ] {
            assert!(!names(RULE, &fwb(), &other, &[SEEN]), "{other:?}");
        }
    }

    #[test]
    fn an_answer_with_two_signs_takes_a_rule_for_each() {
        let dirty = "success, with descriptors changed as they may not be";
        let attr = "success, with another ATTR";
        assert!(!names(RULE, &fwb(), &question(), &[attr, dirty]));
        let second = "  - { name: dirty, reference: r, expected: [success], observed: ['SIGN'], \
                      registers: { HCR_EL2: [{ mask: 1 }] } }\n";
        let two = format!("{RULE}{}", second.replace("SIGN", dirty));
        assert!(names(&two, &fwb(), &question(), &[attr, dirty]));
        assert!(names(&two, &fwb(), &question(), &[dirty]));
        assert!(!names(&two, &fwb(), &question(), &[]), "no sign, no name");
    }

    #[test]
    fn a_rule_is_for_its_emulators_and_targets() {
        let rules_of = |text: &str, target, emulator| {
            let known = rules(text).unwrap().for_target(target, emulator);
            known.record().issues.len()
        };
        for (emulator, rules) in [(Some("10.0.13"), 1), (Some("11.1.2"), 0), (None, 0)] {
            assert_eq!(rules_of(RULE, "qemu-max", emulator), rules, "{emulator:?}");
        }
        let text = RULE.replace("emulators: ['10.0.']", "targets: [my-board]");
        assert_eq!(rules_of(&text, "my-board", None), 1);
        assert_eq!(rules_of(&text, "qemu-max", None), 0);
    }

    #[test]
    fn a_level_of_what_is_expected_counts_where_it_is_said() {
        let seen = &["success, with another ATTR"];
        let fault =
            ProbeFeatures { expected: kind("stage 2 Permission fault, level 3"), ..question() };
        for (expected, named) in [
            ("stage 2 Permission fault", true),
            ("stage 2 Permission fault, level 3", true),
            ("stage 2 Permission fault, level 2", false),
            ("stage 2 Translation fault", false),
        ] {
            let text = RULE.replace("[success]", &format!("['{expected}']"));
            assert_eq!(names(&text, &fwb(), &fault, seen), named, "{expected}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_told_where_it_stands() {
        for (good, bad, told) in [
            ("[success]", "[]", "k.yaml:7:15: `expected` is empty"),
            ("    expected: [success]\n", "", "k.yaml:10:5: the key `expected` is missing"),
            (
                "[success]",
                "[sucess]",
                "k.yaml:7:16: unknown kind of answer `sucess`: did you mean `success`?",
            ),
            (
                "at_s12e1r",
                "at_s12e1x",
                "k.yaml:6:18: unknown operation `at_s12e1x`: did you mean `at_s12e1r`?",
            ),
            (
                "ATTR'",
                "ATR'",
                "k.yaml:8:16: unknown observation `success, with another ATR`: did you mean",
            ),
            (
                "'success, with another ATTR'",
                "'success*'",
                "k.yaml:8:16: unknown observation `success*`",
            ),
            (
                "'success, with another ATTR'",
                "stage 2 Translation fault",
                "k.yaml:8:16: `stage 2 Translation fault` is observed at some level: say at which",
            ),
            ("HCR_EL2", "HCR_EL1", "k.yaml:10:7: unknown name `HCR_EL1`: did you mean `HCR_EL2`?"),
            ("mask: 0x30", "mask: 0", "k.yaml:11:18: `mask` is 0"),
            (
                "reference: the device type of stage 1 is lost",
                "reference: ' '",
                "k.yaml:3:5: `reference` is empty",
            ),
            (
                "'success, with another ATTR'",
                "the target died",
                "k.yaml:3:5: it may kill the target",
            ),
            ("emulators", "kills: true\n    emulators", "k.yaml:3:5: it `kills` the target"),
            (
                "emulators",
                "kills_if: [{ operations: [at_s12e1r] }]\n    emulators",
                "k.yaml:3:5: `kills_if` says",
            ),
            ("emulators", "kills_if: [{}]\n    emulators", "k.yaml:5:16: this says nothing"),
            (
                "descriptor",
                "descriptr",
                "k.yaml:11:5: unknown key `descriptr`: did you mean `descriptor`?",
            ),
            (
                "value: 0 }]",
                "value: 0 }, { mask: 0x10 }]",
                "k.yaml:3:5: these conditions rule each other out",
            ),
        ] {
            let text = RULE.replace(good, bad);
            assert_ne!(text, RULE, "{good}");
            let error = rules(&text).unwrap_err();
            assert!(error.starts_with(told), "{bad}: {error}");
        }
        let at = RULE.find("    registers").unwrap();
        let error = rules(&RULE[..at]).unwrap_err();
        assert!(error.starts_with("k.yaml:3:5: it is too broad"), "{error}");
    }

    #[test]
    fn a_rule_holds_back_where_it_kills() {
        let kills = "kills: true\n    kills_if: [{ operations: [at_s12e1r], descriptor: [{ mask: 0x40, value: 0 }] }]";
        let text = RULE
            .replace(
                "'success, with another ATTR'",
                "'success, with another ATTR', the target died",
            )
            .replace("operations: [at_s12e1r]", kills);
        let known = rules(&text).unwrap().for_target("qemu-max", Some("10.0.2"));
        let question = ProbeFeatures { descriptor: Some(0x7), ..question() };
        assert!(known.holds_back(0, &question) && !known.rule(0).always_kills());
        assert!(!known.clone().in_full().holds_back(0, &question));
        let write = ProbeFeatures { operation: Operation::AtS12e1w, ..question };
        assert!(!known.holds_back(0, &write) && known.rule(0).is_asked(&write));
        assert!(!known.holds_back(0, &ProbeFeatures { descriptor: Some(0x47), ..question }));
        let seldom = text.replace(&kills[11..], "\n    seldom: true");
        let known = rules(&seldom).unwrap().for_target("qemu-max", Some("10.0.2"));
        assert!(!known.holds_back(0, &question) && !known.rule(0).always_kills());
        let always = text.replace(&kills[11..], "");
        let known = rules(&always).unwrap().for_target("qemu-max", Some("10.0.2"));
        assert!(known.holds_back(0, &write) && known.rule(0).always_kills());
    }

    #[test]
    fn two_rules_for_one_symptom_are_refused_and_told_apart_by_anything() {
        let twice = |good: &str, other: &str| {
            let second = RULE.replace("\nissues:\n", "").replace("fwb-device", "second");
            rules(&format!("{RULE}{}", second.replace(good, other)))
        };
        let error = twice("emulators", "emulators").unwrap_err();
        assert!(
            error.starts_with(
                "k.yaml:12:5: `second` and `fwb-device` could both name \"success, with"
            ),
            "{error}"
        );
        for (good, other) in [
            ("second", "fwb-device"),
            ("'10.0.'", "'10.'"),
            ("    operations: [at_s12e1r]\n", ""),
            ("[success]", "[success, stage 2 Permission fault]"),
            ("mask: 0x30", "mask: 0x10"),
        ] {
            assert!(twice(good, other).is_err(), "{other}");
        }
        for (good, other) in [
            ("'10.0.'", "'10.1.'"),
            ("at_s12e1r", "at_s12e1w"),
            ("[success]", "[stage 2 Permission fault]"),
            ("another ATTR", "another SH"),
            ("value: 0x4000_0000_0000", "value: 0x4000_0000_1000"),
            ("value: 0 }]", "value: 0x10 }]"),
            ("{ mask: 0x30, value: 0 }", "{ mask: 0x30 }"),
        ] {
            assert_eq!(twice(good, other).err(), None, "{other}");
        }
    }

    #[test]
    fn a_rule_looks_at_stage_1_its_memory_type_and_the_registers_of_el1() {
        let text = format!(
            "{RULE}    stage1: [{{ mask: 0x80, value: 0x80 }}]\n    \
             memory_type: [{{ mask: 0xf0, value: 0 }}]\n"
        );
        let text =
            text.replace("    registers:\n", "    registers:\n      SCTLR_EL1: [{ mask: 0x4 }]\n");
        let registers = Registers { sctlr_el1: 4, ..fwb() };
        let asked = ProbeFeatures { stage1: Some(0x483), memory_type: Some(0x04), ..question() };
        let named = |registers: &Registers, question: &ProbeFeatures| {
            names(&text, registers, question, &["success, with another ATTR"])
        };
        assert!(named(&registers, &asked));
        assert!(!named(&fwb(), &asked), "C = 0");
        for other in [
            ProbeFeatures { stage1: Some(0x403), ..asked },
            ProbeFeatures { stage1: None, ..asked },
            ProbeFeatures { memory_type: Some(0x44), ..asked },
            ProbeFeatures { memory_type: None, ..asked },
            ProbeFeatures { descriptor: Some(0x77), ..asked },
        ] {
            assert!(!named(&registers, &other), "{other:?}");
        }
    }

    #[test]
    fn a_rule_tells_faults_on_walks_of_stage_1_from_others() {
        let of = |walk| format!("{RULE}    stage1_walk: {walk}\n");
        let named = |text: &str, stage1_walk| {
            let question = ProbeFeatures { stage1_walk, ..question() };
            names(text, &fwb(), &question, &["success, with another ATTR"])
        };
        assert!(named(&of(true), true) && !named(&of(true), false));
        assert!(named(&of(false), false) && !named(&of(false), true));
        assert!(named(RULE, true) && named(RULE, false));
        let beside = |text: String| {
            let second = text.replace("\nissues:\n", "").replace("fwb-device", "second");
            rules(&format!("{}{second}", of(true))).err()
        };
        assert_eq!(beside(of(false)), None);
        assert!(beside(of(true)).is_some() && beside(RULE.into()).is_some());
    }

    #[test]
    fn a_rule_takes_any_of_its_alternatives_whole() {
        let text = format!(
            "{RULE}    either:\n      - {{ registers: {{ TCR_EL1: [{{ mask: 0x1 }}] }}, stage1: [{{ mask: 0x100 }}] }}\n      \
             - {{ registers: {{ TCR_EL1: [{{ mask: 0x2 }}] }}, stage1: [{{ mask: 0x200 }}] }}\n"
        );
        let named = |tcr_el1, stage1| {
            let registers = Registers { tcr_el1, ..fwb() };
            let question = ProbeFeatures { stage1: Some(stage1), ..question() };
            names(&text, &registers, &question, &["success, with another ATTR"])
        };
        assert!(named(1, 0x100) && named(2, 0x200) && named(3, 0x300));
        assert!(!named(1, 0x200) && !named(2, 0x100) && !named(0, 0x300) && !named(3, 0));

        let error = rules(&format!("{RULE}    either: [{{ stage1: [] }}]\n")).unwrap_err();
        assert!(error.contains("this says nothing"), "{error}");
        // Another rule may have what no alternative takes, together with what the rule takes anyway.
        let second = |stage1| {
            let second = RULE.replace("\nissues:\n", "").replace("fwb-device", "second");
            rules(&format!("{text}{second}    stage1: [{{ mask: 0x300, value: {stage1} }}]\n"))
                .err()
        };
        assert_eq!(second("0"), None);
        assert!(second("0x200").is_some_and(|error| error.contains("could both name")));
    }

    #[test]
    fn a_target_that_is_nearly_one_is_noticed() {
        let text = RULE.replace("emulators: ['10.0.']", "targets: [qemu-mx, my-board, qemu-max]");
        let rules = rules(&text).unwrap();
        let targets = ["qemu-max", "qemu-max-uart"].map(str::to_owned);
        assert_eq!(rules.misspelled(&targets), [("fwb-device", "qemu-mx", "qemu-max")]);
    }

    #[test]
    fn an_issue_that_was_asked_often_and_never_showed_is_fixed() {
        let fixed = |asked, shown, samples| Shown { asked, shown }.is_fixed(samples);
        assert!(fixed(ENOUGH_PROBES, 0, false) && !fixed(ENOUGH_PROBES - 1, 0, false));
        assert!(!fixed(ENOUGH_PROBES, 1, false));
        assert!(fixed(ENOUGH_SAMPLES, 0, true) && !fixed(ENOUGH_SAMPLES - 1, 0, true));
    }
}
