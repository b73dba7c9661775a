//! The accesses that a probe has an instruction make, and how they end.
//!
//! ```text
//!   store_exclusive of 8 bytes            LDXR --- STXR
//!                                           |        |
//!   a store of 8 bytes across pages   .. 5 bytes | 3 bytes ..     each part is translated on its own
//! ```
//!
//! An instruction ends with the first of its accesses that faults. The parts of one access have no order:
//! where both fault either may be reported, with the address of that part's first byte. What else the
//! instruction was to do may be done, or not.

use case::probe::{El, Operation, Probe};
use golden::errata::Instruction;
use golden::{
    Abort, Access, Alignment, Certainty, Choices, FaultKind, InstructionSyndrome, Machine,
    Maintenance, MemoryAttributes, Observer, OutOfScope, Pa, PhysicalMemory, Read, Refusal,
    Registers, Semantics, Stale, Transfer, Translation, Update, Updates, Va, access, maintain,
};
use smallvec::SmallVec;

use crate::answer::{Partial, Reach};
use crate::guest;

/// The smallest page, in bytes: an access that does not cross a multiple of it lies in one page.
const SMALLEST_PAGE: u64 = 4096;
/// The register that a guest loads.
const LOADED: u8 = 0;
/// The register that a guest stores.
const STORED: u8 = 12;

/// The accesses of one instruction, or of the two that `store_exclusive` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accesses {
    operation: Operation,
    el: golden::El,
    pan: bool,
    address: u64,
    bytes: u8,
}

#[derive(Clone, Copy)]
struct AccessPart {
    /// The number of its first byte in the access.
    first: u8,
    bytes: u8,
    va: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// Where they are done, or what stops them. Cache maintenance may be done without a translation: nowhere.
    pub result: Result<Option<Reach>, Stop>,
    /// The memory attributes of what is reached, of each part.
    pub attributes: SmallVec<[MemoryAttributes; 2]>,
    /// Descriptors that the hardware changes.
    pub updates: Vec<Update>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stop {
    pub abort: Abort,
    /// How many instructions of the probe's piece of code come before the one that takes it.
    pub instruction: u64,
    /// What is stored all the same, if anything.
    pub partial: Option<Partial>,
}

/// All ways in which accesses may end by one set of choices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ends {
    /// The ways, the pseudocode's own first.
    pub ends: SmallVec<[End; 1]>,
    /// Whether there are others: a store exclusive goes where its load did not.
    pub complete: bool,
}

impl Accesses {
    /// The accesses that `probe` asks for; `None` where it asks for none.
    pub fn of(probe: &Probe) -> Option<Self> {
        let operation = probe.operation()?;
        let (el, bytes) = match probe.el()? {
            // The executor's own have one size.
            El::El2 => (golden::El::El2, 8),
            El::El1 => (golden::El::El1, probe.bytes()),
            El::El0 => (golden::El::El0, probe.bytes()),
        };
        let bytes = match operation {
            Operation::LoadPair | Operation::StorePair => 16,
            Operation::Fetch => 4,
            // Of a line, whatever its size: it lies in one page.
            operation if maintenance(operation).is_some() => 1,
            _ => bytes,
        };
        let pan = probe.has(Probe::PAN);
        let accesses = Self { operation, el, pan, address: probe.address, bytes };
        accesses.golden().is_some().then_some(accesses)
    }

    /// Whether EL1 or EL0 may execute the instruction under these registers, which others trap. All but cache
    /// maintenance may be executed anywhere.
    ///
    /// Source: DDI 0487, `SCTLR_EL1.UCI`, `HCR_EL2.{TPCP, TPU, TOCU}`, "DC IVAC".
    pub const fn is_executed(&self, registers: &Registers) -> bool {
        const UCI: u64 = 1 << 26;
        const TPCP: u64 = 1 << 23;
        const TPU: u64 = 1 << 24;
        const TOCU: u64 = 1 << 52;
        let is_user = matches!(self.el, golden::El::El0);
        let traps = match self.operation {
            Operation::DcIvac if is_user => return false,
            Operation::DcIvac | Operation::DcCivac | Operation::DcCvac => TPCP,
            Operation::DcCvau | Operation::IcIvau => TPU | TOCU,
            _ => return true,
        };
        registers.hcr_el2 & traps == 0 && (!is_user || registers.sctlr_el1 & UCI != 0)
    }

    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// How many bytes each access has.
    pub const fn bytes(&self) -> u8 {
        self.bytes
    }

    /// The address of the first byte as it is translated.
    pub fn va<M: ?Sized>(&self, machine: Machine<'_, M>) -> u64 {
        let is_guest = self.el != golden::El::El2;
        match self.operation {
            Operation::Fetch if is_guest => guest::branch_address(machine, self.address),
            _ => self.address,
        }
    }

    /// Whether it is cache maintenance: it transfers nothing.
    pub const fn is_maintenance(&self) -> bool {
        maintenance(self.operation).is_some()
    }

    /// The first of its instructions, as errata know it.
    pub fn instruction(&self) -> Option<Instruction> {
        let (first, _) = self.golden()?;
        Some(match first {
            Asked::Access(access) => Instruction::Access(access.operation),
            Asked::Maintenance(maintenance) => Instruction::Maintenance(maintenance),
        })
    }

    /// The accesses, as golden has them.
    fn golden(&self) -> Option<(Asked, Option<Asked>)> {
        use golden::Operation::{Atomic, Fetch, Load, Store};
        if let Some(maintenance) = maintenance(self.operation) {
            return Some((Asked::Maintenance(maintenance), None));
        }
        let exclusive = |operation| self.access(operation).with_semantics(Semantics::Exclusive);
        let unprivileged = |operation| Access { unprivileged: true, ..self.access(operation) };
        let ordered = |operation| self.access(operation).with_semantics(Semantics::Ordered);
        let first = match self.operation {
            Operation::Load | Operation::LoadPair => self.access(Load),
            Operation::Store | Operation::StorePair => self.access(Store),
            Operation::Fetch => self.access(Fetch),
            Operation::LoadExclusive | Operation::StoreExclusive => exclusive(Load),
            Operation::Swap | Operation::Add | Operation::CompareAndSwap => self.access(Atomic),
            Operation::LoadAcquire => ordered(Load),
            Operation::StoreRelease => ordered(Store),
            Operation::LoadUnprivileged => unprivileged(Load),
            Operation::StoreUnprivileged => unprivileged(Store),
            _ => return None,
        };
        let stores = self.operation == Operation::StoreExclusive;
        Some((Asked::Access(first), stores.then(|| Asked::Access(exclusive(Store)))))
    }

    fn access(&self, operation: golden::Operation) -> Access {
        let va = Va(self.address);
        let is_pair = matches!(self.operation, Operation::LoadPair | Operation::StorePair);
        let alignment = match self.operation {
            Operation::Fetch => Alignment::Aligned,
            _ if is_pair => Alignment::of_pair(va, 8),
            _ => Alignment::of(va, self.bytes.into()),
        };
        let transfer = Transfer {
            sas: self.bytes.trailing_zeros() as u8,
            sse: false,
            srt: if self.operation.is_store() { STORED } else { LOADED },
            sf: self.bytes == 8,
            ar: matches!(self.operation, Operation::LoadAcquire | Operation::StoreRelease),
        };
        let instruction = match is_pair {
            true => InstructionSyndrome::Invalid,
            false => InstructionSyndrome::Valid(transfer),
        };
        Access::new(operation, self.el)
            .with_pan(self.pan)
            .with_alignment(alignment)
            .with_instruction(instruction)
    }

    fn parts(&self, va: u64) -> SmallVec<[AccessPart; 2]> {
        let left = SMALLEST_PAGE - va % SMALLEST_PAGE;
        let before = left.min(self.bytes.into()) as u8;
        let mut parts = SmallVec::new();
        parts.push(AccessPart { first: 0, bytes: before, va });
        if before < self.bytes {
            let (bytes, va) = (self.bytes - before, va.wrapping_add(left));
            parts.push(AccessPart { first: before, bytes, va });
        }
        parts
    }

    /// What becomes of them, with these choices; `observer` watches their walks.
    ///
    /// # Errors
    /// [`OutOfScope`] where EL3 would make them.
    pub fn perform<M: PhysicalMemory>(
        &self,
        machine: Machine<'_, M>,
        choices: &mut impl Choices,
        observer: &mut impl Observer,
    ) -> Result<Ends, OutOfScope> {
        let mut ends = Ends { ends: SmallVec::new(), complete: true };
        let Some((first, then)) = self.golden() else { return Ok(ends) };
        let begin = Updated { memory: machine.memory, updates: Vec::new() };
        let first = self.one(machine, begin, (first, 0), choices, observer)?;
        let Some(then) = then else { return Ok(Ends { ends: first, complete: true }) };
        for loaded in first {
            let Ok(reach) = loaded.result else {
                ends.ends.push(loaded);
                continue;
            };
            let begin = Updated { memory: machine.memory, updates: loaded.updates };
            let stored = self.one(machine, begin, (then, 1), choices, observer)?;
            // Where the two go to different places a monitor may let the store pass, or not.
            let elsewhere = |end: &End| end.result.is_ok_and(|stored| stored != reach);
            ends.complete &= !stored.iter().any(elsewhere);
            ends.ends.extend(stored.into_iter().filter(|end| !elsewhere(end)));
        }
        Ok(ends)
    }

    /// What becomes of one access, which is of that instruction of the piece.
    fn one<M: PhysicalMemory>(
        &self,
        machine: Machine<'_, M>,
        mut memory: Updated<'_, M>,
        (asked, instruction): (Asked, u64),
        choices: &mut impl Choices,
        observer: &mut impl Observer,
    ) -> Result<SmallVec<[End; 1]>, OutOfScope> {
        let Machine { implementation, registers, .. } = machine;
        let before = memory.updates.clone();
        let parts = self.parts(self.va(machine));
        let mut walked: SmallVec<[Walked; 2]> = SmallVec::new();
        for part in parts {
            let mut watched = Watched::default();
            let here = Machine { implementation, registers, memory: &memory };
            let watching = &mut (&mut watched, &mut *observer);
            let (result, updates) = self.walk(here, asked, Va(part.va), choices, watching)?;
            let updates = updates.as_slice().to_vec();
            merge(&mut memory.updates, &updates);
            walked.push(Walked { part, result, updates, watched });
        }
        let stopped = |number| stopped(&walked, number, &before, (asked, instruction));
        let ends = match (stopped(0), stopped(1)) {
            (Some(first), Some(second)) => {
                // In one page it is the lowest address that counts.
                let same = walked[0].watched.reads == walked[1].watched.reads
                    || walked.iter().all(Walked::is_unaligned);
                if same {
                    SmallVec::from_iter([first])
                } else {
                    [first, second].into_iter().collect()
                }
            }
            (Some(end), None) | (None, Some(end)) => SmallVec::from_iter([end]),
            (None, None) => SmallVec::from_iter([done(&walked, memory.updates)]),
        };
        Ok(ends)
    }

    fn walk<M: PhysicalMemory>(
        &self,
        machine: Machine<'_, M>,
        asked: Asked,
        va: Va,
        choices: &mut impl Choices,
        observer: &mut impl Observer,
    ) -> Result<(Result<Option<Translation>, Abort>, Updates), OutOfScope> {
        Ok(match asked {
            Asked::Access(asked) => {
                let outcome = access(machine, asked, va, choices, observer)?;
                (outcome.result.map(Some), outcome.updates)
            }
            Asked::Maintenance(maintenance) => {
                let outcome = maintain(machine, maintenance, self.el, va, choices, observer)?;
                (outcome.result, outcome.updates)
            }
        })
    }
}

/// The cache maintenance that `operation` is, if it is some.
const fn maintenance(operation: Operation) -> Option<Maintenance> {
    Some(match operation {
        Operation::DcCvac => Maintenance::DcCvac,
        Operation::DcCvau => Maintenance::DcCvau,
        Operation::DcCivac => Maintenance::DcCivac,
        Operation::DcIvac => Maintenance::DcIvac,
        Operation::IcIvau => Maintenance::IcIvau,
        _ => return None,
    })
}

/// What golden is asked.
#[derive(Clone, Copy)]
enum Asked {
    Access(Access),
    Maintenance(Maintenance),
}

impl Asked {
    const fn writes(self) -> bool {
        match self {
            Self::Access(access) => access.operation.writes(),
            Self::Maintenance(_) => false,
        }
    }
}

/// Where the parts of an access lie, if they were translated.
fn reach(done: &[(AccessPart, Translation)]) -> Option<Reach> {
    let pa = done.first()?.1.pa.0;
    let rest = done.get(1).map(|(part, translation)| (part.first, translation.pa.0));
    Some(Reach { pa, rest: rest.filter(|(before, rest)| pa + u64::from(*before) != *rest) })
}

/// One part of an access after its walk.
struct Walked {
    part: AccessPart,
    result: Result<Option<Translation>, Abort>,
    updates: Vec<Update>,
    watched: Watched,
}

impl Walked {
    fn is_unaligned(&self) -> bool {
        matches!(self.result, Err(abort) if abort.fault.kind == FaultKind::Alignment)
    }
}

/// How an access ends that the fault of part number `number` stops; `None` where it has none. The access is
/// asked by that `instruction` of its piece.
fn stopped(
    walked: &[Walked],
    number: usize,
    before: &[Update],
    (asked, instruction): (Asked, u64),
) -> Option<End> {
    let abort = walked.get(number)?.result.err()?;
    let mut updates = before.to_vec();
    for (other, walked) in walked.iter().enumerate() {
        let mut own = walked.updates.clone();
        if other != number {
            own.iter_mut().for_each(|update| update.certainty = Certainty::Permitted);
        }
        merge(&mut updates, &own);
    }
    let done = walked.iter().find_map(|walked| Some((walked.part, walked.result.ok()??)));
    let partial = done.filter(|_| asked.writes()).map(|(part, translation)| Partial {
        first: part.first,
        bytes: part.bytes,
        pa: translation.pa.0,
    });
    let result = Err(Stop { abort, instruction, partial });
    Some(End { result, attributes: SmallVec::new(), updates })
}

/// How an access ends of which no part has a fault.
fn done(walked: &[Walked], updates: Vec<Update>) -> End {
    let done = walked.iter().filter_map(|walked| Some((walked.part, walked.result.ok()??)));
    let done: SmallVec<[(AccessPart, Translation); 2]> = done.collect();
    let attributes = done.iter().map(|(_, done)| done.attributes).collect();
    End { result: Ok(reach(&done)), attributes, updates }
}

/// Watches a walk: where the descriptors are that it reads.
#[derive(Default)]
struct Watched {
    reads: SmallVec<[u64; 8]>,
}

impl Observer for Watched {
    fn read(&mut self, read: Read) {
        self.reads.push(read.pa.0);
    }
}

/// Adds `later` updates to `all`: one entry a word.
fn merge(all: &mut Vec<Update>, later: &[Update]) {
    for update in later {
        match all.iter_mut().find(|earlier| earlier.pa == update.pa) {
            Some(earlier) => *earlier = earlier.joined(update),
            None => all.push(*update),
        }
    }
}

/// Memory as updates have left it.
struct Updated<'a, M> {
    memory: &'a M,
    updates: Vec<Update>,
}

impl<M: PhysicalMemory> PhysicalMemory for Updated<'_, M> {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        match self.updates.iter().find(|update| update.pa == pa) {
            Some(update) => Ok(update.new),
            None => self.memory.read(pa),
        }
    }

    fn update(&self, pa: Pa) -> Result<(), Refusal> {
        self.memory.update(pa)
    }

    fn stale(&self, pa: Pa) -> Option<Stale> {
        self.memory.stale(pa)
    }

    fn set_bits(&self, first: Pa, words: u64) -> u64 {
        let set = self.memory.set_bits(first, words);
        self.updates.iter().fold(set, |set, update| set | update.new)
    }
}
