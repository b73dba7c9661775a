//! A report for people, as one HTML file that needs nothing else: no network, no scripts.
//!
//! ```text
//!   (Run, Summary) --> Section --> templates/*.html --> page
//!                        |
//!                        +-- grid       the matrix of verdicts
//!                        +-- findings   each cause with the walk of its first example, told on this host
//!                        +-- suspects   the cases of each cell that have findings
//!                        +-- registers  who the target says it is
//!                        +-- chart      probes a second, from pace.jsonl
//! ```
//!
//! The templates escape every value; `report::legal` takes out what escaping leaves in.

mod chart;
mod fields;
mod findings;
mod grid;
mod mark;
mod registers;
mod section;
mod suspects;
mod walks;

use askama::Template;

use self::grid::Grid;
use self::section::Section;
use super::legal::legal;
use crate::record::{Run, RunError, Summary};

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    runs: Vec<Section>,
}

/// A page that can't be written.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A run can't be read.
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("the page can't be written")]
    Template(#[source] askama::Error),
}

pub fn html(runs: &[(Run, Summary)]) -> Result<String, PageError> {
    let sections = runs.iter().zip(1..).map(|((run, summary), id)| Section::new(id, run, summary));
    let runs = sections.collect::<Result<Vec<_>, _>>()?;
    let title = match &runs[..] {
        [run] => format!("{} on {}", run.suite, run.target),
        runs => format!("{} runs", runs.len()),
    };
    let page = Page { title, runs }.render().map_err(PageError::Template)?;
    Ok(legal(&page).into_owned())
}
