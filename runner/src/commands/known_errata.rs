//! The known errata that a command line names.

use std::path::PathBuf;

use clap::Args;
use device::Identity;
use judge::known::{Known, KnownErrata};

use super::lookup::Shelf;
use crate::failure::Failure;
use crate::output::remark;

/// What the target is known to do wrong.
#[derive(Clone, Debug, Args)]
pub struct ErrataArgs {
    /// What targets are known to do wrong: a file, or a folder of them; can be given several times. Default:
    /// those delivered.
    #[arg(long, value_name = "PATH", alias = "known-issues", conflicts_with = "no_errata")]
    errata: Vec<PathBuf>,
    /// Report known errata like any other findings.
    #[arg(long, alias = "no-known-issues")]
    no_errata: bool,
}

impl ErrataArgs {
    /// The errata; `None` where known ones are reported like any other findings.
    pub fn read(&self) -> Result<Option<KnownErrata>, Failure> {
        if self.no_errata {
            return Ok(None);
        }
        let mut paths = self.errata.clone();
        if paths.is_empty() {
            paths.extend(Shelf::Errata.folder());
        }
        if paths.is_empty() {
            return Ok(None);
        }
        let errata = KnownErrata::read(&paths)?;
        for (erratum, said, meant) in errata.misspelled(&Shelf::Targets.names()) {
            remark(format_args!(
                "note: the erratum {erratum} is of a target `{said}`: is `{meant}` meant?"
            ));
        }
        Ok(Some(errata))
    }
}

/// Those of one target.
pub fn of(errata: Option<&KnownErrata>, identity: &Identity) -> Known {
    let Identity { name, emulator, .. } = identity;
    errata.map_or_else(Known::default, |errata| errata.for_target(name, emulator.as_deref()))
}
