//! Asking from EL1 and EL0: guests are entered one probe at a time, and come back by an exception.
//!
//! | what | how |
//! |---|---|
//! | a guest's code | a copy in each stage arena, which the case maps at `code_va` |
//! | its way back | BRK, to EL2 by MDCR_EL2.TDE; an abort; EL1's vectors, which are BRKs, too |
//! | its regime | the case's: stage 1, stage 2, or both |
//! | what it must not do | trapped by HCR_EL2, see [`HCR_EL2_GUEST`](crate::payload::park::HCR_EL2_GUEST) |
//! | one that does not come back | is found by the hypervisor's timer at one probe again and again, and stopped |
//!
//! Where the timer's interrupt does not arrive, the host's watchdog ends the machine instead.
//!
//! **Coherency.** Guests reach tags as the case maps them: Write-Back, Non-cacheable or Device. No line of
//! a tag is dirty while they run, and lines are cleaned and invalidated before tags are looked at.

use core::mem::MaybeUninit;

use aarch64_cpu::registers::*;
use case::memory::MemoryMap;
use case::probe::{El, Probe};
use case::{CaseRef, guest, stage};
use executor::roster::{Entry, Roster, TICKS_PER_SECOND};
use link::observations::{Exception, Status};

use crate::payload::asm::{self, msr};
use crate::payload::away;
use crate::payload::global::Global;
use crate::payload::ids::field;
use crate::payload::step;

#[unsafe(link_section = ".noinit")]
static ROSTER: Global<MaybeUninit<Roster>> = Global::new(MaybeUninit::uninit());

/// The guests of one case.
#[derive(Clone, Copy)]
pub struct Guests {
    /// The virtual address of their code.
    code_va: u64,
}

/// How a visit of guests ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visit {
    /// As it should: so many probes were asked.
    Done,
    /// A guest ran wild: the registers of EL1 may be anything that EL1 can make them. Behind it so many
    /// probes had been asked.
    Wild(usize),
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
        if away::stage_base(map, guest.code).is_none()
            || !guest.code_va.is_multiple_of(stage::GUEST_BYTES)
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

    /// Has guests ask `probes`, all of them theirs; the first is number `first` of the case. Cursor and
    /// answers are the words for probe number 0.
    ///
    /// # Safety
    /// `answers` must be good for all probes of the case, `cursor` must be a word, and the case's
    /// registers loaded.
    pub unsafe fn ask(
        &self,
        probes: &[Probe],
        first: usize,
        cursor: *mut u64,
        here: u64,
        answers: *mut u64,
    ) -> Visit {
        let roster = roster();
        let entries = &mut roster.entries;
        for (number, (entry, probe)) in (first..).zip(entries.iter_mut().zip(probes)) {
            // All were looked at before the case was built.
            let Some(made) = Entry::new(probe, number as u16, self.code_va) else { break };
            *entry = made;
        }
        let range = entries[..probes.len()].as_ptr_range();
        roster.at = range.start.addr() as u64;
        roster.end = range.end.addr() as u64;
        roster.cursor = cursor.addr() as u64;
        roster.here = here;
        roster.answers = answers.addr() as u64;
        roster.tick = CNTFRQ_EL0.get() / TICKS_PER_SECOND;
        roster.ticks = 0;
        // SAFETY: the roster is as above, and the rest is the caller's promise.
        let is_wild = unsafe { asm::guests(roster) } != 0;
        if is_wild {
            let done = roster.at - roster.entries.as_ptr().addr() as u64;
            Visit::Wild(done as usize / size_of::<Entry>())
        } else {
            Visit::Done
        }
    }
}

/// Forgets the exceptions that guests took.
pub fn forget_exceptions() {
    let roster = roster();
    roster.taken = roster.exceptions.as_ptr().addr() as u64;
}

/// The exceptions that guests took since they were forgotten.
pub fn exceptions() -> &'static [Exception] {
    let roster = roster();
    let bytes = roster.taken - roster.exceptions.as_ptr().addr() as u64;
    let count = bytes as usize / size_of::<Exception>();
    &roster.exceptions[..count.min(roster.exceptions.len())]
}

/// This PE's.
fn roster() -> &'static mut Roster {
    // SAFETY: any bytes make a roster; nobody keeps what this returns while another one is used, and the
    // code that runs guests has it to itself.
    unsafe { (*ROSTER.pointer()).assume_init_mut() }
}
