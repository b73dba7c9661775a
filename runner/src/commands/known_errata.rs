//! The known errata that a command line names.

use std::path::PathBuf;

use clap::Args;
use device::Identity;
use judge::known::{Known, KnownErrata};

use super::lookup::Shelf;
use super::target::Opened;
use crate::failure::Failure;
use crate::output::remark;
use crate::trial::{Tried, try_errata};

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

/// Those of one target, whose versions say that it has them.
pub fn of(errata: Option<&KnownErrata>, identity: &Identity) -> Known {
    let Identity { name, emulator, .. } = identity;
    errata.map_or_else(Known::default, |errata| errata.for_target(name, emulator.as_deref()))
}

/// The same, and those of earlier versions of its emulator that still show: they are tried, which is told.
pub fn of_tried(errata: Option<&KnownErrata>, opened: &Opened) -> Result<Known, Failure> {
    let Identity { name, emulator, .. } = opened.target.identity();
    let Some(errata) = errata else { return Ok(Known::default()) };
    let known = errata.for_target(name, emulator.as_deref());
    let earlier = errata.to_try(name, emulator.as_deref());
    if earlier.iter().next().is_none() {
        return Ok(known);
    }
    let Tried { shown, gone, untried } =
        try_errata(opened.target.as_ref(), &opened.learned, &earlier)?;
    let (count, all) = (shown.len(), shown.len() + gone.len() + untried.len());
    let emulator = emulator.as_deref().unwrap_or_default();
    remark(format_args!(
        "note: {count} of {all} errata of earlier versions show on emulator {emulator}, and are taken for known"
    ));
    for (errata, what) in [(gone, "fixed: its reproducer conforms"), (untried, "not tried")] {
        for erratum in errata {
            remark(format_args!("note: {}: {what}", erratum.name()));
        }
    }
    Ok(known.and(shown))
}
