//! The parameters of stage 2, and which configurations of it are legal.

use super::{GranuleField, checked_txsz, granule, max_txsz, output_size};
use crate::choices::{Choice, Choices};
use crate::descriptor::{Format, output_bits};
use crate::granule::Granule;
use crate::implementation::{Features, Implementation};
use crate::level::Level;
use crate::registers::{Registers, VtcrEl2};
use crate::rule::Rule;

/// The parameters of a stage 2 walk (the pseudocode's `S2TTWParams`). A field that belongs to a feature
/// that is absent is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage2Params {
    /// Sizes, granule and the layout of descriptors.
    pub format: Format,
    /// `VTCR_EL2.T0SZ` as written.
    pub txsz: u64,
    /// `VTCR_EL2.PS` as written.
    pub ps: u64,
    /// `VTTBR_EL2`.
    pub vttbr: u64,
    /// `VTCR_EL2.SH0`, for leaves that hold address bits instead.
    pub sh: u64,
    /// Big-endian tables (`SCTLR_EL2.EE`).
    pub ee: bool,
    /// Protected table walk: stage 1 tables may not lie in Device memory.
    pub ptw: bool,
    /// Forced write-back: MemAttr combines in another way.
    pub fwb: bool,
    /// Hardware update of the access flag.
    pub ha: bool,
    /// Hardware update of dirty state.
    pub hd: bool,
    /// Hardware update of the access flag of table descriptors.
    pub haft: bool,
    /// Indirect permissions.
    pub s2pie: bool,
    /// `S2PIR_EL2`.
    pub s2pir: u64,
    /// FEAT_XNX: XN\[0\] counts.
    pub xnx: bool,
    /// `HCR_EL2.CD`: data accesses are Non-cacheable.
    pub cd: bool,
    /// `HCR_EL2.ID`: fetches are Non-cacheable.
    pub id: bool,
    /// Cache maintenance that may lose data needs write permission.
    pub cmow: bool,
}

impl Stage2Params {
    /// The parameters that the registers give.
    ///
    /// # Errors
    /// The rule by which the configuration is not legal: every access then has a level 0 Translation
    /// fault.
    ///
    /// Source: `AArch64.GetS2TTWParams`, and the configuration checks of `AArch64.S2Translate`.
    pub fn resolve<C: Choices + ?Sized>(
        pe: &Implementation,
        registers: &Registers,
        choices: &mut C,
    ) -> Result<Self, Rule> {
        let vtcr = registers.vtcr_el2();
        let hcr = registers.hcr_el2();
        let (format, ps) = format(pe, vtcr, choices)?;
        let ha = pe.has(Features::FEAT_HAFDBS) && vtcr.ha();
        Ok(Self {
            format,
            txsz: vtcr.t0sz(),
            ps,
            vttbr: registers.vttbr_el2,
            sh: vtcr.sh0(),
            ee: registers.sctlr_el2().ee(),
            ptw: hcr.ptw() && !hcr.tge(),
            fwb: pe.has(Features::FEAT_S2FWB) && hcr.fwb(),
            ha,
            hd: pe.has(Features::FEAT_HAFDBS_DBS) && vtcr.hd(),
            haft: pe.has(Features::FEAT_HAFT) && ha && vtcr.haft(),
            s2pie: pe.has(Features::FEAT_S2PIE) && vtcr.s2pie(),
            s2pir: registers.s2pir_el2,
            xnx: pe.has(Features::FEAT_XNX),
            cd: hcr.cd(),
            id: hcr.id(),
            cmow: pe.has(Features::FEAT_CMOW)
                && pe.has(Features::FEAT_HCX)
                && registers.hcrx_el2().cmow(),
        })
    }

    /// How many tables lie side by side at the start level: 1 to 16.
    #[must_use]
    pub fn concatenated_tables(&self) -> u32 {
        let format = &self.format;
        let one_table = format.granule.leaf_bits(format.start) + format.granule.stride();
        1 << format.ia_bits.saturating_sub(one_table)
    }

    /// The alignment in bytes that `VTTBR_EL2.BADDR` must have: that of the concatenated tables together,
    /// and at least 64 where the register holds a 52-bit address.
    #[must_use]
    pub fn base_alignment(&self) -> u64 {
        1 << self.format.base_alignment(self.format.has_wide_base(self.ps))
    }
}

/// Which descriptors stage 2 uses, from which level, if it can use any; and PS as it takes effect.
fn format<C: Choices + ?Sized>(
    pe: &Implementation,
    vtcr: VtcrEl2,
    choices: &mut C,
) -> Result<(Format, u64), Rule> {
    let granules = pe.stage2_granules;
    let granule = granule(GranuleField::Tg0, vtcr.tg0(), granules, Choice::VtcrTg0ActsAs, choices);
    let lpa2 = granules.has_lpa2(granule);
    let ds = lpa2 && vtcr.ds();

    let lpa = pe.has(Features::FEAT_LPA);
    let ps_bits = output_bits(pe, vtcr.ps(), granule, lpa2);
    let min_txsz = choices.stage2_min_txsz(min_txsz(pe, granule, ds), ps_bits);
    let txsz = checked_txsz(vtcr.t0sz(), min_txsz, max_txsz(pe, granule), lpa, choices)
        .ok_or(Rule::Stage2Txsz)?;
    let ia_bits = 64 - txsz as u32;

    let sl2 = ds && granule == Granule::K4 && vtcr.sl2();
    let start = start_level(pe, granule, ds, sl2, vtcr.sl0());
    let start = start.filter(|start| !choices.refuses_start(granule, *start, ps_bits));
    let start = start.ok_or(Rule::InvalidStartLevel)?;
    if is_inconsistent(granule, start, ia_bits) {
        return Err(Rule::InconsistentStartLevel);
    }
    let ps = output_size(pe, vtcr.ps(), (granule, ds), choices);
    let oa_bits = output_bits(pe, ps, granule, lpa2);
    Ok((Format::new(pe, granule, ds, ia_bits, oa_bits, start), ps))
}

/// The smallest T0SZ: the input is no larger than the implemented physical address size, whatever PS says.
///
/// Source: `AArch64.S2MinTxSZ`.
const fn min_txsz(pe: &Implementation, granule: Granule, ds: bool) -> u64 {
    let narrow = pe.has(Features::FEAT_LPA) && !matches!(granule, Granule::K64) && !ds;
    let limit = if narrow { 48 } else { 52 };
    let ips = pe.pa_max();
    (64 - if ips < limit { ips } else { limit }) as u64
}

/// The start level that SL2 and SL0 select, if they may. What may start where follows from the implemented
/// physical address size.
///
/// Source: `AArch64.S2StartLevel`, `AArch64.S2InvalidSL`.
fn start_level(
    pe: &Implementation,
    granule: Granule,
    ds: bool,
    sl2: bool,
    sl0: u64,
) -> Option<Level> {
    let pa_max = pe.pa_max();
    let (level, valid) = match (granule, sl2, sl0) {
        (Granule::K4, false, 0b00) => (Level::L2, true),
        (Granule::K4, false, 0b01) => (Level::L1, true),
        (Granule::K4, false, 0b10) => (Level::L0, pa_max >= 44),
        (Granule::K4, false, _) => (Level::L3, pe.has(Features::FEAT_TTST)),
        (Granule::K4, true, 0b00) => (Level::MINUS_1, true),
        (Granule::K4, true, _) => return None,
        (Granule::K16, _, 0b00) => (Level::L3, true),
        (Granule::K16, _, 0b01) => (Level::L2, true),
        (Granule::K16, _, 0b10) => (Level::L1, pa_max >= 42),
        (Granule::K16, _, _) => (Level::L0, ds),
        (Granule::K64, _, 0b00) => (Level::L3, true),
        (Granule::K64, _, 0b01) => (Level::L2, true),
        (Granule::K64, _, 0b10) => (Level::L1, pa_max >= 44),
        (Granule::K64, _, _) => return None,
    };
    valid.then_some(level)
}

/// At a start level, the input address must need at least one more bit than the levels below resolve, and
/// at most those of 16 concatenated tables.
///
/// Source: `AArch64.S2InconsistentSL`.
fn is_inconsistent(granule: Granule, start: Level, ia_bits: u32) -> bool {
    let below = granule.leaf_bits(start);
    !(below + 1..=below + granule.stride() + CONCATENATION_BITS).contains(&ia_bits)
}

/// Up to 16 tables may be concatenated.
const CONCATENATION_BITS: u32 = 4;
