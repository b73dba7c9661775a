//! Errata that are named after a run: which of its findings they predict, by what records keep.
//!
//! ```text
//!   finding, with the errata each of which predicts it --+--> one of them is known now, and shows there: known
//!   its case, drawn again: registers, operation ---------+
//! ```
//!
//! Records keep no answers that conform, nor memory: nothing is walked again. So what two errata predict together and
//! neither by itself stays a finding, and what the run knew stays known.

use std::collections::{BTreeMap, BTreeSet};

use case::Case;
use golden::Registers;
use judge::known::{Known, KnownErrata, KnownErratum};
use judge::verdict::{Finding, Question};
use oracle::simulation::Simulation;
use oracle::twin::Twin;

use crate::record::Header;

/// Errata that are held against the findings of a run afterwards.
#[derive(Debug)]
pub struct Afterwards {
    known: Known,
}

/// What they came to in runs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NamedAfterwards {
    /// How many findings each predicts, by name: each finding counts for one.
    pub known: BTreeMap<String, u64>,
    /// Those of earlier versions of an emulator: whether a later one has them only a run can try.
    pub untried: BTreeSet<String>,
    /// Those that a run knew, and that are not among them.
    pub left_out: BTreeSet<String>,
}

impl Afterwards {
    /// Those of `errata` that the target has of the run that `header` begins. What they leave open is noted in `named`.
    pub fn new(errata: &KnownErrata, header: &Header, named: &mut NamedAfterwards) -> Self {
        let machine = &header.machine;
        let (name, emulator) = (&machine.target, machine.emulator.as_deref());
        let untried = errata.to_try(name, emulator);
        // What the run tried, and saw, it need not try again.
        let tried = header.known_issues.tried.clone();
        let known = errata.with_tried(name, emulator, tried);
        let is_known = |name: &str| known.iter().any(|erratum| erratum.name() == name);
        let is_tried = |name: &str| header.known_issues.tried.contains_key(name);
        let untried = untried.iter().map(KnownErratum::name);
        let untried = untried.filter(|name| !is_known(name) && !is_tried(name));
        named.untried.extend(untried.map(str::to_owned));
        let own = header.known_issues.issues.keys().filter(|name| !is_known(name));
        named.left_out.extend(own.cloned());
        Self { known }
    }

    /// The first of them that predicts `finding` by itself, in a case under these `registers`; `None` where none does, or
    /// where it shows under some registers alone and they are not known.
    pub fn predicts(&self, finding: &Finding, registers: Option<&Registers>) -> Option<&str> {
        let operation = match &finding.question {
            Question::Probe(probe) => Some(probe.operation),
            _ => None,
        };
        let mut named =
            self.known.iter().filter(|known| finding.errata.iter().any(|it| it == known.name()));
        let shows = |known: &&KnownErratum| {
            let when = &known.flaw().when;
            let fits = when.fields.is_empty() || registers.is_some_and(|them| when.fits(them));
            fits && when.includes(operation)
        };
        named.find(shows).map(KnownErratum::name)
    }

    /// Whether registers tell which of the errata show.
    pub fn asks_registers(&self) -> bool {
        self.known.iter().any(|known| !known.flaw().when.fields.is_empty())
    }
}

/// The registers of `case` on the machine that `header` tells of; `None` where its tables can't be built.
pub fn registers(header: &Header, case: &Case) -> Option<Registers> {
    let machine = &header.machine;
    let map = machine.memory_map()?;
    let pe = conform::implementation(&machine.id_registers());
    let mut twin = Twin::new(pe, Simulation::new(&map));
    twin.with_tables(case, &map, |tables| tables.registers).ok()
}
