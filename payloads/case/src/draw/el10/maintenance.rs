//! TLB maintenance: which TLBI, and what is in its operand.

use arrayvec::ArrayVec;

use super::super::Rng;
use crate::abilities::Abilities;
use crate::format::Granule;
use crate::probe::{Operation, Probe};

/// A descriptor that was changed, as TLB maintenance wants to know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stale {
    /// It is of stage 2.
    pub is_stage2: bool,
    /// A VA that it translates, or an IPA.
    pub address: u64,
    pub granule: Granule,
    pub level: i8,
    /// It is no table descriptor.
    pub is_leaf: bool,
    /// Its stage has DS = 1.
    pub ds: bool,
    /// The ASID in use.
    pub asid: u64,
    /// Entries made of it are for all ASIDs.
    pub is_global: bool,
}

/// What a sequence does after a change, in order.
pub(super) type Maintenance = ArrayVec<Probe, 2>;

/// Maintenance after which nothing of `stale` is left in a TLB.
pub(super) fn sufficient(rng: &mut Rng, abilities: &Abilities, stale: &Stale) -> Maintenance {
    let ranges = if abilities.tlbi_range { 2 } else { 0 };
    let leaf = u64::from(stale.is_leaf);
    let mut all = Maintenance::new();
    if stale.is_stage2 {
        let operation = rng.weighted([
            (3, Operation::TlbiVmalls12e1),
            (2, Operation::TlbiAlle1),
            (4, Operation::TlbiIpas2e1),
            (4 * leaf, Operation::TlbiIpas2le1),
            (2 * ranges, Operation::TlbiRipas2e1),
            (2 * ranges * leaf, Operation::TlbiRipas2le1),
        ]);
        all.push(tlbi(rng, abilities, stale, operation));
        // What is made of both stages together is not found by its IPA.
        if !matches!(operation, Operation::TlbiVmalls12e1 | Operation::TlbiAlle1) {
            all.push(tlbi(rng, abilities, stale, Operation::TlbiVmalle1));
        }
        return all;
    }
    let operation = rng.weighted([
        (4, Operation::TlbiVae1),
        (4 * leaf, Operation::TlbiVale1),
        (3, Operation::TlbiVaae1),
        (3 * leaf, Operation::TlbiVaale1),
        (if stale.is_global { 0 } else { 2 }, Operation::TlbiAside1),
        (1, Operation::TlbiVmalle1),
        (1, Operation::TlbiVmalls12e1),
        (1, Operation::TlbiAlle1),
        (ranges, Operation::TlbiRvae1),
        (ranges * leaf, Operation::TlbiRvale1),
        (ranges, Operation::TlbiRvaae1),
        (ranges * leaf, Operation::TlbiRvaale1),
    ]);
    all.push(tlbi(rng, abilities, stale, operation));
    all
}

/// Maintenance that mostly leaves something of `stale`: of another address, another ASID, for the other stage
/// alone, of last levels where a table was changed; or none.
pub(super) fn insufficient(rng: &mut Rng, abilities: &Abilities, stale: &Stale) -> Maintenance {
    let mut all = Maintenance::new();
    let page = stale.granule.bits();
    let elsewhere = Stale { address: stale.address ^ 1 << (page + rng.below(12) as u32), ..*stale };
    let of_another = Stale { asid: stale.asid ^ 1 << rng.below(8), ..*stale };
    let stage2 = [Operation::TlbiIpas2e1, Operation::TlbiIpas2le1];
    let ranges = if abilities.tlbi_range { 2 } else { 0 };
    match rng.weighted([(3, 0), (3, 1), (2, 2), (2, 3), (2, 4), (ranges, 5)]) {
        0 => {}
        1 if stale.is_stage2 => all.push(tlbi(rng, abilities, &elsewhere, stage2[0])),
        1 => all.push(tlbi(rng, abilities, &elsewhere, Operation::TlbiVae1)),
        2 => all.push(tlbi(rng, abilities, &of_another, Operation::TlbiAside1)),
        3 => {
            let operation = rng.one_of(&[Operation::TlbiVale1, Operation::TlbiVaale1]);
            all.push(tlbi(rng, abilities, &of_another, operation));
        }
        4 => {
            let operation = rng.one_of(&stage2);
            all.push(tlbi(rng, abilities, stale, operation));
        }
        _ => {
            let of_stage1 =
                if stale.is_stage2 { Operation::TlbiRipas2e1 } else { Operation::TlbiRvae1 };
            all.push(tlbi(rng, abilities, &elsewhere, of_stage1));
        }
    }
    all
}

/// `operation` for `stale`.
fn tlbi(rng: &mut Rng, abilities: &Abilities, stale: &Stale, operation: Operation) -> Probe {
    use Operation as O;
    let &Stale { address, asid, .. } = stale;
    let operand = match operation {
        O::TlbiVae1 | O::TlbiVale1 | O::TlbiVaae1 | O::TlbiVaale1 => {
            let asid = if matches!(operation, O::TlbiVae1 | O::TlbiVale1) { asid } else { 0 };
            by_va(asid, address, ttl(rng, abilities, stale))
        }
        O::TlbiAside1 => asid << 48,
        O::TlbiIpas2e1 | O::TlbiIpas2le1 => by_ipa(address, ttl(rng, abilities, stale)),
        O::TlbiRvae1 | O::TlbiRvale1 => range(rng, stale, asid),
        O::TlbiRvaae1 | O::TlbiRvaale1 | O::TlbiRipas2e1 | O::TlbiRipas2le1 => range(rng, stale, 0),
        _ => 0,
    };
    Probe::new(operation, operand)
}

/// The operand of a TLBI by VA.
///
/// ```text
///  63    48 47 44 43           0
/// +--------+-----+--------------+
/// |  ASID  | TTL |  VA[55:12]   |
/// +--------+-----+--------------+
/// ```
const fn by_va(asid: u64, va: u64, ttl: u64) -> u64 {
    asid << 48 | ttl << 44 | va >> 12 & ((1 << 44) - 1)
}

/// The operand of a TLBI by IPA.
///
/// ```text
///  63 62 48 47 44 43 40 39           0
/// +--+-----+-----+-----+--------------+
/// |NS|  0  | TTL |  0  |  IPA[51:12]  |
/// +--+-----+-----+-----+--------------+
/// ```
const fn by_ipa(ipa: u64, ttl: u64) -> u64 {
    ttl << 44 | ipa >> 12 & ((1 << 40) - 1)
}

/// TTL: the granule and the level of the leaf, or 0 where nothing is said.
fn ttl(rng: &mut Rng, abilities: &Abilities, stale: &Stale) -> u64 {
    let is_named = abilities.ttl && stale.is_leaf && rng.chance(400);
    let first = if stale.granule == Granule::K4 { 1 } else { 2 };
    if !is_named || stale.level < first {
        return 0;
    }
    granule_code(stale.granule) << 2 | stale.level as u64
}

/// The granule in TTL, and in TG of a range: 1 4K, 2 16K, 3 64K.
const fn granule_code(granule: Granule) -> u64 {
    match granule {
        Granule::K4 => 1,
        Granule::K16 => 2,
        Granule::K64 => 3,
    }
}

/// The operand of a TLBI of a range that holds the address of `stale`.
///
/// ```text
///  63    48 47 46 45 44 43 39 38 37 36           0
/// +--------+-----+-----+-----+-----+--------------+
/// |  ASID  | TG  |SCALE| NUM | TTL |   BaseADDR   |     (NUM + 1) * 2^(5 * SCALE + 1) pages
/// +--------+-----+-----+-----+-----+--------------+
/// ```
///
/// BaseADDR is in pages, or with DS = 1 in units of 64 KB.
fn range(rng: &mut Rng, stale: &Stale, asid: u64) -> u64 {
    let page = stale.granule.bits();
    let unit = if stale.ds { 16 } else { page };
    // It begins at the address, or as many units before it as keep that inside.
    let before = if rng.chance(300) { rng.below(4) << unit } else { 0 };
    let base = (stale.address >> unit << unit).wrapping_sub(before);
    let pages = (stale.address.wrapping_sub(base) >> page) + 1;
    let scale = rng.weighted([(6, 0), (2, 1), (1, 2)]);
    let step = 1 << (5 * scale + 1);
    let least = pages.div_ceil(step) - 1;
    let (scale, num) = if least > 31 { (1, rng.below(4)) } else { (scale, rng.between(least, 31)) };
    let ttl =
        if stale.is_leaf && stale.level > 0 && rng.chance(400) { stale.level as u64 } else { 0 };
    let address = base >> unit & ((1 << 37) - 1);
    asid << 48 | granule_code(stale.granule) << 46 | scale << 44 | num << 39 | ttl << 37 | address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_as_the_manual_has_them() {
        assert_eq!(by_va(0xabcd, 0xffff_8000_1234_5678, 0), 0xabcd_0ff8_0001_2345);
        assert_eq!(by_va(1, 0x1234_5678, 0b0111), 0x0001_7000_0001_2345);
        assert_eq!(by_ipa(0xf_1234_5678_9abc, 0b1011), 0xb0f1_2345_6789);
    }

    #[test]
    fn a_range_holds_the_address_that_it_is_for() {
        let rng = &mut Rng::new(1, 0);
        for granule in Granule::ALL {
            for ds in [false, true] {
                for _ in 0..200 {
                    let address = rng.bits() & ((1 << 48) - 1);
                    let (is_leaf, level, asid) = (true, 3, 7);
                    let (is_stage2, is_global) = (false, false);
                    let stale =
                        Stale { is_stage2, address, granule, level, is_leaf, ds, asid, is_global };
                    let operand = range(rng, &stale, asid);
                    let field = |at: u32, bits: u32| operand >> at & ((1 << bits) - 1);
                    let unit = if ds { 16 } else { granule.bits() };
                    let first = field(0, 37) << unit;
                    let pages = (field(39, 5) + 1) << (5 * field(44, 2) + 1);
                    assert_eq!((field(48, 16), field(46, 2)), (7, granule_code(granule)));
                    let last = first.wrapping_add(pages << granule.bits()) - 1;
                    let kept = (1 << (37 + unit)) - 1;
                    assert!(
                        (first..=last).contains(&(address & kept)),
                        "{operand:#x} {address:#x}"
                    );
                }
            }
        }
    }
}
