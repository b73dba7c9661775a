//! A case made ready to be sent: its tables built on the host, its probes looked at one by one.

use std::collections::BTreeMap;

use case::format::Granule;
use case::memory::MemoryMap;
use case::probe::{El, Operation, Probe};
use case::tree::Role;
use case::{Case, CaseRef, Flags, scratch};
use golden::{Implementation, Registers, Updates};
use smallvec::SmallVec;
use tables::{BuildError, Built, TableMemory, Word, WordLog, build, change};

use crate::dossier::Dossier;
use crate::kind::Kind;
use crate::known::{Idle, Known, Question, RuleId};
use crate::quarantine::Quarantine;
use crate::sign::Sign;
use crate::told::Telling;
use crate::verdict::NotAsked;
use oracle::answer::{Answer, Reach};
use oracle::expectation::{Allowed, Expectation, Setting};
use oracle::guest::Asker;
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::tlb::{self, Tag, Tlb, View};
use oracle::together;

/// Why a probe is not asked: its walk would read what does not belong to the case.
pub const STRAYS: &str = "its walk would leave the memory that belongs to the case";
/// Why a probe is not asked: nobody can say what a guest does whose code is elsewhere.
pub const ASTRAY: &str = "the guest's code is not mapped as it must be";
/// Why a probe is not asked: probes of its kind kill the target.
pub const QUARANTINED: &str = "held back: probes of its kind killed the target";
/// Why a probe is not asked: it would kill the target, by the known issue whose name follows.
pub const HELD_BACK: &str = "held back: it would kill the target by";

/// Why a probe is not asked: it says nothing alone.
pub const ALONE: &str = "another probe is not asked that is done at the same time";
/// Why a probe is not asked: a TLB may hold what it says, and nothing but a walk of both trees at once would
/// tell what comes of it.
pub const FOREIGN: &str = "a TLB may hold translations of another tree by the same VMID and ASID";

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
    /// For each probe that is asked, what TLB maintenance that does nothing would excuse.
    pub excuses: Vec<Option<Box<Excuse>>>,
    /// What a fetch at the trampoline may lead to in the case's own tree, where it enters by another.
    pub arrival: Option<Expectation>,
    /// The roots, and the registers that name them.
    pub built: Built,
    /// The registers, as the reference walker sees them.
    pub registers: Registers,
    /// The digest that the target's tables must have.
    pub digest: u64,
    /// The digest that they must have after the last step, if hardware changes none of them.
    pub after: u64,
    /// The known issues that may show in the case.
    pub candidates: Vec<RuleId>,
    /// The known issues that may show in each probe that is asked: its index among them, and the issue.
    /// Sorted.
    pub may_show: Vec<(usize, RuleId)>,
    /// Probes that are held back since they would show a known issue that kills the target: the number
    /// in the whole case, and the issue.
    pub held: Vec<(u16, RuleId)>,
    /// Why the other probes are not asked.
    pub not_asked: NotAsked,
}

impl Prepared {
    /// Whether the known issue `rule` may show in the probe number `index` of those that are asked.
    pub fn is_asked(&self, index: usize, rule: RuleId) -> bool {
        self.may_show.binary_search(&(index, rule)).is_ok()
    }

    /// The known issues that explain the answer to `probe`: `signs` tells what is wrong with it, held
    /// against one of the outcomes that are allowed and agree with what is `learned`. `None` where they do
    /// not explain all of that, whichever outcome is meant.
    pub fn explain<S: Iterator<Item = Sign>>(
        &self,
        known: &Known,
        learned: &Learned,
        probe: &Probe,
        expectation: &Expectation,
        signs: impl Fn(&Allowed) -> S,
    ) -> Option<Vec<RuleId>> {
        let operation = probe.operation()?;
        let explained = |allowed: &Allowed| {
            let question = question(operation, &self.registers, allowed);
            known.name(&self.candidates, &question, signs(allowed))
        };
        let outcomes = expectation.outcomes.iter();
        outcomes.filter(|allowed| learned.agrees(allowed)).find_map(explained)
    }
}

/// A host's bench for cases: simulated memory, and the log of what is in it.
#[derive(Debug)]
pub struct Bench {
    /// The PE that is judged.
    pub pe: Implementation,
    /// Whether it has FEAT_BTI, if somebody has looked.
    branch_targets: Option<bool>,
    memory: Simulation,
    log: WordLog,
}

impl Bench {
    /// A bench for `pe` with the arenas in `memory`.
    pub fn new(pe: Implementation, memory: Simulation) -> Self {
        Self { pe, branch_targets: None, memory, log: WordLog::new() }
    }

    /// The same bench, for a PE that has FEAT_BTI or not.
    #[must_use]
    pub fn with_branch_targets(self, branch_targets: bool) -> Self {
        Self { branch_targets: Some(branch_targets), ..self }
    }

    /// Builds the tables of `case`, calls `work`, and undoes them.
    pub fn with_tables<T>(
        &mut self,
        case: &Case,
        map: &MemoryMap,
        work: impl FnOnce(&mut Tables<'_>) -> T,
    ) -> Result<T, BuildError> {
        let built = build(case.as_ref(), map, &mut self.memory, &mut self.log);
        let result = built.map(|built| {
            let registers = registers(case, &built);
            let (memory, log) = (&mut self.memory, &mut self.log);
            let asker = Asker::of(case.as_ref(), self.branch_targets);
            let (case, updates) = (case.as_ref(), Updates::new());
            let mut tables = Tables {
                pe: &self.pe,
                asker,
                case,
                map,
                registers,
                built,
                memory,
                log,
                updates,
                loaded: BTreeMap::new(),
                idle: Vec::new(),
                lax: None,
            };
            tables.load_first();
            work(&mut tables)
        });
        self.log.clear();
        self.memory.clear();
        result
    }

    /// Builds `case` and looks at the probes whose numbers are in `wanted`. Those in `samples` are not
    /// held back by a known issue.
    pub fn prepare(
        &mut self,
        case: &Case,
        map: &MemoryMap,
        wanted: &[u16],
        samples: &[u16],
        dossier: &Dossier,
        quarantine: &mut Quarantine,
    ) -> Result<Prepared, BuildError> {
        let Dossier { learned, known } = dossier;
        self.with_tables(case, map, |tables| {
            let candidates = known.candidates(&tables.registers, root_bytes(case));
            let (mut may_show, mut held) = (Vec::new(), Vec::new());
            let digest = tables.log.digest();
            let registers = tables.registers;
            let updates = case.as_ref().flags().has(Flags::UPDATES);
            let mut numbers = Vec::with_capacity(wanted.len());
            let mut expectations = Vec::with_capacity(wanted.len());
            let mut excuses = Vec::with_capacity(wanted.len());
            tables.mind(known);
            let mut not_asked = NotAsked::new();
            let mut telling = Telling::new(case.as_ref(), map);
            let mut homes = Homes::default();
            let with_steps = with_steps(case.as_ref(), wanted);
            let mut left = &with_steps[..];
            while let Some(&number) = left.first() {
                let probes = case.as_ref().probes.get(usize::from(number)..).unwrap_or_default();
                let Some(probe) = probes.first() else { break };
                if tables.step(probe)? {
                    left = &left[1..];
                    homes = Homes::default();
                    numbers.push(number);
                    expectations.push(None);
                    excuses.push(None);
                    continue;
                }
                // What is done at the same time is asked as a whole, or not at all.
                let count = together::count(probes);
                let all = (number..).zip(&probes[..count]);
                let is_whole =
                    all.clone().map(|(number, _)| number).eq(left.iter().copied().take(count));
                let members = if is_whole { count } else { 1 };
                left = &left[members..];
                let mut looks: SmallVec<[Look; 1]> = SmallVec::new();
                for (_, probe) in all.take(members) {
                    let expectation = tables.expect(probe, learned);
                    let reason = match &expectation {
                        _ if !is_whole => Some(ALONE.to_owned()),
                        Some(Expectation { strays_to: Some(_), .. }) => Some(STRAYS.to_owned()),
                        Some(Expectation { is_foreign: true, .. }) => Some(FOREIGN.to_owned()),
                        _ if !homes.are_mapped(tables, learned, probe) => Some(ASTRAY.to_owned()),
                        Some(expectation) => telling.untold(probe, expectation).map(str::to_owned),
                        None => telling.unknown(probe).map(str::to_owned),
                    };
                    let excuse = tables.excuse(probe, learned);
                    looks.push(Look { expectation, excuse, reason });
                }
                if let Some(reason) = looks.iter().find_map(|look| look.reason.clone()) {
                    *not_asked.entry(reason).or_default() += members as u64;
                    continue;
                }
                let (seen, first) = (may_show.len(), numbers.len());
                let mut deadly: Vec<(u16, RuleId)> = Vec::new();
                let mut quarantined = None;
                for (at, (look, (number, probe))) in
                    looks.iter().zip((number..).zip(probes)).enumerate()
                {
                    let Some(expectation) = &look.expectation else { continue };
                    if !candidates.is_empty() {
                        let mut kills = None;
                        for (rule, is_deadly) in
                            rules_that_may_show(probe, &registers, expectation, known, &candidates)
                        {
                            may_show.push((first + at, rule));
                            kills = kills.or(is_deadly.then_some(rule));
                        }
                        // What old translations may lead to can kill as well.
                        if let Some(Excuse { expectation, .. }) = look.excuse.as_deref() {
                            let stale = rules_that_may_show(
                                probe,
                                &registers,
                                expectation,
                                known,
                                &candidates,
                            );
                            let deadly = stale.filter(|(_, is_deadly)| *is_deadly);
                            kills = kills.or(deadly.map(|(rule, _)| rule).next());
                        }
                        deadly.extend(kills.map(|rule| (number, rule)));
                    }
                    // Whether it is held back or not: what comes behind it must not depend on that.
                    if updates {
                        tables.forecast(expectation);
                    }
                    if quarantine.is_active() && quarantine.holds(&kind(probe, expectation)) {
                        quarantined = quarantined.or(Some(kind(probe, expectation)));
                    }
                }
                deadly.retain(|(number, _)| !samples.contains(number));
                if let Some(&(_, rule)) = deadly.first() {
                    held.extend((number..).take(members).map(|number| (number, rule)));
                    may_show.truncate(seen);
                } else if let Some(kind) = quarantined {
                    *not_asked.entry(format!("{QUARANTINED} ({kind})")).or_default() +=
                        members as u64;
                    may_show.truncate(seen);
                } else {
                    numbers.extend((number..).take(members));
                    for Look { expectation, excuse, .. } in looks {
                        expectations.push(expectation);
                        excuses.push(excuse);
                    }
                }
            }
            for (_, rule) in &held {
                let reason = format!("{HELD_BACK} {}", known.rule(*rule).name());
                *not_asked.entry(reason).or_default() += 1;
            }
            let mut asked = Box::new(case.clone());
            let mut left = numbers.iter().peekable();
            asked.retain_probes(|index| {
                left.next_if(|number| usize::from(**number) == index).is_some()
            });
            let built = tables.built.clone();
            let has_steps = case.as_ref().probes.iter().any(is_step);
            let after = if has_steps { tables.digest_now() } else { digest };
            let arrival = trampoline(case, map)
                .and_then(|address| tables.expect(&Probe::new(Operation::Fetch, address), learned));
            Ok(Prepared {
                case: asked,
                numbers,
                expectations,
                excuses,
                arrival,
                built,
                registers,
                digest,
                after,
                candidates,
                may_show,
                held,
                not_asked,
            })
        })?
    }
}

/// What is known of a probe before it is asked.
struct Look {
    expectation: Option<Expectation>,
    excuse: Option<Box<Excuse>>,
    /// Why it is not asked.
    reason: Option<String>,
}

/// Whether `probe` is a step of a sequence.
fn is_step(probe: &Probe) -> bool {
    probe.operation().is_some_and(Operation::is_step)
}

/// The probes whose numbers are in `wanted`, and all steps before the last of them: whatever is left out,
/// the others find the tables as they would.
fn with_steps(case: CaseRef<'_>, wanted: &[u16]) -> Vec<u16> {
    let is_wanted =
        |number: &u16| case.probes.get(usize::from(*number)).is_some_and(|probe| !is_step(probe));
    let mut numbers: Vec<u16> = wanted.iter().copied().filter(is_wanted).collect();
    let end = numbers.iter().max().map_or(0, |last| usize::from(*last));
    let steps = case.probes[..end].iter().zip(0..).filter(|(probe, _)| is_step(probe));
    numbers.extend(steps.map(|(_, number)| number));
    numbers.sort_unstable();
    numbers
}

/// Whether a guest finds its own code at each EL, as the tables are: `None` where nobody has looked.
#[derive(Clone, Copy, Debug, Default)]
struct Homes {
    el1: Option<bool>,
    el0: Option<bool>,
}

impl Homes {
    /// Whether `probe` finds the code that it runs. What EL0 does may end in the vectors of EL1.
    fn are_mapped(&mut self, tables: &mut Tables<'_>, learned: &Learned, probe: &Probe) -> bool {
        let mut is_mapped = |el| tables.finds_code(el, learned);
        match probe.el() {
            Some(El::El1) => *self.el1.get_or_insert_with(|| is_mapped(El::El1)),
            Some(El::El0) => {
                *self.el1.get_or_insert_with(|| is_mapped(El::El1))
                    && *self.el0.get_or_insert_with(|| is_mapped(El::El0))
            }
            Some(El::El2) | None => true,
        }
    }
}

/// The kind of a probe: what it asks, and what may be answered.
pub fn kind(probe: &Probe, expectation: &Expectation) -> String {
    let operation = probe.operation().map_or("?", case::probe::Operation::name);
    format!("{operation}: {}", classes(expectation).join(" or "))
}

/// What `operation` asks under `registers` where `allowed` is the answer.
pub fn question(operation: Operation, registers: &Registers, allowed: &Allowed) -> Question {
    let expected = Kind::of_answer(&allowed.answer);
    let Allowed { descriptor, stage1, .. } = *allowed;
    let memory_type = stage1.map(|stage1| {
        let index = stage1 >> 2 & 7;
        (registers.mair_el1 >> (8 * index)) as u8
    });
    let fault = match allowed.answer {
        Answer::Par { fault, .. } => fault,
        Answer::Exception(taken) => Some(taken.abort.fault),
        Answer::Reached(_) | Answer::Maintained(_) => None,
    };
    let stage1_walk = fault.is_some_and(|fault| fault.s1_walk);
    let registers = *registers;
    Question { operation, expected, stage1_walk, descriptor, stage1, memory_type, registers }
}

/// The classes of answer that are allowed, each once, the pseudocode's own first.
pub fn classes(expectation: &Expectation) -> Vec<String> {
    let mut classes = Vec::new();
    for allowed in &expectation.outcomes {
        let class = Kind::of_answer(&allowed.answer).class();
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    classes
}

/// The trees of the EL1&0 regime.
const REGIME: [Role; 3] = [Role::Stage2, Role::Ttbr0El1, Role::Ttbr1El1];

/// What is known of a target's answer to a probe where TLB maintenance before it does nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Excuse {
    /// The issues by which it does nothing.
    pub issues: Vec<String>,
    /// What is allowed had it not been executed.
    pub expectation: Expectation,
}

/// TLBs of a target on which some maintenance does nothing.
#[derive(Debug)]
struct Lax {
    tlb: Tlb,
    /// The issues by which it has done nothing so far.
    issues: Vec<String>,
}

/// Tables that stand in a bench's memory.
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
    /// Maintenance that does nothing on the target.
    idle: Vec<Idle>,
    /// From the first such maintenance on.
    lax: Option<Lax>,
}

impl Tables<'_> {
    /// Minds that TLB maintenance which is among the issues `known` does nothing: see [`Tables::excuse`].
    pub fn mind(&mut self, known: &Known) {
        self.idle = known.idle().to_vec();
    }

    /// What is allowed as the answer to `probe` if maintenance so far that does nothing on the target had not been
    /// executed; `None` where there was none, or it changes nothing.
    pub fn excuse(&mut self, probe: &Probe, learned: &Learned) -> Option<Box<Excuse>> {
        let mut lax = self.lax.take()?;
        let strict = self.expect(probe, learned);
        std::mem::swap(&mut self.memory.tlb, &mut lax.tlb);
        let expectation = self.expect(probe, learned);
        std::mem::swap(&mut self.memory.tlb, &mut lax.tlb);
        let issues = lax.issues.clone();
        self.lax = Some(lax);
        let expectation = if expectation == strict { None } else { expectation };
        Some(Box::new(Excuse { issues, expectation: expectation? }))
    }

    /// What TLBs may hold, on a target that is sound and, where there is one, on one that is not.
    fn tlbs(&mut self) -> impl Iterator<Item = &mut Tlb> {
        std::iter::once(&mut self.memory.tlb).chain(self.lax.as_mut().map(|lax| &mut lax.tlb))
    }

    /// Carries out TLB maintenance.
    fn maintain(&mut self, step: &Probe) {
        let loaded: SmallVec<[u8; 3]> = self.loaded.values().copied().collect();
        let issue =
            self.idle.iter().find(|idle| idle.takes(step)).map(|idle| idle.name().to_owned());
        match (issue, &mut self.lax) {
            (Some(issue), None) => {
                self.lax = Some(Lax { tlb: self.memory.tlb.clone(), issues: vec![issue] });
            }
            (Some(issue), Some(lax)) if !lax.issues.contains(&issue) => lax.issues.push(issue),
            (Some(_), Some(_)) | (None, None) => {}
            (None, Some(lax)) => lax.tlb.invalidate(step, &self.registers, &loaded),
        }
        self.memory.tlb.invalidate(step, &self.registers, &loaded);
    }

    /// What is allowed as the answer to `probe` as the tables are now.
    pub fn expect(&mut self, probe: &Probe, learned: &Learned) -> Option<Expectation> {
        let view = View { pe: probe.pe, tag: Tag::of(&self.registers), va: probe.address };
        self.memory.tlb.look(view);
        let Self { pe, asker, ref registers, ref memory, ref loaded, .. } = *self;
        let setting = Setting { pe, registers, memory, asker, learned };
        let mut expectation = setting.expect(probe, &mut self.updates)?;
        let loaded: SmallVec<[u8; 3]> = loaded.values().copied().collect();
        // What crosses into another page may find something there.
        let ends = [probe.address, probe.address.wrapping_add(15)];
        let mut foreign = memory.tlb.foreign(&loaded);
        expectation.is_foreign = foreign.any(|tree| ends.iter().any(|va| setting.finds(tree, *va)));
        Some(expectation)
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
            let root = *self.root(role);
            self.tlbs().for_each(|tlb| tlb.load(number, role, root, tag));
        }
    }

    /// Carries out late edit number `number`.
    fn change(&mut self, number: usize) -> Result<(), BuildError> {
        let late = self.built.late.iter().find(|late| late.edit == number).copied();
        let old = late.map(|late| TableMemory::read(self.memory, late.pa));
        change(self.case, self.map, &self.built, number, self.memory, self.log)?;
        let edit = self.case.edits.get(number);
        let (Some(late), Some(old), Some(edit)) = (late, old, edit) else { return Ok(()) };
        let tree = self.case.trees.get(usize::from(edit.tree));
        let role = tree.and_then(case::tree::Tree::role);
        let format = tree.and_then(case::tree::Tree::format);
        if let (Some(role), Some(format)) = (role, format) {
            let tree = (edit.tree, role, &format);
            let word = tlb::Word::new(tree, (late.pa, late.level), edit.input, &self.registers);
            self.tlbs().for_each(|tlb| tlb.change(word, old));
        }
        Ok(())
    }

    /// Carries out `probe`, if it is a step of a sequence. Returns whether it is.
    ///
    /// # Errors
    /// [`BuildError`] where it names an edit that the case does not have.
    pub fn step(&mut self, probe: &Probe) -> Result<bool, BuildError> {
        let Some(operation) = probe.operation().filter(|operation| operation.is_step()) else {
            return Ok(false);
        };
        let number = usize::from(probe.number);
        match operation {
            Operation::Change => self.change(number)?,
            Operation::UseTree => {
                let none = BuildError::NoSuchTree { tree: number };
                let base = *self.built.bases.get(number).ok_or(none)?;
                let role = self.case.trees.get(number).and_then(case::tree::Tree::role);
                let role = role.ok_or(none)?;
                *self.root(role) = probe.address ^ base;
                if REGIME.contains(&role) {
                    self.loaded.insert(role, number as u8);
                }
                self.walk_loaded();
            }
            _ => self.maintain(probe),
        }
        Ok(true)
    }

    /// The register that names the root of a tree with this role.
    const fn root(&mut self, role: Role) -> &mut u64 {
        match role {
            Role::Stage2 => &mut self.registers.vttbr_el2,
            Role::Ttbr0El2 | Role::Idmap => &mut self.registers.ttbr0_el2,
            Role::Ttbr1El2 => &mut self.registers.ttbr1_el2,
            Role::Ttbr0El1 => &mut self.registers.ttbr0_el1,
            Role::Ttbr1El1 => &mut self.registers.ttbr1_el1,
        }
    }

    /// Whether a guest at `el` executes its code where the case says that it is, whatever the architecture
    /// leaves open.
    fn finds_code(&mut self, el: El, learned: &Learned) -> bool {
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

/// The known issues among `candidates` that may show in `probe`, of which so much is expected; for each
/// whether it would kill the target.
fn rules_that_may_show<'a>(
    probe: &Probe,
    registers: &'a Registers,
    expectation: &'a Expectation,
    known: &'a Known,
    candidates: &'a [RuleId],
) -> impl Iterator<Item = (RuleId, bool)> + use<'a> {
    let operation = probe.operation();
    candidates.iter().filter_map(move |&rule| {
        let question = |allowed| Some(question(operation?, registers, allowed));
        let questions = expectation.outcomes.iter().filter_map(question);
        let mut asked = questions.filter(|asked| known.rule(rule).is_asked(asked)).peekable();
        asked.peek()?;
        Some((rule, asked.any(|asked| known.holds_back(rule, &asked))))
    })
}

/// Where the trampoline is, of a case that enters its own tree by another.
fn trampoline(case: &Case, map: &MemoryMap) -> Option<u64> {
    let case = case.as_ref();
    case.tree(Role::Idmap).filter(|_| case.flags().has(Flags::STAY))?;
    Some(map.resolve(case.header.stay.trampoline)? + scratch::CODE)
}

/// The size of the root table of `case`, in bytes: of stage 2; or of a case without it at EL2, as `TCR_EL2`
/// has it.
fn root_bytes(case: &Case) -> u64 {
    let case = case.as_ref();
    if let Some(format) = case.format(Role::Stage2) {
        return format.root_bytes();
    }
    // T0SZ and TG0 are in the same place whatever HCR_EL2.E2H is.
    let tcr_el2 = case.header.registers.tcr_el2;
    let granule = match tcr_el2 >> 14 & 3 {
        1 => Granule::K64,
        2 => Granule::K16,
        _ => Granule::K4,
    };
    let resolved = (63 - (tcr_el2 as u32 & 0x3f)).saturating_sub(granule.bits());
    8 << (resolved % granule.stride() + 1)
}

/// The registers as the reference walker sees them. Those that a case does not set are zero: the
/// executor sets them so, as far as they count for what the case asks.
fn registers(case: &Case, built: &Built) -> Registers {
    let mut registers = Registers::default();
    for (name, value) in built.registers(&case.as_ref().header.registers).named() {
        if let Some(register) = registers.named_mut(name) {
            *register = value;
        }
    }
    registers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walker_has_every_register_of_a_case_but_that_of_the_idmap() {
        let mut registers = Registers::default();
        let named = case::registers::Registers::default().named();
        let unknown = named.map(|(name, _)| name).into_iter();
        let unknown: Vec<_> = unknown.filter(|name| registers.named_mut(name).is_none()).collect();
        assert_eq!(unknown, ["IDMAP_TCR_EL2"]);
    }
}
