//! TLB maintenance instructions of the EL1&0 regime: what each takes away of what TLBs hold.
//!
//! ```text
//!   TLBI instruction, operand, features, TCR_EL1, VTCR_EL2 --Tlbi::new--> which VMIDs, stages, ASIDs, addresses, levels
//! ```
//!
//! TLBs themselves are no part of this crate. An instruction may take away more than it says; whoever follows what a
//! TLB may still hold counts on what it says alone.
//!
//! Source: DDI 0487, "TLB maintenance instructions"; `AArch64.TLBI_VA` and the other functions of that name.

use crate::implementation::{Features, Implementation};
use crate::registers::Registers;

/// A TLB maintenance instruction, whatever its shareability and XS form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the instruction of that name")]
pub enum TlbiOperation {
    Alle1,
    Vmalls12e1,
    Vmalle1,
    Aside1,
    Vae1,
    Vaae1,
    Vale1,
    Vaale1,
    Rvae1,
    Rvaae1,
    Rvale1,
    Rvaale1,
    Ipas2e1,
    Ipas2le1,
    Ripas2e1,
    Ripas2le1,
}

/// The PEs whose TLBs an instruction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlbiDomain {
    /// The PE that executes it.
    Own,
    /// All of the Inner Shareable domain: `..IS`.
    InnerShareable,
    /// All of the Outer Shareable domain: `..OS`.
    OuterShareable,
}

/// An executed TLBI, and what it takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlbi {
    /// The instruction.
    pub operation: TlbiOperation,
    /// It does not wait for accesses with the XS attribute: `..nXS`. Whether it takes away entries that have it is
    /// IMPLEMENTATION SPECIFIC, since DDI 0487 of 2025-09.
    pub nxs: bool,
    /// Its operand; 0 where it has none.
    pub operand: u64,
    /// The PEs that it is for.
    pub domain: TlbiDomain,
    /// It takes away what is tagged with any VMID, and not with the current one alone.
    pub any_vmid: bool,
    /// It takes away entries of stage 1.
    pub stage1: bool,
    /// It takes away entries of stage 2 alone.
    pub stage2: bool,
    /// It takes away entries that are made of both stages together.
    pub combined: bool,
    /// It takes away global entries of stage 1.
    pub global: bool,
    /// Of entries of stage 1 that are not global, it takes away those of this ASID alone.
    pub asid: Option<u16>,
    /// It takes away what is for these addresses alone: VAs, or IPAs of stage 2.
    pub range: Option<TlbiRange>,
}

/// The addresses that a TLBI is about, and what its operand says of the entries for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlbiRange {
    /// The first of them, without a tag.
    pub start: u64,
    /// How many bytes they are.
    pub bytes: u64,
    /// It takes away leaves alone, and no table entries.
    pub last_level: bool,
    /// Its TG field: it need not take away anything of another granule.
    pub tg: Option<u64>,
    /// Its TTL field: it need not take away other leaves than those of this level, nor tables of it or below.
    pub ttl: Option<u64>,
}

/// Virtual addresses are compared without their tags.
const ADDRESS: u64 = (1 << 56) - 1;

impl TlbiRange {
    /// The addresses in the operand of an instruction for one address. A TTL that is reserved tells nothing, nor does
    /// any without FEAT_TTL.
    ///
    /// ```text
    ///   63  48 47 46 45 44 43      0
    ///  | ASID | TTL: TG, l| VA >> 12 |        of an IPA bits 39:0, and no ASID
    /// ```
    ///
    /// Source: DDI 0487, "TTL field encodings in TLB instructions that apply to a single address".
    #[must_use]
    pub const fn of_one(operand: u64, last_level: bool, pe: &Implementation) -> Self {
        let (tg, level) = (operand >> 46 & 3, operand >> 44 & 3);
        let is_told = tg != 0 && pe.has(Features::FEAT_TTL) && has_leaves(tg, level, pe);
        let (tg, ttl) = if is_told { (Some(tg), Some(level)) } else { (None, None) };
        Self { start: operand << 12 & ADDRESS, bytes: 1, last_level, tg, ttl }
    }

    /// The addresses in the operand of a range instruction, `ds` of whose stage is as given.
    ///
    /// ```text
    ///   63  48 47 46 45   44 43 39 38 37 36             0
    ///  | ASID |  TG | SCALE | NUM | TTL |  BaseADDR      |     (NUM + 1) * 2^(5 * SCALE + 1) pages
    /// ```
    ///
    /// Source: DDI 0487, "TTL field encodings in TLB instructions that apply to a range of addresses".
    #[must_use]
    pub const fn of_many(operand: u64, last_level: bool, ds: bool, pe: &Implementation) -> Self {
        let tg = operand >> 46 & 3;
        let page_bits = 10 + 2 * tg;
        let (scale, num, level) = (operand >> 44 & 3, operand >> 39 & 0x1f, operand >> 37 & 3);
        let base_bits = if ds { 16 } else { page_bits };
        let is_told = level != 0 && pe.has(Features::FEAT_TTL) && has_leaves(tg, level, pe);
        // The base is signed: an upper range begins at its end.
        let base = ((operand << 27) as i64 >> 27) as u64;
        Self {
            start: base << base_bits & ADDRESS,
            bytes: (num + 1) << (5 * scale + 1) << page_bits,
            last_level,
            tg: Some(tg),
            ttl: if is_told { Some(level) } else { None },
        }
    }
}

/// Does a TTL of this granule and level stand for leaves, or is it reserved?
const fn has_leaves(tg: u64, level: u64, pe: &Implementation) -> bool {
    match (tg, level) {
        (1, 0) | (2, 1) => pe.has(Features::FEAT_LPA2),
        (2 | 3, 0) => false,
        _ => true,
    }
}

impl Tlbi {
    /// `operation` with this operand, on a PE like this and under these registers.
    #[must_use]
    pub const fn new(
        operation: TlbiOperation,
        operand: u64,
        domain: TlbiDomain,
        nxs: bool,
        pe: &Implementation,
        registers: &Registers,
    ) -> Self {
        use TlbiOperation as O;
        let none = Self {
            operation,
            nxs,
            operand,
            domain,
            any_vmid: false,
            stage1: false,
            stage2: false,
            combined: false,
            global: false,
            asid: None,
            range: None,
        };
        let stage1 = Self { stage1: true, global: true, ..none };
        let stage2 = Self { stage2: true, ..none };
        let all = Self { stage2: true, combined: true, ..stage1 };
        let asid = Some(asid(registers, operand));
        let ds1 = registers.tcr_el1 >> 59 & 1 == 1;
        let ds2 = registers.vtcr_el2().ds();
        let is_last = matches!(
            operation,
            O::Vale1 | O::Vaale1 | O::Rvale1 | O::Rvaale1 | O::Ipas2le1 | O::Ripas2le1
        );
        let one = TlbiRange::of_one(operand, is_last, pe);
        let many1 = TlbiRange::of_many(operand, is_last, ds1, pe);
        let many2 = TlbiRange::of_many(operand, is_last, ds2, pe);
        // Bits 43:40 say nothing, and bit 63 is the security state.
        let ipa = TlbiRange { start: one.start & ((1 << 52) - 1), ..one };
        match operation {
            O::Alle1 => Self { any_vmid: true, ..all },
            O::Vmalls12e1 => all,
            O::Vmalle1 => Self { combined: true, ..stage1 },
            O::Aside1 => Self { asid, global: false, ..stage1 },
            O::Vae1 | O::Vale1 => Self { asid, range: Some(one), ..stage1 },
            O::Vaae1 | O::Vaale1 => Self { range: Some(one), ..stage1 },
            O::Rvae1 | O::Rvale1 => Self { asid, range: Some(many1), ..stage1 },
            O::Rvaae1 | O::Rvaale1 => Self { range: Some(many1), ..stage1 },
            O::Ipas2e1 | O::Ipas2le1 => Self { range: Some(ipa), ..stage2 },
            O::Ripas2e1 | O::Ripas2le1 => Self { range: Some(many2), ..stage2 },
        }
    }

    /// The same instruction, where it takes nothing away.
    #[must_use]
    pub const fn ineffective(self) -> Self {
        Self { stage1: false, stage2: false, combined: false, ..self }
    }
}

/// The ASID in bits 63:48 of a register or an operand, as wide as `TCR_EL1.AS` says.
#[must_use]
pub const fn asid(registers: &Registers, operand: u64) -> u16 {
    let asid = (operand >> 48) as u16;
    if registers.tcr_el1 >> 36 & 1 == 1 { asid } else { asid & 0xff }
}
