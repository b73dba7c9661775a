//! The system registers that translation reads: raw values, and views that give their fields Arm's names.

use core::fmt;

/// Hands the registers that translation reads to the macro `$then`, behind the tokens `$with`: field of
/// [`Registers`], and Arm's name.
#[macro_export]
macro_rules! registers {
    ($then:ident $($with:tt)*) => {
        $then! {
            $($with)*
            hcr_el2 "HCR_EL2"
            hcrx_el2 "HCRX_EL2"
            vtcr_el2 "VTCR_EL2"
            vttbr_el2 "VTTBR_EL2"
            s2pir_el2 "S2PIR_EL2"
            sctlr_el1 "SCTLR_EL1"
            tcr_el1 "TCR_EL1"
            tcr2_el1 "TCR2_EL1"
            ttbr0_el1 "TTBR0_EL1"
            ttbr1_el1 "TTBR1_EL1"
            mair_el1 "MAIR_EL1"
            mair2_el1 "MAIR2_EL1"
            pir_el1 "PIR_EL1"
            pire0_el1 "PIRE0_EL1"
            sctlr_el2 "SCTLR_EL2"
            tcr_el2 "TCR_EL2"
            tcr2_el2 "TCR2_EL2"
            ttbr0_el2 "TTBR0_EL2"
            ttbr1_el2 "TTBR1_EL2"
            mair_el2 "MAIR_EL2"
            mair2_el2 "MAIR2_EL2"
            pir_el2 "PIR_EL2"
            pire0_el2 "PIRE0_EL2"
        }
    };
}

macro_rules! declare {
    ($($field:ident $name:literal)*) => {
        /// Raw system registers of the Non-secure state. A register not set is zero.
        ///
        /// `SCR_EL3` is implied: NS, RW, EEL2, HXEn and TCR2En are 1, EA is 0.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct Registers {
            $(#[doc = concat!("`", $name, "`.")] pub $field: u64,)*
        }

        impl Registers {
            /// The register that has this name of Arm's; `None` where translation reads none such.
            #[must_use]
            pub fn named_mut(&mut self, name: &str) -> Option<&mut u64> {
                Some(match name {
                    $($name => &mut self.$field,)*
                    _ => return None,
                })
            }
        }
    };
}

registers!(declare);

impl Registers {
    /// `HCR_EL2`.
    #[must_use]
    pub const fn hcr_el2(&self) -> HcrEl2 {
        HcrEl2(self.hcr_el2)
    }

    /// `HCRX_EL2`.
    #[must_use]
    pub const fn hcrx_el2(&self) -> HcrxEl2 {
        HcrxEl2(self.hcrx_el2)
    }

    /// `VTCR_EL2`.
    #[must_use]
    pub const fn vtcr_el2(&self) -> VtcrEl2 {
        VtcrEl2(self.vtcr_el2)
    }

    /// `SCTLR_EL1`.
    #[must_use]
    pub const fn sctlr_el1(&self) -> Sctlr {
        Sctlr(self.sctlr_el1)
    }

    /// `SCTLR_EL2`.
    #[must_use]
    pub const fn sctlr_el2(&self) -> Sctlr {
        Sctlr(self.sctlr_el2)
    }
}

/// One field of a register: its name and the bits that it takes, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Arm's name of the field.
    pub name: &'static str,
    /// Its highest bit.
    pub msb: u8,
    /// Its lowest bit.
    pub lsb: u8,
}

impl Field {
    /// The field's value in a register.
    #[must_use]
    pub const fn get(self, register: u64) -> u64 {
        bits(register, self.msb, self.lsb)
    }

    /// The register with this value in the field; bits of it that the field has no room for are lost.
    #[must_use]
    pub const fn set(self, register: u64, value: u64) -> u64 {
        let mask = bits(u64::MAX, self.msb, self.lsb);
        register & !(mask << self.lsb) | (value & mask) << self.lsb
    }
}

/// A field by its name, such as `HCR_EL2.FWB`, of a register whose fields have views.
#[derive(Clone, Copy, Debug)]
pub struct FieldName {
    /// The name of the register.
    name: &'static str,
    register: fn(&Registers) -> u64,
    /// Its place where `HCR_EL2.E2H` is 0, and where it is 1; `None` where the register does not have it.
    places: [Option<Field>; 2],
}

/// A register, and its fields where `HCR_EL2.E2H` is 0 and where it is 1.
type Fields = (&'static str, fn(&Registers) -> u64, [&'static [Field]; 2]);

const FIELDS: &[Fields] = &[
    ("HCR_EL2", |registers| registers.hcr_el2, [HcrEl2::FIELDS; 2]),
    ("HCRX_EL2", |registers| registers.hcrx_el2, [HcrxEl2::FIELDS; 2]),
    ("VTCR_EL2", |registers| registers.vtcr_el2, [VtcrEl2::FIELDS; 2]),
    ("SCTLR_EL1", |registers| registers.sctlr_el1, [Sctlr::FIELDS; 2]),
    ("TCR_EL1", |registers| registers.tcr_el1, [Tcr::FIELDS; 2]),
    ("TCR2_EL1", |registers| registers.tcr2_el1, [Tcr2::FIELDS; 2]),
    ("SCTLR_EL2", |registers| registers.sctlr_el2, [Sctlr::FIELDS; 2]),
    ("TCR_EL2", |registers| registers.tcr_el2, [TcrEl2::FIELDS, Tcr::FIELDS]),
    ("TCR2_EL2", |registers| registers.tcr2_el2, [Tcr2::FIELDS; 2]),
];

impl FieldName {
    /// The field of this name; `None` where there is none in the registers that translation reads.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (register, field) = name.split_once('.')?;
        let (name, register, layouts) = FIELDS.iter().find(|(name, ..)| *name == register)?;
        let places = layouts.map(|fields| fields.iter().copied().find(|one| one.name == field));
        let is_there = places.iter().any(Option::is_some);
        is_there.then_some(Self { name, register: *register, places })
    }

    /// The names of all of them: register and field. A field of both layouts of a register comes twice.
    pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
        FIELDS.iter().flat_map(|(register, _, layouts)| {
            layouts
                .iter()
                .flat_map(move |fields| fields.iter().map(move |one| (*register, one.name)))
        })
    }

    /// Every field that has a place in these registers, by the names of register and field, and its value.
    pub fn values(
        registers: &Registers,
    ) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let layout = usize::from(registers.hcr_el2().e2h());
        FIELDS.iter().flat_map(move |(name, register, layouts)| {
            let word = register(registers);
            layouts[layout].iter().map(move |field| (*name, field.name, field.get(word)))
        })
    }

    /// The field's value; `None` where the register has another layout.
    #[must_use]
    pub fn value(&self, registers: &Registers) -> Option<u64> {
        let place = self.places[usize::from(registers.hcr_el2().e2h())]?;
        Some(place.get((self.register)(registers)))
    }

    /// The greatest value that the field has room for.
    #[must_use]
    pub fn greatest(&self) -> u64 {
        self.places.iter().flatten().map(|place| place.get(u64::MAX)).max().unwrap_or_default()
    }
}

impl PartialEq for FieldName {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.places) == (other.name, other.places)
    }
}

impl Eq for FieldName {}

/// The value of bits `msb..=lsb` of a register.
pub(crate) const fn bits(register: u64, msb: u8, lsb: u8) -> u64 {
    let above = 63 - (msb as u32 & 63);
    (register << above) >> ((above + lsb as u32) & 63)
}

/// A view of a register: one method for each field, and the list of them, which a test holds against
/// Arm's own data.
macro_rules! view {
    ($(#[$doc:meta])* $view:ident { $($name:ident $get:ident $msb:literal $(: $lsb:literal)?;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $view(pub u64);

        impl $view {
            /// The fields that this crate reads.
            pub const FIELDS: &[Field] = &[
                $(Field { name: stringify!($name), msb: $msb, lsb: view!(@lsb $msb $($lsb)?) },)*
            ];

            $(view!(@get $name $get $msb $($lsb)?);)*
        }

        impl fmt::Debug for $view {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x} (", self.0)?;
                for (n, field) in Self::FIELDS.iter().enumerate() {
                    let space = if n == 0 { "" } else { " " };
                    write!(f, "{space}{}={:#x}", field.name, field.get(self.0))?;
                }
                f.write_str(")")
            }
        }
    };
    (@lsb $msb:literal) => { $msb };
    (@lsb $msb:literal $lsb:literal) => { $lsb };
    (@get $name:ident $get:ident $bit:literal) => {
        #[doc = concat!("Bit ", $bit, ", `", stringify!($name), "`.")]
        #[must_use]
        pub const fn $get(self) -> bool {
            self.0 >> $bit & 1 == 1
        }
    };
    (@get $name:ident $get:ident $msb:literal $lsb:literal) => {
        #[doc = concat!("Bits ", $msb, ":", $lsb, ", `", stringify!($name), "`.")]
        #[must_use]
        pub const fn $get(self) -> u64 {
            bits(self.0, $msb, $lsb)
        }
    };
}

view! {
    /// `HCR_EL2`.
    HcrEl2 {
        VM vm 0;
        PTW ptw 2;
        DC dc 12;
        TGE tge 27;
        CD cd 32;
        ID id 33;
        E2H e2h 34;
        TEA tea 37;
        NV nv 42;
        NV1 nv1 43;
        AT at 44;
        FWB fwb 46;
    }
}

view! {
    /// `HCRX_EL2`.
    HcrxEl2 {
        CMOW cmow 9;
        TCR2En tcr2en 14;
    }
}

view! {
    /// `VTCR_EL2`.
    VtcrEl2 {
        T0SZ t0sz 5:0;
        SL0 sl0 7:6;
        SH0 sh0 13:12;
        TG0 tg0 15:14;
        PS ps 18:16;
        HA ha 21;
        HD hd 22;
        DS ds 32;
        SL2 sl2 33;
        S2PIE s2pie 36;
        HAFT haft 44;
    }
}

view! {
    /// `SCTLR_EL1` or `SCTLR_EL2`.
    Sctlr {
        M m 0;
        A a 1;
        C c 2;
        nAA naa 6;
        I i 12;
        WXN wxn 19;
        EE ee 25;
        CMOW cmow 32;
        EPAN epan 57;
    }
}

view! {
    /// `TCR_EL1`, or `TCR_EL2` while `HCR_EL2.E2H` is 1: two address ranges.
    Tcr {
        T0SZ t0sz 5:0;
        EPD0 epd0 7;
        SH0 sh0 13:12;
        TG0 tg0 15:14;
        T1SZ t1sz 21:16;
        EPD1 epd1 23;
        SH1 sh1 29:28;
        TG1 tg1 31:30;
        IPS ips 34:32;
        TBI0 tbi0 37;
        TBI1 tbi1 38;
        HA ha 39;
        HD hd 40;
        HPD0 hpd0 41;
        HPD1 hpd1 42;
        TBID0 tbid0 51;
        TBID1 tbid1 52;
        E0PD0 e0pd0 55;
        E0PD1 e0pd1 56;
        DS ds 59;
    }
}

view! {
    /// `TCR_EL2` while `HCR_EL2.E2H` is 0: one address range.
    TcrEl2 {
        T0SZ t0sz 5:0;
        SH0 sh0 13:12;
        TG0 tg0 15:14;
        PS ps 18:16;
        TBI tbi 20;
        HA ha 21;
        HD hd 22;
        HPD hpd 24;
        TBID tbid 29;
        DS ds 32;
    }
}

view! {
    /// `TCR2_EL1` or `TCR2_EL2`.
    Tcr2 {
        PIE pie 1;
        AIE aie 4;
        HAFT haft 11;
    }
}
