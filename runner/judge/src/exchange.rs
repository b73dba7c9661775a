//! What was sent to a target, and what came back.
//!
//! Before any answer counts, what the target says of the case as a whole must be in order: that it built the
//! same tables, that all answers are there, and that the executor was where the case says.

use case::memory::MemoryMap;
use case::{Case, Flags};
use golden::Implementation;
use link::mailbox::Cursor;
use link::observations::{Exception, Observations, Status, Update};

use crate::judged::Violation;
use crate::prepared::Prepared;
use crate::verdict::{Defect, Fact};
use crate::world_switch;

/// The number that the executor gives as a probe's where no probe is in flight.
const NO_PROBE: u32 = Cursor::NO_PROBE as u32;

/// What was sent to a target, and what came back.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    pub case: &'a Case,
    pub map: &'a MemoryMap,
    /// What was sent of it.
    pub prepared: &'a Prepared,
    pub observations: &'a Observations<'a>,
}

/// Why no probe of an exchange gets a verdict by its answer.
#[derive(Clone, Debug)]
pub enum Objection<'a> {
    /// The target does not do what the case asks.
    Unsupported,
    /// The case needs the executor's own map, which failed.
    NoOwnMap,
    /// The executor's own code took an exception while it built or undid the tables.
    Broken(&'a Exception),
    /// Something is wrong with the case as a whole.
    Violation(Violation),
    /// There were more updates or exceptions than the target could report.
    Truncated,
}

impl<'a> Exchange<'a> {
    /// The exception that the executor's own code took, if one ended the case.
    pub fn broken(&self) -> Option<&'a Exception> {
        let exceptions = self.observations.exceptions;
        exceptions.iter().find(|exception| exception.origin == Exception::EXECUTOR)
    }

    /// How many probes were asked, from the first on.
    pub fn asked(&self) -> usize {
        let all = self.prepared.numbers.len();
        self.broken().map_or(all, |exception| exception.probe as usize)
    }

    /// The descriptors that hardware changed by probe number `index` of those that were asked; `None` where the case
    /// does not ask for that.
    pub fn updates(&self, index: usize) -> Option<Vec<Update>> {
        let is_its = |update: &&Update| update.probe as usize == index;
        let updates = self.observations.updates.iter();
        self.flags().has(Flags::UPDATES).then(|| updates.filter(is_its).copied().collect())
    }

    /// The flags of the case.
    pub fn flags(&self) -> Flags {
        self.case.as_ref().flags()
    }

    /// Why its answers don't count, on the PE `pe`; `None` where they do.
    pub fn objection(&self, pe: &Implementation) -> Option<Objection<'a>> {
        match self.observations.report.status() {
            Some(Status::Done | Status::Broken) => {}
            Some(Status::Unsupported) => return Some(Objection::Unsupported),
            Some(Status::NoOwnMap) => return Some(Objection::NoOwnMap),
            status => {
                return Some(Objection::Violation(Violation {
                    defect: Defect::NotBuilt,
                    wanted: Fact::Built,
                    found: Fact::Told(format!("the target says {status:?}")),
                }));
            }
        }
        if let Some(exception) = self.broken().filter(|exception| exception.probe >= NO_PROBE) {
            return Some(Objection::Broken(exception));
        }
        let violation = self.built_otherwise().or_else(|| self.lacks_answers());
        if let Some(violation) = violation.or_else(|| self.lived_elsewhere(pe)) {
            return Some(Objection::Violation(violation));
        }
        let is_truncated = self.observations.report.truncated != 0;
        (is_truncated && !self.flags().has(Flags::AUDIT)).then_some(Objection::Truncated)
    }

    /// What the target built otherwise than the host.
    fn built_otherwise(&self) -> Option<Violation> {
        let Self { prepared, observations, .. } = self;
        let (built, report, flags) = (&prepared.built, observations.report, self.flags());
        let el2 = flags.0 & (Flags::WORLD_SWITCH | Flags::MONITOR) != 0;
        let el1 = flags.has(Flags::GUEST);
        let roots = [
            ("VTTBR_EL2", true, built.vttbr_el2, report.vttbr_el2),
            ("TTBR0_EL2", el2, built.ttbr0_el2, report.ttbr0_el2),
            ("TTBR1_EL2", el2, built.ttbr1_el2, report.ttbr1_el2),
            ("idmap", el2, built.idmap_ttbr0_el2, report.idmap_ttbr0_el2),
            ("TTBR0_EL1", el1, built.ttbr0_el1, report.ttbr0_el1),
            ("TTBR1_EL1", el1, built.ttbr1_el1, report.ttbr1_el1),
        ];
        let (mut wanted, mut found) =
            (vec![("digest", prepared.digest)], vec![("digest", report.built)]);
        for (name, _, of_host, of_target) in roots.iter().filter(|(_, counts, ..)| *counts) {
            wanted.push((name, *of_host));
            found.push((name, *of_target));
        }
        let [wanted, found] = [wanted, found].map(|values| Fact::values(None, values));
        let defect = Defect::OtherTables;
        (wanted != found).then_some(Violation { defect, wanted, found })
    }

    fn lacks_answers(&self) -> Option<Violation> {
        let (asked, answers) = (self.asked(), self.observations.answers.len());
        (answers < asked || asked > self.prepared.numbers.len()).then_some(Violation {
            defect: Defect::AnswersMissing,
            wanted: Fact::Answers(asked as u64),
            found: Fact::Answers(answers as u64),
        })
    }

    fn lived_elsewhere(&self, pe: &Implementation) -> Option<Violation> {
        if !self.flags().has(Flags::WORLD_SWITCH) || self.broken().is_some() {
            return None;
        }
        let trace = self.observations.trace.copied().unwrap_or_default();
        let Prepared { built, arrival, .. } = self.prepared;
        let arrival = arrival.as_ref();
        let violated =
            world_switch::violated(self.case.as_ref(), self.map, pe, built, arrival, &trace);
        let defect = Defect::OtherPlace;
        violated.map(|(wanted, found)| Violation { defect, wanted, found })
    }
}

/// The address and the value of each word that was updated.
pub fn words(updates: &[Update]) -> impl Iterator<Item = (u64, u64)> {
    updates.iter().map(|update| (update.pa, update.value))
}
