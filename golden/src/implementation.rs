//! What a PE implements, as far as translation depends on it.

use core::fmt;

use crate::granule::Granule;

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $bit:literal,)*) => {
        #[expect(non_upper_case_globals, reason = "Arm's names")]
        impl Features {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*

            /// Every feature that this crate knows, with its name.
            pub const NAMED: &[(&'static str, Self)] = &[$((stringify!($name), Self::$name),)*];
        }
    };
}

/// A set of architectural features. Those that translation in scope does not depend on have no name here.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Features(u64);

features! {
    /// `MAIR2_ELx` and 4-bit attribute indices.
    FEAT_AIE = 0,
    /// Block translation change support; its level is [`Implementation::bbm_level`].
    FEAT_BBM = 1,
    /// `TCR_ELx.E0PDn`: keep EL0 out of a half of the address space.
    FEAT_E0PD = 2,
    /// Granules of stage 2 are told apart from those of stage 1.
    FEAT_GTG = 3,
    /// Hardware update of the access flag.
    FEAT_HAFDBS = 4,
    /// Hardware update of dirty state, the second half of FEAT_HAFDBS (`ID_AA64MMFR1_EL1.HAFDBS` of 2 or more).
    FEAT_HAFDBS_DBS = 5,
    /// Hardware update of the access flag in table descriptors.
    FEAT_HAFT = 6,
    /// `HCRX_EL2`.
    FEAT_HCX = 7,
    /// Hierarchical permission disables.
    FEAT_HPDS = 8,
    /// 52-bit physical addresses.
    FEAT_LPA = 9,
    /// 52-bit addresses with the 4KB and 16KB granules. Per stage and granule, [`Granules`] decides.
    FEAT_LPA2 = 10,
    /// 52-bit virtual addresses with the 64KB granule.
    FEAT_LVA = 11,
    /// Nested virtualization.
    FEAT_NV = 12,
    /// PSTATE.PAN.
    FEAT_PAN = 13,
    /// AT S1E1RP and AT S1E1WP.
    FEAT_PAN2 = 14,
    /// `SCTLR_ELx.EPAN`.
    FEAT_PAN3 = 15,
    /// Pointer authentication, which brings `TCR_ELx.TBIDn`.
    FEAT_PAuth = 16,
    /// Indirect permissions at stage 1.
    FEAT_S1PIE = 17,
    /// `HCR_EL2.FWB`.
    FEAT_S2FWB = 18,
    /// Indirect permissions at stage 2.
    FEAT_S2PIE = 19,
    /// `TCR2_ELx`.
    FEAT_TCR2 = 20,
    /// Common-not-private translations: `TTBRn_ELx.CnP`.
    FEAT_TTCNP = 21,
    /// Small translation tables: TnSZ up to 48 (47 with the 64KB granule).
    FEAT_TTST = 22,
    /// The virtualization host extensions: `HCR_EL2.E2H`.
    FEAT_VHE = 23,
    /// Execute-never at stage 2 for EL1 and EL0 apart.
    FEAT_XNX = 24,
    /// The XS attribute.
    FEAT_XS = 25,
    /// PSTATE.UAO.
    FEAT_UAO = 26,
    /// 16-bit VMIDs: `VTCR_EL2.VS`.
    FEAT_VMID16 = 27,
    /// Reliability, availability and serviceability: `HCR_EL2.TEA`.
    FEAT_RAS = 28,
    /// Realm management: `PAR_EL1.NSE`.
    FEAT_RME = 29,
    /// 64-byte loads and stores: ESR's LST field.
    FEAT_LS64 = 30,
    /// Unaligned accesses within 16 aligned bytes are single-copy atomic: `SCTLR_ELx.nAA`.
    FEAT_LSE2 = 31,
    /// Cache maintenance that wants to be allowed to write: `SCTLR_ELx.CMOW`, `HCRX_EL2.CMOW`.
    FEAT_CMOW = 32,
    /// TLB maintenance by address can name the level of the leaf: TTL.
    FEAT_TTL = 33,
}

impl Features {
    /// No features.
    pub const NONE: Self = Self(0);

    /// Are all of those in the set?
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set with those added.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The set with those taken away.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The feature of that name, `FEAT_` included.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(n, _)| *n == name).map(|&(_, feature)| feature)
    }

    const fn when(self, condition: bool, feature: Self) -> Self {
        if condition { self.with(feature) } else { self }
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (name, feature) in Self::NAMED {
            if self.contains(*feature) {
                write!(f, "{}{name}", if first { "" } else { " " })?;
                first = false;
            }
        }
        Ok(())
    }
}

/// How well a stage supports a granule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Support {
    /// Not at all.
    #[default]
    Absent,
    /// With input and output addresses of up to 48 bits (52 for 64KB with FEAT_LPA or FEAT_LVA).
    Present,
    /// With FEAT_LPA2: DS = 1 gives 52-bit addresses.
    Lpa2,
}

/// The granules that a stage supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Granules([Support; 3]);

impl Granules {
    /// All three granules, the smaller two with FEAT_LPA2 or without.
    #[must_use]
    pub const fn all(lpa2: bool) -> Self {
        let small = if lpa2 { Support::Lpa2 } else { Support::Present };
        Self([small, small, Support::Present])
    }

    /// The same with this granule's support replaced.
    #[must_use]
    pub const fn with(mut self, granule: Granule, support: Support) -> Self {
        self.0[granule.index()] = support;
        self
    }

    /// The support for a granule.
    #[must_use]
    pub const fn support(self, granule: Granule) -> Support {
        self.0[granule.index()]
    }

    /// Is the granule supported at all?
    ///
    /// Source: `AArch64.HaveS1TG`, `AArch64.HaveS2TG`.
    #[must_use]
    pub const fn has(self, granule: Granule) -> bool {
        !matches!(self.support(granule), Support::Absent)
    }

    /// Does DS = 1 take effect with it?
    #[must_use]
    pub const fn has_lpa2(self, granule: Granule) -> bool {
        matches!(self.support(granule), Support::Lpa2)
    }
}

/// What a PE implements: the part of its ID registers that translation depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Implementation {
    /// The implemented physical address size in bits (the pseudocode's PAMax):
    /// 32, 36, 40, 42, 44, 48 or 52. Other values are taken as they are, up to 52.
    pub pa_bits: u8,
    /// The implemented features.
    pub features: Features,
    /// The granules of stage 1.
    pub stage1_granules: Granules,
    /// The granules of stage 2.
    pub stage2_granules: Granules,
    /// Block translation change support with FEAT_BBM: 0, 1 or 2.
    pub bbm_level: u8,
    /// No data cache lies before the Point of Coherency.
    pub no_cache_to_poc: bool,
    /// No data cache lies before the Point of Unification.
    pub no_cache_to_pou: bool,
}

impl Implementation {
    /// A PE of this physical address size and these features, with all granules at both stages and
    /// block translation change support of level 0.
    #[must_use]
    pub const fn new(pa_bits: u8, features: Features) -> Self {
        let granules = Granules::all(features.contains(Features::FEAT_LPA2));
        Self {
            pa_bits,
            features,
            stage1_granules: granules,
            stage2_granules: granules,
            bbm_level: 0,
            no_cache_to_poc: false,
            no_cache_to_pou: false,
        }
    }

    /// The same PE with the cache levels that this `CLIDR_EL1` tells. Without, there are caches.
    ///
    /// ```text
    ///  29:27   26:24
    /// | LoUU |  LoC  |      levels to the Points of Unification and Coherency
    /// ```
    #[must_use]
    pub const fn with_clidr(mut self, clidr_el1: u64) -> Self {
        self.no_cache_to_poc = clidr_el1 >> 24 & 0b111 == 0;
        self.no_cache_to_pou = clidr_el1 >> 27 & 0b111 == 0;
        self
    }

    /// Is the feature implemented?
    #[must_use]
    pub const fn has(&self, feature: Features) -> bool {
        self.features.contains(feature)
    }

    /// The implemented physical address size in bits, never above 52: 56-bit addresses are out of scope.
    ///
    /// Source: `AArch64.PAMax`.
    #[must_use]
    pub const fn pa_max(&self) -> u32 {
        if self.pa_bits > 52 { 52 } else { self.pa_bits as u32 }
    }

    /// What the ID registers of a PE say.
    ///
    /// Reserved values are read as the largest known value below them, as the ID scheme intends
    /// (DDI 0487, "Principles of the ID scheme for fields in ID registers").
    #[must_use]
    pub const fn from_id_registers(id: &IdRegisters) -> Self {
        let mmfr0 = id.id_aa64mmfr0_el1;
        let mmfr1 = id.id_aa64mmfr1_el1;
        let mmfr2 = id.id_aa64mmfr2_el1;
        let mmfr3 = id.id_aa64mmfr3_el1;
        let isar1 = id.id_aa64isar1_el1;

        let pa_bits = match field(mmfr0, 0) {
            0 => 32,
            1 => 36,
            2 => 40,
            3 => 42,
            4 => 44,
            5 => 48,
            _ => 52,
        };

        // TGran4 and TGran64 are signed: 0b1111 says "not implemented". TGran16 counts from 0.
        let granule4 = match field(mmfr0, 28) {
            0 => Support::Present,
            1..=7 => Support::Lpa2,
            _ => Support::Absent,
        };
        let granule16 = match field(mmfr0, 20) {
            0 => Support::Absent,
            1 => Support::Present,
            _ => Support::Lpa2,
        };
        let granule64 = if field(mmfr0, 24) < 8 { Support::Present } else { Support::Absent };
        // TGranX_2: 0 as stage 1, 1 none, 2 yes, 3 with 52-bit addresses.
        let gtg = field(mmfr0, 32) != 0 || field(mmfr0, 36) != 0 || field(mmfr0, 40) != 0;
        let stage1 = Granules([granule4, granule16, granule64]);
        let stage2 = Granules([
            stage2_support(field(mmfr0, 40), granule4),
            stage2_support(field(mmfr0, 32), granule16),
            match stage2_support(field(mmfr0, 36), granule64) {
                Support::Lpa2 => Support::Present,
                other => other,
            },
        ]);
        let lpa2 = stage1.has_lpa2(Granule::K4)
            || stage1.has_lpa2(Granule::K16)
            || stage2.has_lpa2(Granule::K4)
            || stage2.has_lpa2(Granule::K16);

        let bbm = field(mmfr2, 52);
        let features = Features::NONE
            .when(field(mmfr0, 0) >= 6, Features::FEAT_LPA)
            .when(lpa2, Features::FEAT_LPA2)
            .when(gtg, Features::FEAT_GTG)
            .when(field(mmfr1, 0) >= 1, Features::FEAT_HAFDBS)
            .when(field(mmfr1, 0) >= 2, Features::FEAT_HAFDBS_DBS)
            .when(field(mmfr1, 0) >= 3, Features::FEAT_HAFT)
            .when(field(mmfr1, 4) >= 2, Features::FEAT_VMID16)
            .when(field(mmfr1, 8) >= 1, Features::FEAT_VHE)
            .when(field(mmfr1, 12) >= 1, Features::FEAT_HPDS)
            .when(field(mmfr1, 20) >= 1, Features::FEAT_PAN)
            .when(field(mmfr1, 20) >= 2, Features::FEAT_PAN2)
            .when(field(mmfr1, 20) >= 3, Features::FEAT_PAN3)
            .when(field(mmfr1, 28) >= 1, Features::FEAT_XNX)
            .when(field(mmfr1, 40) >= 1, Features::FEAT_HCX)
            .when(field(mmfr2, 0) >= 1, Features::FEAT_TTCNP)
            .when(field(mmfr2, 4) >= 1, Features::FEAT_UAO)
            .when(field(mmfr2, 16) >= 1, Features::FEAT_LVA)
            .when(field(mmfr2, 24) >= 1, Features::FEAT_NV)
            .when(field(mmfr2, 28) >= 1, Features::FEAT_TTST)
            .when(field(mmfr2, 40) >= 1, Features::FEAT_S2FWB)
            .when(field(mmfr2, 48) >= 1, Features::FEAT_TTL)
            .when(bbm >= 1, Features::FEAT_BBM)
            .when(field(mmfr1, 56) >= 1, Features::FEAT_CMOW)
            .when(field(mmfr2, 32) >= 1, Features::FEAT_LSE2)
            .when(field(mmfr2, 60) >= 1, Features::FEAT_E0PD)
            .when(field(mmfr3, 0) >= 1, Features::FEAT_TCR2)
            .when(field(mmfr3, 8) >= 1, Features::FEAT_S1PIE)
            .when(field(mmfr3, 12) >= 1, Features::FEAT_S2PIE)
            .when(field(mmfr3, 24) >= 1, Features::FEAT_AIE)
            .when(
                field(isar1, 4) != 0 || field(isar1, 8) != 0 || field(id.id_aa64isar2_el1, 12) != 0,
                Features::FEAT_PAuth,
            )
            .when(field(isar1, 56) >= 1, Features::FEAT_XS)
            .when(field(isar1, 60) >= 1, Features::FEAT_LS64)
            .when(field(id.id_aa64pfr0_el1, 28) >= 1, Features::FEAT_RAS)
            .when(field(id.id_aa64pfr0_el1, 52) >= 1, Features::FEAT_RME);

        Self {
            pa_bits,
            features,
            stage1_granules: stage1,
            stage2_granules: stage2,
            bbm_level: if bbm > 2 { 2 } else { bbm },
            no_cache_to_poc: false,
            no_cache_to_pou: false,
        }
    }
}

/// Hands the ID registers that [`Implementation::from_id_registers`] reads to the macro `$then`, behind the
/// tokens `$with`: field of [`IdRegisters`], and Arm's name.
#[macro_export]
macro_rules! id_registers {
    ($then:ident $($with:tt)*) => {
        $then! {
            $($with)*
            id_aa64pfr0_el1 "ID_AA64PFR0_EL1"
            id_aa64isar1_el1 "ID_AA64ISAR1_EL1"
            id_aa64isar2_el1 "ID_AA64ISAR2_EL1"
            id_aa64mmfr0_el1 "ID_AA64MMFR0_EL1"
            id_aa64mmfr1_el1 "ID_AA64MMFR1_EL1"
            id_aa64mmfr2_el1 "ID_AA64MMFR2_EL1"
            id_aa64mmfr3_el1 "ID_AA64MMFR3_EL1"
        }
    };
}

macro_rules! declare {
    ($($field:ident $name:literal)*) => {
        /// The raw ID registers that [`Implementation::from_id_registers`] reads.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct IdRegisters {
            $(#[doc = concat!("`", $name, "`.")] pub $field: u64,)*
        }
    };
}

id_registers!(declare);

/// The 4-bit field that starts at that bit.
const fn field(register: u64, lsb: u32) -> u8 {
    (register >> lsb & 0xf) as u8
}

const fn stage2_support(field: u8, stage1: Support) -> Support {
    match field {
        0 => stage1,
        1 => Support::Absent,
        2 => Support::Present,
        _ => Support::Lpa2,
    }
}
