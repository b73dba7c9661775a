//! The host's twin of a target: the same tables at the same addresses, and what its TLBs may hold.
//!
//! ```text
//!   Twin                        Tables: while those of a case stand
//!   +------------------+        +-----------------------------------------------+
//!   | PE               |  case  | registers, roots         step: TLBI, a late   |
//!   | memory, all zero | -----> | words in memory                edit, a root   |
//!   | flaws            |        | TLBs                     expect: what golden  |
//!   +------------------+ <----- |                                  allows here  |
//!                         undo  +-----------------------------------------------+
//! ```

use std::collections::BTreeMap;

use case::memory::MemoryMap;
use case::operation::Operation;
use case::probe::{El, Probe};
use case::tree::{Role, Tree};
use case::{Case, CaseRef, scratch};
use conform::registers;
use golden::errata::Erratum;
use golden::{Implementation, Registers, Updates};
use smallvec::SmallVec;
use tables::{BuildError, Built, TableMemory, Word, WordLog, build, change};

use crate::answer::{Answer, Reach};
use crate::expectation::{A_FEW, Allowed, Expectation, Setting};
use crate::flaw::{Flaw, FlawId, Prediction, StaleTlb};
use crate::guest::Asker;
use crate::learned::Learned;
use crate::registers::root;
use crate::simulation::Simulation;
use crate::tlb::{self, Tag, Tlb, View};

/// The trees of the EL1&0 regime: TLBs are followed for them.
const REGIME: [Role; 3] = [Role::Stage2, Role::Ttbr0El1, Role::Ttbr1El1];

/// So many flaws that show now and then are followed in all ways, at most; the others are taken to show.
const MOST_SOMETIMES: usize = 4;

/// A few flaws together.
type Flaws<'a> = SmallVec<[(FlawId, &'a Flaw); 8]>;

/// A few errata together.
type Errata = SmallVec<[&'static Erratum; 8]>;

/// The twin of one target: a PE, and memory in which the tables of one case after the other stand.
#[derive(Debug)]
pub struct Twin {
    /// The PE that is judged.
    pub pe: Implementation,
    /// Whether it has FEAT_BTI, if somebody has looked.
    branch_targets: Option<bool>,
    /// What is wrong with the target.
    flaws: Vec<Flaw>,
    /// What is wrong with the twin itself, in all that is expected of it.
    errata: Vec<&'static Erratum>,
    memory: Simulation,
    log: WordLog,
}

impl Twin {
    /// The twin of a target with one PE like `pe`, and the arenas in `memory`.
    pub fn new(pe: Implementation, memory: Simulation) -> Self {
        let (flaws, errata) = (Vec::new(), Vec::new());
        Self { pe, branch_targets: None, flaws, errata, memory, log: WordLog::new() }
    }

    /// The same, of a PE that has FEAT_BTI or not.
    #[must_use]
    pub fn with_branch_targets(self, branch_targets: bool) -> Self {
        Self { branch_targets: Some(branch_targets), ..self }
    }

    /// The same, of a target that has these flaws: see [`Tables::predict`].
    #[must_use]
    pub fn with_flaws(self, flaws: Vec<Flaw>) -> Self {
        Self { flaws, ..self }
    }

    /// The same, of a target with these errata, in all that is expected of it: in its walks, and in what its TLBs may
    /// hold.
    #[must_use]
    pub fn with_errata(self, errata: &[&'static Erratum]) -> Self {
        Self { errata: errata.to_vec(), ..self }
    }

    /// Has the twin do `work` as one with `erratum` besides.
    pub fn flawed<T>(&mut self, erratum: &'static Erratum, work: impl FnOnce(&mut Self) -> T) -> T {
        self.errata.push(erratum);
        let done = work(self);
        self.errata.pop();
        done
    }

    /// Builds the tables of `case`, calls `work`, and undoes them.
    ///
    /// # Errors
    /// [`BuildError`] where the tables can't be built.
    pub fn with_tables<T>(
        &mut self,
        case: &Case,
        map: &MemoryMap,
        work: impl FnOnce(&mut Tables<'_>) -> T,
    ) -> Result<T, BuildError> {
        let built = build(case.as_ref(), map, &mut self.memory, &mut self.log);
        let result = built.map(|built| work(&mut Tables::new(self, case.as_ref(), map, built)));
        self.log.clear();
        self.memory.clear();
        result
    }
}

/// The tables of a case, as they stand in the memory of a twin.
#[derive(Debug)]
pub struct Tables<'a> {
    pe: &'a Implementation,
    asker: Asker,
    case: CaseRef<'a>,
    map: &'a MemoryMap,
    /// The registers of the case, those that it does not set zero.
    pub registers: Registers,
    /// The roots, and the registers that name them.
    pub built: Built,
    /// The memory they stand in.
    pub memory: &'a mut Simulation,
    log: &'a mut WordLog,
    /// Room for a walk to work in.
    updates: Updates,
    /// So many outcomes are followed at most.
    most: usize,
    /// The number of the tree of each role that is loaded, of the EL1&0 regime.
    loaded: BTreeMap<Role, u8>,
    /// Those flaws of the target that may show under these registers.
    flaws: Flaws<'a>,
    errata: &'a [&'static Erratum],
    /// What the TLBs of the target may hold by its flaws, where that is more than what is allowed.
    stale: Option<StaleTlb>,
}

impl<'a> Tables<'a> {
    fn new(twin: &'a mut Twin, case: CaseRef<'a>, map: &'a MemoryMap, built: Built) -> Self {
        let registers = registers(&case, &built);
        let flaws = twin.flaws.iter().enumerate();
        let mut tables = Self {
            pe: &twin.pe,
            asker: Asker::of(case, twin.branch_targets),
            case,
            map,
            registers,
            built,
            memory: &mut twin.memory,
            log: &mut twin.log,
            updates: Updates::new(),
            most: usize::MAX,
            loaded: BTreeMap::new(),
            flaws: flaws.filter(|(_, flaw)| flaw.when.fits(&registers)).collect(),
            errata: &twin.errata,
            stale: None,
        };
        tables.load_first();
        tables
    }
}

impl Tables<'_> {
    /// The PE that is judged.
    pub const fn pe(&self) -> &Implementation {
        self.pe
    }

    /// What is allowed as the answer to `probe` as the tables are now; `None` where it asks the MMU nothing.
    pub fn expect(&mut self, probe: &Probe, learned: &Learned) -> Option<Expectation> {
        match *self.errata {
            [] => self.expect_of(probe, learned, []),
            [erratum] => self.expect_of(probe, learned, [erratum]),
            ref errata => self.expect_of(probe, learned, errata),
        }
    }

    fn expect_of<E: AsRef<[&'static Erratum]> + Copy>(
        &mut self,
        probe: &Probe,
        learned: &Learned,
        errata: E,
    ) -> Option<Expectation> {
        let view = View { pe: probe.pe, tag: Tag::of(&self.registers), va: probe.address };
        self.memory.tlb.look(view);
        let Self { pe, asker, most, ref registers, ref memory, ref loaded, .. } = *self;
        let setting = Setting { pe, registers, memory, asker, learned, most };
        let mut expectation = setting.expect(probe, &mut self.updates, errata)?;
        let loaded: SmallVec<[u8; 3]> = loaded.values().copied().collect();
        // What crosses into another page may find something there.
        let ends = [probe.address, probe.address.wrapping_add(15)];
        let mut foreign = memory.tlb.foreign(&loaded);
        expectation.is_foreign = foreign.any(|tree| ends.iter().any(|va| setting.finds(tree, *va)));
        Some(expectation)
    }

    /// What the target answers to `probe` by its flaws, where that is not what is `allowed`; `None` where it is,
    /// and where the probe asks the MMU nothing.
    pub fn predict(
        &mut self,
        probe: &Probe,
        learned: &Learned,
        allowed: Option<&Expectation>,
    ) -> Option<Box<Prediction>> {
        let shows = |(_, flaw): &&(FlawId, &Flaw)| flaw.when.includes(probe.operation());
        let flaws: Flaws<'_> = self.flaws.iter().filter(shows).copied().collect();
        if flaws.is_empty() && self.stale.is_none() {
            return None;
        }
        let expectation = self.expect_flawed(probe, learned, &flaws)?;
        if allowed.is_some_and(|allowed| expectation.is_within(allowed)) {
            return None;
        }
        let mut acting: SmallVec<[FlawId; 2]> = SmallVec::new();
        for (id, _) in &flaws {
            let others = flaws.iter().filter(|(other, _)| other != id).copied().collect::<Flaws>();
            if self.expect_flawed(probe, learned, &others).as_ref() != Some(&expectation) {
                acting.push(*id);
            }
        }
        if let Some(stale) = self.stale.take() {
            if self.expect_flawed(probe, learned, &flaws).as_ref() != Some(&expectation) {
                let is_new = |flaw: &&FlawId| !acting.contains(*flaw);
                let new: Vec<FlawId> = stale.flaws.iter().filter(is_new).copied().collect();
                acting.extend(new);
            }
            self.stale = Some(stale);
        }
        // Of two that come to the same each could be missing: those that act alone.
        if acting.is_empty() {
            for (id, flaw) in &flaws {
                let alone = self.expect_flawed(probe, learned, &[(*id, flaw)]);
                if alone.zip(allowed).is_some_and(|(alone, allowed)| !alone.is_within(allowed)) {
                    acting.push(*id);
                }
            }
        }
        Some(Box::new(Prediction { flaws: acting, expectation }))
    }

    /// What the target may answer to `probe` by these flaws, whichever of those that show now and then do.
    fn expect_flawed(
        &mut self,
        probe: &Probe,
        learned: &Learned,
        flaws: &[(FlawId, &Flaw)],
    ) -> Option<Expectation> {
        let sometimes = flaws.iter().filter(|(_, flaw)| flaw.sometimes).count();
        let mut all: Option<Expectation> = None;
        for shown in 0..1_u32 << sometimes.min(MOST_SOMETIMES) {
            let mut place = 0;
            let shows = |(_, flaw): &&(FlawId, &Flaw)| {
                place += u32::from(flaw.sometimes);
                !flaw.sometimes || shown >> (place - 1) & 1 == 0
            };
            let own = self.errata.iter().copied();
            let flaws = flaws.iter().filter(shows).map(|(_, flaw)| flaw.erratum);
            let errata: Errata = own.chain(flaws).collect();
            let one = self.expect_stale(probe, learned, &errata)?;
            match &mut all {
                Some(all) => all.admit(one),
                None => all = Some(one),
            }
        }
        all
    }

    /// What the target may answer to `probe` if it has `erratum` beside its flaws, as its TLBs are now.
    pub fn expect_beside(
        &mut self,
        probe: &Probe,
        learned: &Learned,
        erratum: &'static Erratum,
    ) -> Option<Expectation> {
        let shows = |(_, flaw): &&(FlawId, &Flaw)| flaw.when.includes(probe.operation());
        let flaws = self.flaws.iter().filter(shows).map(|(_, flaw)| flaw.erratum);
        let errata: Errata = self.errata.iter().copied().chain(flaws).chain([erratum]).collect();
        self.most = A_FEW;
        let expectation = match errata[..] {
            [erratum] if self.stale.is_none() => self.expect_of(probe, learned, [erratum]),
            ref errata => self.expect_stale(probe, learned, errata),
        };
        self.most = usize::MAX;
        expectation
    }

    /// What a device with these errata may answer to `probe`, in whose TLBs is what the flaws of the target leave
    /// there.
    fn expect_stale(
        &mut self,
        probe: &Probe,
        learned: &Learned,
        errata: &[&'static Erratum],
    ) -> Option<Expectation> {
        let mut stale = self.stale.take();
        if let Some(stale) = &mut stale {
            std::mem::swap(&mut self.memory.tlb, &mut stale.tlb);
        }
        let expectation = self.expect_of(probe, learned, errata);
        if let Some(stale) = &mut stale {
            std::mem::swap(&mut self.memory.tlb, &mut stale.tlb);
        }
        self.stale = stale;
        expectation
    }

    /// Whether a guest at `el` executes its code where the case says that it is, whatever the architecture
    /// leaves open.
    pub fn finds_guest_code(&mut self, el: El, learned: &Learned) -> bool {
        let Some(guest) = self.asker.guest().copied() else { return false };
        let Some(base) = self.map.resolve(guest.code) else { return false };
        let fetch = Probe::new(Operation::Fetch, guest.code_va).by(el);
        let there = Answer::Reached(Reach::new(base + scratch::GUEST));
        self.expect(&fetch, learned).is_some_and(|found| {
            let is_there =
                |allowed: &Allowed| allowed.answer == there && allowed.updates.is_empty();
            found.strays_to.is_none() && found.outcomes.iter().all(is_there)
        })
    }

    /// Carries out `probe`, if it is a step of a sequence. Returns whether it is.
    ///
    /// # Errors
    /// [`BuildError`] where it names an edit or a tree that the case does not have.
    pub fn step(&mut self, probe: &Probe) -> Result<bool, BuildError> {
        let Some(operation) = probe.operation().filter(|operation| operation.is_step()) else {
            return Ok(false);
        };
        match operation {
            Operation::Change => self.change(usize::from(probe.number))?,
            Operation::UseTree => self.use_tree(probe)?,
            _ => self.maintain(probe),
        }
        Ok(true)
    }

    /// Changes the tables as the target's hardware did.
    pub fn update(&mut self, pa: u64, value: u64) {
        self.memory.write(pa, value);
    }

    /// Changes the tables as the hardware is most likely to.
    pub fn forecast(&mut self, expectation: &Expectation) {
        let updates = expectation.outcomes.first().map(|allowed| &allowed.updates[..]);
        for update in updates.unwrap_or_default() {
            self.memory.write(update.pa.0, update.new);
        }
    }

    /// The digest of the words that the builder wrote, as it wrote them last.
    pub fn digest(&self) -> u64 {
        self.log.digest()
    }

    /// The digest of the words that the builder wrote, as they are now.
    pub fn digest_now(&mut self) -> u64 {
        let now = |word: &Word| self.memory.read(word.pa);
        let values: Vec<u64> = self.log.words().iter().map(now).collect();
        self.log.refresh(values, |_, _| {});
        self.log.digest()
    }

    /// What TLBs may hold, of a sound target and of this one.
    fn tlbs(&mut self) -> impl Iterator<Item = &mut Tlb> {
        let stale = self.stale.as_mut().map(|stale| &mut stale.tlb);
        std::iter::once(&mut self.memory.tlb).chain(stale)
    }

    /// Tells the TLBs of the trees that are loaded at first.
    fn load_first(&mut self) {
        for (number, tree) in self.case.trees.iter().enumerate() {
            if let Some(role) = tree.role().filter(|role| REGIME.contains(role)) {
                self.loaded.entry(role).or_insert(number as u8);
            }
        }
        self.walk_loaded();
    }

    /// Tells the TLBs that what is loaded is walked under the registers as they are.
    fn walk_loaded(&mut self) {
        let tag = Tag::of(&self.registers);
        for (role, number) in self.loaded.clone() {
            let root = *root(&mut self.registers, role);
            self.tlbs().for_each(|tlb| tlb.load(number, role, root, tag));
        }
    }

    /// Carries out TLB maintenance.
    fn maintain(&mut self, step: &Probe) {
        let Some(tlbi) = tlb::tlbi(step, self.pe, &self.registers) else { return };
        let tlbi = self.errata.iter().fold(tlbi, |tlbi, erratum| erratum.of_tlbi(tlbi));
        let loaded: SmallVec<[u8; 3]> = self.loaded.values().copied().collect();
        let now = Tag::of(&self.registers);
        let Self { stale, memory, flaws, .. } = self;
        StaleTlb::maintain(stale, &memory.tlb, flaws, (step, tlbi), now, &loaded);
        memory.tlb.invalidate(&tlbi, step.pe, now, &loaded);
    }

    /// Loads the tree that `probe` names.
    fn use_tree(&mut self, probe: &Probe) -> Result<(), BuildError> {
        let number = usize::from(probe.number);
        let none = BuildError::NoSuchTree { tree: number };
        let base = *self.built.bases.get(number).ok_or(none)?;
        let role = self.case.trees.get(number).and_then(Tree::role).ok_or(none)?;
        *root(&mut self.registers, role) = probe.address ^ base;
        if REGIME.contains(&role) {
            self.loaded.insert(role, number as u8);
        }
        self.walk_loaded();
        Ok(())
    }

    /// Carries out late edit number `number`.
    fn change(&mut self, number: usize) -> Result<(), BuildError> {
        let late = self.built.late.iter().find(|late| late.edit == number).copied();
        let old = late.map(|late| TableMemory::read(self.memory, late.pa));
        change(self.case, self.map, &self.built, number, self.memory, self.log)?;
        let edit = self.case.edits.get(number);
        let (Some(late), Some(old), Some(edit)) = (late, old, edit) else { return Ok(()) };
        let tree = self.case.trees.get(usize::from(edit.tree));
        if let (Some(role), Some(format)) = (tree.and_then(Tree::role), tree.and_then(Tree::format))
        {
            let tree = (edit.tree, role, &format);
            let word = tlb::Word::new(tree, (late.pa, late.level), edit.input, &self.registers);
            self.tlbs().for_each(|tlb| tlb.change(word, old));
        }
        Ok(())
    }
}
