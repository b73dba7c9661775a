//! Observability: whether memory or a register would show what a probe did. Where nothing would, the probe
//! is not asked.

use case::CaseRef;
use case::guest::piece;
use case::memory::{ArenaKind, MemoryMap};
use case::probe::{El, Operation, Probe};
use golden::{Cacheability, MemoryAttributes, MemoryType};

use crate::aliases::Aliases;
use crate::memory;
use oracle::access::Accesses;
use oracle::answer::{Answer, Reach};
use oracle::expectation::{Allowed, Expectation};

/// It would be done where nothing tells of it, or does harm.
pub const UNTOLD: &str = "it would reach memory that tells nothing";
/// Another PE would do the same thing otherwise, and be right.
pub const NO_ATOMICS: &str =
    "it would be an exclusive or atomic access to memory that need not have them";
/// Caches may hold something else than memory.
pub const MISMATCHED: &str = "it would reach memory by mismatched attributes";
/// The architecture traps it, or has no such instruction there.
pub const NOT_EXECUTED: &str = "the instruction is UNDEFINED or trapped there";
/// DC ZVA, and what no guest does.
pub const NOT_MODELLED: &str = "what it does to memory is not modelled";
/// DC IVAC without stage 2 throws away what caches hold.
pub const HARMFUL: &str = "it would throw away what caches hold";

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
    pub fn obstacle_without_expectation(&self, probe: &Probe) -> Option<&'static str> {
        let operation = probe.operation()?;
        let is_quiet = operation == Operation::RoundTrip || operation.is_self_test();
        (!is_quiet).then_some(NOT_MODELLED)
    }

    /// Why `probe` is not asked, of which so much is expected: what it did could not be observed. `None` where
    /// it could, and the probe will be asked.
    pub fn obstacle(&mut self, probe: &Probe, expectation: &Expectation) -> Option<&'static str> {
        if expectation.outcomes.is_empty() {
            return Some(NOT_EXECUTED);
        }
        let accesses = Accesses::of(probe)?;
        let (operation, bytes) = (accesses.operation(), accesses.bytes());
        let is_guest = probe.el() != Some(El::El2);
        if is_guest && piece(operation, probe.bytes()).is_none() {
            return Some(NOT_MODELLED);
        }
        // What is no multiple of an instruction is no address of one, wherever it leads.
        if operation == Operation::Fetch && !probe.address.is_multiple_of(4) {
            return Some(UNTOLD);
        }
        // With stage 2 it is DC CIVAC.
        if operation == Operation::DcIvac && self.is_single {
            return Some(HARMFUL);
        }
        let tells = |allowed: &Allowed| match allowed.answer {
            Answer::Reached(reach) => memory::tells(self.map, operation, bytes, reach),
            Answer::Maintained(Some(reach)) => self.is_in_scratch(reach),
            Answer::Maintained(None) | Answer::Par { .. } | Answer::Exception(_) => true,
        };
        if !expectation.outcomes.iter().all(tells) {
            return Some(UNTOLD);
        }
        let lacks_atomics = |allowed: &Allowed| !allowed.attributes.iter().all(is_write_back);
        if is_atomic(operation) && expectation.outcomes.iter().any(lacks_atomics) {
            return Some(NO_ATOMICS);
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
        (!expectation.outcomes.iter().all(&mut admits)).then_some(MISMATCHED)
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
