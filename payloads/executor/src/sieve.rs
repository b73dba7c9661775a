//! What the reference walker says of a probe, on the target: which probes may be asked, and which answers are
//! among those that the architecture allows.
//!
//! ```text
//!   probe --look--> Ask            its outcomes are kept
//!            |        +--fits?---> the answer is one of them, or its case is a suspect
//!            +----> Skip           counted, with the reason
//!            +----> Left           the host has to look at the whole case
//! ```
//!
//! It is a filter, and never the last word: where it is in doubt, it says that an answer does not fit.

use core::cell::Cell;
use core::ops::ControlFlow;

use arrayvec::ArrayVec;
use case::memory::{Arena, ArenaKind, MemoryMap};
use case::probe::{El, Operation, Probe};
use case::{CaseRef, Flags};
use golden::{
    At, AtQuestion, AtResult, Certainty, Choice, Implementation, Machine, Masked, Pa,
    PhysicalMemory, Profile, Refusal, Registers, Updates, Va, allowed, at_noting,
};
use link::hello::IdRegisters;
use link::observations::{Exception, Update};
use link::soak::{MAX_PERILS, Peril, Terms, Why};
use tables::{Built, TableMemory};

/// The most outcomes of one probe that are kept.
const MAX_OUTCOMES: usize = 8;
/// The most updates of one outcome that are kept: stage 2 has one leaf.
const MAX_UPDATES: usize = 4;

/// A PE, and what is known of it.
pub struct Sieve {
    pe: Implementation,
    profile: Profile,
    perils: ArrayVec<Peril, MAX_PERILS>,
    /// Room for a walk to work in.
    updates: Updates,
    /// What may be answered to the probe that was looked at last.
    outcomes: ArrayVec<Outcome, MAX_OUTCOMES>,
    /// Whether all that may be answered is there.
    is_complete: bool,
}

/// What may be answered to a probe.
#[derive(Clone, Debug)]
struct Outcome {
    answer: Answer,
    updates: ArrayVec<golden::Update, MAX_UPDATES>,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Par(Masked),
    Exception(golden::Exception),
}

/// What is to be done with a probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// It is to be asked.
    Ask,
    /// It is not to be asked.
    Skip(Why),
    /// Only the host can tell: the case is left to it.
    Left,
}

/// What was answered to a probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answered<'a> {
    /// `PAR_EL1`.
    Par(u64),
    /// It took an exception.
    Exception(&'a Exception),
}

impl Sieve {
    /// For the PE with these ID registers, of which nothing is settled.
    pub fn new(ids: &IdRegisters) -> Self {
        Self {
            pe: implementation(ids),
            profile: Profile::open(),
            perils: ArrayVec::new(),
            updates: Updates::new(),
            outcomes: ArrayVec::new(),
            is_complete: false,
        }
    }

    /// Goes by these terms from here on; `false`, and nothing is changed, where they name a choice that
    /// does not exist.
    pub fn agree(&mut self, terms: &Terms<'_>) -> bool {
        let mut profile = Profile::open();
        for settled in terms.settled {
            let choice = Choice::ALL.get(settled.choice as usize);
            let (Some(&choice), Ok(answer)) = (choice, u16::try_from(settled.answer)) else {
                return false;
            };
            profile.settle(choice, golden::Answer(answer));
        }
        self.profile = profile;
        // Terms have no more of them than there is room for.
        self.perils = terms.perils.iter().copied().take(MAX_PERILS).collect();
        true
    }

    /// Whether all of `case` can be held against the reference walker here: address translation by AT
    /// instructions at home, with tables that nobody but the hardware changes meanwhile.
    pub fn judges(case: &CaseRef<'_>) -> bool {
        const OTHERS: u64 = Flags::AUDIT | Flags::STAY | Flags::MONITOR | Flags::GUEST;
        let is_judged = |probe: &Probe| {
            let operation = probe.operation();
            probe.el() == Some(El::El2) && probe.pe == 0 && operation.and_then(at).is_some()
        };
        case.flags().0 & OTHERS == 0 && case.probes.iter().all(is_judged)
    }

    /// Looks at `probe` before it is asked, in the tables as they are now.
    pub fn look<M: TableMemory>(
        &mut self,
        registers: &Registers,
        memory: &Walks<'_, M>,
        probe: &Probe,
    ) -> Look {
        let Some(question) = question(probe) else { return Look::Left };
        let Self { pe, profile, perils, updates, outcomes, is_complete } = self;
        outcomes.clear();
        *is_complete = true;
        memory.strayed.set(false);
        let machine = Machine { implementation: pe, registers, memory };
        let walk = |choices: &mut golden::Script<'_>| {
            at_noting(machine, question, choices, &mut (), updates).ok().map(|result| {
                let kept = updates.iter().copied().take(MAX_UPDATES).collect();
                (result, kept, updates.as_slice().len() <= MAX_UPDATES)
            })
        };
        let explored = allowed(profile, walk, |outcome, _| {
            let Some((result, updates, is_whole)) = outcome else {
                return ControlFlow::Continue(());
            };
            let answer = match result {
                AtResult::Par { par, .. } => Answer::Par(par),
                AtResult::Exception(abort) => Answer::Exception(abort.exception),
            };
            let is_kept = outcomes.try_push(Outcome { answer, updates }).is_ok();
            *is_complete &= is_whole && is_kept;
            if is_kept { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        *is_complete &= explored.complete;
        if memory.strayed.get() {
            return Look::Skip(Why::Strays);
        }
        if outcomes.is_empty() {
            return Look::Skip(Why::NotExecuted);
        }
        let peril = (0..).zip(perils.iter()).find(|(_, peril)| {
            outcomes.iter().any(|outcome| match outcome.answer {
                Answer::Par(par) => peril.has_par(par.value),
                Answer::Exception(exception) => peril.has_syndrome(exception.esr.value),
            })
        });
        match peril {
            Some((number, peril)) if peril.is_exact() => Look::Skip(Why::Peril(number)),
            Some(_) => Look::Left,
            // Another outcome might be a peril.
            None if !*is_complete && !perils.is_empty() => Look::Left,
            None => Look::Ask,
        }
    }

    /// Whether what was `answered` to the probe that was looked at last, with the descriptors in `updates`
    /// changed by it, is allowed.
    pub fn fits(&self, answered: Answered<'_>, updates: &[Update]) -> bool {
        self.is_complete
            && self
                .outcomes
                .iter()
                .any(|outcome| outcome.admits(answered) && updated(&outcome.updates, updates))
    }
}

impl Outcome {
    fn admits(&self, answered: Answered<'_>) -> bool {
        match (self.answer, answered) {
            (Answer::Par(par), Answered::Par(value)) => par.admits(value),
            (Answer::Exception(wanted), Answered::Exception(found)) => {
                const HPFAR_FIPA: u64 = 0x0000_ffff_ffff_fff0;
                u16::from(wanted.target.get()) == found.target
                    && found.origin == Exception::PROBE
                    && wanted.esr.admits(found.esr)
                    && wanted.far.0 == found.far
                    && wanted.hpfar.is_none_or(|hpfar| hpfar == found.hpfar & HPFAR_FIPA)
            }
            _ => false,
        }
    }
}

/// Whether the hardware changed what it must, and nothing that it may not.
fn updated(expected: &[golden::Update], observed: &[Update]) -> bool {
    let done = |wanted: &golden::Update| {
        let change = observed.iter().find(|update| update.pa == wanted.pa.0);
        match change {
            Some(update) => update.value == wanted.new,
            None => wanted.certainty == Certainty::Permitted,
        }
    };
    let meant = |update: &Update| expected.iter().any(|wanted| wanted.pa.0 == update.pa);
    expected.iter().all(done) && observed.iter().all(meant)
}

/// The arenas as a walk sees them. Whatever else it would read is remembered, and not read.
pub struct Walks<'a, M> {
    memory: &'a M,
    map: &'a MemoryMap,
    /// The arena that was read last: nearly always it is the next one's too.
    last: Cell<Arena>,
    strayed: Cell<bool>,
}

impl<'a, M: TableMemory> Walks<'a, M> {
    /// The arenas of `map`, whose words `memory` has.
    pub const fn new(memory: &'a M, map: &'a MemoryMap) -> Self {
        let nowhere = Arena { base: 0, size: 0, kind: ArenaKind::Tables };
        Self { memory, map, last: Cell::new(nowhere), strayed: Cell::new(false) }
    }

    #[cold]
    fn look_up(&self, pa: u64) -> Result<u64, Refusal> {
        let arena = self.map.arenas().iter().find(|arena| arena.contains(pa, 8));
        match arena {
            Some(arena) if arena.kind == ArenaKind::Tables => {
                self.last.set(*arena);
                return Ok(self.memory.read(pa));
            }
            Some(arena) if arena.kind == ArenaKind::Void => {}
            _ => self.strayed.set(true),
        }
        Err(Refusal::ExternalAbort)
    }
}

impl<M: TableMemory> PhysicalMemory for Walks<'_, M> {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        if self.last.get().contains(pa.0, 8) {
            return Ok(self.memory.read(pa.0));
        }
        self.look_up(pa.0)
    }
}

/// The registers as the reference walker sees them. Those that a case does not set are zero: the executor
/// sets them so, as far as they count for what the case asks.
pub fn registers(case: &CaseRef<'_>, built: &Built) -> Registers {
    let mut registers = Registers::default();
    for (name, value) in built.registers(&case.header.registers).named() {
        if let Some(register) = registers.named_mut(name) {
            *register = value;
        }
    }
    registers
}

fn question(probe: &Probe) -> Option<AtQuestion> {
    Some(AtQuestion {
        at: at(probe.operation()?)?,
        executed_at: golden::El::El2,
        pan: probe.has(Probe::PAN),
        va: Va(probe.address),
    })
}

/// The AT instruction of both stages that `operation` is, if it is one.
const fn at(operation: Operation) -> Option<At> {
    Some(match operation {
        Operation::AtS12e1r => At::S12E1R,
        Operation::AtS12e1w => At::S12E1W,
        Operation::AtS12e0r => At::S12E0R,
        Operation::AtS12e0w => At::S12E0W,
        _ => return None,
    })
}

/// What the reference walker wants to know of a PE.
fn implementation(ids: &IdRegisters) -> Implementation {
    macro_rules! ids {
        ($($field:ident $name:literal)*) => { golden::IdRegisters { $($field: ids.$field,)* } };
    }
    Implementation::from_id_registers(&golden::id_registers!(ids))
}
