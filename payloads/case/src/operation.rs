//! What a probe does with its address.

/// The operations: one table of documentation, number on the wire, and name.
macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// What a probe does with its address: it asks the MMU a question, or is a step of a sequence.
        ///
        /// | numbers | |
        /// |---|---|
        /// | 0x00 .. 0x2f | questions |
        /// | 0x30 .. 0x3f | steps that change tables or registers |
        /// | 0x40 .. 0x5f | steps of TLB maintenance |
        /// | 0xf0 .. 0xff | self-test builds only: what hurts the executor itself |
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum Operation {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Operation {
            /// Every operation, by number.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in suites, reports and reproducers.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

operations! {
    /// `AT S12E1R`: stages 1 and 2, EL1, read.
    AtS12e1r = 0x00, "at_s12e1r";
    /// `AT S12E1W`: stages 1 and 2, EL1, write.
    AtS12e1w = 0x01, "at_s12e1w";
    /// `AT S12E0R`: stages 1 and 2, EL0, read.
    AtS12e0r = 0x02, "at_s12e0r";
    /// `AT S12E0W`: stages 1 and 2, EL0, write.
    AtS12e0w = 0x03, "at_s12e0w";
    /// `AT S1E2R`: stage 1 of EL2, read.
    AtS1e2r = 0x04, "at_s1e2r";
    /// `AT S1E2W`: stage 1 of EL2, write.
    AtS1e2w = 0x05, "at_s1e2w";
    /// `AT S1E1R`: stage 1 of EL1, or of EL2 where HCR_EL2.{E2H, TGE} are 1; read.
    AtS1e1r = 0x06, "at_s1e1r";
    /// `AT S1E1W`: the same, write.
    AtS1e1w = 0x07, "at_s1e1w";
    /// `AT S1E0R`: stage 1 of EL0, in the regime of `AT S1E1R`; read.
    AtS1e0r = 0x08, "at_s1e0r";
    /// `AT S1E0W`: the same, write.
    AtS1e0w = 0x09, "at_s1e0w";
    /// A load into one register; the answer is what was loaded.
    Load = 0x0a, "load";
    /// A store of [`crate::scratch::stored`] of the probe's number, or as many of its bytes as the probe
    /// says; that word is the answer, too.
    Store = 0x0b, "store";
    /// A call of the address; the answer is what the code there returns. In a scratch arena that is its own
    /// physical address, see [`crate::scratch`].
    Fetch = 0x0c, "fetch";
    /// `LDP` of two registers of 8 bytes; the answer is [`pair`] of them.
    LoadPair = 0x0d, "load_pair";
    /// `STP` of two registers of 8 bytes, each with what a store of the probe stores.
    StorePair = 0x0e, "store_pair";
    /// `LDXR`, and `CLREX`; the answer is what was loaded.
    LoadExclusive = 0x0f, "load_exclusive";
    /// `LDXR` and `STXR` of what a store stores, again until it succeeds, up to
    /// [`crate::guest::EXCLUSIVE_TRIES`] times; the answer is what was loaded before, or
    /// [`crate::guest::NOT_STORED`].
    StoreExclusive = 0x10, "store_exclusive";
    /// `SWPAL` with what a store stores; the answer is what was there. FEAT_LSE.
    Swap = 0x11, "swap";
    /// `LDADDAL` of what a store stores; the answer is what was there. FEAT_LSE.
    Add = 0x12, "add";
    /// `CASAL` that compares with the probe's own address and stores what a store stores; the answer is
    /// what was there. FEAT_LSE.
    CompareAndSwap = 0x13, "compare_and_swap";
    /// `LDAR`; the answer is what was loaded.
    LoadAcquire = 0x14, "load_acquire";
    /// `STLR` of what a store stores.
    StoreRelease = 0x15, "store_release";
    /// `LDTR`: a load with the permissions of EL0; the answer is what was loaded.
    LoadUnprivileged = 0x16, "load_unprivileged";
    /// `STTR` of what a store stores, with the permissions of EL0.
    StoreUnprivileged = 0x17, "store_unprivileged";
    /// `DC CVAC`. The answer of this and the others that answer nothing is 0.
    DcCvac = 0x18, "dc_cvac";
    /// `DC CVAU`.
    DcCvau = 0x19, "dc_cvau";
    /// `DC CIVAC`.
    DcCivac = 0x1a, "dc_civac";
    /// `DC IVAC`.
    DcIvac = 0x1b, "dc_ivac";
    /// `DC ZVA`.
    DcZva = 0x1c, "dc_zva";
    /// `IC IVAU`.
    IcIvau = 0x1d, "ic_ivau";
    /// `AT S1E1RP`: stage 1 of EL1 with PSTATE.PAN, read. FEAT_PAN2.
    AtS1e1rp = 0x1e, "at_s1e1rp";
    /// `AT S1E1WP`: the same, write.
    AtS1e1wp = 0x1f, "at_s1e1wp";
    /// Nothing but the way to the EL and back: for benches.
    RoundTrip = 0x20, "round_trip";

    /// Carries out the late edit whose number the probe names, and makes the new descriptor visible to
    /// walks: `STR`, `DSB ISH`, `ISB`.
    Change = 0x30, "change";
    /// Loads the register of the tree whose number the probe names: the address, with the root of the
    /// tree exclusive-ored in, as [`crate::registers::Registers`] has it; and `ISB`.
    UseTree = 0x31, "use_tree";

    /// `TLBI VMALLE1`. Each TLBI has the probe's address as its operand, as far as it has one, and
    /// `DSB` and `ISB` behind it; the probe's flags choose among its forms.
    TlbiVmalle1 = 0x40, "tlbi_vmalle1";
    /// `TLBI VMALLS12E1`.
    TlbiVmalls12e1 = 0x41, "tlbi_vmalls12e1";
    /// `TLBI VAE1`.
    TlbiVae1 = 0x42, "tlbi_vae1";
    /// `TLBI VAAE1`.
    TlbiVaae1 = 0x43, "tlbi_vaae1";
    /// `TLBI VALE1`.
    TlbiVale1 = 0x44, "tlbi_vale1";
    /// `TLBI VAALE1`.
    TlbiVaale1 = 0x45, "tlbi_vaale1";
    /// `TLBI ASIDE1`.
    TlbiAside1 = 0x46, "tlbi_aside1";
    /// `TLBI IPAS2E1`.
    TlbiIpas2e1 = 0x47, "tlbi_ipas2e1";
    /// `TLBI IPAS2LE1`.
    TlbiIpas2le1 = 0x48, "tlbi_ipas2le1";
    /// `TLBI ALLE1`.
    TlbiAlle1 = 0x49, "tlbi_alle1";
    /// `TLBI RVAE1`. This and the other range forms: FEAT_TLBIRANGE.
    TlbiRvae1 = 0x4a, "tlbi_rvae1";
    /// `TLBI RVAAE1`.
    TlbiRvaae1 = 0x4b, "tlbi_rvaae1";
    /// `TLBI RVALE1`.
    TlbiRvale1 = 0x4c, "tlbi_rvale1";
    /// `TLBI RVAALE1`.
    TlbiRvaale1 = 0x4d, "tlbi_rvaale1";
    /// `TLBI RIPAS2E1`.
    TlbiRipas2e1 = 0x4e, "tlbi_ripas2e1";
    /// `TLBI RIPAS2LE1`.
    TlbiRipas2le1 = 0x4f, "tlbi_ripas2le1";

    /// Self-test builds only: the executor jumps to `address` at EL2.
    FaultCode = 0xf0, "fault_code";
    /// Self-test builds only: the executor loads from `address` at EL2.
    FaultData = 0xf1, "fault_data";
    /// Self-test builds only: the executor pushes with its stack pointer at `address`.
    FaultStack = 0xf2, "fault_stack";
    /// Self-test builds only: the executor spins for ever.
    Hang = 0xf3, "hang";
}

impl Operation {
    /// Those questions that ask stage 2, from wherever they are asked.
    pub const STAGE2: [Self; 4] = [Self::AtS12e1r, Self::AtS12e1w, Self::AtS12e0r, Self::AtS12e0w];
    /// Those that ask stage 1 of EL2.
    pub const EL2: [Self; 2] = [Self::AtS1e2r, Self::AtS1e2w];
    /// Those that ask stage 1 of EL1&0, or of EL2&0 where HCR_EL2.{E2H, TGE} are 1.
    pub const EL10: [Self; 4] = [Self::AtS1e1r, Self::AtS1e1w, Self::AtS1e0r, Self::AtS1e0w];

    /// Those that put a question to the MMU under test, and the steps between them.
    pub fn of_real_builds() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|operation| !operation.is_self_test())
    }

    /// The operation whose number is `number`.
    pub fn from_number(number: u8) -> Option<Self> {
        // By number, so that it is found without a search where numbers are dense.
        let dense = Self::ALL.get(usize::from(number)).copied();
        dense
            .filter(|operation| *operation as u8 == number)
            .or_else(|| Self::ALL.iter().copied().find(|operation| *operation as u8 == number))
    }

    /// The operation with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.name() == name)
    }

    /// Whether it is an address translation instruction: it reaches no memory but tables.
    pub const fn is_at(self) -> bool {
        (self as u8) < Self::Load as u8 || matches!(self, Self::AtS1e1rp | Self::AtS1e1wp)
    }

    /// Whether it is a step of a sequence: it asks nothing, and its answer is 0.
    pub const fn is_step(self) -> bool {
        let number = self as u8;
        number >= Self::Change as u8 && number < Self::FaultCode as u8
    }

    /// Whether it is TLB maintenance.
    pub const fn is_tlbi(self) -> bool {
        self.is_step() && self as u8 >= Self::TlbiVmalle1 as u8
    }

    /// Whether it hurts the executor itself: self-test builds only.
    pub const fn is_self_test(self) -> bool {
        self as u8 >= Self::FaultCode as u8
    }

    /// Whether it writes to what it reaches.
    pub const fn is_store(self) -> bool {
        matches!(
            self,
            Self::Store
                | Self::StorePair
                | Self::StoreExclusive
                | Self::Swap
                | Self::Add
                | Self::CompareAndSwap
                | Self::StoreRelease
                | Self::StoreUnprivileged
                | Self::DcZva
        )
    }
}

/// The answer of a load of two words.
pub const fn pair(first: u64, second: u64) -> u64 {
    first ^ second.rotate_right(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_found_by_its_number_and_its_name() {
        for &operation in Operation::ALL {
            assert_eq!(Operation::from_number(operation as u8), Some(operation));
            assert_eq!(Operation::from_name(operation.name()), Some(operation));
        }
        assert_eq!(Operation::from_number(0x3f), None);
        assert_eq!(Operation::from_name("at"), None);
    }

    #[test]
    fn questions_steps_and_self_tests_are_told_apart() {
        let count = |wanted: fn(Operation) -> bool| {
            Operation::ALL.iter().filter(|operation| wanted(**operation)).count()
        };
        assert_eq!(count(Operation::is_at), 12);
        assert_eq!(count(Operation::is_step), 18);
        assert_eq!(count(Operation::is_tlbi), 16);
        assert_eq!(count(Operation::is_self_test), 4);
    }
}
