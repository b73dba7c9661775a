//! The known issues that a command line names.

use std::path::PathBuf;

use clap::Args;
use device::Identity;
use judge::known::{Known, Rules};

use super::lookup::Shelf;
use crate::failure::Failure;
use crate::output::remark;

/// What the target is known to do wrong.
#[derive(Clone, Debug, Args)]
pub struct KnownIssues {
    /// What targets are known to do wrong: a file, or a folder of them. Default: those delivered.
    #[arg(long, value_name = "PATH", conflicts_with = "no_known_issues")]
    known_issues: Option<PathBuf>,
    /// Report known issues like any others.
    #[arg(long)]
    no_known_issues: bool,
}

impl KnownIssues {
    /// The rules; `None` where known issues are reported like any others.
    pub fn read(&self) -> Result<Option<Rules>, Failure> {
        if self.no_known_issues {
            return Ok(None);
        }
        let delivered = || Shelf::KnownIssues.folder();
        let Some(path) = self.known_issues.clone().or_else(delivered) else { return Ok(None) };
        let rules = Rules::read(&path)?;
        for (rule, said, meant) in rules.misspelled(&Shelf::Targets.names()) {
            remark(format_args!(
                "note: the known issue {rule} is of a target `{said}`: is `{meant}` meant?"
            ));
        }
        Ok(Some(rules))
    }
}

/// Those of one target.
pub fn of(rules: Option<&Rules>, identity: &Identity) -> Known {
    let Identity { name, emulator, .. } = identity;
    rules.map_or_else(Known::default, |rules| rules.for_target(name, emulator.as_deref()))
}
