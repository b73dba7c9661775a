//! What an exported case sets up: tables, registers, and memory.

use std::collections::BTreeSet;

use case::edit::Change;
use case::memory::{ArenaKind, MemoryMap, Place};
use case::{Case, CaseRef, Flags, scratch};
use oracle::twin::Tables;

use super::registers::Registers;
use super::{drawing, hex};

/// First address, and one behind the last.
pub type Span = (u64, u64);

/// What is set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scene {
    /// Memory that holds tables: it is zero but for the words.
    pub cleared: Vec<Span>,
    /// Address and value of each word of the tables.
    pub words: Vec<(u64, u64)>,
    /// Memory in which each word holds its own address.
    pub tags: Vec<Span>,
    /// Memory with code that returns its own address.
    pub slots: Vec<Span>,
    /// Memory that code is copied to.
    pub code: Vec<Span>,
    pub registers: Registers,
    /// Of the guest's code.
    pub guest: CodePlace,
    /// Of the world switch, likewise.
    pub world: CodePlace,
    /// The physical addresses of the code that turns EL2's translation on and off.
    trampoline: u64,
    exit: u64,
    /// The tables, drawn.
    pub drawing: Vec<String>,
}

/// A physical address, and the virtual one by which it is executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodePlace {
    pa: u64,
    va: u64,
}

impl CodePlace {
    pub fn pa(&self) -> String {
        hex(self.pa)
    }

    pub fn va(&self) -> String {
        hex(self.va)
    }
}

impl Scene {
    /// That of `case`, whose tables stand on a machine with the memory of `map`; `reached` are physical addresses that
    /// an access may come to; `None` where none is made.
    pub fn new(case: &Case, map: &MemoryMap, tables: &Tables<'_>, reached: Option<&[u64]>) -> Self {
        let case = case.as_ref();
        let words: Vec<(u64, u64)> = tables.memory.words().collect();
        let resolve = |place: Place| map.resolve(place).unwrap_or(0);
        let (guest, switch) = (&case.header.guest, &case.header.world_switch);
        let guest = CodePlace { pa: resolve(guest.code) + scratch::GUEST, va: guest.code_va };
        let world = CodePlace { pa: resolve(switch.code), va: switch.code_va };
        let (trampoline, exit) = (resolve(switch.trampoline), resolve(switch.exit));
        let code: BTreeSet<u64> = match case.flags() {
            flags if flags.has(Flags::GUEST) => [guest.pa].into(),
            flags if flags.has(Flags::WORLD_SWITCH) => [trampoline, world.pa, exit].into(),
            _ => BTreeSet::new(),
        };
        let scratch: Vec<u64> =
            reached.map_or_else(Vec::new, |reached| scratch(case, map, reached).collect());
        let part = |offset, bytes| {
            scratch.iter().map(|base| (base + offset, base + offset + bytes)).collect()
        };
        let drawing = drawing::lines(case, map, &words);
        Self {
            cleared: cleared(case, map, &words),
            words,
            tags: part(scratch::TAGS, scratch::TAGS_BYTES),
            slots: part(scratch::SLOTS, scratch::SLOTS_BYTES),
            code: code.into_iter().map(|pa| (pa, pa + scratch::CODE_BYTES)).collect(),
            registers: Registers::new(&tables.built.registers(&case.header.registers)),
            guest,
            world,
            trampoline,
            exit,
            drawing,
        }
    }

    /// All memory that is written.
    pub fn memory(&self) -> Vec<Span> {
        [&self.cleared[..], &self.tags, &self.slots, &self.code].concat()
    }

    pub fn trampoline(&self) -> String {
        hex(self.trampoline)
    }

    pub fn exit(&self) -> String {
        hex(self.exit)
    }
}

/// The scratch arenas that `case` maps, and those that an access may come to.
fn scratch(case: CaseRef<'_>, map: &MemoryMap, reached: &[u64]) -> impl Iterator<Item = u64> {
    let is_used = move |number: u8, arena: &case::memory::Arena| {
        case.mappings.iter().any(|mapping| mapping.output.arena() == number)
            || reached.iter().any(|pa| arena.contains(*pa, 1))
    };
    (0_u8..)
        .zip(map.arenas())
        .filter(move |(number, arena)| arena.kind == ArenaKind::Scratch && is_used(*number, arena))
        .map(|(_, arena)| arena.base)
}

/// The tables, whole: those with words, and those that a walk may find empty.
fn cleared(case: CaseRef<'_>, map: &MemoryMap, words: &[(u64, u64)]) -> Vec<Span> {
    let formats = || case.trees.iter().filter_map(case::tree::Tree::format);
    let page = formats().map(|format| format.granule.bytes()).max().unwrap_or(4096);
    let edited = case.edits.iter().filter_map(|edit| match edit.change() {
        Some(Change::Table { place, .. }) => map.resolve(place),
        _ => None,
    });
    // What descriptors lead to, though all of it be 0.
    let is_table = |pa: &u64| {
        map.arenas().iter().any(|arena| arena.kind == ArenaKind::Tables && arena.contains(*pa, 1))
    };
    let named = words.iter().filter(|(_, value)| value & 3 == 3);
    let named = named.map(|(_, value)| value & drawing::ADDRESS).filter(is_table);
    let slots = case.slots().filter_map(|place| map.resolve(place));
    let roots = case.trees.iter().zip(formats()).filter_map(|(tree, format)| {
        let root = map.resolve(*tree.slots().first()?)?;
        Some((root..root + format.root_bytes()).step_by(4096))
    });
    let all = words
        .iter()
        .map(|(pa, _)| *pa)
        .chain(edited)
        .chain(named)
        .chain(slots)
        .chain(roots.flatten());
    let pages: BTreeSet<u64> = all.map(|pa| pa & !(page - 1)).collect();
    pages.into_iter().map(|first| (first, first + page)).collect()
}
