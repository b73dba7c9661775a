//! The golden reference walker: address translation of the Arm A-profile architecture (VMSAv8-64, Armv9.4-A),
//! for the Non-secure state, as the architecture's own pseudocode has it.
//!
//! It answers what a PE must do with given system registers and translation tables: the output address and
//! attributes, the fault and its syndrome, the descriptors that hardware updates, and, where the
//! architecture leaves something open, every answer that it allows.
//!
//! # Map
//!
//! A question, and its answer:
//!
//! - [`access()`]: a load, store, atomic, fetch or DC ZVA by an instruction: a [`Translation`], or an [`Abort`]
//!   with its [`Fault`] and [`Exception`].
//! - [`maintain()`]: a cache maintenance instruction by virtual address ([`Maintenance`]).
//! - [`at()`]: an address translation instruction ([`At`]): `PAR_EL1` or an exception.
//! - [`stage2_translate`]: stage 2 alone, given what stage 1 made of the access.
//! - [`Stage2Params::resolve`]: is a stage 2 configuration legal, and what does it come to?
//! - [`allowed()`]: all outcomes that open choices allow, with the choices behind each.
//!
//! What it depends on: the [`Implementation`] (from ID registers), [`Registers`], a [`PhysicalMemory`], and
//! [`Choices`], such as a [`Profile`], and the [`errata`] that they carry. An [`Observer`] may watch; [`explain`] has one that writes an annotated walk.
//!
//! Inside, the modules follow the pseudocode: parameters (`params`), the walks (`stage1`, `stage2`, and what
//! they share in `walker`, `checks` and `contiguous`), descriptors, permissions (direct and indirect behind
//! one interface), attributes, and the encodings (`par`, `exception`).
//!
//! # Sources
//!
//! Function names such as `AArch64.S1Walk` are those of Arm's published pseudocode of v9.4-A (2023-03). Sections
//! and register descriptions are quoted by their titles from the Arm Architecture Reference Manual, DDI 0487,
//! issue K.a, which the crate calls DDI 0487 everywhere else; `R_xxxxx` and `I_xxxxx` are its rules.
//!
//! # Properties
//!
//! No heap, no floating point, no panic on any input, and a bounded number of reads. A walk is a pure function:
//! it never writes to memory, but returns the [`Updates`] that hardware would make.
//!
//! # Scope
//!
//! Out of scope: Secure, Realm and Root worlds, EL3's regime, AArch32, 128-bit descriptors, memory tagging,
//! permission overlays, FEAT_THE, FEAT_MEC. TLBs too: each translation walks the tables afresh, what a TLB may
//! hold comes in as a choice, and of TLB maintenance [`tlbi`] says what it is about. Accesses that TCR_ELx.NFDn stops (SVE non-fault, transactional), single-copy
//! atomic 64-byte accesses (FEAT_LS64), cache maintenance to the Points of Persistence and by set and way do not
//! occur. Instructions are asked about once they are executed: whether one is trapped or UNDEFINED is told of
//! address translation instructions only, and by HCR_EL2 alone. What memory itself answers at the output address
//! is no part of translation.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod access;
mod address;
mod allowed;
mod at;
mod attributes;
mod checks;
mod choices;
mod contiguous;
mod descriptor;
mod el;
pub mod errata;
mod exception;
pub mod explain;
mod fault;
mod granule;
mod implementation;
mod level;
mod maintenance;
mod masked;
mod memory;
mod observer;
mod par;
mod params;
mod permissions;
mod profile;
pub mod registers;
mod rule;
mod stage1;
mod stage2;
mod stale;
mod syndrome;
pub mod tlbi;
mod translate;
mod updates;
mod walker;

pub use access::{Access, Alignment, Operation, Semantics};
pub use address::{Ipa, Pa, Va};
pub use allowed::{Asked, Explored, MAX_ASKED, MAX_WALKS, Script, allowed};
pub use at::{At, AtOutcome, AtQuestion, AtResult, NotExecuted, at, at_noting};
pub use attributes::{Cacheability, Device, Hints, MemoryAttributes, MemoryType, Shareability};
pub use choices::{Answer, AnswerName, Choice, Choices, GroupInspection, Openness};
pub use descriptor::Format;
pub use el::{El, Regime};
pub use exception::{Cause, Exception};
pub use fault::{Fault, FaultKind, Stage};
pub use granule::Granule;
pub use implementation::{Features, Granules, IdRegisters, Implementation, Support};
pub use level::Level;
pub use maintenance::{Maintenance, MaintenanceOutcome, maintain};
pub use masked::Masked;
pub use memory::{PhysicalMemory, Refusal, Stale};
pub use observer::{Input, Leaf, Observer, Output, Read};
pub use params::{Stage1Params, Stage2Params};
pub use permissions::Permissions;
pub use profile::Profile;
pub use registers::{FieldName, Registers};
pub use rule::Rule;
pub use syndrome::{InstructionSyndrome, Transfer};
pub use translate::{
    Abort, AccessOutcome, Machine, OutOfScope, Stage2Access, Stage2Operation, Stage2Outcome,
    Translation, access, stage2_translate,
};
pub use updates::{Certainty, MAX_UPDATES, Update, Updates};
