//! On-target oracle: by the reference walker, which probes may be asked, and which answers are among those that the
//! architecture allows.
//!
//! ```text
//!   probe --look--> Ask            its outcomes are kept
//!            |        +--fits?---> the answer is one of them, or its case is a suspect
//!            +----> Skip           counted, with the reason
//!            +----> Left           the host has to look at the whole case
//! ```
//!
//! It is a filter in front of the host's judge: where it is in doubt, it says that an answer does not fit.

use core::cell::Cell;
use core::ops::ControlFlow;

use arrayvec::ArrayVec;
use case::memory::{Arena, ArenaKind, MemoryMap};
use case::probe::{El, Probe};
use case::{CaseRef, Flags};
use conform::{has_syndrome, is_updated, question};
use golden::{
    AtResult, Choice, Implementation, Machine, Masked, Pa, PhysicalMemory, Profile, Refusal,
    Registers, Updates, allowed, at_noting,
};
use link::hello::IdRegisters;
use link::observations::{Exception, Update};
use link::soak::{KnownCrash, MAX_KNOWN_CRASHES, Terms, Why};
use tables::TableMemory;

/// The most outcomes of one probe that are kept.
const MAX_OUTCOMES: usize = 8;
/// The most updates of one outcome that are kept: stage 2 has one leaf.
const MAX_UPDATES: usize = 4;

/// A PE, and what is known of it.
pub struct Oracle {
    pe: Implementation,
    profile: Profile,
    known_crashes: ArrayVec<KnownCrash, MAX_KNOWN_CRASHES>,
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

impl Oracle {
    /// For the PE with these ID registers, of which nothing is settled.
    pub fn new(ids: &IdRegisters) -> Self {
        Self {
            pe: conform::implementation(ids),
            profile: Profile::open(),
            known_crashes: ArrayVec::new(),
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
        self.known_crashes = terms.known_crashes.iter().copied().take(MAX_KNOWN_CRASHES).collect();
        true
    }

    /// Whether all of `case` can be held against the reference walker here: address translation by AT
    /// instructions in the executor's own context, with tables that nobody but the hardware changes meanwhile.
    pub fn judges(case: &CaseRef<'_>) -> bool {
        const OTHERS: u64 = Flags::AUDIT | Flags::WORLD_SWITCH | Flags::MONITOR | Flags::GUEST;
        let is_judged = |probe: &Probe| {
            let is_both_stages = question(probe).is_some_and(|asked| asked.at.is_both_stages());
            probe.el() == Some(El::El2) && probe.pe == 0 && is_both_stages
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
        let Self { pe, profile, known_crashes, updates, outcomes, is_complete } = self;
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
        let known_crash = (0..).zip(known_crashes.iter()).find(|(_, known_crash)| {
            outcomes.iter().any(|outcome| match outcome.answer {
                Answer::Par(par) => known_crash.has_par(par.value),
                Answer::Exception(_) => false,
            })
        });
        match known_crash {
            Some((number, known_crash)) if known_crash.is_exact() => {
                Look::Skip(Why::KnownCrash(number))
            }
            Some(_) => Look::Left,
            // Another outcome might be a known_crash.
            None if !*is_complete && !known_crashes.is_empty() => Look::Left,
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
                .any(|outcome| outcome.admits(answered) && is_updated(&outcome.updates, updates))
    }
}

impl Outcome {
    fn admits(&self, answered: Answered<'_>) -> bool {
        match (self.answer, answered) {
            (Answer::Par(par), Answered::Par(value)) => par.admits(value),
            (Answer::Exception(wanted), Answered::Exception(found)) => {
                u16::from(wanted.target.get()) == found.target
                    && found.origin == Exception::PROBE
                    && has_syndrome(&wanted, found)
            }
            _ => false,
        }
    }
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
