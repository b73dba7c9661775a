//! The causes of a run, and the smallest case of each in the run's folder.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use judge::verdict::Finding;

use super::cause::Kept;
use super::report::Report;
use super::search::End;
use super::{Reduced, Reducer, Shown};
use crate::campaign::CampaignError;
use crate::diagnosis::{Causes, Example};
use crate::record::redraw::{RedrawError, redraw};
use crate::record::{Run, RunError, files};

/// How much may be asked for the causes of a run.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// So many causes, those with most findings.
    pub causes: usize,
    /// So many candidates of each.
    pub candidates: NonZeroU32,
}

/// A restart costs as much as so many candidates.
const RESTART: u32 = 16;

impl Bound {
    /// That of the end of a run, which should take seconds.
    pub const OF_A_RUN: Self =
        Self { causes: 8, candidates: NonZeroU32::new(600).expect("it is not 0") };

    /// How many candidates may be asked of what is to be `kept`.
    pub fn of(self, kept: &Kept) -> NonZeroU32 {
        match kept.cause.is_death() {
            true => NonZeroU32::new(self.candidates.get() / RESTART).unwrap_or(NonZeroU32::MIN),
            false => self.candidates,
        }
    }
}

/// The smallest case of one cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reproducer {
    /// The number of the cause, from 1, those with most findings first.
    pub number: usize,
    /// The name of the cause, or what its findings have in common.
    pub name: String,
    /// The case file, in the folder of the run; `None` where the case did not show it again.
    pub file: Option<PathBuf>,
    /// The size of the case, in words.
    pub size: String,
}

/// Why there are no reproducers.
#[derive(Debug, thiserror::Error)]
pub enum ReproducerError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Redraw(#[from] RedrawError),
    #[error(transparent)]
    Campaign(#[from] CampaignError),
}

/// Makes the first example of each of `causes`, those of `run`, small, as far as the `bound` goes, writes it with its report
/// into the folder of the run, and hands it to `each`, until the `reducer` is interrupted.
///
/// # Errors
/// Where the run can't be written, its cases can't be drawn, or the target can't be run: the smallest that was found by then
/// is written.
pub fn write(
    run: &Run,
    causes: &Causes,
    reducer: &mut Reducer<'_>,
    bound: Bound,
    mut each: impl FnMut(&Reproducer),
) -> Result<(), ReproducerError> {
    for (number, (name, erratum, example)) in (1..).zip(causes.examples()).take(bound.causes) {
        if reducer.is_interrupted() {
            break;
        }
        let case = redraw(&run.header, example.case, run.folder())?;
        let records = reducer.records(vec![case.clone()])?;
        let found = records.into_iter().find_map(|record| {
            let mut findings = record.findings.iter();
            let (kept, finding) =
                findings.find_map(|it| Some((kept(erratum, example, it)?, it.clone())))?;
            Some((kept, Shown { record, finding }))
        });
        let name = name.to_owned();
        let Some((kept, shown)) = found else {
            each(&Reproducer { number, name, file: None, size: String::new() });
            continue;
        };
        let reduced = reducer.reduce(&case, &kept, shown, bound.of(&kept));
        let suite = &run.header.suite.name;
        let seed = run.header.seed;
        let found_in = format!("case {} of {suite}, seed {seed}, {}", example.case, run.header.run);
        let report = Report::new(reducer, &reduced, &found_in);
        let file = write_one(run.folder(), number, &reduced, &report)?;
        each(&Reproducer { number, name, file: Some(file), size: report.size() });
        if let End::Failed(error) = reduced.end {
            return Err(error.into());
        }
    }
    Ok(())
}

/// What is to be kept of `finding`, if it is the example.
fn kept(erratum: Option<&str>, example: &Example, finding: &Finding) -> Option<Kept> {
    let is_it = finding.probe == example.finding.probe;
    match (erratum, is_it) {
        (_, false) => None,
        (Some(erratum), true) => Kept::by_erratum(finding, erratum),
        (None, true) => {
            (finding.signature == example.finding.signature).then(|| Kept::by_signature(finding))
        }
    }
}

fn write_one(
    folder: &Path,
    number: usize,
    reduced: &Reduced,
    report: &Report<'_>,
) -> Result<PathBuf, ReproducerError> {
    let name = format!("{number:03}-{}", reduced.cause.slug());
    let folder = folder.join(files::CAUSES);
    let yaml = folder.join(format!("{name}.yaml"));
    fs::create_dir_all(&folder).map_err(RunError::not_written(&folder))?;
    fs::write(&yaml, report.case_file().to_string()).map_err(RunError::not_written(&yaml))?;
    let text = yaml.with_extension("md");
    let words = report.text(&yaml.display().to_string()).to_string();
    fs::write(&text, words).map_err(RunError::not_written(&text))?;
    Ok(yaml)
}
