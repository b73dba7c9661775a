//! Observability: whether memory or a register would show what a probe did. Where nothing would, the probe
//! is not asked.

use case::CaseRef;
use case::guest::piece;
use case::memory::{ArenaKind, MemoryMap};
use case::probe::{El, Operation, Probe};
use golden::{Cacheability, MemoryAttributes, MemoryType};
use oracle::access::Accesses;
use oracle::answer::{Answer, Reach};
use oracle::expectation::Allowed;
use oracle::playback::Expected;

use crate::aliases::Aliases;
use crate::memory;
use crate::verdict::Reason;

/// What the probes of a case reach, as they are looked at in order.
#[derive(Debug)]
pub struct Observability<'a> {
    map: &'a MemoryMap,
    aliases: Aliases,
    /// Neither HCR_EL2.VM nor DC: there is no stage 2.
    is_single: bool,
}

impl<'a> Observability<'a> {
    /// Before the first probe of `case`.
    pub fn new(case: CaseRef<'_>, map: &'a MemoryMap) -> Self {
        const VM: u64 = 1;
        const DC: u64 = 1 << 12;
        let is_single = case.header.registers.hcr_el2 & (VM | DC) == 0;
        Self { map, aliases: Aliases::default(), is_single }
    }

    /// Why `probe` is not asked, of which nothing is expected although it is no step; `None` where that is what
    /// it is for.
    pub fn obstacle_without_expectation(&self, probe: &Probe) -> Option<Reason> {
        let operation = probe.operation()?;
        let is_quiet = operation == Operation::RoundTrip || operation.is_self_test();
        (!is_quiet).then_some(Reason::NotModelled)
    }

    /// Why a probe is not asked of which so much is expected: what it did could not be observed, be it by known errata
    /// of the target. `None` where it could, and the probe will be asked.
    pub fn obstacle(&mut self, expected: Expected<'_>) -> Option<Reason> {
        let probe = expected.probe;
        if expected.expectation.outcomes.is_empty() {
            return Some(Reason::NotExecuted);
        }
        let accesses = Accesses::of(probe)?;
        let (operation, bytes) = (accesses.operation(), accesses.bytes());
        let is_guest = probe.el() != Some(El::El2);
        if is_guest && piece(operation, probe.bytes()).is_none() {
            return Some(Reason::NotModelled);
        }
        // What is no multiple of an instruction is no address of one, wherever it leads.
        if operation == Operation::Fetch && !probe.address.is_multiple_of(4) {
            return Some(Reason::UntoldMemory);
        }
        // With stage 2 it is DC CIVAC.
        if operation == Operation::DcIvac && self.is_single {
            return Some(Reason::Harmful);
        }
        let tells = |allowed: &Allowed| match allowed.answer {
            Answer::Reached(reach) => memory::tells(self.map, operation, bytes, reach),
            Answer::Maintained(Some(reach)) => self.is_in_scratch(reach),
            Answer::Maintained(None) | Answer::Par { .. } | Answer::Exception(_) => true,
        };
        if !expected.outcomes().all(tells) {
            return Some(Reason::UntoldMemory);
        }
        let lacks_atomics = |allowed: &Allowed| !allowed.attributes.iter().all(is_write_back);
        if is_atomic(operation) && expected.outcomes().any(lacks_atomics) {
            return Some(Reason::NoAtomics);
        }
        if !is_guest || operation == Operation::Fetch || accesses.is_maintenance() {
            return None;
        }
        let aliases = &mut self.aliases;
        let mut admits = |allowed: &Allowed| match allowed.answer {
            Answer::Reached(reach) => {
                aliases.admit(reach, bytes, operation.is_store(), &allowed.attributes)
            }
            _ => true,
        };
        (!expected.outcomes().all(&mut admits)).then_some(Reason::MismatchedAttributes)
    }

    fn is_in_scratch(&self, reach: Reach) -> bool {
        let mut scratch = self.map.arenas().iter().filter(|arena| arena.kind == ArenaKind::Scratch);
        scratch.any(|arena| arena.contains(reach.pa, 1))
    }
}

const fn is_atomic(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::LoadExclusive
            | Operation::StoreExclusive
            | Operation::Swap
            | Operation::Add
            | Operation::CompareAndSwap
    )
}

fn is_write_back(attributes: &MemoryAttributes) -> bool {
    use Cacheability::WriteBack;
    matches!(attributes.memory, MemoryType::Normal { inner: WriteBack(_), outer: WriteBack(_) })
}
