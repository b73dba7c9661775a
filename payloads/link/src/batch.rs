//! A batch: what an executor does without a host, and the log in memory that it leaves.
//!
//! The host writes a batch into the image, in a section of its own that it finds by name:
//!
//! ```text
//!   Batch: which cases, how to report, how to end | body: Configure, Terms, Plan
//! ```
//!
//! The log lies in the image's own memory, behind the file's end. Who reads a dump finds it by its magic,
//! which is 4 KB aligned in the image:
//!
//! ```text
//!   +0x00  magic    "hypwlog\0"
//!   +0x08  version  [`crate::VERSION`]
//!   +0x10  state    in ASCII: "running", "pass", "fail" or "died"
//!   +0x18  ..       sums, who the target is
//!   +n     entries: Entry, progress as in `soak` | Entry, progress | ..    `used` bytes count
//! ```

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::hello::{Configure, IdRegisters};

/// Bytes of a batch in the image.
pub const BATCH_BYTES: usize = 32 << 10;
/// Bytes of the log's entries.
pub const LOG_BYTES: usize = 512 << 10;

/// What an executor does without a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Batch {
    /// [`Batch::MAGIC`].
    pub magic: u64,
    /// [`crate::VERSION`].
    pub version: u64,
    /// The first case.
    pub first: u64,
    /// How many cases; 0: there is no batch, and a host says what to do.
    pub count: u64,
    /// What is said on the console, see the constants.
    pub report: u64,
    /// How it ends, see the constants.
    pub end: u64,
    /// Size of the terms in bytes.
    pub terms_bytes: u64,
    /// Size of the plan in bytes.
    pub plan_bytes: u64,
    /// [`Configure`], and behind it terms and plan.
    pub body: [u64; Self::BODY_BYTES / 8],
}

impl Batch {
    /// The name of the ELF section that holds it.
    pub const SECTION: &str = ".hypwalk.batch";
    /// "hypbatch" as a little-endian number.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"hypbatch");
    /// Room for arenas, terms and plan, in bytes.
    pub const BODY_BYTES: usize = BATCH_BYTES - 64;
    /// Report flag: lines of TAP.
    pub const TAP: u64 = 1;
    /// Report flag: LAVA's test case signals.
    pub const LAVA: u64 = 2;
    /// End: wait for ever.
    pub const WAIT: u64 = 0;
    /// End: PSCI SYSTEM_OFF.
    pub const OFF: u64 = 1;
    /// End: PSCI SYSTEM_RESET.
    pub const RESET: u64 = 2;

    /// As it is built: none.
    pub const NONE: Self = Self {
        magic: Self::MAGIC,
        version: crate::VERSION as u64,
        first: 0,
        count: 0,
        report: 0,
        end: 0,
        terms_bytes: 0,
        plan_bytes: 0,
        body: [0; Self::BODY_BYTES / 8],
    };

    /// A check sum of what is to be asked: of arenas, terms and plan. Two batches that ask other cases hardly
    /// have the same.
    pub fn digest(&self) -> u64 {
        crc::Crc::<u64>::new(&crc::CRC_64_XZ).checksum(self.body.as_bytes())
    }

    /// The arenas.
    pub fn configure(&self) -> Option<&Configure> {
        Configure::ref_from_prefix(self.body.as_bytes()).ok().map(|(configure, _)| configure)
    }

    /// The terms, for [`crate::soak::Terms::from_bytes`].
    pub fn terms(&self) -> Option<&[u8]> {
        let from = size_of::<Configure>();
        self.body.as_bytes().get(from..from.checked_add(usize::try_from(self.terms_bytes).ok()?)?)
    }

    /// The plan, for [`crate::plan::Plan::from_bytes`].
    pub fn plan(&self) -> Option<&[u8]> {
        let from = size_of::<Configure>() + self.terms()?.len();
        self.body.as_bytes().get(from..from.checked_add(usize::try_from(self.plan_bytes).ok()?)?)
    }
}

/// The head of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Log {
    /// [`Log::MAGIC`].
    pub magic: u64,
    /// [`crate::VERSION`].
    pub version: u64,
    /// How far it is, see the constants.
    pub state: u64,
    /// How many bytes of entries count.
    pub used: u64,
    /// The first case.
    pub first: u64,
    /// How many cases there are.
    pub count: u64,
    /// The first case that was not asked.
    pub next: u64,
    /// Probes that were asked.
    pub probes: u64,
    /// Cases with answers that are not allowed.
    pub suspects: u64,
    /// Cases that only a host could ask.
    pub left: u64,
    /// Cases that were asked, and for which the log had no room.
    pub lost: u64,
    /// The seed.
    pub seed: u64,
    /// [`Batch::digest`].
    pub digest: u64,
    /// The EL at which the executor was entered.
    pub entry_el: u64,
    /// The ID registers.
    pub ids: IdRegisters,
    /// The arenas.
    pub configure: Configure,
}

impl Log {
    /// "hypwlog\0" as a little-endian number.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"hypwlog\0");
    /// State: cases are being asked.
    pub const RUNNING: u64 = u64::from_le_bytes(*b"running\0");
    /// State: all were asked, and no answer is suspect.
    pub const PASS: u64 = u64::from_le_bytes(*b"pass\0\0\0\0");
    /// State: all were asked, and there are suspects.
    pub const FAIL: u64 = u64::from_le_bytes(*b"fail\0\0\0\0");
    /// State: the executor could not go on.
    pub const DIED: u64 = u64::from_le_bytes(*b"died\0\0\0\0");
}

/// What stands in front of progress in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Entry {
    /// The first case that it is about.
    pub first: u64,
    /// The size of the progress in bytes.
    pub bytes: u64,
}
