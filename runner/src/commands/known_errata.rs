//! The known errata that a command line names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use device::Identity;
use judge::known::{self, Known, KnownErrata};

use super::lookup::Shelf;
use super::target::Opened;
use crate::failure::Failure;
use crate::output::remark;
use crate::record::Header;
use crate::trial::{Outcome, try_errata};

/// What the target is known to do wrong.
#[derive(Clone, Debug, Args)]
pub struct ErrataArgs {
    /// What targets are known to do wrong: a file, or a folder of them; can be given several times. Default:
    /// those delivered; for the case of a run those that the run was judged by, for another to be reduced none.
    #[arg(long, value_name = "PATH", alias = "known-issues", conflicts_with = "no_errata")]
    errata: Vec<PathBuf>,
    /// Report known errata like any other findings.
    #[arg(long, alias = "no-known-issues")]
    no_errata: bool,
}

impl ErrataArgs {
    /// Whether the command line says what is known.
    const fn is_said(&self) -> bool {
        self.no_errata || !self.errata.is_empty()
    }

    /// Those of the target with this `identity` for a case of the run that `header` begins: by the command line or, where
    /// it says nothing of them, as of that run.
    pub fn of_case(&self, header: Option<&Header>, identity: &Identity) -> Result<Known, Failure> {
        match header.filter(|_| !self.is_said()) {
            Some(header) => of_run(header, identity),
            None => Ok(of(self.read()?.as_ref(), identity)),
        }
    }

    /// The same where none are known but those of a run, or those that the command line says.
    pub fn of_case_or_none(
        &self,
        header: Option<&Header>,
        identity: &Identity,
    ) -> Result<Known, Failure> {
        match header {
            None if !self.is_said() => Ok(Known::default()),
            header => self.of_case(header, identity),
        }
    }

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
pub fn of_tried(
    errata: Option<&KnownErrata>,
    opened: &Opened,
    interrupt: &Arc<AtomicBool>,
) -> Result<Known, Failure> {
    let Identity { name, emulator, .. } = opened.target.identity();
    let Some(errata) = errata else { return Ok(Known::default()) };
    let emulator = emulator.as_deref();
    if errata.to_try(name, emulator).iter().next().is_none() {
        return Ok(errata.for_target(name, emulator));
    }
    let tried = try_errata(opened.target.as_ref(), &opened.learned, errata, interrupt)?;
    let shows = |outcome: &Outcome| *outcome == Outcome::Shows;
    let (count, all) = (tried.values().filter(|outcome| shows(outcome)).count(), tried.len());
    let version = emulator.unwrap_or_default();
    remark(format_args!(
        "note: {count} of {all} errata of earlier versions show on emulator {version}, and are taken for known"
    ));
    for (erratum, outcome) in &tried {
        let what = match outcome {
            Outcome::Shows => continue,
            Outcome::Gone => "fixed: its reproducer conforms",
            Outcome::NoReproducer => "not tried: it has no reproducer",
            Outcome::NotAsked => "not tried: its reproducer can't show it here",
            Outcome::Unclear => "not taken: its reproducer shows something else",
        };
        remark(format_args!("note: {erratum}: {what}"));
    }
    let tried = tried.iter().map(|(name, outcome)| ((*name).to_owned(), shows(outcome)));
    Ok(errata.with_tried(name, emulator, tried.collect()))
}

/// Those that the run that `header` begins was judged by, for the target with this `identity`: on another one, or another
/// version of its emulator, those of its files that are for that.
pub fn of_run(header: &Header, identity: &Identity) -> Result<Known, Failure> {
    let known::Record { sources, mut tried, issues } = header.known_issues.clone();
    // Runs from before that was kept have the names of those that they took.
    if tried.is_empty() {
        tried.extend(issues.into_keys().map(|name| (name, true)));
    }
    let errata = KnownErrata::from_sources(sources)?;
    let Identity { name, emulator, .. } = identity;
    let (machine, emulator) = (&header.machine, emulator.as_deref());
    let is_same = machine.target == *name && machine.emulator.as_deref() == emulator;
    let tried = if is_same { tried } else { BTreeMap::new() };
    Ok(errata.with_tried(name, emulator, tried))
}
