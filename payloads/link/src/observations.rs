//! What the target answered to one case.
//!
//! ```text
//!  body:  +--------+-----------------+--------------+-----------+-----------+---------+---------+
//!         | Report | answers: u64 .. | exceptions.. | updates.. | changed.. | traces..| audit.. |
//!         +--------+-----------------+--------------+-----------+-----------+---------+---------+
//!                   one a probe: PAR_EL1, or what a load, store or fetch answers
//! ```
//!
//! A probe that took an exception has an answer of [`NO_ANSWER`] and a place in the exceptions.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The answer of a probe whose `PAR_EL1` says nothing. Bit 11 of a successful PAR_EL1 and of a
/// failing one is 1, so no PE answers with this.
pub const NO_ANSWER: u64 = 0xdead_0000_0000_0000;

/// The fixed part of the observations of a case.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Report {
    /// How the case went, see [`Status`].
    status: u32,
    /// How many answers follow: one a probe, or 0 where the case was not asked.
    pub answers: u32,
    /// How many exceptions follow.
    pub exceptions: u32,
    /// How many updates follow.
    pub updates: u32,
    /// How many audited words follow.
    pub audited: u32,
    /// 1 when a list had no room for all that there was to say.
    pub truncated: u32,
    /// How many changed tags follow.
    pub changed: u32,
    /// How many [`SwitchTrace`] follow: 1 after a world switch into the case's set-up, or else 0.
    pub traces: u32,
    /// Digest of the words that the builder wrote.
    pub built: u64,
    /// Digest of the same words as read back after the last probe.
    pub after: u64,
    /// The value that `VTTBR_EL2` was given at first.
    pub vttbr_el2: u64,
    /// The value that `TTBR0_EL2` was given, if the case has a world switch or is the monitor's.
    pub ttbr0_el2: u64,
    /// The value that `TTBR1_EL2` was given, likewise.
    pub ttbr1_el2: u64,
    /// The value that `TTBR0_EL2` was given while the idmap tree was in use, if there is one.
    pub idmap_ttbr0_el2: u64,
    /// The value that `TTBR0_EL1` was given at first.
    pub ttbr0_el1: u64,
    /// The value that `TTBR1_EL1` was given at first.
    pub ttbr1_el1: u64,
}

/// How a case went on the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Status {
    /// Built, asked, undone.
    Done = 0,
    /// The words of the case make no sense to the target.
    BadCase = 1,
    /// The builder refused.
    BuildFailed = 2,
    /// The case wants what the executor does not do.
    Unsupported = 3,
    /// The executor took an exception outside a probe. The answers so far are there.
    Broken = 4,
    /// The case needs a map of the executor's own, and it has none: see [`crate::hello::OwnMap`].
    NoOwnMap = 5,
}

impl Report {
    /// A report with this status and nothing in it.
    pub fn new(status: Status) -> Self {
        Self { status: status as u32, ..Self::default() }
    }

    /// Changes the status.
    pub fn set_status(&mut self, status: Status) {
        self.status = status as u32;
    }

    /// How the case went; `None` when the number means nothing.
    pub const fn status(&self) -> Option<Status> {
        Some(match self.status {
            0 => Status::Done,
            1 => Status::BadCase,
            2 => Status::BuildFailed,
            3 => Status::Unsupported,
            4 => Status::Broken,
            5 => Status::NoOwnMap,
            _ => return None,
        })
    }
}

/// An exception that was taken in a probe, or that ended a case.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Exception {
    /// Number of the probe.
    pub probe: u32,
    /// Whose it is, see the constants.
    pub origin: u16,
    /// The EL that took it, 1 to 3.
    pub target: u16,
    /// `ESR_ELx` of that EL.
    pub esr: u64,
    /// `FAR_ELx`.
    pub far: u64,
    /// `HPFAR_EL2`.
    pub hpfar: u64,
    /// `ELR_ELx`: of a case that is asked in the executor's own set-up relative to the start of the image where it lies in
    /// it, of any other as it is.
    pub elr: u64,
    /// `SPSR_ELx`.
    pub spsr: u64,
}

impl Exception {
    /// The instruction of the probe took it: it is the probe's observation.
    pub const PROBE: u16 = 0;
    /// The executor's own code, data or stack took it while the probe was asked.
    pub const EXECUTOR: u16 = 1;
    /// The guest of the probe did not come back, and was stopped: `elr` and `spsr` say where, and `esr` and
    /// `far` are EL1's.
    pub const RUNAWAY: u16 = 2;
}

/// A word of a table that a probe changed.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Update {
    /// Number of the probe after which the change was seen: of those that are done at the same time, the last.
    pub probe: u64,
    /// Physical address of the word.
    pub pa: u64,
    /// Its new value.
    pub value: u64,
}

/// A tag of a scratch arena that a store changed, where the case has one.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Changed {
    /// Physical address of the word, which was its value.
    pub pa: u64,
    /// Its new value.
    pub value: u64,
}

/// What EL2 was while code ran at one point of a world switch, as that code read it. All zero where the point
/// was not reached.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Point {
    /// The address of an instruction there, as executed with the MMU on.
    pub pc: u64,
    /// `SCTLR_EL2`.
    pub sctlr_el2: u64,
    /// `TCR_EL2`.
    pub tcr_el2: u64,
    /// `TTBR0_EL2`.
    pub ttbr0_el2: u64,
    /// `TTBR1_EL2`, or 0 on a PE that has none.
    pub ttbr1_el2: u64,
    /// `HCR_EL2`.
    pub hcr_el2: u64,
}

/// PC and EL2's translation registers as they were read at the three points of a world switch.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SwitchTrace {
    /// On the trampoline, when the MMU had been turned on for the first time: with the idmap tree, if
    /// the case has one, or else with its own.
    pub trampoline: Point,
    /// In the runtime.
    pub runtime: Point,
    /// At the exit, before the MMU was turned off.
    pub exit: Point,
    /// The exception by which the runtime was reached, where the trampoline is out of the reach of the
    /// case's own tree: probe and origin mean nothing. All zero where the trampoline branched to it.
    pub arrival: Exception,
}

/// A word that an audit found not to be zero.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Audited {
    /// Physical address of the word.
    pub pa: u64,
    /// Its value.
    pub value: u64,
}

/// The observations of a case, borrowed from the bytes of a message body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Observations<'a> {
    /// The fixed part.
    pub report: &'a Report,
    /// One a probe.
    pub answers: &'a [u64],
    /// Exceptions, in the order of the probes.
    pub exceptions: &'a [Exception],
    /// Changed words, in the order in which they were seen.
    pub updates: &'a [Update],
    /// Tags that stores changed, by address within an arena.
    pub changed: &'a [Changed],
    /// What the world switch saw, if the case has one and it ended well.
    pub trace: Option<&'a SwitchTrace>,
    /// Words of the arenas that are not zero, by address; only where the case asked for an audit.
    pub audited: &'a [Audited],
}

impl<'a> Observations<'a> {
    /// Reads the body of a message; `None` when a count is larger than the body, or the status means
    /// nothing.
    pub fn from_bytes(body: &'a [u8]) -> Option<Self> {
        let (report, rest) = Report::ref_from_prefix(body).ok()?;
        report.status()?;
        if report.traces > 1 {
            return None;
        }
        let (answers, rest) =
            <[u64]>::ref_from_prefix_with_elems(rest, report.answers as usize).ok()?;
        let (exceptions, rest) =
            <[Exception]>::ref_from_prefix_with_elems(rest, report.exceptions as usize).ok()?;
        let (updates, rest) =
            <[Update]>::ref_from_prefix_with_elems(rest, report.updates as usize).ok()?;
        let (changed, rest) =
            <[Changed]>::ref_from_prefix_with_elems(rest, report.changed as usize).ok()?;
        let (traces, rest) =
            <[SwitchTrace]>::ref_from_prefix_with_elems(rest, report.traces as usize).ok()?;
        let trace = traces.first();
        let (audited, _) =
            <[Audited]>::ref_from_prefix_with_elems(rest, report.audited as usize).ok()?;
        Some(Self { report, answers, exceptions, updates, changed, trace, audited })
    }

    /// The exception of probe number `probe`, if it took one.
    pub fn exception_of(&self, probe: usize) -> Option<&'a Exception> {
        self.exceptions.iter().find(|exception| exception.probe as usize == probe)
    }
}
