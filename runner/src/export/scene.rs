//! What an exported case sets up: tables, registers, and memory.

use std::collections::BTreeSet;

use case::memory::{ArenaKind, MemoryMap, Place};
use case::{Case, Flags, scratch};
use oracle::twin::Tables;

use super::{NotExported, hex};

/// RAM of QEMU's virt machine, as far as an exported case uses it. The program itself is at its start.
const RAM: std::ops::Range<u64> = 0x4800_0000..0x1_0000_0000;

/// What is set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scene {
    /// Memory that holds tables, first and last address and one behind it: it is zero but for the words.
    pub cleared: Vec<(String, String)>,
    /// Address and value of each word of the tables.
    pub words: Vec<(String, String)>,
    /// Memory in which each word holds its own address.
    pub tags: Vec<(String, String)>,
    /// Name and value of the registers, without those that turn EL2's own translation on.
    pub registers: Vec<(&'static str, String)>,
    /// `HCR_EL2` and `SCTLR_EL2`.
    pub hcr_el2: String,
    pub sctlr_el2: String,
    /// The physical address of the scratch memory where the guest's code lies, and the virtual address of the code.
    pub guest: (String, String),
    /// The physical, and virtual, address of the code that turns EL2's translation on.
    pub trampoline: String,
}

impl Scene {
    /// That of `case`, whose tables stand on a machine with the memory of `map`.
    pub fn new(case: &Case, map: &MemoryMap, tables: &Tables<'_>) -> Result<Self, NotExported> {
        let case = case.as_ref();
        let words: Vec<(u64, u64)> = tables.memory.words().collect();
        let cleared = cleared(case, tables, &words);
        let resolve = |place: Place| map.resolve(place).unwrap_or(0);
        let used = |arena: u8| case.mappings.iter().any(|mapping| mapping.output.arena() == arena);
        let scratch = (0_u8..)
            .zip(map.arenas())
            .filter(|(number, arena)| arena.kind == ArenaKind::Scratch && used(*number));
        let tags: Vec<(u64, u64)> = scratch
            .map(|(_, arena)| arena.base + scratch::TAGS)
            .map(|first| (first, first + scratch::TAGS_BYTES))
            .collect();
        for (first, end) in cleared.iter().chain(&tags) {
            if !RAM.contains(first) || *end > RAM.end {
                return Err(NotExported::Memory(*first));
            }
        }
        let (guest, world_switch) = (&case.header.guest, &case.header.world_switch);
        let guest_pa = resolve(guest.code);
        let trampoline = resolve(world_switch.trampoline);
        for (flag, pa) in [(Flags::GUEST, guest_pa), (Flags::WORLD_SWITCH, trampoline)] {
            if case.flags().has(flag) && !RAM.contains(&pa) {
                return Err(NotExported::Memory(pa));
            }
        }
        let registers = tables.built.registers(&case.header.registers);
        let set = registers.named().into_iter();
        let own = ["HCR_EL2", "SCTLR_EL2", "IDMAP_TCR_EL2"];
        let set = set.filter(|(name, _)| !own.contains(name));
        let in_hex = |pairs: Vec<(u64, u64)>| {
            pairs.into_iter().map(|(first, second)| (hex(first), hex(second))).collect()
        };
        Ok(Self {
            cleared: in_hex(cleared),
            words: in_hex(words),
            tags: in_hex(tags),
            registers: set.map(|(name, value)| (name, hex(value))).collect(),
            hcr_el2: hex(registers.hcr_el2),
            sctlr_el2: hex(registers.sctlr_el2),
            guest: (hex(guest_pa), hex(guest.code_va)),
            trampoline: hex(trampoline),
        })
    }
}

/// The tables, whole: first address of each and one behind it.
fn cleared(case: case::CaseRef<'_>, tables: &Tables<'_>, words: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let formats = || case.trees.iter().filter_map(case::tree::Tree::format);
    let page = formats().map(|format| format.granule.bytes()).max().unwrap_or(4096);
    let pages = words.iter().map(|(pa, _)| *pa & !(page - 1));
    let roots = tables.built.roots.iter().zip(formats());
    let roots = roots.flat_map(|(root, format)| {
        let last = root + format.root_bytes() - 1;
        (*root & !(page - 1)..=last).step_by(page as usize)
    });
    let pages: BTreeSet<u64> = pages.chain(roots).collect();
    pages.into_iter().map(|first| (first, first + page)).collect()
}
