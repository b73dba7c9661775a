//! The parameters of stage 1.

use super::{GranuleField, checked_txsz, granule, max_txsz, output_size, tcr2_el1_enabled};
use crate::address::Va;
use crate::choices::{Choice, Choices, Nv1, ask};
use crate::descriptor::{Format, output_bits};
use crate::el::Regime;
use crate::granule::Granule;
use crate::implementation::{Features, Implementation};
use crate::level::Level;
use crate::registers::{Registers, Sctlr, Tcr, Tcr2, TcrEl2};

/// The parameters of a stage 1 walk (the pseudocode's `S1TTWParams`). A field that belongs to a feature
/// that is absent is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage1Params {
    /// The translation regime.
    pub regime: Regime,
    /// The upper address range: TTBR1.
    pub upper: bool,
    /// Sizes, granule and the layout of descriptors.
    pub format: Format,
    /// TnSZ as written.
    pub txsz: u64,
    /// PS or IPS as it takes effect.
    pub ps: u64,
    /// The table base register.
    pub ttbr: u64,
    /// Top byte ignored.
    pub tbi: bool,
    /// TBI is for data accesses only.
    pub tbid: bool,
    /// EPDn: no walks.
    pub epd: bool,
    /// E0PDn: no EL0.
    pub e0pd: bool,
    /// Hierarchical permissions are disabled.
    pub hpd: bool,
    /// Write implies execute-never.
    pub wxn: bool,
    /// PAN applies to what EL0 may execute, too.
    pub epan: bool,
    /// Big-endian tables.
    pub ee: bool,
    /// Hardware update of the access flag.
    pub ha: bool,
    /// Hardware update of dirty state.
    pub hd: bool,
    /// Hardware update of the access flag of table descriptors.
    pub haft: bool,
    /// Indirect permissions.
    pub pie: bool,
    /// Attribute indices of four bits.
    pub aie: bool,
    /// SHn, for leaves that hold address bits instead.
    pub sh: u64,
    /// `MAIR_ELx`.
    pub mair: u64,
    /// `MAIR2_ELx`.
    pub mair2: u64,
    /// `PIR_ELx`.
    pub pir: u64,
    /// `PIRE0_ELx`.
    pub pire0: u64,
    /// `HCR_EL2.NV1` in effect.
    pub nv1: bool,
    /// Cache maintenance at EL0 that may lose data needs write permission.
    pub cmow: bool,
}

/// What TCR says about one address range.
struct Range {
    upper: bool,
    tg_field: GranuleField,
    tg: u64,
    txsz: u64,
    sh: u64,
    tbi: bool,
    tbid: bool,
    epd: bool,
    e0pd: bool,
    hpd: bool,
    ps: u64,
    ha: bool,
    hd: bool,
    ds: bool,
    ttbr: u64,
}

impl Range {
    /// The range of a virtual address in TCR's layout for two ranges: bit 55 selects.
    ///
    /// Source: `AArch64.GetVARange`, `AArch64.S1TTWParamsEL10`, `AArch64.S1TTWParamsEL20`.
    const fn of_two(va: Va, tcr: Tcr, ttbr0: u64, ttbr1: u64) -> Self {
        let (ps, ha, hd, ds) = (tcr.ips(), tcr.ha(), tcr.hd(), tcr.ds());
        if va.0 >> 55 & 1 == 0 {
            Self {
                upper: false,
                tg_field: GranuleField::Tg0,
                tg: tcr.tg0(),
                txsz: tcr.t0sz(),
                sh: tcr.sh0(),
                tbi: tcr.tbi0(),
                tbid: tcr.tbid0(),
                epd: tcr.epd0(),
                e0pd: tcr.e0pd0(),
                hpd: tcr.hpd0(),
                ttbr: ttbr0,
                ps,
                ha,
                hd,
                ds,
            }
        } else {
            Self {
                upper: true,
                tg_field: GranuleField::Tg1,
                tg: tcr.tg1(),
                txsz: tcr.t1sz(),
                sh: tcr.sh1(),
                tbi: tcr.tbi1(),
                tbid: tcr.tbid1(),
                epd: tcr.epd1(),
                e0pd: tcr.e0pd1(),
                hpd: tcr.hpd1(),
                ttbr: ttbr1,
                ps,
                ha,
                hd,
                ds,
            }
        }
    }

    /// The only range, in TCR_EL2's own layout.
    ///
    /// Source: `AArch64.S1TTWParamsEL2`.
    const fn of_one(tcr: TcrEl2, ttbr0: u64) -> Self {
        Self {
            upper: false,
            tg_field: GranuleField::Tg0,
            tg: tcr.tg0(),
            txsz: tcr.t0sz(),
            sh: tcr.sh0(),
            tbi: tcr.tbi(),
            tbid: tcr.tbid(),
            epd: false,
            e0pd: false,
            hpd: tcr.hpd(),
            ps: tcr.ps(),
            ha: tcr.ha(),
            hd: tcr.hd(),
            ds: tcr.ds(),
            ttbr: ttbr0,
        }
    }

    const fn new(regime: Regime, va: Va, registers: &Registers) -> Self {
        match regime {
            Regime::El10 => {
                Self::of_two(va, Tcr(registers.tcr_el1), registers.ttbr0_el1, registers.ttbr1_el1)
            }
            Regime::El20 => {
                Self::of_two(va, Tcr(registers.tcr_el2), registers.ttbr0_el2, registers.ttbr1_el2)
            }
            Regime::El2 => Self::of_one(TcrEl2(registers.tcr_el2), registers.ttbr0_el2),
        }
    }
}

/// The registers of a regime other than TCR and TTBR.
struct Controls {
    sctlr: Sctlr,
    tcr2: Tcr2,
    mair: u64,
    mair2: u64,
    pir: u64,
    pire0: u64,
}

impl Controls {
    fn new(regime: Regime, pe: &Implementation, registers: &Registers) -> Self {
        if regime == Regime::El10 {
            let tcr2_enabled = tcr2_el1_enabled(pe, registers);
            Self {
                sctlr: registers.sctlr_el1(),
                tcr2: Tcr2(if tcr2_enabled { registers.tcr2_el1 } else { 0 }),
                mair: registers.mair_el1,
                mair2: registers.mair2_el1,
                pir: registers.pir_el1,
                pire0: registers.pire0_el1,
            }
        } else {
            let tcr2_enabled = pe.has(Features::FEAT_TCR2);
            Self {
                sctlr: registers.sctlr_el2(),
                tcr2: Tcr2(if tcr2_enabled { registers.tcr2_el2 } else { 0 }),
                mair: registers.mair_el2,
                mair2: registers.mair2_el2,
                pir: registers.pir_el2,
                pire0: registers.pire0_el2,
            }
        }
    }
}

impl Stage1Params {
    /// The parameters for this address. `None` where TnSZ is out of range, and that is a level 0
    /// Translation fault.
    ///
    /// Source: `AArch64.GetS1TTWParams`, and the TxSZ checks of `AArch64.S1Translate`.
    pub(crate) fn resolve<C: Choices + ?Sized>(
        pe: &Implementation,
        registers: &Registers,
        regime: Regime,
        va: Va,
        choices: &mut C,
    ) -> Option<Self> {
        let range = Range::new(regime, va, registers);
        let controls = Controls::new(regime, pe, registers);
        let granules = pe.stage1_granules;

        let tg_choice = if range.upper { Choice::Tg1ActsAs } else { Choice::Tg0ActsAs };
        let granule = granule(range.tg_field, range.tg, granules, tg_choice, choices);
        let lpa2 = granules.has_lpa2(granule);
        let ds = lpa2 && range.ds;

        let lva = pe.has(Features::FEAT_LVA);
        let min_txsz = if ds || lva && granule == Granule::K64 { 12 } else { 16 };
        let txsz = checked_txsz(range.txsz, min_txsz, max_txsz(pe, granule), lva, choices)?;
        let ia_bits = 64 - txsz as u32;
        let ps = output_size(pe, range.ps, (granule, ds), choices);
        let oa_bits = output_bits(pe, ps, granule, lpa2);
        let start = start_level(granule, ia_bits);

        let pie = pe.has(Features::FEAT_S1PIE) && controls.tcr2.pie();
        let ha = pe.has(Features::FEAT_HAFDBS) && range.ha;
        let nv1 = regime == Regime::El10 && nv1(pe, registers, choices);
        Some(Self {
            regime,
            upper: range.upper,
            format: Format::new(pe, granule, ds, ia_bits, oa_bits, start),
            txsz: range.txsz,
            ps,
            ttbr: range.ttbr,
            tbi: range.tbi,
            tbid: pe.has(Features::FEAT_PAuth) && range.tbid,
            epd: range.epd,
            e0pd: pe.has(Features::FEAT_E0PD) && range.e0pd,
            hpd: pe.has(Features::FEAT_HPDS) && range.hpd,
            wxn: controls.sctlr.wxn(),
            epan: pe.has(Features::FEAT_PAN3) && (pie || controls.sctlr.epan()),
            ee: controls.sctlr.ee(),
            ha,
            hd: pe.has(Features::FEAT_HAFDBS_DBS) && range.hd,
            haft: pe.has(Features::FEAT_HAFT) && ha && controls.tcr2.haft(),
            pie,
            aie: pe.has(Features::FEAT_AIE) && controls.tcr2.aie(),
            sh: range.sh,
            mair: controls.mair,
            mair2: controls.mair2,
            pir: controls.pir,
            pire0: if nv1 { 0 } else { controls.pire0 },
            nv1,
            cmow: pe.has(Features::FEAT_CMOW) && controls.sctlr.cmow(),
        })
    }

    /// The highest bit of the address that counts: 55 if the top byte is ignored.
    ///
    /// Source: `AArch64.AddrTop`.
    const fn top_bit(&self, fetch: bool) -> u32 {
        top_bit(self.tbi, self.tbid, fetch)
    }

    /// Is an address outside of what the range translates?
    ///
    /// Source: `AArch64.VAIsOutOfRange`.
    pub(crate) fn is_out_of_range(&self, va: Va, fetch: bool) -> bool {
        let top = self.top_bit(fetch);
        // Bits top:ia_bits, which must be copies of bit 55, or zero where there is but one range.
        let above = va.0 << (63 - top) >> (63 - top) >> self.format.ia_bits;
        let expected = if self.upper { u64::MAX >> (63 - top) >> self.format.ia_bits } else { 0 };
        above != expected
    }

    /// SH of a leaf: with DS, which has address bits there, that of TCR.
    pub(crate) const fn leaf_sh(&self, descriptor: u64) -> u64 {
        if self.format.ds { self.sh } else { descriptor >> 8 & 0b11 }
    }

    /// The `MAIR_ELx` byte that a leaf selects.
    ///
    /// Source: `AArch64.MAIRAttr`, `AArch64.S1NextWalkStateLeaf`.
    pub(crate) const fn mair_byte(&self, descriptor: u64) -> u8 {
        let index = descriptor >> 2 & 0b111;
        let mair = if self.aie && descriptor >> 59 & 1 == 1 { self.mair2 } else { self.mair };
        (mair >> (8 * index)) as u8
    }
}

/// Source: `AArch64.S1StartLevel`.
fn start_level(granule: Granule, ia_bits: u32) -> Level {
    Level::with_below((ia_bits - 1).saturating_sub(granule.bits()) / granule.stride())
}

/// `HCR_EL2.NV1` in effect: without NV it may count or not.
fn nv1<C: Choices + ?Sized>(pe: &Implementation, registers: &Registers, choices: &mut C) -> bool {
    let hcr = registers.hcr_el2();
    if !pe.has(Features::FEAT_NV) || !hcr.nv1() {
        return false;
    }
    hcr.nv() || ask::<Nv1, C>(choices, Choice::Nv1WithoutNv).0
}

/// The highest bit of an address that counts while stage 1 is off, in the range of that address.
///
/// Source: `AArch64.S1DisabledOutput`.
pub(crate) fn disabled_top_bit(
    pe: &Implementation,
    registers: &Registers,
    regime: Regime,
    va: Va,
    fetch: bool,
) -> u32 {
    let range = Range::new(regime, va, registers);
    top_bit(range.tbi, pe.has(Features::FEAT_PAuth) && range.tbid, fetch)
}

const fn top_bit(tbi: bool, tbid: bool, fetch: bool) -> u32 {
    if tbi && !(tbid && fetch) { 55 } else { 63 }
}
