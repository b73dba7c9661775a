//! A case while it is made smaller: its parts in lists, without the limits of a case.

use case::edit::{Change, Edit};
use case::format::Format;
use case::guest::Guest;
use case::mapping::{Attributes, Mapping};
use case::memory::Place;
use case::probe::{El, Operation, Probe};
use case::registers::Registers;
use case::tree::{Role, Tree};
use case::world_switch::SwitchPlaces;
use case::{Case, CaseFull, Flags};

/// A case while it is made smaller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    pub registers: Registers,
    pub flags: u64,
    pub world_switch: SwitchPlaces,
    pub guest: Guest,
    pub trees: Vec<DraftTree>,
    pub mappings: Vec<Mapping>,
    pub edits: Vec<Edit>,
    pub probes: Vec<Probe>,
}

/// One tree of tables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DraftTree {
    pub role: Role,
    pub format: Format,
    /// Where tables lie, and the IPA of the first byte there, which is 0 where the walker does not use IPAs.
    pub slots: Vec<(Place, u64)>,
}

/// A part that a case may do without, by its number among its like.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    Probe(usize),
    Tree(usize),
    Edit(usize),
    Mapping(usize),
    /// Of a tree, by the numbers of the tree and of the slot.
    Slot(usize, usize),
}

/// A number in a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// A register, by its number in [`Registers::named`].
    Register(usize),
    Input(usize),
    Output(usize),
    Leaf(usize, LeafByte),
    Slot(usize, usize),
    SlotIpa(usize, usize),
    EditInput(usize),
    /// The bits that an edit writes or flips.
    EditBits(usize),
    Address(usize),
    ProbeFlags(usize),
    GuestCode,
    GuestVa,
}

/// A byte of [`Attributes`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeafByte {
    MemAttr,
    Ap,
    Sh,
    Xn,
    Af,
    Flags,
    Software,
}

impl LeafByte {
    pub const ALL: [Self; 7] =
        [Self::MemAttr, Self::Ap, Self::Sh, Self::Xn, Self::Af, Self::Flags, Self::Software];

    pub const fn of(self, leaf: &mut Attributes) -> &mut u8 {
        match self {
            Self::MemAttr => &mut leaf.mem_attr,
            Self::Ap => &mut leaf.ap,
            Self::Sh => &mut leaf.sh,
            Self::Xn => &mut leaf.xn,
            Self::Af => &mut leaf.af,
            Self::Flags => &mut leaf.flags,
            Self::Software => &mut leaf.software,
        }
    }
}

macro_rules! register_fields {
    ($($(#[$doc:meta])* $field:ident $name:literal $(= $default:ident)?;)*) => {
        /// All of them, in the order of their names.
        const fn registers_mut(registers: &mut Registers) -> [&mut u64; Registers::COUNT] {
            [$(&mut registers.$field),*]
        }
    };
}

case::registers!(register_fields);

impl Draft {
    /// `None` where the words of `case` came from outside and mean nothing.
    pub fn new(case: &Case) -> Option<Self> {
        let case = case.as_ref();
        let tree = |tree: &Tree| {
            let slots = tree.slots().iter().copied().zip(tree.ipas().iter().copied()).collect();
            Some(DraftTree { role: tree.role()?, format: tree.format()?, slots })
        };
        Some(Self {
            registers: case.header.registers,
            flags: case.header.flags,
            world_switch: case.header.world_switch,
            guest: case.header.guest,
            trees: case.trees.iter().map(tree).collect::<Option<_>>()?,
            mappings: case.mappings.to_vec(),
            edits: case.edits.to_vec(),
            probes: case.probes.to_vec(),
        })
    }

    /// The case that it stands for.
    ///
    /// # Errors
    /// [`CaseFull`] where it has more parts than a case has room for: it never is, of what came from a case.
    pub fn case(&self) -> Result<Case, CaseFull> {
        let mut case = Case::new(self.registers);
        for tree in &self.trees {
            case.push_tree(tree.tree()?)?;
        }
        self.mappings.iter().try_for_each(|mapping| case.push_mapping(*mapping))?;
        self.edits.iter().try_for_each(|edit| case.push_edit(*edit))?;
        self.probes.iter().try_for_each(|probe| case.push_probe(*probe))?;
        case.set_flags(Flags(self.flags));
        case.set_world_switch(self.world_switch);
        case.set_guest(self.guest);
        Ok(case)
    }

    pub const fn has(&self, flags: u64) -> bool {
        Flags(self.flags).has(flags)
    }

    /// The value of register number `number`.
    pub const fn register(&self, number: usize) -> u64 {
        self.registers.named()[number].1
    }

    /// Whether the tree with this number exists and has this role.
    pub fn is(&self, tree: u8, role: Role) -> bool {
        self.trees.get(usize::from(tree)).is_some_and(|tree| tree.role == role)
    }

    /// Has `field` hold what `change` makes of its value, as far as it has room for it.
    pub fn update(&mut self, field: Field, change: impl Fn(u64) -> u64) {
        let byte = |byte: &mut u8| *byte = change((*byte).into()) as u8;
        let word = |word: &mut u64| *word = change(*word);
        let place = |place: &mut Place| {
            let raw = change(raw(*place));
            *place = Place::new((raw >> 56) as u8, raw);
        };
        match field {
            Field::Register(number) => word(registers_mut(&mut self.registers)[number]),
            Field::Input(number) => word(&mut self.mappings[number].input),
            Field::Output(number) => place(&mut self.mappings[number].output),
            Field::Leaf(number, which) => byte(which.of(&mut self.mappings[number].attributes)),
            Field::Slot(tree, number) => place(&mut self.trees[tree].slots[number].0),
            Field::SlotIpa(tree, number) => word(&mut self.trees[tree].slots[number].1),
            Field::EditInput(number) => word(&mut self.edits[number].input),
            Field::EditBits(number) => {
                let edit = &mut self.edits[number];
                if let Some(changed) = edit.change() {
                    *edit = with_change(edit, edit.tree, with_bits(changed, change));
                }
            }
            Field::Address(number) => word(&mut self.probes[number].address),
            Field::ProbeFlags(number) => byte(&mut self.probes[number].flags),
            Field::GuestCode => place(&mut self.guest.code),
            Field::GuestVa => word(&mut self.guest.code_va),
        }
    }

    /// The same without `parts`, and without what hangs on them: mappings, edits and steps. What is left is numbered
    /// anew.
    pub fn without(&self, parts: &[Part]) -> Self {
        let mut draft = self.clone();
        let gone = |part: Part| parts.contains(&part);
        let tree_is_gone = |tree: u8| gone(Part::Tree(tree.into()));
        let edit_is_gone = |edit: usize| {
            gone(Part::Edit(edit)) || self.edits.get(edit).is_none_or(|it| tree_is_gone(it.tree))
        };
        for (number, tree) in draft.trees.iter_mut().enumerate() {
            keep(&mut tree.slots, |slot| !gone(Part::Slot(number, slot)));
        }
        keep(&mut draft.trees, |tree| !gone(Part::Tree(tree)));
        keep(&mut draft.mappings, |number| {
            !gone(Part::Mapping(number)) && !tree_is_gone(self.mappings[number].tree)
        });
        keep(&mut draft.edits, |number| !edit_is_gone(number));
        keep(&mut draft.probes, |number| {
            let probe = &self.probes[number];
            let hangs = match probe.operation() {
                Some(Operation::Change) => edit_is_gone(probe.number.into()),
                Some(Operation::UseTree) => tree_is_gone(probe.number),
                _ => false,
            };
            !gone(Part::Probe(number)) && !hangs
        });
        let tree = |tree: u8| tree - (0..tree).filter(|below| tree_is_gone(*below)).count() as u8;
        let edit =
            |edit: u8| edit - (0..edit).filter(|below| edit_is_gone((*below).into())).count() as u8;
        draft.mappings.iter_mut().for_each(|mapping| mapping.tree = tree(mapping.tree));
        for it in &mut draft.edits {
            if let Some(change) = it.change() {
                *it = with_change(it, tree(it.tree), change);
            }
        }
        for probe in &mut draft.probes {
            match probe.operation() {
                Some(Operation::Change) => probe.number = edit(probe.number),
                Some(Operation::UseTree) => probe.number = tree(probe.number),
                _ => {}
            }
        }
        draft
    }

    /// The same with another operation in the place of that of probe number `number`, by whoever is at `el`.
    pub fn asking(&self, number: usize, operation: Operation, el: El, bytes: u8) -> Self {
        let mut draft = self.clone();
        let probe = &mut draft.probes[number];
        let new = Probe::new(operation, probe.address).by(el).of_bytes(bytes);
        *probe = new.on(probe.pe).about(probe.number).with(probe.flags);
        draft
    }
}

impl DraftTree {
    fn tree(&self) -> Result<Tree, CaseFull> {
        let mut tree = Tree::in_ipa_space(self.role, self.format);
        self.slots.iter().try_for_each(|(place, ipa)| tree.push_slot_at(*place, *ipa))?;
        Ok(tree)
    }
}

/// A place as one number, arena and offset.
pub const fn raw(place: Place) -> u64 {
    (place.arena() as u64) << 56 | place.offset()
}

fn with_bits(change: Change, new: impl Fn(u64) -> u64) -> Change {
    match change {
        Change::Replace(word) => Change::Replace(new(word)),
        Change::Flip(mask) => Change::Flip(new(mask)),
        Change::Table { place, flip } => Change::Table { place, flip: new(flip) },
    }
}

fn with_change(edit: &Edit, tree: u8, change: Change) -> Edit {
    let changed = Edit::new(tree, edit.input, edit.level, change);
    if edit.is_late() { changed.late() } else { changed }
}

/// Keeps those of `items` whose numbers are `wanted`.
fn keep<T>(items: &mut Vec<T>, wanted: impl Fn(usize) -> bool) {
    let mut number = 0;
    items.retain(|_| {
        number += 1;
        wanted(number - 1)
    });
}
