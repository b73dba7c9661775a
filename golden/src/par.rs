//! The encoding of `PAR_EL1`.
//!
//! ```text
//!  success  63  56 55                       12 11  10  9  8  7 6   1 0
//!          | ATTR |          PA[55:12]        |1 |IMP|NS| SH  |RES0 |0|
//!  fault    63         48 47   16 15  14:12   11  10  9  8  7 6   1 0
//!          | IMPLEMENTATION| RES0|DIR|  RES0 |1 |  0|S |PTW|0| FST |1|
//!          |    DEFINED    |     |TY |       |
//! ```

use crate::attributes::MemoryAttributes;
use crate::fault::{Fault, FaultKind, Stage};
use crate::masked::Masked;

const F: u64 = 1 << 0;
pub(crate) const PTW: u64 = 1 << 8;
pub(crate) const S: u64 = 1 << 9;
const NS: u64 = 1 << 9;
const IMPLEMENTATION_DEFINED: u64 = 1 << 10;
/// RES1; with FEAT_RME, NSE of a success, which is UNKNOWN in the Non-secure state.
const BIT_11: u64 = 1 << 11;
const DIRTY_BIT: u64 = 1 << 15;
const PA: u64 = 0x00ff_ffff_ffff_f000;
const ATTR_SHIFT: u32 = 56;
const SH_SHIFT: u32 = 7;
pub(crate) const ATTR: u64 = 0xff << ATTR_SHIFT;
pub(crate) const SH: u64 = 0b11 << SH_SHIFT;
const FAULT_IMPLEMENTATION_DEFINED: u64 = 0xffff << 48;

/// `PAR_EL1` after a translation to this address. `attributes` of `None` leaves ATTR and SH undetermined.
///
/// Source: `AArch64.EncodePAR`, `PAREncodeShareability`.
#[inline]
pub(crate) fn success(
    address: u64,
    attributes: Option<MemoryAttributes>,
    feat_xs: bool,
    feat_rme: bool,
) -> Masked {
    let mut value = address & PA | BIT_11;
    let mut mask = !(NS | IMPLEMENTATION_DEFINED);
    if feat_rme {
        mask &= !BIT_11;
    }
    match attributes.map(MemoryAttributes::effective) {
        Some(attributes) => {
            value |= u64::from(attributes.to_mair(feat_xs)) << ATTR_SHIFT;
            value |= attributes.shareability.to_bits() << SH_SHIFT;
        }
        None => mask &= !(ATTR | SH),
    }
    Masked::new(value, mask)
}

/// `PAR_EL1` after a translation that ended in this fault.
///
/// Source: `AArch64.EncodePAR`, `AArch64.PARFaultStatus`.
#[inline]
pub(crate) fn fault(fault: &Fault) -> Masked {
    let mut value = F | fault.status_code() << 1 | BIT_11;
    if fault.s1_walk {
        value |= PTW;
    }
    if fault.stage == Stage::Two {
        value |= S;
    }
    if fault.kind == FaultKind::Permission && fault.dirty_bit {
        value |= DIRTY_BIT;
    }
    Masked::new(value, !FAULT_IMPLEMENTATION_DEFINED)
}
