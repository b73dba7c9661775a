//! Known errata: what a target is known to do wrong.
//!
//! ```text
//!   suites/errata/*.yaml --ErrataFile--> KnownErrata --for_target--> Known
//!                                                                     |
//!       the twin of the target <------------ its flaws ---------------+
//!           |  what is allowed, and what is predicted instead
//!           v
//!       a probe that would kill the target: held back
//!       an answer that is not allowed and that is predicted: verdict `known`
//! ```
//!
//! What is known is predicted bit by bit, by the reference walker with the errata of the target; so a second fault
//! behind a known one is still found. What the architecture allows always conforms.
//!
//! # What is shown
//!
//! For each erratum a case's record counts the probes that were [asked](Shown::asked) in which another answer is
//! predicted than those that are allowed, and those that [showed](Shown::shown) it. Both are sums over
//! records, whoever asked, in which order.

mod file;
mod version;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use case::operation::Operation;
use golden::errata::{Effect, Instruction};
use golden::{At, Level, Stage};
use link::soak::KnownCrash;
use oracle::flaw::{Flaw, FlawId};
use serde::{Deserialize, Serialize};
use suite::yaml::{self, YamlError, nearest};

pub use file::{ErrataFile, KnownErratum};
pub use version::{Coverage, version};

/// The known errata of all targets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KnownErrata {
    errata: Vec<KnownErratum>,
    sources: Vec<Source>,
}

/// A file of known errata.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub file: PathBuf,
    pub text: String,
}

/// Known errata that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// A file or folder can't be read.
    #[error("the errata in {} can't be read", path.display())]
    Unreadable {
        /// Where they should be.
        path: PathBuf,
        source: std::io::Error,
    },
    /// A file is no list of errata, or they do not go together.
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

/// How a known erratum showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Probes asked in which it makes a difference.
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
}

/// What a run keeps of the known errata that it was judged by.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The files, whole.
    pub sources: Vec<Source>,
    /// The errata of the target, by name.
    pub issues: BTreeMap<String, Issue>,
    /// Those of earlier versions of its emulator, by name, and whether each was seen to show when it was tried: then it is
    /// taken for one of the target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tried: BTreeMap<String, bool>,
}

/// A known erratum, for reports.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    pub reference: String,
    /// Whether it always kills the target, so that samples alone are asked.
    pub only_samples: bool,
}

/// The known errata of one target.
#[derive(Clone, Debug, Default)]
pub struct Known {
    errata: Vec<KnownErratum>,
    sources: Vec<Source>,
    /// See [`Record::tried`].
    tried: BTreeMap<String, bool>,
    in_full: bool,
}

impl KnownErrata {
    /// Reads the errata in `paths`: files, and all `.yaml` files of folders.
    pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Self, KnownError> {
        let mut files = Vec::new();
        for path in paths.iter().map(AsRef::as_ref) {
            let unreadable = |source| KnownError::Unreadable { path: path.to_owned(), source };
            if !path.is_dir() {
                files.push(path.to_owned());
                continue;
            }
            let mut found = Vec::new();
            for entry in fs::read_dir(path).map_err(unreadable)? {
                let file = entry.map_err(unreadable)?.path();
                if file.extension().is_some_and(|ending| ending == "yaml") {
                    found.push(file);
                }
            }
            found.sort();
            files.extend(found);
        }
        let read = |file: PathBuf| match fs::read_to_string(&file) {
            Ok(text) => Ok(Source { file, text }),
            Err(source) => Err(KnownError::Unreadable { path: file, source }),
        };
        Ok(Self::from_sources(files.into_iter().map(read).collect::<Result<_, _>>()?)?)
    }

    /// Reads the errata in `text`; `file` is for messages.
    pub fn from_text(text: &str, file: &Path) -> Result<Self, YamlError> {
        Self::from_sources(vec![Source { file: file.to_owned(), text: text.to_owned() }])
    }

    /// Reads the errata of these files, and holds them against each other.
    pub fn from_sources(sources: Vec<Source>) -> Result<Self, YamlError> {
        let mut errata: Vec<KnownErratum> = Vec::new();
        for Source { file, text } in &sources {
            let entries: ErrataFile = yaml::from_str(text, file)?;
            for entry in entries.errata {
                for erratum in KnownErratum::read(entry, text, file)? {
                    let mut others = errata.iter();
                    if let Some(problem) = others.find_map(|other| erratum.value.conflict(other)) {
                        return Err(YamlError::at(text, file, erratum.referenced, problem));
                    }
                    errata.push(erratum.value);
                }
            }
        }
        Ok(Self { errata, sources })
    }

    /// Those of the target called `name`, run by version `emulator` of its emulator.
    pub fn for_target(&self, name: &str, emulator: Option<&str>) -> Known {
        self.with_tried(name, emulator, BTreeMap::new())
    }

    /// The same, and those that were seen on earlier versions of its emulator alone and are `tried` and seen to show.
    pub fn with_tried(
        &self,
        name: &str,
        emulator: Option<&str>,
        tried: BTreeMap<String, bool>,
    ) -> Known {
        let shows = |erratum: &KnownErratum| tried.get(erratum.name()).is_some_and(|shows| *shows);
        let is_one = |erratum: &KnownErratum| match erratum.coverage(emulator) {
            Coverage::Within => true,
            Coverage::Later => shows(erratum) && self.is_last(erratum, name, emulator),
            Coverage::Before => false,
        };
        Known { tried: tried.clone(), ..self.those(name, is_one) }
    }

    /// Those of the target called `name` that were seen on earlier versions of its emulator than `emulator` alone:
    /// whether this one has them is to be tried.
    pub fn to_try(&self, name: &str, emulator: Option<&str>) -> Known {
        self.those(name, |erratum| {
            erratum.coverage(emulator) == Coverage::Later && self.is_last(erratum, name, emulator)
        })
    }

    /// Those of the target called `name` that are wanted, in the order of the files.
    fn those(&self, name: &str, is_wanted: impl Fn(&KnownErratum) -> bool) -> Known {
        let errata = self.errata.iter();
        let errata = errata.filter(|erratum| erratum.is_of(name) && is_wanted(erratum));
        Known {
            errata: errata.cloned().collect(),
            sources: self.sources.clone(),
            ..Known::default()
        }
    }

    /// Whether none of the same name is of a later version, up to `emulator`, of the target called `name`.
    fn is_last(&self, erratum: &KnownErratum, name: &str, emulator: Option<&str>) -> bool {
        !self.errata.iter().any(|other| {
            other.name() == erratum.name()
                && other.is_of(name)
                && other.coverage(emulator) != Coverage::Before
                && erratum.is_earlier(other)
        })
    }

    /// Names of targets in errata that are not among `targets`, and nearly are: the erratum, what it says, and
    /// what may be meant. A name that is like none of them is somebody's own target.
    pub fn misspelled<'a>(&'a self, targets: &'a [String]) -> Vec<(&'a str, &'a str, &'a str)> {
        let said = self
            .errata
            .iter()
            .flat_map(|erratum| erratum.targets().map(|name| (erratum.name(), name)));
        let strange = said.filter(|(_, name)| !targets.iter().any(|target| target == name));
        let near = |(erratum, name)| Some((erratum, name, nearest(name, targets)?.as_str()));
        strange.filter_map(near).collect()
    }
}

impl Known {
    /// The same, for a case that is told in full: nothing is held back, and what shows an erratum is told
    /// like a finding.
    #[must_use]
    pub fn in_full(self) -> Self {
        Self { in_full: true, ..self }
    }

    /// Whether what shows an erratum is told like a finding.
    pub const fn is_in_full(&self) -> bool {
        self.in_full
    }

    /// The errata, as the oracle is told of them.
    pub fn flaws(&self) -> Vec<Flaw> {
        self.errata.iter().map(|known| known.flaw().clone()).collect()
    }

    /// The errata one by one.
    pub fn iter(&self) -> impl Iterator<Item = &KnownErratum> {
        self.errata.iter()
    }

    /// The name of the erratum with this number.
    pub fn name(&self, id: FlawId) -> &str {
        self.errata[id].name()
    }

    /// The names of errata.
    pub fn names(&self, ids: &[FlawId]) -> Vec<String> {
        ids.iter().map(|id| self.name(*id).to_owned()).collect()
    }

    /// The one of `flaws` for which a probe is held back that may kill the target by all of them.
    pub fn holds_back(&self, flaws: &[FlawId]) -> Option<FlawId> {
        let is_deadly = |id: &&FlawId| self.errata[**id].flaw().erratum.is_deadly();
        let deadly = flaws.iter().find(is_deadly).or_else(|| flaws.first());
        deadly.copied().filter(|_| !self.in_full)
    }

    /// The AT instructions of both stages by which the errata may kill a target that goes on by itself, as far as
    /// their answers tell that are allowed: what other errata make of them it does not see.
    pub fn crashes(&self) -> Vec<(FlawId, KnownCrash)> {
        let crashes = self.errata.iter().map(|erratum| crash(erratum.flaw()));
        let crashes = crashes.enumerate().filter(|_| !self.in_full);
        crashes.filter_map(|(id, crash)| Some((id, crash?))).collect()
    }

    /// What a run keeps of them.
    pub fn record(&self) -> Record {
        let issue = |erratum: &KnownErratum| {
            let reference = erratum.reference().to_owned();
            let only_samples = erratum.flaw().erratum.is_deadly();
            (erratum.name().to_owned(), Issue { reference, only_samples })
        };
        let (sources, tried) = (self.sources.clone(), self.tried.clone());
        Record { sources, issues: self.errata.iter().map(issue).collect(), tried }
    }
}

/// The AT instructions of both stages: what a target asks that goes on by itself.
const AT_S12: [Operation; 4] =
    [Operation::AtS12e1r, Operation::AtS12e1w, Operation::AtS12e0r, Operation::AtS12e0w];

/// By which answers of AT instructions of both stages `flaw` would kill.
fn crash(flaw: &Flaw) -> Option<KnownCrash> {
    let Effect::Kills { by, stage, s1_walk, kind } = flaw.erratum.effect else { return None };
    if !by(&Instruction::At(At::S12E1R)) {
        return None;
    }
    let levels = (-1..=3).filter_map(Level::new);
    let codes = levels.fold(0, |codes, level| codes | 1 << kind.status_code(level));
    let is_always = AT_S12.iter().all(|at| flaw.when.includes(Some(*at)));
    let is_exact = is_always && flaw.when.fields.is_empty();
    let exact = if is_exact { KnownCrash::EXACT } else { 0 };
    let crash = KnownCrash { flags: exact, ..KnownCrash::default() };
    Some(match (stage, s1_walk) {
        (Stage::One, _) => KnownCrash { stage1: codes, ..crash },
        (Stage::Two, false) => KnownCrash { stage2: codes, ..crash },
        (Stage::Two, true) => KnownCrash { s1_walk: codes, ..crash },
    })
}

#[cfg(test)]
mod tests {
    use golden::Registers;

    use super::*;

    const ERRATA: &str = "
errata:
  - names: [FWB-forgets-CD, AT-sets-dirty-state]
    reference: found by hand
    emulators: { from: '9.0', to: '10.0' }
    targets: [qemu-max]
    when: { operations: ['at_s12*'], fields: { VTCR_EL2.DS: [1], HCR_EL2.FWB: [0, 1] } }
    reproducers: [repro/one.yaml]
  - names: [AT-ends-the-device-by-a-stage2-Permission-fault]
    reference: it aborts
";

    fn errata(text: &str) -> Result<KnownErrata, String> {
        KnownErrata::from_text(text, Path::new("e/k.yaml")).map_err(|error| error.problem)
    }

    #[test]
    fn an_erratum_is_of_its_targets_and_versions() {
        let errata = errata(ERRATA).unwrap();
        let names = |known: Known| known.iter().map(KnownErratum::name).collect::<Vec<_>>();
        let both = ["FWB-forgets-CD", "AT-sets-dirty-state"];
        let deadly = "AT-ends-the-device-by-a-stage2-Permission-fault";
        let on = |name, emulator| names(errata.for_target(name, emulator));
        assert_eq!(on("qemu-max", Some("10.0.2 (Debian)")), [both[0], both[1], deadly]);
        assert_eq!(on("qemu-max", Some("10.1.0")), [deadly]);
        assert_eq!(on("board", None), [deadly]);
        assert_eq!(names(errata.to_try("qemu-max", Some("11.1.3"))), both);
        assert_eq!(names(errata.to_try("qemu-max", Some("7.2.22"))), [""; 0]);
        let known = errata.for_target("qemu-max", Some("10.0"));
        let record = known.record();
        assert!(record.issues[deadly].only_samples && !record.issues[both[0]].only_samples);
        let first = known.iter().next().unwrap();
        assert_eq!(first.reproducers(), [PathBuf::from("e/repro/one.yaml")]);
    }

    #[test]
    fn what_was_tried_and_shows_is_known_in_the_order_of_the_files() {
        let both = errata(ERRATA).unwrap();
        let names = |known: &Known| known.iter().map(KnownErratum::name).collect::<Vec<_>>();
        let deadly = "AT-ends-the-device-by-a-stage2-Permission-fault";
        let tried = [("AT-sets-dirty-state", true), ("FWB-forgets-CD", false)];
        let tried: BTreeMap<_, _> = tried.map(|(name, shows)| (name.to_owned(), shows)).into();
        let known = both.with_tried("qemu-max", Some("11.1.3"), tried.clone());
        assert_eq!(names(&known), ["AT-sets-dirty-state", deadly]);
        let record = known.record();
        assert_eq!(record.tried, tried);
        // What a run keeps of it leads to the same.
        let again = KnownErrata::from_sources(record.sources).unwrap();
        let again = again.with_tried("qemu-max", Some("11.1.3"), record.tried);
        assert_eq!(names(&again), names(&known));
    }

    #[test]
    fn of_an_erratum_that_came_and_went_the_last_one_counts() {
        let entry = |from: &str, to: &str, field: &str| {
            format!(
                "  - names: [FWB-forgets-CD]\n    reference: it is\n    emulators: {{ from: '{from}', to: '{to}' }}\n    \
                 when: {{ fields: {{ {field}: [1] }} }}\n"
            )
        };
        let of = |text: String| errata(&format!("errata:\n{text}")).unwrap();
        // Whether each shows under HCR_EL2.FWB, and not under CD.
        let fwb = Registers { hcr_el2: 1 << 46, ..Registers::default() };
        let under_fwb = |known: Known| -> Vec<bool> {
            known.flaws().iter().map(|flaw| flaw.when.fits(&fwb)).collect()
        };
        let early = entry("7.0", "8.0", "HCR_EL2.CD");
        let two = of(early.clone() + &entry("9.0", "9.1", "HCR_EL2.FWB"));
        assert_eq!(under_fwb(two.to_try("board", Some("10.0"))), vec![true]);
        let tried = BTreeMap::from([("FWB-forgets-CD".to_owned(), true)]);
        assert_eq!(under_fwb(two.with_tried("board", Some("10.0"), tried)), vec![true]);
        let here = of(early + &entry("9.0", "10.0", "HCR_EL2.FWB"));
        assert!(under_fwb(here.to_try("board", Some("10.0"))).is_empty());
        assert_eq!(under_fwb(here.for_target("board", Some("10.0"))), vec![true]);
    }

    #[test]
    fn an_erratum_shows_where_its_conditions_hold() {
        let known = errata(ERRATA).unwrap().for_target("qemu-max", Some("10.0"));
        let flaw = &known.flaws()[0];
        let ds = Registers { vtcr_el2: 1 << 32, ..Registers::default() };
        assert!(flaw.when.fits(&ds) && !flaw.when.fits(&Registers::default()));
        assert!(flaw.when.includes(Some(Operation::AtS12e0w)));
        assert!(!flaw.when.includes(Some(Operation::Load)) && !flaw.when.includes(None));
    }

    #[test]
    fn what_kills_is_held_back_by_name_and_told_to_a_target_that_goes_on_by_itself() {
        let known = errata(ERRATA).unwrap().for_target("qemu-max", Some("10.0"));
        assert_eq!(known.holds_back(&[0, 2]), Some(2));
        assert_eq!(known.clone().in_full().holds_back(&[0, 2]), None);
        let [(2, crash)] = known.crashes()[..] else { panic!("{:?}", known.crashes()) };
        assert!(crash.is_exact() && crash.has_par(0xa1f) && crash.has_par(0xa19));
        assert!(!crash.has_par(0xa0f) && !crash.has_par(0x81f) && !crash.has_par(0x980));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let problem = |from: &str, to: &str| errata(&ERRATA.replace(from, to)).unwrap_err();
        assert_eq!(
            problem("FWB-forgets-CD", "FWB-forget-CD"),
            "unknown erratum `FWB-forget-CD`: did you mean `FWB-forgets-CD`?"
        );
        assert_eq!(
            problem("VTCR_EL2.DS", "VTCR_EL2.DSS"),
            "unknown field `VTCR_EL2.DSS`: did you mean `VTCR_EL2.DS`?"
        );
        assert_eq!(
            problem("VTCR_EL2.DS: [1]", "VTCR_EL2.DS: [2]"),
            "VTCR_EL2.DS has no value 2: 1 is its greatest"
        );
        assert!(problem("at_s12*", "at_s13*").starts_with("unknown operation `at_s13*`"));
        assert_eq!(problem("to: '10.0'", "to: '8.0'"), "there is no version from 9.0 to 8.0");
        assert!(problem("found by hand", "''").starts_with("`reference` is empty"));
        assert!(problem("AT-sets-dirty-state", "FWB-forgets-CD").contains("is known already"));
        assert_eq!(
            problem(
                "FWB-forgets-CD, AT-sets-dirty-state",
                "HCR_EL2.CD-taken-for-0, HCR_EL2.CD-taken-for-1"
            ),
            "`HCR_EL2.CD-taken-for-1` and `HCR_EL2.CD-taken-for-0` contradict each other: no target can have both"
        );
        assert!(problem("emulators:", "emulator:").contains("did you mean `emulators`"));
    }

    #[test]
    fn a_target_that_is_nearly_another_is_told() {
        let text = ERRATA.replace("[qemu-max]", "[qemu-mx]");
        let errata = errata(&text).unwrap();
        let targets = ["qemu-max".to_owned(), "board".to_owned()];
        let misspelled = errata.misspelled(&targets);
        assert_eq!(misspelled[0], ("FWB-forgets-CD", "qemu-mx", "qemu-max"));
    }
}
