//! What a PE can do, as far as drawing depends on it.

use crate::format::Granule;

/// Hands the ID registers that drawing depends on to the macro `$then`: their fields in
/// [`Ids`](crate::abilities::Ids).
#[macro_export]
macro_rules! ids {
    ($then:ident) => {
        $then! {
            id_aa64mmfr0_el1
            id_aa64mmfr1_el1
            id_aa64mmfr2_el1
            id_aa64isar0_el1
            id_aa64isar1_el1
        }
    };
}

macro_rules! declare {
    ($($field:ident)*) => {
        /// The raw ID registers that drawing depends on.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[expect(missing_docs, reason = "each field is the register of that name")]
        pub struct Ids {
            $(pub $field: u64,)*
        }
    };
}

ids!(declare);

/// What stage 2 can do with one granule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum GranuleAbility {
    /// Nothing.
    Absent,
    /// Addresses of 48 bits (64K: 52 with FEAT_LPA).
    Present,
    /// Addresses of 52 bits with VTCR_EL2.DS = 1.
    Lpa2,
}

/// The abilities of a PE, as drawing wants them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Abilities {
    /// Implemented physical address size in bits, 32 to 52.
    pub pa_bits: u8,
    granules: [GranuleAbility; 3],
    stage1_granules: [GranuleAbility; 3],
    /// FEAT_LVA: 52-bit virtual addresses with the 64K granule.
    pub lva: bool,
    /// FEAT_VHE: HCR_EL2.E2H.
    pub vhe: bool,
    /// FEAT_HPDS: TCR_EL2.HPD.
    pub hpds: bool,
    /// The target has a monitor at EL3, which asks what no code could run under. No ID register says so.
    pub monitor: bool,
    /// FEAT_TTST: small translation tables.
    pub ttst: bool,
    /// FEAT_XNX: XN has two bits at stage 2.
    pub xnx: bool,
    /// FEAT_S2FWB: HCR_EL2.FWB.
    pub fwb: bool,
    /// FEAT_XS: the FnXS bit.
    pub xs: bool,
    /// FEAT_HAFDBS: hardware sets the access flag.
    pub access_flag: bool,
    /// FEAT_HAFDBS: hardware manages dirty state.
    pub dirty_state: bool,
    /// FEAT_VMID16.
    pub vmid16: bool,
    /// FEAT_BBM: the level of support, 0 to 2.
    pub bbm_level: u8,
    /// FEAT_LSE: atomic instructions.
    pub lse: bool,
    /// FEAT_PAN: PSTATE.PAN.
    pub pan: bool,
    /// FEAT_PAN2: AT S1E1RP and AT S1E1WP.
    pub pan2: bool,
    /// FEAT_PAN3: SCTLR_EL1.EPAN.
    pub pan3: bool,
    /// FEAT_NV: HCR_EL2.NV and NV1.
    pub nv: bool,
    /// FEAT_E0PD: TCR_EL1.E0PDn.
    pub e0pd: bool,
    /// ASIDs can have 16 bits.
    pub asid16: bool,
    /// FEAT_TTCNP: tables that PEs share.
    pub cnp: bool,
    /// FEAT_TTL: TLB maintenance by address can name a level.
    pub ttl: bool,
    /// FEAT_TLBIOS: TLB maintenance for the Outer Shareable domain.
    pub tlbi_os: bool,
    /// FEAT_TLBIRANGE: TLB maintenance of ranges.
    pub tlbi_range: bool,
}

impl Abilities {
    /// Reads the abilities off the ID registers (DDI 0487, D23.2).
    pub fn new(ids: &Ids) -> Self {
        let field = |register: u64, at: u32| (register >> at & 0xf) as u8;
        let mmfr0 = |at| field(ids.id_aa64mmfr0_el1, at);
        let mmfr1 = |at| field(ids.id_aa64mmfr1_el1, at);
        let mmfr2 = |at| field(ids.id_aa64mmfr2_el1, at);
        let isar0 = |at| field(ids.id_aa64isar0_el1, at);
        let pa_bits = match mmfr0(0) {
            0 => 32,
            1 => 36,
            2 => 40,
            3 => 42,
            4 => 44,
            5 => 48,
            _ => 52,
        };
        // TGran4 and TGran64 are signed, with 0 for "yes" and -1 for "no"; TGran16 is not.
        let stage1 = [
            if mmfr0(28) == 0xf { Absent } else { lpa2_if(mmfr0(28) >= 1) },
            if mmfr0(20) == 0 { Absent } else { lpa2_if(mmfr0(20) >= 2) },
            if mmfr0(24) == 0xf { Absent } else { Present },
        ];
        let stage2 = [mmfr0(40), mmfr0(32), mmfr0(36)];
        let mut granules = stage1;
        for (ability, stage2) in granules.iter_mut().zip(stage2) {
            match stage2 {
                0 => {}
                1 => *ability = Absent,
                2 => *ability = Present,
                _ => *ability = Lpa2,
            }
        }
        Self {
            pa_bits,
            granules,
            stage1_granules: stage1,
            lva: mmfr2(16) >= 1,
            vhe: mmfr1(8) >= 1,
            hpds: mmfr1(12) >= 1,
            monitor: false,
            ttst: mmfr2(28) >= 1,
            xnx: mmfr1(28) >= 1,
            fwb: mmfr2(40) >= 1,
            xs: field(ids.id_aa64isar1_el1, 56) >= 1,
            access_flag: mmfr1(0) >= 1,
            dirty_state: mmfr1(0) >= 2,
            vmid16: mmfr1(4) == 2,
            bbm_level: mmfr2(52).min(2),
            lse: isar0(20) >= 2,
            pan: mmfr1(20) >= 1,
            pan2: mmfr1(20) >= 2,
            pan3: mmfr1(20) >= 3,
            nv: mmfr2(24) >= 1,
            e0pd: mmfr2(60) >= 1,
            asid16: mmfr0(4) == 2,
            cnp: mmfr2(0) >= 1,
            ttl: mmfr2(48) >= 1,
            tlbi_os: isar0(56) >= 1,
            tlbi_range: isar0(56) >= 2,
        }
    }

    /// What stage 2 can do with `granule`.
    pub const fn granule(&self, granule: Granule) -> GranuleAbility {
        self.granules[(granule.bits() as usize - 12) / 2]
    }

    /// The same on a target that has a monitor at EL3, or not.
    #[must_use]
    pub const fn with_monitor(self, monitor: bool) -> Self {
        Self { monitor, ..self }
    }

    /// Whether stage 1 has `granule`, with DS = 1 where `ds` says so.
    pub fn stage1_has(&self, granule: Granule, ds: bool) -> bool {
        let least = if ds { Lpa2 } else { Present };
        let ability = self.stage1_granules[(granule.bits() as usize - 12) / 2];
        ability >= least && (!ds || granule != Granule::K64)
    }

    /// Whether stage 2 has `granule`, with DS = 1 where `ds` says so.
    pub fn has(&self, granule: Granule, ds: bool) -> bool {
        let least = if ds { Lpa2 } else { Present };
        self.granule(granule) >= least && (!ds || granule != Granule::K64)
    }

    /// FEAT_LPA: 52-bit physical addresses with the 64K granule.
    pub const fn lpa(&self) -> bool {
        self.pa_bits == 52
    }
}

use GranuleAbility::{Absent, Lpa2, Present};

const fn lpa2_if(lpa2: bool) -> GranuleAbility {
    if lpa2 { Lpa2 } else { Present }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granules(id_aa64mmfr0_el1: u64) -> [GranuleAbility; 3] {
        let abilities = Abilities::new(&Ids { id_aa64mmfr0_el1, ..Ids::default() });
        Granule::ALL.map(|granule| abilities.granule(granule))
    }

    #[test]
    fn granule_fields_are_read_by_their_own_rules() {
        assert_eq!(granules(0), [Present, Absent, Present]);
        assert_eq!(granules(0xff00_0000), [Absent, Absent, Absent]);
        assert_eq!(granules(0x1020_0000), [Lpa2, Lpa2, Present]);
    }

    #[test]
    fn stage_2_fields_override_where_they_say_something() {
        assert_eq!(granules(0x0111_0000_0000 | 0x1020_0000), [Absent, Absent, Absent]);
        assert_eq!(granules(0x0222_0000_0000 | 0xff00_0000), [Present, Present, Present]);
        assert_eq!(granules(0x0303_0000_0000), [Lpa2, Lpa2, Present]);
    }

    #[test]
    fn a_cortex_a53_and_a_qemu_max_read_as_they_are() {
        let ids = Ids { id_aa64mmfr0_el1: 0x1122, ..Ids::default() };
        assert_eq!(Abilities::new(&ids).pa_bits, 40);
        let ids = Ids { id_aa64mmfr0_el1: 0x2100_0323_1020_1126, ..Ids::default() };
        let max = Abilities::new(&ids);
        assert_eq!(max.pa_bits, 52);
        assert!(max.has(Granule::K4, true) && max.has(Granule::K16, true));
        assert!(max.has(Granule::K64, false) && !max.has(Granule::K64, true));
    }
}
