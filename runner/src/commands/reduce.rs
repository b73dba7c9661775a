//! `hypwalk reduce`: the smallest case that shows a cause.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use judge::established::Established;
use judge::verdict::{CaseRecord, Finding};

use super::known_errata::ErrataArgs;
use super::named_case::{FoundCase, OnTarget};
use super::target::Opened;
use crate::campaign::CampaignError;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::{print, remark, save};
use crate::record::{Header, Run};
use crate::reduce::cause::Kept;
use crate::reduce::report::Report;
use crate::reduce::reproducers::{self, Bound, Reproducer, ReproducerError};
use crate::reduce::{BUDGET, Reduced, Reducer, Shown};
use crate::report::legal::one_line;

/// Make a case with a finding as small as it can be.
///
/// Probes, mappings, edits, trees, steps and PEs are left out, registers and descriptors go back to plain values, and
/// sizes and addresses become small, as long as the target still shows the same cause: the same erratum predicts the
/// answer or, where none does, it differs from what is allowed in the same way. What is left is written as a case file,
/// for `hypwalk replay`, and as a report that can be filed.
///
/// Of a RUN it is done for the first example of each cause, and written into the folder `causes` of the run. Of a run the
/// errata that were known to it are known here, too; of a case file none are, so that each counts as a cause.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 1 when there is a cause, and 0 when a RUN has none; 2 when a case shows nothing wrong. Ctrl-C \
    and a target that is lost leave the smallest case that was found so far, with 130 and 3."
)]
pub struct Reduce {
    /// A case file, RUN:INDEX for case number INDEX of a run, or RUN for the causes of a run.
    #[arg(value_name = "FILE|RUN:INDEX|RUN")]
    case: String,
    /// The cause that is to stay, where the case shows several: the name of an erratum.
    #[arg(long, value_name = "NAME")]
    erratum: Option<String>,
    /// The finding that is to stay: that of the probe of this number.
    #[arg(long, value_name = "NUMBER")]
    probe: Option<u32>,
    /// Ask the target so many candidates at most, of each cause.
    #[arg(long, value_name = "NUMBER", default_value_t = BUDGET)]
    budget: NonZeroU32,
    /// Of a run, reduce so many causes at most. Default: all of them.
    #[arg(long, value_name = "NUMBER")]
    causes: Option<NonZeroUsize>,
    /// Write the case to this file, and the report beside it, with the ending `.md`; where FILE has that ending itself it
    /// is the report, and the case gets `.yaml`. Default: the report is printed.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    on: OnTarget,
    #[command(flatten)]
    errata: ErrataArgs,
}

impl Reduce {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let name = Path::new(&self.case);
        let folder = self.on.results().of(name);
        if folder.is_dir() && !name.is_file() { self.all_of(&folder) } else { self.one() }
    }

    /// Reduces one case.
    fn one(&self) -> Result<Exit, Failure> {
        if self.causes.is_some() {
            return Err(Failure::new(Exit::Usage, "--causes is for runs, and this is one case"));
        }
        let found = self.on.find(&self.case)?;
        let opened = self.on.open(&found)?;
        let interrupt = interrupt::on_signals()?;
        let mut reducer = self.reducer(&opened, found.header.as_deref(), &interrupt)?;
        let record = reducer.records(vec![found.case.clone()])?.pop().unwrap_or_default();
        let (kept, finding) = self.choose(&found, &record, &self.causes_of_its_run())?;
        let shown = Shown { record, finding };
        let reduced = reducer.reduce(&found.case, &kept, shown, self.budget);
        let found_in = found.found_in();
        self.tell(&Report::new(&reducer, &reduced, &found_in), &reduced)?;
        self.ended(reduced.end.into_error(), &reducer)
    }

    fn reducer<'o>(
        &self,
        opened: &'o Opened,
        header: Option<&Header>,
        interrupt: &Arc<AtomicBool>,
    ) -> Result<Reducer<'o>, Failure> {
        let known = self.errata.of_case_or_none(header, opened.target.identity())?;
        let established = Established { learned: opened.learned.clone(), known };
        Ok(Reducer::new(opened.target.as_ref(), established).with_interrupt(interrupt))
    }

    /// Writes the case that was `reduced` and its `report`, or prints the report.
    fn tell(&self, report: &Report<'_>, reduced: &Reduced) -> Result<(), Failure> {
        let Some(output) = &self.output else {
            return print(report.text("FILE"));
        };
        let is_report = output.extension().is_some_and(|ending| ending == "md");
        let file = if is_report { output.with_extension("yaml") } else { output.clone() };
        save(&file, &report.case_file().to_string())?;
        let text = report.text(&file.display().to_string()).to_string();
        save(&file.with_extension("md"), &text)?;
        let Reduced { cause, asked, took, .. } = reduced;
        let (size, file, seconds) = (report.size(), file.display(), took.as_secs_f64());
        print(format_args!("{cause}: {size}: {file}\n"))?;
        print(format_args!("{asked} candidates in {seconds:.1} s\n"))
    }

    /// How it ends, where causes were told: by this error, if there is one.
    fn ended(&self, error: Option<CampaignError>, reducer: &Reducer<'_>) -> Result<Exit, Failure> {
        if let Some(error) = error {
            remark("note: the target was lost; this is the smallest case that was found by then");
            return Err(error.into());
        }
        if reducer.is_interrupted() {
            remark("note: interrupted; this is the smallest case that was found by then");
            return Ok(Exit::Interrupted);
        }
        Ok(Exit::Findings)
    }

    /// The finding of `record` that is to stay, and what of it.
    ///
    /// Where nobody says which, it is a cause of the run, the largest of its `causes` first.
    fn choose(
        &self,
        found: &FoundCase,
        record: &CaseRecord,
        causes: &[String],
    ) -> Result<(Kept, Finding), Failure> {
        let findings: Vec<&Finding> = record
            .findings
            .iter()
            .filter(|finding| self.probe.is_none_or(|probe| finding.probe == Some(probe)))
            .collect();
        let what = match self.probe {
            Some(probe) => format!("{} shows nothing wrong in probe {probe}", found.what),
            None => format!("{} shows nothing wrong", found.what),
        };
        if findings.is_empty() {
            return Err(Failure::new(Exit::Usage, what)
                .help("hypwalk replay shows what it does on this target"));
        }
        let is_shown =
            |name: &&String| findings.iter().any(|finding| finding.errata.contains(name));
        let of_run = causes.iter().find(is_shown).map(String::as_str);
        let erratum = self.erratum.as_deref().or(of_run).or_else(|| most_common(&findings));
        let chosen = findings.iter().find_map(|&finding| match erratum {
            Some(erratum) => Some((Kept::by_erratum(finding, erratum)?, finding.clone())),
            None => Some((Kept::by_signature(finding), finding.clone())),
        });
        if let (None, Some(others)) = (&self.erratum, others(&findings, erratum)) {
            remark(format_args!("note: it shows something else, too: --erratum {others}"));
        }
        chosen.ok_or_else(|| {
            let erratum = erratum.unwrap_or_default();
            let error = format!("the erratum {erratum} predicts no finding of {}", found.what);
            match others(&findings, None) {
                Some(others) => Failure::new(Exit::Usage, error).help(format!("say {others}")),
                None => Failure::new(Exit::Usage, error),
            }
        })
    }

    /// The errata that are causes of the run that the case is of, the largest first; none where it is of none that can be
    /// read.
    fn causes_of_its_run(&self) -> Vec<String> {
        let run = self.case.rsplit_once(':');
        let run = run.and_then(|(run, _)| self.on.results().open(Path::new(run)).ok());
        let summary = run.and_then(|run| Some(run.summary().ok()?.0));
        let causes = summary.and_then(|summary| summary.causes).unwrap_or_default().causes;
        causes.iter().map(|cause| cause.name().to_owned()).collect()
    }

    /// Reduces the first example of each cause of the run in `folder`.
    fn all_of(&self, folder: &Path) -> Result<Exit, Failure> {
        if self.output.is_some() || self.erratum.is_some() || self.probe.is_some() {
            let error = "--output, --erratum and --probe are for one case, and this is a run";
            return Err(Failure::new(Exit::Usage, error).help("name a case of it: RUN:INDEX"));
        }
        let run = Run::open(folder)?;
        let found = run.summary()?.0.causes.unwrap_or_default();
        let opened = self.on.open_for(&run.header)?;
        let interrupt = interrupt::on_signals()?;
        let mut reducer = self.reducer(&opened, Some(&run.header), &interrupt)?;
        let causes = self.causes.map_or(usize::MAX, NonZeroUsize::get);
        let bound = Bound { causes, candidates: self.budget };
        let mut made = 0;
        let written = reproducers::write(&run, &found, &mut reducer, bound, |reproducer| {
            made += 1;
            // Nobody is left to be told when standard output is gone.
            let _ = print(format_args!("{reproducer}\n"));
        });
        let all = found.examples().take(causes).count();
        if written.is_err() || reducer.is_interrupted() {
            remark(format_args!("note: {made} of {all} causes were reduced"));
        }
        written?;
        Ok(match (reducer.is_interrupted(), all) {
            (true, _) => Exit::Interrupted,
            (false, 0) => Exit::Conforms,
            (false, _) => Exit::Findings,
        })
    }
}

/// The erratum that predicts most of `findings`; of several the first of the first finding.
fn most_common<'f>(findings: &[&'f Finding]) -> Option<&'f str> {
    let count = |erratum: &str| {
        findings.iter().filter(|finding| finding.errata.iter().any(|one| one == erratum)).count()
    };
    let mut best: Option<(&str, usize)> = None;
    for erratum in findings.iter().flat_map(|finding| &finding.errata) {
        let counted = count(erratum);
        if best.is_none_or(|(_, most)| counted > most) {
            best = Some((erratum, counted));
        }
    }
    best.map(|(erratum, _)| erratum)
}

/// The first erratum of each finding that `chosen` does not predict, each once, in words.
fn others(findings: &[&Finding], chosen: Option<&str>) -> Option<String> {
    let predicted = |finding: &&&Finding| {
        chosen.is_some_and(|chosen| finding.errata.iter().any(|one| one == chosen))
    };
    let mut names: Vec<&str> = Vec::new();
    for finding in findings.iter().filter(|finding| !predicted(finding)) {
        if let Some(name) = finding.errata.first().filter(|name| !names.contains(&name.as_str())) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| names.join(" or "))
}

impl std::fmt::Display for Reproducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { number, name, file, size } = self;
        write!(f, "{number:>4}  {}: ", one_line(name))?;
        match file {
            Some(file) => write!(f, "{size}: {}", file.display()),
            None => f.write_str("its first case did not show it again"),
        }
    }
}

impl From<ReproducerError> for Failure {
    fn from(error: ReproducerError) -> Self {
        match error {
            ReproducerError::Run(error) => error.into(),
            ReproducerError::Redraw(error) => error.into(),
            ReproducerError::Campaign(error) => error.into(),
        }
    }
}
