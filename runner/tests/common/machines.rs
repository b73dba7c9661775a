//! Machines that nobody starts: ID registers of their PEs, and memory maps.

use case::memory::{Arena, ArenaKind, MemoryMap};
use case::scratch;
use link::hello::IdRegisters;

/// QEMU's `max`.
pub fn max() -> IdRegisters {
    IdRegisters {
        id_aa64mmfr0_el1: 0x2100_0323_1020_1126,
        id_aa64mmfr1_el1: 0x1021_2122,
        id_aa64mmfr2_el1: 0x1221_0111_1021_1011,
        id_aa64isar1_el1: 0x0110_0111_1121_1052,
        ..IdRegisters::default()
    }
}

pub fn cortex_a53() -> IdRegisters {
    IdRegisters { id_aa64mmfr0_el1: 0x1122, ..IdRegisters::default() }
}

pub fn neoverse_n1() -> IdRegisters {
    IdRegisters {
        id_aa64mmfr0_el1: 0x10_1125,
        id_aa64mmfr1_el1: 0x1021_2122,
        id_aa64mmfr2_el1: 0x1011,
        id_aa64isar1_el1: 0x10_0001,
        ..IdRegisters::default()
    }
}

/// DIMMs with an address bit of their own each, from 32 on.
pub const DIMMS: [u64; 8] = [
    0x5a00_0000,
    0xa500_0000,
    0x1_5a00_0000,
    0x5a_5a00_0000,
    0xa5_a500_0000,
    0xa5a5_a500_0000,
    0x6_5a5a_5a00_0000,
    0xd_a5a5_a500_0000,
];

/// An arena of tables at each of these addresses.
pub fn with_tables(bases: &[u64]) -> MemoryMap {
    let mut map = MemoryMap::new();
    for &base in bases {
        map.push(Arena { base, size: 4 << 20, kind: ArenaKind::Tables }).unwrap();
    }
    map
}

/// An arena of tables at each of these addresses, and behind it a scratch arena.
pub fn with_scratch(bases: &[u64]) -> MemoryMap {
    let mut map = MemoryMap::new();
    for &base in bases {
        map.push(Arena { base, size: 4 << 20, kind: ArenaKind::Tables }).unwrap();
        let base = base + (8 << 20);
        map.push(Arena { base, size: scratch::BYTES, kind: ArenaKind::Scratch }).unwrap();
    }
    map
}
