//! `TCR_EL2` in both of its layouts, the second of which is that of `TCR_EL1`, for composing registers.

/// What `TCR_EL2` says about one range of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// TnSZ: 64 less the address size.
    pub tsz: u64,
    /// The granule: log2 of the page size.
    pub granule_bits: u32,
    /// IRGNn and ORGNn: inner and outer cacheability of walks.
    pub cacheability: [u64; 2],
    /// SHn: shareability of walks, and of leaves with DS = 1.
    pub sh: u64,
    /// TBIn: the top byte is ignored.
    pub tbi: bool,
    /// HPDn: no hierarchical permissions.
    pub hpd: bool,
}

/// What it says about all addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Whole {
    /// PS, or IPS: output address size, raw.
    pub ps: u64,
    /// HA: hardware sets the access flag.
    pub ha: bool,
    /// HD: hardware manages dirty state.
    pub hd: bool,
    /// DS: 52-bit addresses with 4K and 16K granules.
    pub ds: bool,
}

impl Range {
    /// Bits 13:8 of the register, or of its upper half: SH, ORGN and IRGN.
    const fn walks(&self) -> u64 {
        let [inner, outer] = self.cacheability;
        self.sh << 12 | outer << 10 | inner << 8
    }

    /// TG0: 0 4K, 1 64K, 2 16K.
    const fn tg0(&self) -> u64 {
        match self.granule_bits {
            16 => 1,
            14 => 2,
            _ => 0,
        }
    }

    /// TG1, which has numbers of its own: 1 16K, 2 4K, 3 64K.
    const fn tg1(&self) -> u64 {
        match self.granule_bits {
            16 => 3,
            14 => 1,
            _ => 2,
        }
    }
}

/// `TCR_EL2` with HCR_EL2.E2H = 0: one range.
///
/// ```text
///  32 31 24  23 22 21 20 19 18 16 15 14 13 12 11 10 9  8 5   0
/// +--+--+---+--+--+--+--+--+-----+-----+-----+-----+----+-----+
/// |DS| 1|HPD| 1|HD|HA|TBI| | PS  | TG0 | SH0 |ORGN0|IRGN| T0SZ|
/// +--+--+---+--+--+--+--+--+-----+-----+-----+-----+----+-----+
/// ```
pub const fn of_one(range: &Range, whole: &Whole) -> u64 {
    const RES1: u64 = 1 << 31 | 1 << 23;
    RES1 | range.tsz
        | range.walks()
        | range.tg0() << 14
        | whole.ps << 16
        | (range.tbi as u64) << 20
        | (whole.ha as u64) << 21
        | (whole.hd as u64) << 22
        | (range.hpd as u64) << 24
        | (whole.ds as u64) << 32
}

/// `TCR_EL2` with HCR_EL2.E2H = 1: two ranges, in the layout of `TCR_EL1`.
///
/// ```text
///  59 42 41 40 39 38 37 36 34 32 31 30 29 24 21 16 15 14 13   8 5   0
/// +--+-----+--+--+-----+--+-----+-----+-----+-----+-----+------+-----+
/// |DS|HPD  |HD|HA|TBI  |AS| IPS | TG1 |walks| T1SZ| TG0 |walks | T0SZ|
/// |  |1  0 |  |  |1  0 |  |     |     | of 1|     |     | of 0 |     |
/// +--+-----+--+--+-----+--+-----+-----+-----+-----+-----+------+-----+
/// ```
pub const fn of_two(lower: &Range, upper: &Range, whole: &Whole) -> u64 {
    let lower_range = lower.tsz | lower.walks() | lower.tg0() << 14;
    let upper_range = upper.tsz << 16 | upper.walks() << 16 | upper.tg1() << 30;
    lower_range
        | upper_range
        | whole.ps << 32
        | (lower.tbi as u64) << 37
        | (upper.tbi as u64) << 38
        | (whole.ha as u64) << 39
        | (whole.hd as u64) << 40
        | (lower.hpd as u64) << 41
        | (upper.hpd as u64) << 42
        | (whole.ds as u64) << 59
}

/// AS: ASIDs have 16 bits, where HCR_EL2.E2H = 1.
pub const AS: u64 = 1 << 36;
/// DS in the layout of two ranges: 52-bit addresses with 4K and 16K granules.
pub const DS: u64 = 1 << 59;
/// EPD0 and EPD1 of `TCR_EL1`: the range has no walks.
pub const EPD: [u64; 2] = [1 << 7, 1 << 23];
/// E0PD0 and E0PD1 of `TCR_EL1`: EL0 does not reach the range.
pub const E0PD: [u64; 2] = [1 << 55, 1 << 56];
/// A1: the ASID is that of `TTBR1_EL2`, where HCR_EL2.E2H = 1.
pub const A1: u64 = 1 << 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_the_manual_has_them() {
        let range = |granule_bits| Range {
            tsz: 25,
            granule_bits,
            cacheability: [1, 1],
            sh: 3,
            tbi: false,
            hpd: false,
        };
        let whole = Whole { ps: 5, ha: false, hd: false, ds: false };
        assert_eq!(of_one(&range(12), &whole), 0x8085_3519);
        assert_eq!(of_one(&range(16), &Whole { ha: true, ds: true, ..whole }), 0x1_80a5_7519);
        assert_eq!(of_two(&range(14), &range(16), &whole), 0x5_f519_b519);
        let hidden = Range { tbi: true, hpd: true, ..range(12) };
        assert_eq!(of_one(&hidden, &whole) ^ of_one(&range(12), &whole), 0x110_0000);
        let both = of_two(&hidden, &hidden, &Whole { ds: true, ..whole });
        assert_eq!(both ^ of_two(&range(12), &range(12), &whole), 0x0800_0660_0000_0000);
    }
}
