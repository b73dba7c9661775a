//! The machines that devices in software are: one in which everything is implemented, and one with little.

use case::memory::{Arena, ArenaKind, MemoryMap};
use case::scratch;
use link::hello::{Hello, IdRegisters, MAX_PES, OwnMap};
use link::surroundings::Surroundings;

/// Every feature that cases are drawn by: 52-bit addresses, LPA2, both stages' features, all kinds of TLBI.
pub const FULL: IdRegisters = IdRegisters {
    midr_el1: 0,
    mpidr_el1: 0,
    revidr_el1: 0,
    ctr_el0: 0x8444_c004,
    id_aa64pfr0_el1: 0x1111,
    id_aa64pfr1_el1: 1,
    id_aa64dfr0_el1: 6,
    id_aa64isar0_el1: 0x0200_0000_0020_0000,
    id_aa64isar1_el1: 0x0110_0111_1121_1052,
    id_aa64isar2_el1: 0,
    id_aa64mmfr0_el1: 0x2100_0323_1020_1126,
    id_aa64mmfr1_el1: 0x1031_2122,
    id_aa64mmfr2_el1: 0x1221_0111_1221_1011,
    id_aa64mmfr3_el1: 0,
    id_aa64mmfr4_el1: 0,
};

/// Armv8.0 with all granules, and with addresses of 48 bits: what a feature would add is not there.
pub const PLAIN: IdRegisters = IdRegisters {
    id_aa64isar0_el1: 0,
    id_aa64isar1_el1: 0,
    id_aa64pfr1_el1: 0,
    id_aa64mmfr0_el1: 0x10_1125,
    id_aa64mmfr1_el1: 0,
    id_aa64mmfr2_el1: 0,
    ..FULL
};

/// Tables, and behind them a scratch arena, at addresses that have one bit of their own each.
const RAM: [u64; 22] = [
    0x5a00_0000,
    0xa500_0000,
    0x1_5a00_0000,
    0x3_a500_0000,
    0x6_5a00_0000,
    0xd_a500_0000,
    0x1a_5a00_0000,
    0x25_a500_0000,
    0x5a_5a00_0000,
    0xa5_a500_0000,
    0x15a_5a00_0000,
    0x3a5_a500_0000,
    0x65a_5a00_0000,
    0xda5_a500_0000,
    0x1a5a_5a00_0000,
    0x25a5_a500_0000,
    0x5a5a_5a00_0000,
    0xa5a5_a500_0000,
    0x1_5a5a_5a00_0000,
    0x3_a5a5_a500_0000,
    0x6_5a5a_5a00_0000,
    0xd_a5a5_a500_0000,
];
const TABLES_BYTES: u64 = 4 << 20;
/// From the start of the tables.
const SCRATCH: u64 = 8 << 20;

/// Where nothing is: base and size.
const VOID: [(u64, u64); 6] = [
    (0x0b00_0000, 1 << 20),
    (0xd000_0000, 256 << 20),
    (0x1a_0000_0000, 64 << 20),
    (0xd0_0000_0000, 64 << 20),
    (0xd000_0000_0000, 64 << 20),
    (0xd_0000_0000_0000, 64 << 20),
];

/// Its memory.
pub fn map() -> MemoryMap {
    let tables = RAM.map(|base| Arena { base, size: TABLES_BYTES, kind: ArenaKind::Tables });
    let void = VOID.map(|(base, size)| Arena { base, size, kind: ArenaKind::Void });
    let scratch = RAM.map(|base| Arena {
        base: base + SCRATCH,
        size: scratch::BYTES,
        kind: ArenaKind::Scratch,
    });
    let mut map = MemoryMap::new();
    for arena in tables.into_iter().chain(void).chain(scratch) {
        map.push(arena);
    }
    map
}

/// What one with these ID registers says first: it has as many PEs as a case can have, and a monitor at EL3.
pub fn hello(ids: &IdRegisters) -> Hello {
    Hello {
        version: link::VERSION,
        entry_el: 3,
        image: 0,
        entry_hcr_el2: 0,
        own_map: OwnMap::ON,
        entry_sctlr_el2: 0,
        ids: *ids,
        pes: MAX_PES as u64,
        surroundings: Surroundings::default(),
        free_count: 0,
        free: Default::default(),
    }
}
