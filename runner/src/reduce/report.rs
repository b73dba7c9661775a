//! What is said of a case that was made small: a case file, and a text to be filed.

use std::fmt::{self, Display};

use golden::errata;
use suite::case_file::{CaseFile, Remark};
use suite::machine::Machine;

use super::cause::Cause;
use super::{Reduced, Reducer, Shown};
use crate::explain::replay::{Which, story};
use crate::record::remark::remark;
use crate::report::legal::one_line;
use crate::report::terminal::plural;

/// What is said of a case that was made small.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    reduced: &'a Reduced,
    /// The machine that showed it, and as much of it as a case file says.
    machine: Machine,
    /// Where it was found, in words.
    found_in: &'a str,
    words: usize,
    walk: String,
}

impl<'a> Report<'a> {
    /// Of a case that was `reduced` by `reducer`, and found in what these words say.
    pub fn new(reducer: &Reducer<'_>, reduced: &'a Reduced, found_in: &'a str) -> Self {
        let identity = reducer.identity();
        let (ids, map) = reducer.machine().cloned().unwrap_or_default();
        let machine = Machine::new(&identity.name, identity.emulator.clone(), &ids, &map);
        let (case, record) = (&reduced.case, &reduced.shown.record);
        let walk = story(case, &ids, &map, record, reducer.learned(), &Which::All);
        let walk = walk.unwrap_or_else(|error| format!("the case can't be built here: {error}\n"));
        let words = reducer.words(case).unwrap_or(0);
        Self { reduced, machine, found_in, words, walk }
    }

    /// The size of the case: `3 words, 1 probe`.
    pub fn size(&self) -> String {
        let probes = self.reduced.case.as_ref().probes.len() as u64;
        format!("{}, {}", plural(self.words as u64, "word"), plural(probes, "probe"))
    }

    /// The case file.
    pub fn case_file(&self) -> CaseFile {
        let Reduced { cause, case, shown: Shown { finding, .. }, .. } = self.reduced;
        let lines = vec![("what", self.what()), ("from", self.found_in.to_owned())];
        let title = Remark { title: one_line(&cause.to_string()), lines };
        let machine = self.machine.of_case(case.as_ref());
        CaseFile::made(machine, case.clone(), vec![title, remark(finding)])
    }

    /// What the device does, and the rule that it breaks.
    fn what(&self) -> String {
        match &self.reduced.cause {
            Cause::Erratum(name) => match errata::all().find(|erratum| erratum.name == name) {
                Some(erratum) => format!("{} [{}]", erratum.does, erratum.breaks),
                None => name.clone(),
            },
            Cause::Signature { signature, .. } => {
                format!("{signature}; no erratum is named for it")
            }
        }
    }

    /// The text to be filed, where the case is in `file`.
    pub const fn text<'r>(&'r self, file: &'r str) -> Text<'r> {
        Text { report: self, file }
    }
}

/// The text to be filed: Markdown.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    report: &'a Report<'a>,
    file: &'a str,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { reduced, found_in, walk, .. } = self.report;
        let Reduced { cause, shown: Shown { finding, .. }, asked, end, .. } = reduced;
        writeln!(f, "# {}\n", one_line(&cause.to_string()))?;
        self.rule(f)?;
        self.device(f)?;
        writeln!(f, "- found in: {found_in}")?;
        let least = if end.is_least() { "" } else { ", and there may be a smaller one" };
        writeln!(f, "- the case: {}{least}; {asked} candidates were asked\n", self.report.size())?;
        writeln!(f, "## Asked, expected, observed\n")?;
        writeln!(f, "- asked: {}", finding.question)?;
        for allowed in finding.expectation.lines() {
            writeln!(f, "- expected: {}", one_line(&allowed))?;
        }
        writeln!(f, "- observed: {}\n", one_line(&finding.observation.to_string()))?;
        writeln!(f, "## The case\n\n```yaml\n{}```\n", self.report.case_file())?;
        writeln!(f, "## The walk by the architecture\n\n```text\n{}```\n", walk.trim_start())?;
        writeln!(f, "## To reproduce it\n")?;
        writeln!(f, "With Hypwalk: `hypwalk replay {}`.\n", self.file)?;
        writeln!(
            f,
            "Without: `hypwalk export {} -o DIR` writes one assembly file, and a Makefile that needs GNU or LLVM \
             tools alone, where the case can be told so.",
            self.file
        )
    }
}

impl Text<'_> {
    /// The rule that is broken.
    fn rule(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reduced { cause, shown: Shown { finding, .. }, .. } = self.report.reduced;
        let Cause::Erratum(name) = cause else {
            writeln!(f, "What is wrong is not known: no erratum is named for it.")?;
            return self.others(f, &finding.errata);
        };
        if let Some(erratum) = errata::all().find(|erratum| erratum.name == name) {
            writeln!(f, "What the device seems to do: {}.\n", erratum.does)?;
            writeln!(f, "The rule that this breaks: `{}` (DDI 0487).", erratum.breaks)?;
        }
        let others: Vec<String> =
            finding.errata.iter().filter(|one| *one != name).cloned().collect();
        self.others(f, &others)
    }

    /// Errata that predict the answer as well.
    fn others(&self, f: &mut fmt::Formatter<'_>, others: &[String]) -> fmt::Result {
        match others {
            [] => writeln!(f),
            others => {
                let others = others.join(", ");
                writeln!(f, "\nThe answer of this one case would be the same by: {others}.\n")
            }
        }
    }

    fn device(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { target, emulator, ids, .. } = &self.report.machine;
        writeln!(f, "- device: {target}")?;
        if let Some(emulator) = emulator {
            writeln!(f, "- emulator: {emulator}")?;
        }
        let ids: Vec<String> = ids.iter().map(|(name, value)| format!("{name} {value}")).collect();
        writeln!(f, "- its ID registers: {}", ids.join(", "))
    }
}
