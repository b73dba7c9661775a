//! The system registers that a case sets, raw.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Hands the registers of a case to the macro `$then`: field of [`Registers`](crate::registers::Registers), name in
/// case files, and `= default` where a file that leaves it out means 0. `IDMAP_TCR_EL2` alone is no name of Arm's.
#[macro_export]
macro_rules! registers {
    ($then:ident) => {
        $then! {
            /// E2H and TGE must be 0 unless the flag `stay` or `monitor` is set: without them the value is loaded while the
            /// executor itself runs at EL2.
            hcr_el2 "HCR_EL2";
            /// The Virtualization Translation Control Register.
            vtcr_el2 "VTCR_EL2";
            /// Less the base address: that of the first slot is exclusive-ored in.
            vttbr_el2 "VTTBR_EL2" = default;
            /// Default: 0, stage 1 is off.
            sctlr_el1 "SCTLR_EL1" = default;
            /// Default: 0.
            tcr_el1 "TCR_EL1" = default;
            /// Default: 0.
            mair_el1 "MAIR_EL1" = default;
            /// Default: 0.
            sctlr_el2 "SCTLR_EL2" = default;
            /// In the layout that HCR_EL2.E2H chooses. Default: 0.
            tcr_el2 "TCR_EL2" = default;
            /// Default: 0.
            mair_el2 "MAIR_EL2" = default;
            /// Less the base address: that of the tree is exclusive-ored in.
            ttbr0_el2 "TTBR0_EL2" = default;
            /// Less the base address: that of the tree is exclusive-ored in.
            ttbr1_el2 "TTBR1_EL2" = default;
            /// Less the base address: that of the tree is exclusive-ored in.
            ttbr0_el1 "TTBR0_EL1" = default;
            /// Less the base address: that of the tree is exclusive-ored in.
            ttbr1_el1 "TTBR1_EL1" = default;
            /// TCR_EL2 while the tree whose role is `idmap` is in use. Default: 0.
            idmap_tcr_el2 "IDMAP_TCR_EL2" = default;
        }
    };
}

macro_rules! declare {
    ($($(#[$doc:meta])* $field:ident $name:literal $(= $default:ident)?;)*) => {
        /// Raw values of the registers that a case sets. All others have the executor's own values.
        #[derive(
            Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(C)]
        pub struct Registers {
            $(#[doc = concat!("`", $name, "`.")] $(#[$doc])* pub $field: u64,)*
        }

        impl Registers {
            /// How many there are.
            pub const COUNT: usize = [$($name),*].len();

            /// Name and value of each, in the order of the fields.
            pub const fn named(&self) -> [(&'static str, u64); Self::COUNT] {
                [$(($name, self.$field)),*]
            }
        }
    };
}

registers!(declare);
