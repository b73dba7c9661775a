//! The PEs of a target on which a campaign is to run, one after the other.

use std::path::Path;

use clap::ValueEnum;
use device::TargetError;
use device::description::Affinity;
use link::hello::{Hello, IdRegisters};

use crate::commands::target::{HowToRun, Opened};
use crate::failure::Failure;

/// Which PEs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Each {
    /// All of them.
    Pe,
    /// One of each kind: of those whose ID registers are the same, the first.
    Kind,
}

/// The target called `name`, once for each PE: as it is started, and then handed over to the others.
pub fn open(how: &HowToRun, name: &Path, each: Each) -> Result<Vec<Opened>, Failure> {
    let mut all: Vec<Opened> = Vec::new();
    let mut kinds: Vec<IdRegisters> = Vec::new();
    let first = hello(&how.open(name)?)?;
    for pe in affinities(&first) {
        let opened = how.open_on(name, pe)?;
        if each == Each::Kind {
            let kind = kind(&hello(&opened)?);
            if kinds.contains(&kind) {
                continue;
            }
            kinds.push(kind);
        }
        all.push(opened);
    }
    Ok(all)
}

fn hello(opened: &Opened) -> Result<Hello, TargetError> {
    Ok(*opened.target.boot()?.hello())
}

/// The PEs of which `hello` tells, its own first.
fn affinities(hello: &Hello) -> impl Iterator<Item = Affinity> {
    let all = hello.surroundings.affinities.into_iter();
    all.take(usize::try_from(hello.pes).unwrap_or(usize::MAX)).filter_map(Affinity::new)
}

/// What makes a PE one of a kind.
fn kind(hello: &Hello) -> IdRegisters {
    IdRegisters { mpidr_el1: 0, ..hello.ids }
}
