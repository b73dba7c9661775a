//! `hypwalk vectors`: the reference walker against answers of the specification.

use std::path::PathBuf;

use clap::Args;
use vectors::{Checked, ChoicesMode, Disagreement, Summary, Verdict};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::print;

/// Disagreements that are printed of each file.
const SHOWN: u64 = 20;

/// Check the reference walker against test vectors.
///
/// The files are JSON Lines or CSV, gzip-compressed or plain. The exit code is 0 only if all queries agree. What the walker does not cover is counted as that,
/// and is no agreement.
#[derive(Debug, Args)]
pub struct Vectors {
    /// Vector files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print all disagreements, and not only the first 20 of each file.
    #[arg(long)]
    all: bool,
}

impl Vectors {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let mut sum = Summary::default();
        for file in &self.files {
            let mut told = 0;
            let mut printed = Ok(());
            let each = |checked: &Checked| {
                let Verdict::Disagrees(disagreement) = &checked.verdict else { return };
                told += 1;
                if printed.is_ok() && (self.all || told <= SHOWN) {
                    printed = print(disagrees(checked, disagreement));
                }
            };
            let summary = vectors::check_file(file, each).map_err(|error| {
                Failure::new(Exit::Usage, error).help("name files of test vectors, whole ones")
            })?;
            printed?;
            if told > SHOWN && !self.all {
                print(format_args!("  and {} more: --all prints them\n", told - SHOWN))?;
            }
            print(format_args!("{}: {}", file.display(), counts(&summary)))?;
            sum.add(&summary);
        }
        if self.files.len() > 1 {
            print(format_args!("all: {}", counts(&sum)))?;
        }
        Ok(if sum.is_all_agreed() { Exit::Conforms } else { Exit::Findings })
    }
}

fn disagrees(checked: &Checked, disagreement: &Disagreement) -> String {
    let Disagreement { field, expected, got, choices } = disagreement;
    let choices = match choices {
        ChoicesMode::Pinned => "",
        ChoicesMode::Open => " (with choices open)",
    };
    let Checked { id, query, .. } = checked;
    format!("{id} query {query}: {field}: expected {expected}, got {got}{choices}\n")
}

fn counts(summary: &Summary) -> String {
    let (agreed, disagreed) = (summary.agreed, summary.disagreed);
    let mut text = format!("{} queries, {agreed} agree, {disagreed} disagree", summary.queries());
    let not_covered: u64 = summary.not_covered.values().sum();
    if not_covered > 0 {
        text += &format!(", {not_covered} not covered");
    }
    if summary.undecided > 0 {
        text += &format!(", {} undecided: too many outcomes are allowed", summary.undecided);
    }
    if summary.left_out > 0 {
        text += &format!(", {} left out: the vector is at fault", summary.left_out);
    }
    text.push('\n');
    for (reason, count) in &summary.not_covered {
        text += &format!("  not covered: {count} ({reason})\n");
    }
    text
}
