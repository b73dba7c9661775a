//! World switch: asking in the case's own set-up of EL2, which the executor enters, or by the monitor at EL3, which
//! loads it.
//!
//! ```text
//!  ask: probe block written, cleaned         executor
//!         world switch, or call of EL3       in the set-up, or at EL3
//!       probe block read again               executor
//! ```
//!
//! **Coherency.** The code over there sees the probe block as the case maps it, or with its MMU off: Write-Back,
//! Non-cacheable or Device. Its lines are cleaned and invalidated before, so that it is in memory and no line is
//! dirty; and after, so that what was written in caches reaches memory, and what was written past them is not
//! hidden. The same is done for tags.

use core::mem::MaybeUninit;

use aarch64_cpu::registers::*;
use case::control::{hcr, sctlr};
use case::memory::MemoryMap;
use case::probe::Probe;
use case::tree::Role;
use case::{CaseRef, Flags, scratch as layout};
use executor::abi::{ContextBlock, HCR_EL2_ROUTING, ProbeBlock};
use link::observations::Status;
use tables::Built;

use crate::payload::asm::{self, WorldCode};
use crate::payload::global::Global;
use crate::payload::ids::field;
use crate::payload::in_flight::InFlight;
use crate::payload::memory::Arenas;
use crate::payload::monitor;
use crate::payload::scratch;

const SCTLR_EE: u64 = 1 << 25;

/// For the monitor: it knows physical addresses, and the image is mapped to itself.
#[unsafe(link_section = ".noinit")]
static PROBE_BLOCK: Global<MaybeUninit<ProbeBlock>> = Global::new(MaybeUninit::uninit());
static CONTEXT_BLOCK: Global<MaybeUninit<ContextBlock>> = Global::new(MaybeUninit::uninit());

/// A way to ask the probes of the case in flight.
pub struct WorldSwitch {
    context: ContextBlock,
    /// The probe block, as the executor sees it.
    block: *mut ProbeBlock,
    is_monitored: bool,
    /// Size of a data cache line.
    line: u64,
}

impl WorldSwitch {
    /// The way in which `case`, which is in flight, is asked outside of the executor's own context; `None` where it
    /// is asked in that, and an error where it can't be asked.
    pub fn new(
        case: &CaseRef<'_>,
        map: &MemoryMap,
        arenas: &Arenas,
        built: &Built,
        line: u64,
    ) -> Result<Option<Self>, Status> {
        let registers = &case.header.registers;
        let flags = case.flags();
        let has_vhe = field(ID_AA64MMFR1_EL1.get(), 8) != 0;
        let is_monitored = flags.has(Flags::MONITOR);
        if !flags.has(Flags::WORLD_SWITCH) && !is_monitored {
            return Ok(None);
        }
        if registers.hcr_el2 & hcr::E2H != 0 && !has_vhe || is_monitored && !monitor::is_there() {
            return Err(Status::Unsupported);
        }
        let has_idmap = case.tree(Role::Idmap).is_some();
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let mut context = ContextBlock {
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
            probe_block: PROBE_BLOCK.pointer().addr() as u64,
            exit: 0,
            flags: flag(has_idmap, ContextBlock::IDMAP) | flag(has_vhe, ContextBlock::TTBR1),
            trampoline: 0,
        };
        if is_monitored {
            let block = PROBE_BLOCK.pointer().cast();
            return Ok(Some(Self { context, block, is_monitored, line }));
        }
        // Without a map nothing runs at virtual addresses, and code reads its own data as it wrote it.
        if registers.sctlr_el2 & (sctlr::M | SCTLR_EE) != sctlr::M {
            return Err(Status::Unsupported);
        }
        let places = &case.header.world_switch;
        let base = |place| scratch::base(map, place).ok_or(Status::BadCase);
        base(places.code)?;
        context.runtime = places.code_va.wrapping_add(layout::CODE + WorldCode::runtime());
        context.vectors = places.code_va.wrapping_add(layout::CODE + WorldCode::vectors());
        context.probe_block = places.data_va;
        context.exit = base(places.exit)? + layout::CODE + WorldCode::exit();
        context.trampoline = base(places.trampoline)? + layout::CODE;
        let block = arenas.address_of(base(places.data)? + layout::DATA).ok_or(Status::BadCase)?;
        Ok(Some(Self { context, block: block as *mut ProbeBlock, is_monitored, line }))
    }

    /// Asks `probes`, the first of which is number `first` of the case, so many rounds.
    pub fn ask(
        &mut self,
        _: &mut InFlight,
        first: usize,
        probes: &[Probe],
        rounds: u64,
    ) -> &ProbeBlock {
        // SAFETY: the data of a scratch arena or a static, of the case in flight alone; the code over there uses
        // it beside this, and is not running; any bytes make one.
        let block = unsafe { &mut *self.block };
        block.open(first, probes, rounds);
        self.clean_block(probes.len());
        if self.is_monitored {
            let context: *mut ContextBlock = CONTEXT_BLOCK.pointer().cast();
            // SAFETY: it is the case in flight's alone.
            unsafe { context.write(self.context) };
            self.clean(context.addr() as u64, size_of::<ContextBlock>() as u64);
            // SAFETY: the monitor is there; context block and probe block were cleaned.
            unsafe { asm::monitor(context) };
        } else {
            // SAFETY: the context block says where the case's scratch arenas are.
            unsafe { asm::world_switch(&raw const self.context) };
        }
        self.clean_block(probes.len());
        // SAFETY: as above.
        unsafe { &*self.block }
    }

    /// Whether the executor runs in the set-up meanwhile.
    pub const fn is_resident(&self) -> bool {
        !self.is_monitored
    }

    /// Cleans and invalidates what is used of the probe block for so many probes.
    fn clean_block(&self, probes: usize) {
        for (offset, bytes) in ProbeBlock::used(probes) {
            self.clean(self.block.addr() as u64 + offset, bytes);
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
