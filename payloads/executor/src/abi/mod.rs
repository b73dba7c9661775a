//! ABI between assembly and Rust: the structures that both access, and the constants that both use.
//!
//! Assembly is given offsets and constants as operands of `global_asm!`. Where its text relies on more, such as
//! two fields that one LDP loads, or a jump table in the order of operation numbers, that is asserted here, so
//! that a change of a structure on either side does not compile.

mod probe_block;
mod run_list;

use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::AtomicU64;

use case::probe::{Operation, Probe};
use link::observations::{Exception, Point};

pub use self::probe_block::ProbeBlock;
pub use self::run_list::{DONE, Entry, MAX_TICKS, RunList, TICKS_PER_SECOND};
use crate::machine::Gic;

/// `SCTLR_EL2` and `SCTLR_EL3` with everything off: RES1 bits only.
pub const SCTLR_EL23_OFF: u64 = 0x30c5_0830;
/// `SCTLR_EL1` with everything off: RES1 bits only.
pub const SCTLR_EL1_OFF: u64 = 0x30d0_0800;
/// `HCR_EL2` while the executor runs in its own context: EL1 is AArch64, E2H and TGE are 0, and physical
/// interrupts and SErrors are EL2's.
pub const HCR_EL2_EXECUTOR: u64 = HCR_EL2_RW | HCR_EL2_ROUTING;
/// What the executor adds to the `HCR_EL2` of every case: AMO, IMO and FMO. They do not take part in
/// translation, and without them EL2 neither takes an SError nor wakes from WFI.
pub const HCR_EL2_ROUTING: u64 = 1 << 5 | 1 << 4 | 1 << 3;
const HCR_EL2_RW: u64 = 1 << 31;
/// What `MDCR_EL2` has while guests run: TDE, which routes BRK to EL2 and traps debug registers, and TPM,
/// which traps those of the performance monitors.
pub const MDCR_EL2_GUEST: u64 = 1 << 8 | 1 << 6;

/// Asserts that fields lie at these offsets, in bytes.
macro_rules! layout {
    ($structure:ty { $($field:ident: $offset:expr),* $(,)? }) => {
        const _: () = { $(assert!(offset_of!($structure, $field) == $offset);)* };
    };
}
use layout;

/// Exception frame: the interrupted state, which vectors save and restore, and handlers may change.
#[repr(C)]
pub struct Frame {
    /// x0 to x30.
    pub x: [u64; 31],
    /// `ELR_EL2`.
    pub elr: u64,
    /// `SPSR_EL2`.
    pub spsr: u64,
}

layout!(Frame { x: 0, elr: 248, spsr: 256 });

impl Frame {
    /// Bytes of stack that a frame takes.
    pub const STACK_BYTES: usize = size_of::<Self>().next_multiple_of(16);
}

/// Numbers of the vectors of EL2, by their place in the table.
pub mod vector {
    /// Synchronous, current EL with SP_EL0.
    pub const SYNCHRONOUS: u64 = 0;
    /// SError, current EL with SP_EL0.
    pub const SERROR: u64 = 3;
    /// Current EL with SP_EL2: an exception in a handler.
    pub const NESTED: core::ops::RangeInclusive<u64> = 4..=7;
}

/// The registers of an EL2 stage 1 map of the executor's own.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct MapRegisters {
    /// `TTBR0_EL2`.
    pub ttbr0_el2: u64,
    /// `TCR_EL2`.
    pub tcr_el2: u64,
    /// `MAIR_EL2`.
    pub mair_el2: u64,
    /// `SCTLR_EL2`.
    pub sctlr_el2: u64,
}

layout!(MapRegisters { ttbr0_el2: 0, tcr_el2: 8, mair_el2: 16, sctlr_el2: 24 });

/// Witness: a word that tells whether a map leads where it should.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Witness {
    /// Where it is, by the map and without one.
    pub address: u64,
    /// What it holds.
    pub value: u64,
    /// Whether it may be written: 0 or 1.
    pub is_written: u64,
}

layout!(Witness { address: 0, value: 8, is_written: 16 });

/// Why a map was given up.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct MapFault {
    /// `ESR_EL2` of the exception that it led to; 0 where it led to other memory.
    pub esr: u64,
    /// `ELR_EL2` of the exception.
    pub elr: u64,
    /// `FAR_EL2` of the exception, or the address that led elsewhere.
    pub far: u64,
}

layout!(MapFault { esr: 0, elr: 8, far: 16 });

/// Context block: the set-up of EL2 that a world switch goes to, or that EL3 loads, and the way there and back.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ContextBlock {
    /// `MAIR_EL2`.
    pub mair_el2: u64,
    /// `TCR_EL2`.
    pub tcr_el2: u64,
    /// `TTBR0_EL2`.
    pub ttbr0_el2: u64,
    /// `TTBR1_EL2`.
    pub ttbr1_el2: u64,
    /// `SCTLR_EL2`.
    pub sctlr_el2: u64,
    /// `HCR_EL2`.
    pub hcr_el2: u64,
    /// `TCR_EL2` of the idmap tree.
    pub idmap_tcr_el2: u64,
    /// `TTBR0_EL2` of the idmap tree.
    pub idmap_ttbr0_el2: u64,
    /// Virtual address of the runtime.
    pub runtime: u64,
    /// Virtual address of the runtime's vectors.
    pub vectors: u64,
    /// Address of the [`ProbeBlock`]: virtual for a world switch, physical for EL3.
    pub probe_block: u64,
    /// Physical address of the exit.
    pub exit: u64,
    /// [`ContextBlock::IDMAP`] and [`ContextBlock::TTBR1`].
    pub flags: u64,
    /// Physical address of the trampoline.
    pub trampoline: u64,
}

layout!(ContextBlock {
    mair_el2: 0,
    tcr_el2: 8,
    ttbr0_el2: 16,
    ttbr1_el2: 24,
    sctlr_el2: 32,
    hcr_el2: 40,
    idmap_tcr_el2: 48,
    idmap_ttbr0_el2: 56,
    runtime: 64,
    vectors: 72,
    probe_block: 80,
    exit: 88,
    flags: 96,
    trampoline: 104,
});

impl ContextBlock {
    /// Flag, bit 0: there is an idmap tree.
    pub const IDMAP: u64 = 1;
    /// Flag, bit 1: the PE has `TTBR1_EL2`.
    pub const TTBR1: u64 = 1 << 1;
}

/// What a secondary PE needs before it sees what is in caches.
#[repr(C)]
pub struct Start {
    /// The top of its stack.
    pub stack: u64,
    /// The executor's own map.
    pub map: MapRegisters,
    /// What brings its timer's interrupt.
    pub gic: Option<Gic>,
}

/// The part of a per-CPU area that assembly knows: its beginning, at the address in `TPIDR_EL2` of a secondary PE.
#[repr(C, align(128))]
pub struct PerCpuHead {
    /// For the bring-up.
    pub start: UnsafeCell<Start>,
    /// ESR, ELR and FAR of an exception that the PE did not survive, and whether there was one.
    pub lost: [AtomicU64; 4],
    /// What guests of the PE are to do, and the exceptions of its probes.
    pub run_list: UnsafeCell<RunList>,
}

// ADD reaches 4095 bytes.
const _: () = assert!(offset_of!(PerCpuHead, run_list) < 4096);

layout!(Exception {
    probe: 0,
    origin: 4,
    target: 6,
    esr: 8,
    far: 16,
    hpfar: 24,
    elr: 32,
    spsr: 40,
});
layout!(Point { pc: 0, sctlr_el2: 8, tcr_el2: 16, ttbr0_el2: 24, ttbr1_el2: 32, hcr_el2: 40 });
layout!(Probe { address: 0 });

const _: () = {
    assert!(size_of::<Exception>() == 48);
    assert!(size_of::<Probe>() == 16);
    // The number of the operation is byte 8.
    let probe: [u8; 16] = zerocopy::transmute!(Probe::new(Operation::IcIvau, 0));
    assert!(probe[8] == Operation::IcIvau as u8);
};

/// Asserts that operations have numbers that follow each other: assembly jumps by them.
macro_rules! in_order {
    ($first:ident $(, $next:ident)*) => {
        const _: () = {
            let mut number = Operation::$first as u8;
            $(
                number += 1;
                assert!(Operation::$next as u8 == number);
            )*
            let _ = number;
        };
    };
}

const _: () = assert!(Operation::AtS12e1r as u8 == 0);
in_order!(
    AtS12e1r, AtS12e1w, AtS12e0r, AtS12e0w, AtS1e2r, AtS1e2w, AtS1e1r, AtS1e1w, AtS1e0r, AtS1e0w,
    Load, Store, Fetch
);
in_order!(AtS1e1rp, AtS1e1wp);
in_order!(
    TlbiVmalle1,
    TlbiVmalls12e1,
    TlbiVae1,
    TlbiVaae1,
    TlbiVale1,
    TlbiVaale1,
    TlbiAside1,
    TlbiIpas2e1,
    TlbiIpas2le1,
    TlbiAlle1,
    TlbiRvae1,
    TlbiRvaae1,
    TlbiRvale1,
    TlbiRvaale1,
    TlbiRipas2e1,
    TlbiRipas2le1
);
