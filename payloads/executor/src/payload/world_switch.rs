//! Asking away from home: in the case's own set-up of EL2, or by the monitor at EL3.
//!
//! ```text
//!  ask: ledger written, cleaned     home
//!         stay, or monitor          in the set-up, or at EL3
//!       ledger looked at again      home
//! ```
//!
//! **Coherency.** The code away from home sees the ledger as the case maps it, or with its MMU off:
//! Write-Back, Non-cacheable or Device. Its lines are cleaned and invalidated before, so that it is in
//! memory and no line is dirty; and after, so that what was written in caches reaches memory, and what
//! was written past them is not hidden. The same is done for tags.

use core::mem::MaybeUninit;

use aarch64_cpu::registers::*;
use case::memory::{MemoryMap, Place};
use case::probe::Probe;
use case::tree::Role;
use case::{CaseRef, Flags, scratch};
use executor::abi::probe_block::Ledger;
use link::observations::Status;
use tables::Built;

use crate::payload::asm::{self, StayCode};
use crate::payload::el2::HCR_EL2_ROUTING;
use crate::payload::global::Global;
use crate::payload::ids::field;
use crate::payload::memory::Arenas;
use crate::payload::monitor;

/// What the code away from home needs in its registers. Assembly knows the order.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Journey {
    mair_el2: u64,
    tcr_el2: u64,
    ttbr0_el2: u64,
    ttbr1_el2: u64,
    sctlr_el2: u64,
    hcr_el2: u64,
    idmap_tcr_el2: u64,
    idmap_ttbr0_el2: u64,
    /// Virtual addresses of the runtime and its vectors.
    runtime: u64,
    vectors: u64,
    /// Address of the ledger: virtual in a stay, physical for the monitor.
    ledger: u64,
    /// Physical addresses of the exit and the trampoline.
    exit: u64,
    flags: u64,
    trampoline: u64,
}

/// Journey flag: there is an idmap tree.
const IDMAP: u64 = 1;
/// Journey flag: the PE has TTBR1_EL2.
const TTBR1: u64 = 2;

const SCTLR_M: u64 = 1;
const SCTLR_EE: u64 = 1 << 25;
const HCR_E2H: u64 = 1 << 34;

/// For the monitor: it knows physical addresses, and the image is mapped to itself.
#[unsafe(link_section = ".noinit")]
static LEDGER: Global<MaybeUninit<Ledger>> = Global::new(MaybeUninit::uninit());
static JOURNEY: Global<MaybeUninit<Journey>> = Global::new(MaybeUninit::uninit());

/// A way to ask the probes of one case.
pub struct Away {
    journey: Journey,
    /// The ledger, as home sees it.
    ledger: *mut Ledger,
    is_stay: bool,
    /// Size of a data cache line.
    line: u64,
}

/// The way in which `case` is asked away from home; `None` where it is asked at home, and an error
/// where it can't be asked.
pub fn way(
    case: &CaseRef<'_>,
    map: &MemoryMap,
    arenas: &Arenas,
    built: &Built,
    line: u64,
) -> Result<Option<Away>, Status> {
    let registers = &case.header.registers;
    let flags = case.flags();
    let has_vhe = field(ID_AA64MMFR1_EL1.get(), 8) != 0;
    let (is_stay, is_monitored) = (flags.has(Flags::STAY), flags.has(Flags::MONITOR));
    if !is_stay && !is_monitored {
        return Ok(None);
    }
    if registers.hcr_el2 & HCR_E2H != 0 && !has_vhe || is_monitored && !monitor::is_there() {
        return Err(Status::Unsupported);
    }
    let has_idmap = case.tree(Role::Idmap).is_some();
    let mut journey = Journey {
        mair_el2: registers.mair_el2,
        tcr_el2: registers.tcr_el2,
        ttbr0_el2: built.ttbr0_el2,
        ttbr1_el2: built.ttbr1_el2,
        sctlr_el2: registers.sctlr_el2,
        hcr_el2: registers.hcr_el2 | HCR_EL2_ROUTING,
        idmap_tcr_el2: registers.idmap_tcr_el2,
        idmap_ttbr0_el2: built.idmap_ttbr0_el2,
        runtime: 0,
        vectors: 0,
        ledger: LEDGER.pointer().addr() as u64,
        exit: 0,
        flags: if has_idmap { IDMAP } else { 0 } | if has_vhe { TTBR1 } else { 0 },
        trampoline: 0,
    };
    if is_monitored {
        let ledger = LEDGER.pointer().cast();
        return Ok(Some(Away { journey, ledger, is_stay: false, line }));
    }
    // Without a map there is no life at virtual addresses, and code reads its own data as it wrote it.
    if registers.sctlr_el2 & (SCTLR_M | SCTLR_EE) != SCTLR_M {
        return Err(Status::Unsupported);
    }
    let stay = &case.header.stay;
    let base = |place| stage_base(map, place).ok_or(Status::BadCase);
    base(stay.code)?;
    journey.runtime = stay.code_va.wrapping_add(scratch::CODE + StayCode::runtime());
    journey.vectors = stay.code_va.wrapping_add(scratch::CODE + StayCode::vectors());
    journey.ledger = stay.data_va;
    journey.exit = base(stay.exit)? + scratch::CODE + StayCode::exit();
    journey.trampoline = base(stay.trampoline)? + scratch::CODE;
    let ledger = arenas.address_of(base(stay.data)? + scratch::DATA).ok_or(Status::BadCase)?;
    Ok(Some(Away { journey, ledger: ledger as *mut Ledger, is_stay: true, line }))
}

/// The physical address of the scratch arena that begins at `place`.
pub fn stage_base(map: &MemoryMap, place: Place) -> Option<u64> {
    let arena = map.arenas().get(usize::from(place.arena()))?;
    (scratch::fits(arena) && place.offset() == 0).then_some(arena.base)
}

impl Away {
    /// Asks `probes`, the first of which is number `first` of the case, so many rounds.
    pub fn ask(&self, first: usize, probes: &[Probe], rounds: u64) -> &Ledger {
        // SAFETY: the data of a scratch arena or a static, which only code away from home uses beside
        // this, and that is not running; any bytes make a ledger.
        let ledger = unsafe { &mut *self.ledger };
        ledger.open(first, probes, rounds);
        self.clean_ledger(probes.len());
        if self.is_stay {
            // SAFETY: the journey says where the case's scratch arenas are.
            unsafe { asm::stay(&raw const self.journey) };
        } else {
            let journey: *mut Journey = JOURNEY.pointer().cast();
            // SAFETY: nobody else uses the static.
            unsafe { journey.write(self.journey) };
            self.clean(journey.addr() as u64, size_of::<Journey>() as u64);
            // SAFETY: the monitor is there; journey and ledger were cleaned.
            unsafe { asm::monitor(journey) };
        }
        self.clean_ledger(probes.len());
        // SAFETY: as above.
        unsafe { &*self.ledger }
    }

    /// Whether the executor lives in the set-up meanwhile.
    pub const fn is_stay(&self) -> bool {
        self.is_stay
    }

    /// Cleans and invalidates what is used of the ledger for so many probes.
    fn clean_ledger(&self, probes: usize) {
        for (offset, bytes) in Ledger::used(probes) {
            self.clean(self.ledger.addr() as u64 + offset, bytes);
        }
    }

    /// Cleans and invalidates the lines of `bytes` bytes from `address`.
    fn clean(&self, address: u64, bytes: u64) {
        let mut line = address & !(self.line - 1);
        while line < address + bytes {
            asm::clean_and_invalidate_line(line);
            line += self.line;
        }
        asm::dsb_sy();
    }
}
