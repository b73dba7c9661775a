//! A guest with both stages, of pages of 4 KB.
//!
//! ```text
//!                VA             IPA            PA
//!  code          0x40_4000      0x1000_4000    the scratch arena, as are
//!  tags          0x42_0000      0x1002_0000
//!  read-only     0x46_0000      0x1002_0000
//!  slots         0x48_0000      0x1003_0000
//!  hole          0x4a_0000      0x1005_0000    -
//!  unmapped      0x4c_0000      -              -
//!  EL1's tables  -              0x2000_0000    the table arena, from 1 MB on
//! ```

use std::cell::RefCell;

use case::control::hcr;
use case::edit::{Change, Edit};
use case::format::{AddressFormat, Format, Granule};
use case::guest::Guest as Code;
use case::mapping::{Attributes, Mapping};
use case::memory::{Arena, ArenaKind, MemoryMap, Place};
use case::probe::{Operation, Probe};
use case::registers::Registers;
use case::tree::{Role, Tree};
use case::vtcr::Vtcr;
use case::{Case, Flags, scratch};
use golden::{Features, Implementation};
use oracle::answer::Answer;
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::twin::Twin;

pub const TABLES: u64 = 0x8000_0000;
pub const SCRATCH: u64 = 0x8080_0000;
pub const CODE_VA: u64 = 0x40_4000;
pub const TAGS_VA: u64 = 0x42_0000;
pub const READ_ONLY_VA: u64 = 0x46_0000;
pub const SLOTS_VA: u64 = 0x48_0000;
pub const HOLE_VA: u64 = 0x4a_0000;
pub const UNMAPPED_VA: u64 = 0x4c_0000;
const CODE_IPA: u64 = 0x1000_4000;
pub const TAGS_IPA: u64 = 0x1002_0000;
pub const SLOTS_IPA: u64 = 0x1003_0000;
pub const HOLE_IPA: u64 = 0x1005_0000;
const TABLES_IPA: u64 = 0x2000_0000;
/// Where EL1's tables lie in the table arena.
const EL1_TABLES: u64 = 0x10_0000;

/// The numbers of the trees.
pub const STAGE2: u8 = 0;
pub const STAGE1: u8 = 1;

/// 39 bits from level 1.
const FORMAT: Format =
    Format { granule: Granule::K4, start_level: 1, ia_bits: 39, address: AddressFormat::Bits48 };

pub struct Guest {
    pub case: RefCell<Case>,
    branch_targets: bool,
}

pub fn map() -> MemoryMap {
    let mut map = MemoryMap::new();
    map.push(Arena { base: TABLES, size: 4 << 20, kind: ArenaKind::Tables }).unwrap();
    map.push(Arena { base: SCRATCH, size: scratch::BYTES, kind: ArenaKind::Scratch }).unwrap();
    map
}

fn features() -> Features {
    Features::FEAT_PAN
        .with(Features::FEAT_PAN2)
        .with(Features::FEAT_HAFDBS)
        .with(Features::FEAT_HAFDBS_DBS)
        .with(Features::FEAT_VMID16)
        .with(Features::FEAT_TTL)
        .with(Features::FEAT_XS)
}

fn mapping(tree: u8, input: u64, output: Place, entries: u32, attributes: Attributes) -> Mapping {
    Mapping { input, output, entries, level: 3, tree, reserved: [0; 2], attributes }
}

impl Guest {
    pub fn new() -> Self {
        Self::with_mappings(true)
    }

    /// EL1's tables are not mapped at stage 2. The guest would not even find its code.
    pub fn without_tables_at_stage2() -> Self {
        Self::with_mappings(false)
    }

    fn with_mappings(finds_tables: bool) -> Self {
        let vtcr = Vtcr::RES1.t0sz(25).sl0(1).sh0(3).irgn0(1).orgn0(1).ps(5);
        // T0SZ 25, Inner Shareable Write-Back walks, EPD1, IPS 48 bits.
        let tcr_el1 = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 5 << 32;
        let mut case = Case::new(Registers {
            hcr_el2: hcr::VM | 1 << 31,
            vtcr_el2: vtcr.0,
            vttbr_el2: 1 << 48,
            // M, C and I.
            sctlr_el1: 1 | 1 << 2 | 1 << 12,
            tcr_el1,
            mair_el1: 0xff,
            ttbr0_el1: 1 << 48,
            ..Registers::default()
        });
        case.push_tree(Tree::new(Role::Stage2, FORMAT, Place::new(0, 0))).unwrap();
        let mut tree = Tree::in_ipa_space(Role::Ttbr0El1, FORMAT);
        tree.push_slot_at(Place::new(0, EL1_TABLES), TABLES_IPA).unwrap();
        case.push_tree(tree).unwrap();
        let all = Attributes { mem_attr: 0xf, ap: 3, sh: 3, af: 1, ..Attributes::default() };
        let own = Attributes { ap: 3, sh: 3, af: 1, ..Attributes::default() };
        let writable = Attributes { ap: 1, ..own };
        let stage = |offset| Place::new(1, offset);
        let mut mappings = vec![
            mapping(STAGE2, CODE_IPA, stage(scratch::GUEST), 1, all),
            mapping(STAGE2, TAGS_IPA, stage(scratch::TAGS), 16, all),
            mapping(STAGE2, SLOTS_IPA, stage(scratch::SLOTS), 16, all),
            mapping(STAGE1, CODE_VA, Place::absolute(CODE_IPA), 1, own),
            mapping(STAGE1, TAGS_VA, Place::absolute(TAGS_IPA), 16, writable),
            mapping(STAGE1, READ_ONLY_VA, Place::absolute(TAGS_IPA), 1, own),
            mapping(STAGE1, SLOTS_VA, Place::absolute(SLOTS_IPA), 16, own),
            mapping(STAGE1, HOLE_VA, Place::absolute(HOLE_IPA), 1, writable),
        ];
        // A neighbour, so that the table of level 3 is there.
        let (ipa, place) = match finds_tables {
            true => (TABLES_IPA, Place::new(0, EL1_TABLES)),
            false => (TABLES_IPA + 0x10_0000, Place::new(0, 0)),
        };
        mappings.push(mapping(STAGE2, ipa, place, 16, all));
        for mapping in mappings {
            case.push_mapping(mapping).unwrap();
        }
        case.set_flags(Flags(Flags::GUEST));
        case.set_guest(Code { code: Place::new(1, 0), code_va: CODE_VA });
        Self { case: RefCell::new(case), branch_targets: true }
    }

    pub fn with_branch_targets(&self, branch_targets: bool) -> Self {
        Self { case: self.case.clone(), branch_targets }
    }

    /// What is allowed as the answer to `probe`.
    pub fn answers(&self, probe: Probe) -> Vec<Answer> {
        self.after(&[], probe)
    }

    /// A step that writes `word` as the descriptor of level 3 for `input`.
    pub fn late(&self, tree: u8, input: u64, word: u64) -> Probe {
        self.late_at(tree, input, 3, Change::Replace(word))
    }

    /// A step that changes the descriptor of `level` for `input`.
    pub fn late_at(&self, tree: u8, input: u64, level: i8, change: Change) -> Probe {
        let mut case = self.case.borrow_mut();
        let mut step = Probe::new(Operation::Change, 0);
        step.number = case.as_ref().edits.len() as u8;
        case.push_edit(Edit::new(tree, input, level, change).late()).unwrap();
        step
    }

    /// Adds another tree with the role of tree number `tree`, like it but that the tags of another stage are
    /// what it maps; returns a step that loads it under this VMID or ASID.
    pub fn other(&self, tree: u8, tag: u64, is_global: bool) -> Probe {
        let mut case = self.case.borrow_mut();
        let number = case.as_ref().trees.len() as u8;
        let offset = u64::from(number) << 18;
        let other = if tree == STAGE2 {
            Tree::new(Role::Stage2, FORMAT, Place::new(0, offset))
        } else {
            let mut other = Tree::in_ipa_space(Role::Ttbr0El1, FORMAT);
            other.push_slot_at(Place::new(0, EL1_TABLES + 0x8000), TABLES_IPA + 0x8000).unwrap();
            other
        };
        case.push_tree(other).unwrap();
        let copied: Vec<Mapping> =
            case.as_ref().mappings.iter().filter(|mapping| mapping.tree == tree).copied().collect();
        for mut mapping in copied {
            mapping.tree = number;
            if [TAGS_VA, TAGS_IPA].contains(&mapping.input) {
                mapping.entries = 15;
                let step = if tree == STAGE2 {
                    Place::new(1, scratch::TAGS + 0x1000)
                } else {
                    Place::absolute(TAGS_IPA + 0x1000)
                };
                mapping.output = step;
            }
            if tree == STAGE1 && !is_global {
                mapping.attributes.flags |= Attributes::NG;
            }
            case.push_mapping(mapping).unwrap();
        }
        let mut step = Probe::new(Operation::UseTree, tag << 48);
        step.number = number;
        step
    }

    /// A step that loads tree number `number` again, under this VMID or ASID.
    pub fn back(number: u8, tag: u64) -> Probe {
        let mut step = Probe::new(Operation::UseTree, tag << 48);
        step.number = number;
        step
    }

    /// Makes the mapping of the tags non-global.
    pub fn without_global(self) -> Self {
        self.with_flags(STAGE1, Attributes::NG)
    }

    /// Sets these flags in all leaves of a tree.
    pub fn with_flags(self, tree: u8, flags: u8) -> Self {
        self.altered(
            |_| {},
            |mapping| {
                if mapping.tree == tree {
                    mapping.attributes.flags |= flags;
                }
            },
        )
    }

    /// With this value in `MAIR_EL1`.
    pub fn with_mair(self, mair: u64) -> Self {
        self.altered(|registers| registers.mair_el1 = mair, |_| {})
    }

    /// Maps the tags by groups with the Contiguous bit.
    pub fn contiguous(self, tree: u8) -> Self {
        let tags = if tree == STAGE1 { TAGS_VA } else { TAGS_IPA };
        self.altered(
            |_| {},
            |mapping| {
                if (mapping.tree, mapping.input) == (tree, tags) {
                    mapping.attributes.flags |= Attributes::CONTIGUOUS;
                }
            },
        )
    }

    fn altered(
        self,
        registers: impl FnOnce(&mut Registers),
        mapping: impl Fn(&mut Mapping),
    ) -> Self {
        let case = self.case.into_inner();
        let from = case.as_ref();
        let mut other = Case::new({
            let mut altered = from.header.registers;
            registers(&mut altered);
            altered
        });
        for tree in from.trees {
            other.push_tree(*tree).unwrap();
        }
        for mut altered in from.mappings.iter().copied() {
            mapping(&mut altered);
            other.push_mapping(altered).unwrap();
        }
        other.set_flags(from.flags());
        other.set_guest(from.header.guest);
        Self { case: RefCell::new(other), branch_targets: self.branch_targets }
    }

    /// What is allowed as the answer to `probe` after these steps.
    pub fn after(&self, steps: &[Probe], probe: Probe) -> Vec<Answer> {
        self.expected(steps, probe).0
    }

    /// The same without steps, unless the probe asks nothing.
    pub fn try_answers(&self, probe: Probe) -> Option<Vec<Answer>> {
        oracle::expectation::Instruction::of(&probe)?;
        Some(self.answers(probe))
    }

    /// The same, and whether a TLB may hold what another tree says.
    pub fn expected(&self, steps: &[Probe], probe: Probe) -> (Vec<Answer>, bool) {
        let map = map();
        let pe = Implementation::new(48, features());
        let twin = Twin::new(pe, Simulation::new(&map));
        let mut twin = twin.with_branch_targets(self.branch_targets);
        let learned = Learned::new([]).unwrap();
        let tables = |tables: &mut oracle::twin::Tables<'_>| {
            for step in steps {
                assert!(tables.step(step).unwrap());
            }
            let expectation = tables.expect(&probe, &learned).unwrap();
            assert!(expectation.complete);
            let mut answers: Vec<Answer> = Vec::new();
            for allowed in &expectation.outcomes {
                if !answers.contains(&allowed.answer) {
                    answers.push(allowed.answer);
                }
            }
            (answers, expectation.is_foreign)
        };
        twin.with_tables(&self.case.borrow(), &map, tables).unwrap()
    }
}
