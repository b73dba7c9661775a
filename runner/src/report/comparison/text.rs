//! A comparison for people.

use std::fmt;

use judge::verdict::Verdict;

use super::{CauseRow, Comparison, Difference, Figures};
use crate::report::terminal::{grouped, plural};

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, baseline, suite, target, worse, is, was, causes, differences } = self;
        writeln!(f, "{suite} on {target}: {run}")?;
        writeln!(f, "against the baseline {baseline}\n")?;
        writeln!(f, "{:>14} {:>14}", "baseline", "run")?;
        for (name, was, is) in rows(was, is) {
            writeln!(f, "{:>14} {:>14}  {name}", number(was), number(is))?;
        }
        if !causes.is_empty() {
            writeln!(f, "\n{:>14} {:>14}  findings by cause", "baseline", "run")?;
        }
        for CauseRow { errata, was, is } in causes {
            let [was, is] = [was, is].map(|count| grouped(*count));
            writeln!(f, "{was:>14} {is:>14}  {}", errata.join(" or "))?;
        }
        let worse_ones = differences.iter().take_while(|difference| difference.is_worse()).count();
        let (worse_ones, others) = differences.split_at(worse_ones);
        for (heading, differences) in [("worse", worse_ones), ("also different", others)] {
            if !differences.is_empty() {
                writeln!(f, "\n{heading}:")?;
            }
            for difference in differences {
                writeln!(f, "  {difference}")?;
            }
        }
        writeln!(f, "\n{} than the baseline", if *worse { "worse" } else { "no worse" })
    }
}

/// What stands beside each other. A verdict that neither run has is left out.
fn rows(was: &Figures, is: &Figures) -> Vec<(&'static str, Option<u64>, Option<u64>)> {
    let rate = |figures: &Figures| figures.probes_per_second.map(|rate| rate as u64);
    let mut rows = vec![
        ("cases", Some(was.cases), Some(is.cases)),
        ("probes", Some(was.probes), Some(is.probes)),
        ("probes a second", rate(was), rate(is)),
    ];
    let verdicts = Verdict::ALL.into_iter().map(|verdict| {
        (verdict.name(), Some(was.verdicts.of(verdict)), Some(is.verdicts.of(verdict)))
    });
    rows.extend(verdicts.filter(|(_, was, is)| (*was, *is) != (Some(0), Some(0))));
    rows
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), grouped)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewFinding { signature, verdict, count, first_case, reproducer } => {
                let probes = plural(*count, "finding");
                write!(f, "new: {}: {signature}", verdict.name())?;
                write!(f, " ({probes}, the first in case {first_case}")?;
                match reproducer {
                    Some(file) => write!(f, ", {file})"),
                    None => write!(f, ")"),
                }
            }
            Self::NewCause { errata, count, first_case } => {
                let (cause, findings) = (errata.join(" or "), plural(*count, "finding"));
                write!(f, "new cause: {cause} ({findings}, the first in case {first_case})")
            }
            Self::CauseGone { errata, count } => {
                let (cause, findings) = (errata.join(" or "), plural(*count, "finding"));
                write!(f, "gone: the cause {cause} ({findings} before)")
            }
            Self::CausesNotCompared { reason } => write!(f, "causes are not compared: {reason}"),
            Self::DidNotEnd => write!(f, "the run was interrupted, and the baseline was not"),
            Self::FewerCases { was, is } => {
                write!(f, "no longer asked: {} of {}", grouped(was - is), plural(*was, "case"))
            }
            Self::FewerProbes { was, is } => {
                write!(f, "no longer asked: {is} probes a case, and not {was}")
            }
            Self::FewerInCells { cells } => {
                let cells: Vec<String> = cells.iter().map(ToString::to_string).collect();
                write!(f, "no longer asked: probes of {}", cells.join(", "))
            }
            Self::Slower { was, is, percent } => {
                let [was, is] = [was, is].map(|rate| grouped(*rate as u64));
                write!(f, "slower by {percent} %: {is} probes a second, and not {was}")
            }
            Self::Choice { choice, was, is } => {
                let [was, is] = [was, is].map(|answers| answers.join(" or "));
                write!(f, "the target settled `{choice}` as `{is}`, and not as `{was}`")
            }
            Self::FindingGone { signature, verdict, count } => {
                let findings = plural(*count, "finding");
                write!(f, "gone: {}: {signature} ({findings} before)", verdict.name())
            }
            Self::KnownNew { name, count } => {
                write!(f, "known erratum that did not show before: {name} ({})", probes(*count))
            }
            Self::KnownGone { name, count } => {
                write!(f, "known erratum that no longer shows: {name} ({} before)", probes(*count))
            }
            Self::NotAsked { reason, count } => {
                write!(f, "not asked, for a new reason: {} ({reason})", grouped(*count))
            }
            Self::SetUp { part, was, is } => write!(f, "{part} is {is}, and was {was}"),
            Self::OtherSuite => {
                write!(f, "the suite has changed, or what the command line said of it")
            }
            Self::SpeedNotCompared { reason } => write!(f, "speed is not compared: {reason}"),
        }
    }
}

fn probes(count: u64) -> String {
    plural(count, "probe")
}
