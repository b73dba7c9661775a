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
use std::rc::Rc;

use case::memory::MemoryMap;
use case::operation::Operation;
use case::probe::{El, Probe};
use case::tree::{Role, Tree};
use case::{Case, CaseRef, scratch};
use conform::registers;
use golden::errata::{ErrataSet, Erratum};
use golden::{Implementation, Registers, Updates};
use smallvec::SmallVec;
use tables::{BuildError, Built, TableMemory, Word, WordLog, build, change};

use crate::answer::{Answer, Reach};
use crate::expectation::{A_FEW, Allowed, Expectation, Setting};
use crate::flaw::{Flaw, FlawId, Prediction, StaleTlb};
use crate::flaws::{Flaws, InEffect, Places};
use crate::guest::Asker;
use crate::learned::Learned;
use crate::registers::root;
use crate::simulation::Simulation;
use crate::tlb::{self, Tag, Tlb, View};

/// The trees of the EL1&0 regime: TLBs are followed for them.
const REGIME: [Role; 3] = [Role::Stage2, Role::Ttbr0El1, Role::Ttbr1El1];

/// The most ways that are followed in which flaws may show that do so now and then.
const MOST_WAYS: usize = 16;

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

    /// The same, of a target that has these flaws: see [`Tables::expect_and_predict`].
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
    /// The number of the tree of each role that is loaded, of the EL1&0 regime.
    loaded: BTreeMap<Role, u8>,
    /// Those flaws of the target that may show under these registers. Whoever walks with them shares them.
    flaws: Rc<Flaws<'a>>,
    errata: &'a [&'static Erratum],
    /// What the TLBs of the target may hold by its flaws, where that is more than what is allowed.
    stale: Option<StaleTlb>,
}

impl<'a> Tables<'a> {
    fn new(twin: &'a mut Twin, case: CaseRef<'a>, map: &'a MemoryMap, built: Built) -> Self {
        let registers = registers(&case, &built);
        let flaws = Rc::new(Flaws::new(&twin.errata, &twin.flaws, &registers));
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
            loaded: BTreeMap::new(),
            flaws,
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
            [] => self.expect_of(probe, learned, [], usize::MAX),
            [erratum] => self.expect_of(probe, learned, [erratum], usize::MAX),
            ref errata => self.expect_of(probe, learned, errata, usize::MAX),
        }
    }

    /// The same, and what the target answers by its flaws where that is something else.
    pub fn expect_and_predict(
        &mut self,
        probe: &Probe,
        learned: &Learned,
    ) -> (Option<Expectation>, Option<Box<Prediction>>) {
        if !self.flaws.select(probe.operation()) && self.stale.is_none() {
            return (self.expect(probe, learned), None);
        }
        let Some((flawed, acted)) = self.expect_flawed(probe, learned, None) else {
            return (None, None);
        };
        if acted.is_empty() && self.stale.is_none() {
            return (Some(flawed), None);
        }
        let allowed = self.expect(probe, learned);
        if allowed.as_ref().is_some_and(|allowed| flawed.is_within(allowed)) {
            return (allowed, None);
        }
        let flaws = self.needed(probe, learned, (&flawed, &acted));
        (allowed, Some(Box::new(Prediction { flaws, expectation: flawed })))
    }

    /// What the target may answer to `probe` if it has `erratum` beside its flaws, as its TLBs are now.
    pub fn expect_beside(
        &mut self,
        probe: &Probe,
        learned: &Learned,
        erratum: &'static Erratum,
    ) -> Option<Expectation> {
        self.flaws.select(probe.operation());
        self.expect_flawed(probe, learned, Some(erratum)).map(|(expectation, _)| expectation)
    }

    /// What the target may answer to `probe` by the flaws that are in effect, and `beside` them by another erratum,
    /// whichever of those that show now and then do; and the places of those that made a difference.
    fn expect_flawed(
        &mut self,
        probe: &Probe,
        learned: &Learned,
        beside: Option<&'static Erratum>,
    ) -> Option<(Expectation, Places)> {
        let flaws = &*Rc::clone(&self.flaws);
        let most = if beside.is_some() { A_FEW } else { usize::MAX };
        let mut all: Option<Expectation> = None;
        let mut acted = Places::new();
        // What does not show, for each way in which those may that show now and then.
        let mut ways = vec![Places::new()];
        for way in 0..MOST_WAYS {
            let Some(hidden) = ways.get(way).cloned() else { break };
            let one = flaws.without(&hidden, || {
                self.expect_stale(probe, learned, InEffect { flaws, beside }, most)
            })?;
            for place in flaws.take_acted() {
                let mut more: Places = hidden.iter().copied().chain([place]).collect();
                more.sort_unstable();
                if flaws.is_now_and_then(place) && !ways.contains(&more) {
                    ways.push(more);
                }
                if !acted.contains(&place) {
                    acted.push(place);
                }
            }
            match &mut all {
                Some(all) => all.admit(one),
                None => all = Some(one),
            }
        }
        let mut all = all?;
        all.complete &= ways.len() <= MOST_WAYS;
        Some((all, acted))
    }

    /// The flaws without any one of which the target would answer otherwise than as it is `flawed`, of those that
    /// `acted`; or all of these, where each could be missing.
    fn needed(
        &mut self,
        probe: &Probe,
        learned: &Learned,
        (flawed, acted): (&Expectation, &[usize]),
    ) -> SmallVec<[FlawId; 2]> {
        let flaws = &*Rc::clone(&self.flaws);
        let is_other = |others: Option<(Expectation, Places)>| {
            others.is_none_or(|(others, _)| !others.is_same(flawed))
        };
        let mut needed = flaws.ids(acted);
        let of_tlbs = self.stale.as_ref().map(|stale| stale.flaws.clone()).unwrap_or_default();
        if needed.len() + of_tlbs.len() > 1 {
            let is_needed = |place: &usize| {
                is_other(flaws.without(&[*place], || self.expect_flawed(probe, learned, None)))
            };
            let places: Places = acted.iter().copied().filter(is_needed).collect();
            let stale = self.stale.take();
            let is_stale = stale.is_some() && is_other(self.expect_flawed(probe, learned, None));
            self.stale = stale;
            if !places.is_empty() || is_stale {
                needed = flaws.ids(&places);
            }
            if is_stale || needed.is_empty() {
                needed.extend(of_tlbs);
            }
        } else {
            needed.extend(of_tlbs);
        }
        needed.sort_unstable();
        needed.dedup();
        needed
    }

    /// What a device with these errata may answer to `probe`, in whose TLBs is what the flaws of the target leave
    /// there. So many outcomes are followed at `most`.
    fn expect_stale(
        &mut self,
        probe: &Probe,
        learned: &Learned,
        errata: InEffect<'_>,
        most: usize,
    ) -> Option<Expectation> {
        let mut stale = self.stale.take();
        if let Some(stale) = &mut stale {
            std::mem::swap(&mut self.memory.tlb, &mut stale.tlb);
        }
        let expectation = self.expect_of(probe, learned, errata, most);
        if let Some(stale) = &mut stale {
            std::mem::swap(&mut self.memory.tlb, &mut stale.tlb);
        }
        self.stale = stale;
        expectation
    }

    fn expect_of(
        &mut self,
        probe: &Probe,
        learned: &Learned,
        errata: impl ErrataSet,
        most: usize,
    ) -> Option<Expectation> {
        let view = View { pe: probe.pe, tag: Tag::of(&self.registers), va: probe.address };
        self.memory.tlb.look(view);
        let Self { pe, asker, ref registers, ref memory, ref loaded, .. } = *self;
        let setting = Setting { pe, registers, memory, asker, learned, most };
        let mut expectation = setting.expect(probe, &mut self.updates, errata)?;
        let loaded: SmallVec<[u8; 3]> = loaded.values().copied().collect();
        // What crosses into another page may find something there.
        let ends = [probe.address, probe.address.wrapping_add(15)];
        let mut foreign = memory.tlb.foreign(&loaded);
        expectation.is_foreign = foreign.any(|tree| ends.iter().any(|va| setting.finds(tree, *va)));
        Some(expectation)
    }

    /// Whether a guest at `el` executes its code where the case says that it is, whatever the architecture
    /// leaves open and whatever is wrong with the target.
    pub fn finds_guest_code(&mut self, el: El, learned: &Learned) -> bool {
        let Some(guest) = self.asker.guest().copied() else { return false };
        let Some(base) = self.map.resolve(guest.code) else { return false };
        let fetch = Probe::new(Operation::Fetch, guest.code_va).by(el);
        let there = Answer::Reached(Reach::new(base + scratch::GUEST));
        let is_there = |allowed: &Allowed| allowed.answer == there && allowed.updates.is_empty();
        let finds =
            |found: &Expectation| found.strays_to.is_none() && found.outcomes.iter().all(is_there);
        let (allowed, prediction) = self.expect_and_predict(&fetch, learned);
        allowed.as_ref().is_some_and(finds)
            && prediction.is_none_or(|prediction| finds(&prediction.expectation))
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
        StaleTlb::maintain(stale, &memory.tlb, &flaws.known(), (step, tlbi), now, &loaded);
        memory.tlb.invalidate(&tlbi, step.pe, now, &loaded);
        stale.take_if(|stale| stale.tlb.holds_as_much(&memory.tlb));
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
