//! Guests: code at EL1 and EL0 that asks probes. It is entered once for each, and comes back by an exception.
//!
//! | what | how |
//! |---|---|
//! | a guest's code | a copy in each scratch arena, which the case maps at `code_va` |
//! | its way back | BRK, to EL2 by MDCR_EL2.TDE; an abort; EL1's vectors, which are BRKs, too |
//! | its regime | the case's: stage 1, stage 2, or both |
//! | what it must not do | trapped by HCR_EL2, see [`HCR_EL2_GUEST`] |
//! | one that does not come back | is found by the hypervisor's timer at one probe again and again, and stopped |
//!
//! Where the timer's interrupt does not arrive, the host's watchdog ends the machine instead.
//!
//! **Coherency.** Guests reach tags as the case maps them: Write-Back, Non-cacheable or Device. No line of
//! a tag is dirty while they run, and lines are cleaned and invalidated before tags are looked at.

use aarch64_cpu::registers::*;
use case::memory::MemoryMap;
use case::probe::{El, Probe};
use case::{CaseRef, guest, scratch};
use executor::abi::{Entry, RunList, TICKS_PER_SECOND};
use link::observations::{Exception, Status};

use crate::payload::asm::{self, msr};
use crate::payload::ids::field;
use crate::payload::regime::Regime;
use crate::payload::scratch as arena;
use crate::payload::step;

/// What the executor adds to the `HCR_EL2` of a case that has guests. They take no part in translation:
/// they trap what a guest that runs wild could do to the machine, or to its own regime, and what would
/// make it wait.
///
/// | bit | name | traps |
/// |---|---|---|
/// | 13 | TWI | WFI |
/// | 14 | TWE | WFE |
/// | 19 | TSC | SMC |
/// | 20 | TIDCP | registers of the implementation |
/// | 21 | TACR | ACTLR_EL1 |
/// | 22 | TSW | cache maintenance by set and way |
/// | 26 | TVM | writes to the registers of stage 1 |
pub const HCR_EL2_GUEST: u64 = 1 << 13 | 1 << 14 | 1 << 19 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 26;

/// The guests of one case.
#[derive(Clone, Copy)]
pub struct Guests {
    /// The virtual address of their code.
    code_va: u64,
}

/// Whether `probe` is a guest's.
pub fn is_guests(probe: &Probe) -> bool {
    matches!(probe.el(), Some(El::El1 | El::El0)) && !step::is_step(probe)
}

impl Guests {
    /// The guests of `case`, or why there can be none.
    pub fn new(case: &CaseRef<'_>, map: &MemoryMap) -> Result<Self, Status> {
        const RW: u64 = 1 << 31;
        let guest = &case.header.guest;
        if arena::base(map, guest.code).is_none()
            || !guest.code_va.is_multiple_of(scratch::GUEST_BYTES)
        {
            return Err(Status::BadCase);
        }
        let has_pan = field(ID_AA64MMFR1_EL1.get(), 20) != 0;
        let mut guests = case.probes.iter().filter(|probe| is_guests(probe));
        let is_done = guests
            .all(|probe| Entry::new(probe, 0, 0).is_some() && (has_pan || !probe.has(Probe::PAN)));
        // Their code is AArch64's.
        let is_aarch64 = case.header.registers.hcr_el2 & RW != 0;
        if is_done && is_aarch64 {
            Ok(Self { code_va: guest.code_va })
        } else {
            Err(Status::Unsupported)
        }
    }

    /// Loads what a guest can change of EL1 and EL0 and a later one relies on, as far as no TLB entry
    /// depends on it.
    pub fn load(&self) {
        VBAR_EL1.set(self.code_va.wrapping_add(guest::VECTORS));
        // Floating point and the timers: as at the start, for nobody.
        CPACR_EL1.set(0);
        CNTKCTL_EL1.set(0);
        CONTEXTIDR_EL1.set(0);
        AMAIR_EL1.set(0);
        // SAFETY: it chooses what CCSIDR_EL1 shows.
        unsafe { msr!("csselr_el1", 0) };
    }

    /// Writes to `run_list` what guests are to ask: the probes with their numbers, all of them theirs.
    pub fn queue<'a>(
        &self,
        run_list: &mut RunList,
        probes: impl Iterator<Item = (usize, &'a Probe)>,
        outputs: &Outputs,
    ) {
        let mut count = 0;
        for (entry, (number, probe)) in run_list.entries.iter_mut().zip(probes) {
            // All were looked at before the case was built.
            let Some(made) = Entry::new(probe, number as u16, self.code_va) else { break };
            *entry = made;
            count += 1;
        }
        let range = run_list.entries[..count].as_ptr_range();
        run_list.at = range.start.addr() as u64;
        run_list.end = range.end.addr() as u64;
        run_list.cursor = outputs.cursor.addr() as u64;
        run_list.here = outputs.here;
        run_list.answers = outputs.answers.addr() as u64;
        run_list.handler = outputs.handler;
        run_list.tick = CNTFRQ_EL0.get() / TICKS_PER_SECOND;
        run_list.ticks = 0;
    }
}

/// Where guests, and the loop that enters them, leave what they observe.
pub struct Outputs {
    pub cursor: *mut u64,
    /// Its value at probe number 0.
    pub here: u64,
    /// The answer to probe number 0.
    pub answers: *mut u64,
    /// The handler of the loop's own exceptions.
    pub handler: u64,
}

/// Enters the guests of `run_list`, at this PE. Returns whether one of them ran wild: the registers
/// of EL1 were then loaded again behind it.
///
/// # Safety
/// The run list must be as [`Guests::queue`] leaves it and this PE's alone, its outputs must be good for the
/// probes, and the case's registers loaded.
pub unsafe fn run(run_list: *mut RunList, guests: Guests, regime: &mut Regime) -> bool {
    let mut is_wild = false;
    // SAFETY: the caller's promise.
    while unsafe { asm::guests(run_list) } != 0 {
        is_wild = true;
        regime.restore();
        guests.load();
        asm::isb();
    }
    is_wild
}

/// Forgets the exceptions that guests took.
pub fn forget_exceptions(run_list: &mut RunList) {
    run_list.taken = run_list.exceptions.as_ptr().addr() as u64;
}

/// The exceptions that guests took since they were forgotten.
pub fn exceptions(run_list: &RunList) -> &[Exception] {
    let bytes = run_list.taken - run_list.exceptions.as_ptr().addr() as u64;
    let count = bytes as usize / size_of::<Exception>();
    &run_list.exceptions[..count.min(run_list.exceptions.len())]
}
