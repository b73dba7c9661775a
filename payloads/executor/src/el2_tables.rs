//! EL2 stage 1 translation tables of the executor itself, with E2H = 0, generic in the granule.
//!
//! Only what the executor needs is mapped. A stray access of its own then faults, and speculation
//! can't reach a device.
//!
//! ```text
//! leaf:   63  55 54 53 52   50 49 48 47           n  15  12 11 10  9 8  7 6 5 4    2 1 0
//!        +------+--+--+-------+-----+---------------+------+--+--+-----+---+-+------+-+-+
//!        |  0   |XN|0 |   0   |OA + |   OA[47:n]    | OA * |0 |AF|SH + |AP |0|AttrIx|T|1|
//!        +------+--+--+-------+-----+---------------+------+--+--+-----+---+-+------+-+-+
//!   * 64K with FEAT_LPA: OA[51:48]      + DS = 1: OA[49:48] in 49:48, OA[51:50] in 9:8
//!   T: 1 for a page, 0 for a block
//! ```
//!
//! (DDI 0487, "VMSAv8-64 descriptor formats". A single VA range has AP\[1\] as RES1 and one XN bit.)

/// The bits of an address in the executor's address space.
pub const VA_BITS: u32 = 48;

/// The value for `MAIR_EL2`: attribute 0 is Device-nGnRE, 1 is Normal Write-Back.
pub const MAIR_EL2: u64 = 0xff04;

/// A granule and a way to write output addresses that the PE has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// log2 of the page size.
    page_bits: u32,
    output: Output,
}

/// How a descriptor holds the output address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Bits48,
    /// 64K granule, FEAT_LPA.
    Lpa,
    /// 4K granule, FEAT_LPA2, TCR_EL2.DS = 1.
    Ds,
}

/// What a range of addresses is to the executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeKind {
    /// Executed, and never written.
    Code,
    /// Read only.
    Constants,
    /// Read and written, never executed.
    Data,
    /// Registers of a device.
    Device,
}

/// A range of addresses to map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First virtual address.
    pub va: u64,
    /// First physical address, equal to `va` within a page.
    pub pa: u64,
    /// Size in bytes.
    pub bytes: u64,
    pub kind: RangeKind,
}

impl Range {
    /// A range that is mapped to itself.
    pub const fn identity(base: u64, bytes: u64, kind: RangeKind) -> Self {
        Self { va: base, pa: base, bytes, kind }
    }
}

/// Why a map can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// The pool has no more tables.
    PoolEmpty,
    /// The address is mapped already, to something else.
    Overlap,
    /// The virtual or physical address is beyond what the geometry reaches.
    OutOfReach,
    /// Virtual and physical address differ within a page.
    Skewed,
}

impl Geometry {
    /// The geometry to start with, from `ID_AA64MMFR0_EL1`: the smallest granule, 48-bit addresses.
    pub fn smallest(mmfr0: u64) -> Option<Self> {
        let page_bits = match mmfr0 {
            _ if field(mmfr0, 28) != 0xf => 12,
            _ if field(mmfr0, 20) != 0 => 14,
            _ if field(mmfr0, 24) != 0xf => 16,
            _ => return None,
        };
        Some(Self { page_bits, output: Output::Bits48 })
    }

    /// A geometry that reaches 52-bit physical addresses. Pages of 64K need an image that begins at
    /// a multiple of 64K, which is what `image` says.
    pub fn reaching_52_bits(mmfr0: u64, image: u64) -> Option<Self> {
        if pa_bits(mmfr0) < 52 {
            None
        } else if field(mmfr0, 24) != 0xf && image.is_multiple_of(1 << 16) {
            // A PARange of 52 bits with the 64K granule is FEAT_LPA.
            Some(Self { page_bits: 16, output: Output::Lpa })
        } else if field(mmfr0, 28) == 1 {
            Some(Self { page_bits: 12, output: Output::Ds })
        } else {
            None
        }
    }

    /// Page size in bytes.
    pub const fn page(&self) -> u64 {
        1 << self.page_bits
    }

    /// Bytes that the largest block in use covers.
    pub const fn block(&self) -> u64 {
        1 << self.entry_bits(2)
    }

    /// The value for `TCR_EL2` on a PE with this `ID_AA64MMFR0_EL1`.
    pub fn tcr_el2(&self, mmfr0: u64) -> u64 {
        const RES1: u64 = 1 << 31 | 1 << 23;
        let t0sz = u64::from(64 - VA_BITS);
        // Walks are cacheable, write-back, write-allocate, inner shareable.
        let walks = 0b01 << 8 | 0b01 << 10 | 0b11 << 12;
        let tg0 = match self.page_bits {
            16 => 0b01,
            14 => 0b10,
            _ => 0b00,
        };
        let ps = field(mmfr0, 0).min(match self.output {
            Output::Bits48 => 0b101,
            Output::Lpa | Output::Ds => 0b110,
        });
        let ds = u64::from(self.output == Output::Ds);
        RES1 | t0sz | walks | tg0 << 14 | ps << 16 | ds << 32
    }

    const fn start_level(&self) -> i8 {
        let levels = (VA_BITS - self.page_bits).div_ceil(self.stride());
        4 - levels as i8
    }

    const fn stride(&self) -> u32 {
        self.page_bits - 3
    }

    const fn entry_bits(&self, level: i8) -> u32 {
        self.page_bits + self.stride() * (3 - level) as u32
    }

    const fn output_bits(&self) -> u32 {
        match self.output {
            Output::Bits48 => 48,
            Output::Lpa | Output::Ds => 52,
        }
    }

    fn address(&self, pa: u64) -> u64 {
        let low = pa & ((1 << 48) - 1);
        match self.output {
            Output::Bits48 => low,
            Output::Lpa => low | (pa >> 48 & 0xf) << 12,
            Output::Ds => pa & ((1 << 50) - 1) | (pa >> 50 & 3) << 8,
        }
    }

    fn leaf(&self, level: i8, pa: u64, kind: RangeKind) -> u64 {
        const VALID: u64 = 1;
        const NORMAL: u64 = 1 << 2;
        const AP_RES1: u64 = 1 << 6;
        const READ_ONLY: u64 = 1 << 7;
        const INNER_SHAREABLE: u64 = 3 << 8;
        const ACCESSED: u64 = 1 << 10;
        const XN: u64 = 1 << 54;
        let page = if level == 3 { 1 << 1 } else { 0 };
        // With DS = 1 shareability comes from TCR_EL2.SH0, and the bits hold an address.
        let shareability = if self.output == Output::Ds { 0 } else { INNER_SHAREABLE };
        let kind = match kind {
            RangeKind::Code => NORMAL | READ_ONLY,
            RangeKind::Constants => NORMAL | READ_ONLY | XN,
            RangeKind::Data => NORMAL | XN,
            RangeKind::Device => XN,
        };
        VALID | AP_RES1 | ACCESSED | page | shareability | kind | self.address(pa)
    }

    fn table(&self, pa: u64) -> u64 {
        // The pool lies in the image, below 2^48: all formats write such an address alike.
        pa | 0b11
    }
}

/// The size of physical addresses in bits, from `ID_AA64MMFR0_EL1`.
pub fn pa_bits(mmfr0: u64) -> u32 {
    match field(mmfr0, 0) {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        5 => 48,
        6 => 52,
        // 56 bits need 128-bit descriptors for more than 52.
        _ => 52,
    }
}

const fn field(register: u64, low: u32) -> u64 {
    register >> low & 0xf
}

/// Tables being filled: pieces of `pool`, which lies at physical address `base`.
#[derive(Debug)]
pub struct El2Tables<'a> {
    geometry: Geometry,
    pool: &'a mut [u64],
    base: u64,
    used: usize,
}

impl<'a> El2Tables<'a> {
    /// An empty map. `base` is a multiple of the page size and below 2^48; the pool need not be zero.
    pub fn new(geometry: Geometry, pool: &'a mut [u64], base: u64) -> Result<Self, MapError> {
        if base >= 1 << 48 || !base.is_multiple_of(geometry.page()) {
            return Err(MapError::OutOfReach);
        }
        let mut map = Self { geometry, pool, base, used: 0 };
        map.fresh_table()?;
        Ok(map)
    }

    /// The physical address of the root: the value for `TTBR0_EL2`.
    pub fn root(&self) -> u64 {
        self.base
    }

    /// Maps the pages that `range` touches. Pages that are mapped to the same already stay so.
    pub fn map(&mut self, range: &Range) -> Result<(), MapError> {
        let inside = self.geometry.page() - 1;
        if (range.va ^ range.pa) & inside != 0 {
            return Err(MapError::Skewed);
        }
        let last =
            |from: u64| from.checked_add(range.bytes.saturating_sub(1)).map(|to| to | inside);
        let last_va = last(range.va).ok_or(MapError::OutOfReach)?;
        let last_pa = last(range.pa).ok_or(MapError::OutOfReach)?;
        if last_va >> VA_BITS != 0 || last_pa >> self.geometry.output_bits() != 0 {
            return Err(MapError::OutOfReach);
        }
        if range.bytes == 0 {
            return Ok(());
        }
        let (mut va, mut pa) = (range.va & !inside, range.pa & !inside);
        while va < last_va {
            let block = self.geometry.block();
            let fits = (va | pa).is_multiple_of(block) && last_va - va >= block - 1;
            let level = if fits { 2 } else { 3 };
            self.set(va, level, self.geometry.leaf(level, pa, range.kind))?;
            let step = 1 << self.geometry.entry_bits(level);
            va += step;
            pa += step;
        }
        Ok(())
    }

    fn set(&mut self, va: u64, level: i8, leaf: u64) -> Result<(), MapError> {
        let mut table = 0;
        let mut at = self.geometry.start_level();
        while at < level {
            let entry = self.entry(table, va, at);
            let word = self.pool.get(entry).copied().ok_or(MapError::PoolEmpty)?;
            table = if word == 0 {
                let fresh = self.fresh_table()?;
                let descriptor = self.geometry.table(self.base + 8 * fresh as u64);
                *self.pool.get_mut(entry).ok_or(MapError::PoolEmpty)? = descriptor;
                fresh
            } else if word & 0b11 == 0b11 {
                ((word & !0b11) - self.base) as usize / 8
            } else {
                return Err(MapError::Overlap);
            };
            at += 1;
        }
        let entry = self.entry(table, va, level);
        let slot = self.pool.get_mut(entry).ok_or(MapError::PoolEmpty)?;
        if *slot != 0 && *slot != leaf {
            return Err(MapError::Overlap);
        }
        *slot = leaf;
        Ok(())
    }

    /// The place in the pool of the entry for `va` in the table at place `table`.
    fn entry(&self, table: usize, va: u64, level: i8) -> usize {
        let index = va >> self.geometry.entry_bits(level);
        table + (index & ((1 << self.geometry.stride()) - 1)) as usize
    }

    fn fresh_table(&mut self) -> Result<usize, MapError> {
        let words = self.geometry.page() as usize / 8;
        let at = self.used;
        self.pool.get_mut(at..at + words).ok_or(MapError::PoolEmpty)?.fill(0);
        self.used += words;
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// PARange 52 bits, all granules, no LPA2 for 4K.
    const LPA: u64 = 0x0010_0006;
    /// PARange 52 bits, 4K with LPA2 alone.
    const LPA2: u64 = 0x1f00_0006;
    const BASE: u64 = 0x4040_0000;

    fn geometries() -> [Geometry; 4] {
        [
            Geometry::smallest(0x5).expect("4K"),
            Geometry::smallest(0xf010_0005).expect("16K"),
            Geometry::reaching_52_bits(LPA, 0x4020_0000).expect("64K"),
            Geometry::reaching_52_bits(LPA2, 0x4020_0000).expect("4K with DS"),
        ]
    }

    /// What `va` is mapped to: physical address and the leaf.
    fn walk(map: &El2Tables<'_>, va: u64) -> Option<(u64, u64)> {
        let geometry = map.geometry;
        let mut table = map.root();
        for level in geometry.start_level()..=3 {
            let word = map.pool[map.entry((table - map.base) as usize / 8, va, level)];
            let leaf = level == 3 && word & 3 == 3 || level < 3 && word & 3 == 1;
            if leaf {
                let inside = (1u64 << geometry.entry_bits(level)) - 1;
                let low = word & ((1 << 48) - 1) & !inside;
                let high = match geometry.output {
                    Output::Bits48 => 0,
                    Output::Lpa => (word >> 12 & 0xf) << 48,
                    Output::Ds => word & (3 << 48) | (word >> 8 & 3) << 50,
                };
                return Some((low | high | va & inside, word));
            }
            if word & 3 != 3 {
                return None;
            }
            table = word & !3;
        }
        None
    }

    fn pool() -> Vec<u64> {
        vec![u64::MAX; 12 << 13]
    }

    #[test]
    fn the_granule_is_the_smallest_or_the_one_that_reaches() {
        let pages = geometries().map(|geometry| (geometry.page(), geometry.output));
        let wanted = [
            (1 << 12, Output::Bits48),
            (1 << 14, Output::Bits48),
            (1 << 16, Output::Lpa),
            (1 << 12, Output::Ds),
        ];
        assert_eq!(pages, wanted);
        assert_eq!(Geometry::reaching_52_bits(5, 0), None, "48-bit PE");
        assert_eq!(Geometry::reaching_52_bits(LPA, 0x4000_1000), None, "image at an odd place");
    }

    #[test]
    fn permissions_and_memory_types() {
        let leaf = |kind| geometries()[0].leaf(3, 0x1000, kind);
        assert_eq!(leaf(RangeKind::Code), 0x17c7);
        assert_eq!(leaf(RangeKind::Constants), 0x0040_0000_0000_17c7);
        assert_eq!(leaf(RangeKind::Data), 0x0040_0000_0000_1747);
        assert_eq!(leaf(RangeKind::Device), 0x0040_0000_0000_1743);
    }

    #[test]
    fn tcr_says_what_the_tables_are() {
        let [small, _, lpa, ds] = geometries();
        assert_eq!(small.tcr_el2(5), 0x8085_3510);
        assert_eq!(lpa.tcr_el2(LPA), 0x8086_7510);
        assert_eq!(ds.tcr_el2(LPA2), 0x1_8086_3510);
    }

    #[test]
    fn what_is_mapped_twice_must_agree() {
        let mut pool = pool();
        let mut map = El2Tables::new(geometries()[0], &mut pool, BASE).expect("room");
        let range = Range::identity(0x900_0000, 0x1000, RangeKind::Device);
        assert_eq!(map.map(&range), Ok(()));
        assert_eq!(map.map(&range), Ok(()));
        assert_eq!(map.map(&Range { kind: RangeKind::Data, ..range }), Err(MapError::Overlap));
        let wide = Range::identity(0x800_0000, 0x200_0000, RangeKind::Device);
        assert_eq!(map.map(&wide), Err(MapError::Overlap), "a block over a page");
    }

    #[test]
    fn a_range_out_of_reach_or_askew_is_refused() {
        let mut pool = pool();
        let mut map = El2Tables::new(geometries()[0], &mut pool, BASE).expect("room");
        let high = Range { va: 0, pa: 1 << 48, bytes: 1, kind: RangeKind::Data };
        assert_eq!(map.map(&high), Err(MapError::OutOfReach));
        assert_eq!(map.map(&Range { pa: 8, ..high }), Err(MapError::Skewed));
        let end = Range { va: 0, pa: 0, bytes: u64::MAX, kind: RangeKind::Data };
        assert_eq!(map.map(&end), Err(MapError::OutOfReach));
    }

    #[test]
    fn an_empty_pool_is_an_error() {
        let mut pool = vec![0; 512 * 3];
        let mut map = El2Tables::new(geometries()[0], &mut pool, BASE).expect("room for a root");
        let page = Range::identity(0x1000, 1, RangeKind::Data);
        assert_eq!(map.map(&page), Err(MapError::PoolEmpty));
    }

    proptest! {
        #[test]
        fn each_mapped_byte_is_found_and_no_other(
            which in 0usize..4,
            va in 0u64..1 << 47,
            pa in 0u64..1 << 47,
            high in 0u64..16,
            bytes in 1u64..1 << 27,
            at in any::<prop::sample::Index>(),
        ) {
            let geometry = geometries()[which];
            let inside = geometry.page() - 1;
            let high = if geometry.output == Output::Bits48 { 0 } else { high << 48 };
            let pa = pa & !inside | va & inside | high;
            let mut pool = pool();
            let mut map = El2Tables::new(geometry, &mut pool, BASE).expect("room");
            let range = Range { va, pa, bytes, kind: RangeKind::Data };
            prop_assert_eq!(map.map(&range), Ok(()));
            let offset = at.index(bytes as usize) as u64;
            prop_assert_eq!(walk(&map, va + offset).map(|found| found.0), Some(pa + offset));
            let end = (va + bytes + inside) & !inside;
            prop_assert_eq!(walk(&map, end), None);
            let before = (va & !inside).checked_sub(1);
            prop_assert_eq!(before.and_then(|before| walk(&map, before)), None);
        }
    }
}
