//! Asking from EL1 and EL0: guests are entered one probe at a time, and come back by an exception.
//!
//! | what | how |
//! |---|---|
//! | a guest's code | a copy in each scratch arena, which the case maps at `code_va` |
//! | its way back | BRK, to EL2 by MDCR_EL2.TDE; an abort; EL1's vectors, which are BRKs, too |
//! | its regime | the case's: stage 1, stage 2, or both |
//! | what it must not do | trapped by HCR_EL2, see [`HCR_EL2_GUEST`](crate::payload::el2::HCR_EL2_GUEST) |
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
use executor::abi::run_list::{Entry, Roster, TICKS_PER_SECOND};
use link::observations::{Exception, Status};

use crate::payload::asm::{self, msr};
use crate::payload::ids::field;
use crate::payload::regime::Regime;
use crate::payload::step;
use crate::payload::world_switch;

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
        if world_switch::stage_base(map, guest.code).is_none()
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
        msr!("csselr_el1", 0);
    }

    /// Writes up in `roster` what guests are to ask: the probes with their numbers, all of them theirs.
    pub fn enlist<'a>(
        &self,
        roster: &mut Roster,
        probes: impl Iterator<Item = (usize, &'a Probe)>,
        desk: &Desk,
    ) {
        let mut count = 0;
        for (entry, (number, probe)) in roster.entries.iter_mut().zip(probes) {
            // All were looked at before the case was built.
            let Some(made) = Entry::new(probe, number as u16, self.code_va) else { break };
            *entry = made;
            count += 1;
        }
        let range = roster.entries[..count].as_ptr_range();
        roster.at = range.start.addr() as u64;
        roster.end = range.end.addr() as u64;
        roster.cursor = desk.cursor.addr() as u64;
        roster.here = desk.here;
        roster.answers = desk.answers.addr() as u64;
        roster.own = desk.own;
        roster.tick = CNTFRQ_EL0.get() / TICKS_PER_SECOND;
        roster.ticks = 0;
    }
}

/// Where guests and the loop that enters them leave what they have to say.
pub struct Desk {
    /// The cursor's word.
    pub cursor: *mut u64,
    /// Its value at probe number 0.
    pub here: u64,
    /// The answer to probe number 0.
    pub answers: *mut u64,
    /// Where the loop's own exceptions go.
    pub own: u64,
}

/// Has guests visit the entries of `roster`, at this PE. Returns whether one of them ran wild: the registers
/// of EL1 were then loaded again behind it.
///
/// # Safety
/// The roster must be as [`Guests::enlist`] leaves it and this PE's alone, its desk must be good for the
/// probes, and the case's registers loaded.
pub unsafe fn visit(roster: *mut Roster, guests: Guests, regime: &mut Regime) -> bool {
    let mut is_wild = false;
    // SAFETY: the caller's promise.
    while unsafe { asm::guests(roster) } != 0 {
        is_wild = true;
        regime.restore();
        guests.load();
        asm::isb();
    }
    is_wild
}

/// Forgets the exceptions that guests took.
pub fn forget_exceptions(roster: &mut Roster) {
    roster.taken = roster.exceptions.as_ptr().addr() as u64;
}

/// The exceptions that guests took since they were forgotten.
pub fn exceptions(roster: &Roster) -> &[Exception] {
    let bytes = roster.taken - roster.exceptions.as_ptr().addr() as u64;
    let count = bytes as usize / size_of::<Exception>();
    &roster.exceptions[..count.min(roster.exceptions.len())]
}
