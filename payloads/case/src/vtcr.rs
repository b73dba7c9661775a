//! `VTCR_EL2` fields, for composing registers.

use crate::format::Granule;

/// `VTCR_EL2`, composed field by field.
///
/// ```text
///  33  32 31  29 28 25 22 21 19 18 16 15 14 13 12 11  10 9   8 7   6 5    0
/// +---+--+--+---+----+--+--+--+-----+-----+-----+------+------+-----+------+
/// |SL2|DS| 1|   |HWU |HD|HA|VS| PS  | TG0 | SH0 |ORGN0 |IRGN0 | SL0 | T0SZ |
/// +---+--+--+---+----+--+--+--+-----+-----+-----+------+------+-----+------+
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vtcr(pub u64);

impl Vtcr {
    /// Bit 31 is RES1.
    pub const RES1: Self = Self(1 << 31);

    /// Replaces a field of `width` bits at bit `at`.
    const fn with(self, at: u32, width: u32, value: u64) -> Self {
        let mask = ((1 << width) - 1) << at;
        Self(self.0 & !mask | value << at & mask)
    }

    /// T0SZ: 64 less the input address size.
    pub const fn t0sz(self, value: u64) -> Self {
        self.with(0, 6, value)
    }

    /// SL0: the start level, with SL2, see [`start_level_fields`].
    pub const fn sl0(self, value: u64) -> Self {
        self.with(6, 2, value)
    }

    /// IRGN0: inner cacheability of walks.
    pub const fn irgn0(self, value: u64) -> Self {
        self.with(8, 2, value)
    }

    /// ORGN0: outer cacheability of walks.
    pub const fn orgn0(self, value: u64) -> Self {
        self.with(10, 2, value)
    }

    /// SH0: shareability of walks, and of leaves with DS = 1.
    pub const fn sh0(self, value: u64) -> Self {
        self.with(12, 2, value)
    }

    /// TG0, raw: 0 4K, 1 64K, 2 16K, 3 reserved.
    pub const fn tg0(self, value: u64) -> Self {
        self.with(14, 2, value)
    }

    /// PS: output address size, raw.
    pub const fn ps(self, value: u64) -> Self {
        self.with(16, 3, value)
    }

    /// VS: 16-bit VMID.
    pub const fn vs(self, value: bool) -> Self {
        self.with(19, 1, value as u64)
    }

    /// HA: hardware sets the access flag.
    pub const fn ha(self, value: bool) -> Self {
        self.with(21, 1, value as u64)
    }

    /// HD: hardware manages dirty state.
    pub const fn hd(self, value: bool) -> Self {
        self.with(22, 1, value as u64)
    }

    /// DS: 52-bit addresses with 4K and 16K granules.
    pub const fn ds(self, value: bool) -> Self {
        self.with(32, 1, value as u64)
    }

    /// SL2: the start level, with SL0, where DS = 1 and the granule is 4K.
    pub const fn sl2(self, value: u64) -> Self {
        self.with(33, 1, value)
    }
}

/// TG0 for `granule`.
pub const fn tg0(granule: Granule) -> u64 {
    match granule {
        Granule::K4 => 0,
        Granule::K64 => 1,
        Granule::K16 => 2,
    }
}

/// SL0 and SL2 for a walk that starts at `level`.
pub const fn start_level_fields(granule: Granule, level: i8) -> (u64, u64) {
    match (granule, level) {
        (Granule::K4, -1) => (0, 1),
        (Granule::K4, 3) => (3, 0),
        (Granule::K4, level) => ((2 - level) as u64 & 3, 0),
        (Granule::K16 | Granule::K64, level) => ((3 - level) as u64 & 3, 0),
    }
}

/// PS for an output address size of `bits`: the smallest that reaches it.
pub const fn ps(bits: u8) -> u64 {
    match bits {
        ..=32 => 0,
        33..=36 => 1,
        37..=40 => 2,
        41..=42 => 3,
        43..=44 => 4,
        45..=48 => 5,
        _ => 6,
    }
}

/// The output address size that `ps` stands for, in bits. The reserved value 7 acts as the largest.
pub const fn ps_bits(ps: u64) -> u8 {
    match ps {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        5 => 48,
        _ => 52,
    }
}
