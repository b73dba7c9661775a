//! A case made ready to be sent: its tables built on the host, its probes looked at one by one.

use case::probe::Probe;
use case::{Case, Flags};
use golden::{Implementation, Registers, Updates};
use tables::{BuildError, Built, TableMemory, Word, WordLog, build};

use super::quarantine::Quarantine;
use crate::judge::expectation::{Expectation, expect};
use crate::judge::learned::Learned;
use crate::judge::words;
use crate::simulation::Simulation;
use crate::verdict::NotAsked;

/// Why a probe is not asked: its walk would read what does not belong to the case.
pub const STRAYS: &str = "its walk would leave the memory that belongs to the case";
/// Why a probe is not asked: probes of its kind kill the target.
pub const HELD_BACK: &str = "held back: probes of its kind killed the target";

/// What is asked of the target, and what the host knows about it beforehand.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The case with the probes that are asked, and no others.
    pub case: Box<Case>,
    /// For each probe that is asked, its number in the whole case.
    pub numbers: Vec<u16>,
    /// For each probe that is asked, what is allowed; `None` where it asks the MMU nothing.
    ///
    /// Where hardware may update the tables this is a forecast: the judge walks again, in the tables
    /// as the target's own updates have left them.
    pub expectations: Vec<Option<Expectation>>,
    /// The root and `VTTBR_EL2`.
    pub built: Built,
    /// The registers, as the reference walker sees them.
    pub registers: Registers,
    /// The digest that the target's tables must have.
    pub digest: u64,
    /// Why the other probes are not asked.
    pub not_asked: NotAsked,
}

/// A host's bench for cases: simulated memory, and the log of what is in it.
#[derive(Debug)]
pub struct Bench {
    /// The PE that is judged.
    pub pe: Implementation,
    memory: Simulation,
    log: WordLog,
}

impl Bench {
    /// A bench for `pe` with the arenas in `memory`.
    pub fn new(pe: Implementation, memory: Simulation) -> Self {
        Self { pe, memory, log: WordLog::new() }
    }

    /// Builds the tables of `case`, calls `work`, and undoes them.
    pub fn with_tables<T>(
        &mut self,
        case: &Case,
        map: &case::memory::MemoryMap,
        work: impl FnOnce(&mut Tables<'_>) -> T,
    ) -> Result<T, BuildError> {
        let built = build(case.as_ref(), map, &mut self.memory, &mut self.log);
        let result = built.map(|built| {
            let registers = registers(case, &built);
            let (memory, log) = (&mut self.memory, &mut self.log);
            let updates = Updates::new();
            work(&mut Tables { pe: &self.pe, registers, built, memory, log, updates })
        });
        self.log.clear();
        self.memory.clear();
        result
    }

    /// Builds `case` and looks at the probes whose numbers are in `wanted`.
    pub fn prepare(
        &mut self,
        case: &Case,
        map: &case::memory::MemoryMap,
        wanted: &[u16],
        learned: &Learned,
        quarantine: &mut Quarantine,
    ) -> Result<Prepared, BuildError> {
        self.with_tables(case, map, |tables| {
            let digest = tables.log.digest();
            let updates = case.as_ref().flags().has(Flags::UPDATES);
            let mut numbers = Vec::with_capacity(wanted.len());
            let mut expectations = Vec::with_capacity(wanted.len());
            let mut not_asked = NotAsked::new();
            for &number in wanted {
                let Some(probe) = case.as_ref().probes.get(usize::from(number)) else { continue };
                let expectation = tables.expect(probe, learned);
                let reason = expectation.as_ref().and_then(|expectation| {
                    if expectation.strays_to.is_some() {
                        return Some(STRAYS.to_owned());
                    }
                    let held =
                        quarantine.is_active() && quarantine.holds(&kind(probe, expectation));
                    held.then(|| format!("{HELD_BACK} ({})", kind(probe, expectation)))
                });
                match reason {
                    Some(reason) => *not_asked.entry(reason).or_default() += 1,
                    None => {
                        if let Some(expectation) = expectation.as_ref().filter(|_| updates) {
                            tables.forecast(expectation);
                        }
                        numbers.push(number);
                        expectations.push(expectation);
                    }
                }
            }
            let mut asked = Box::new(case.clone());
            let mut left = numbers.iter().peekable();
            asked.retain_probes(|index| {
                left.next_if(|number| usize::from(**number) == index).is_some()
            });
            let (built, registers) = (tables.built, tables.registers);
            Prepared { case: asked, numbers, expectations, built, registers, digest, not_asked }
        })
    }
}

/// The kind of a probe: what it asks, and what may be answered.
pub fn kind(probe: &Probe, expectation: &Expectation) -> String {
    let operation = probe.operation().map_or("?", case::probe::Operation::name);
    format!("{operation}: {}", classes(expectation).join(" or "))
}

/// The classes of answer that are allowed, each once, the pseudocode's own first.
pub fn classes(expectation: &Expectation) -> Vec<String> {
    let mut classes = Vec::new();
    for allowed in &expectation.outcomes {
        let class = words::class_of(&allowed.result);
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    classes
}

/// Tables that stand in a bench's memory.
#[derive(Debug)]
pub struct Tables<'a> {
    pe: &'a Implementation,
    /// The registers of the case, those that it does not set zero.
    pub registers: Registers,
    /// The root and `VTTBR_EL2`.
    pub built: Built,
    /// The memory they stand in.
    pub memory: &'a mut Simulation,
    log: &'a mut WordLog,
    /// Room for a walk to work in.
    updates: Updates,
}

impl Tables<'_> {
    /// What is allowed as the answer to `probe` as the tables are now.
    pub fn expect(&mut self, probe: &Probe, learned: &Learned) -> Option<Expectation> {
        let (profile, updates) = (learned.profile(), &mut self.updates);
        expect(self.pe, &self.registers, self.memory, profile, probe, updates)
    }

    /// The PE that is judged.
    pub const fn pe(&self) -> &Implementation {
        self.pe
    }

    /// Changes the tables as the target's hardware did.
    pub fn update(&mut self, pa: u64, value: u64) {
        self.memory.write(pa, value);
    }

    /// The digest of the words that the builder wrote, as they are now.
    pub fn digest_now(&mut self) -> u64 {
        let now = |word: &Word| self.memory.read(word.pa);
        let values: Vec<u64> = self.log.words().iter().map(now).collect();
        self.log.refresh(values, |_, _| {});
        self.log.digest()
    }

    /// Changes the tables as the hardware is most likely to.
    pub fn forecast(&mut self, expectation: &Expectation) {
        let updates = expectation.outcomes.first().map(|allowed| &allowed.updates[..]);
        for update in updates.unwrap_or_default() {
            self.memory.write(update.pa.0, update.new);
        }
    }
}

/// The registers as the reference walker sees them. Those that a case does not set are zero: the
/// executor sets them so, as far as they count for what the case asks.
fn registers(case: &Case, built: &Built) -> Registers {
    let case = &case.as_ref().header.registers;
    Registers {
        hcr_el2: case.hcr_el2,
        vtcr_el2: case.vtcr_el2,
        vttbr_el2: built.vttbr_el2,
        sctlr_el1: case.sctlr_el1,
        tcr_el1: case.tcr_el1,
        mair_el1: case.mair_el1,
        ..Registers::default()
    }
}
