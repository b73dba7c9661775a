//! Edits: corruption of descriptors after the tables are built.
//!
//! Three kinds of a case have them: those under which no code runs, of which any descriptor may say anything
//! ([`corrupt_descriptors`]); those under which code runs, beside what it needs ([`beside`]); and sequences, which
//! change descriptors between probes. **Speculation.** A PE may walk whatever is valid, and read what is mapped as Normal
//! memory. So a walk goes astray only to arenas and void addresses. Where code runs under the case's tables, the stage
//! that has the last word (stage 2, or stage 1 where there is no stage 2) never gets another address but that of a void
//! range for a table, or, under a guest, one beyond the output size; what leads out of arenas is made invalid, and nothing
//! else, while a leaf into an arena may change in its access flag and permissions.

use super::pool::PIECE;
use super::tree::{Leaf, TreeBuilder, a_leaf};
use super::{Request, Rng};
use crate::Case;
use crate::edit::{Change, Edit};
use crate::format::{AddressFormat, Format};
use crate::mapping::Attributes;
use crate::memory::{ArenaKind, MemoryMap, Place};

pub(super) const VALID: u64 = 1;
/// A table, or at level 3 a page: the encoding without it is reserved there.
pub(super) const TABLE: u64 = 1 << 1;
pub(super) const AF: u64 = 1 << 10;
pub(super) const DBM: u64 = 1 << 51;
const CONTIGUOUS: u64 = 1 << 52;
/// AP\[2:1\], or S2AP.
pub(super) const ACCESS: [u64; 2] = [1 << 6, 1 << 7];
/// AP\[2:1\], nG and DBM of stage 1.
const ACCESS_OF_STAGE1: [u64; 4] = [ACCESS[0], ACCESS[1], 1 << 11, DBM];
/// PXN and UXN, or XN\[1:0\].
pub(super) const EXECUTION: [u64; 2] = [1 << 53, 1 << 54];
/// Bits of a table descriptor of stage 1 that limit all below: PXNTable, UXNTable, APTable.
pub(super) const LIMITS: [u64; 4] = [1 << 59, 1 << 60, 1 << 61, 1 << 62];

/// Any change to any descriptor on the way to `leaf`.
fn hostile(rng: &mut Rng, request: Request<'_>, tree: &TreeBuilder, leaf: &Leaf) -> Edit {
    let input = rng.between(leaf.first, leaf.first + (tree.bytes(leaf) - 1));
    let start = tree.format.start_level;
    let table_level = start + rng.below((leaf.level - start) as u64) as i8;
    let has_table = leaf.level > start;
    let at = |level, change| Edit::new(tree.number, input, level, change);
    let ignored = ignored_in_table(&tree.format);
    let flip = match rng.weighted([(30, 0), (12, 1), (18, 2), (18, 3), (8, 4), (8, 5), (6, 6)]) {
        0 => leaf_flip(rng, leaf.level),
        1 => return at(leaf.level, Change::Replace(leaf_word(rng, leaf.level))),
        2 => {
            // Where a table, or a block, stood: at any level but the last.
            let level = if has_table { table_level } else { leaf.level.min(2) };
            if level < start {
                return at(leaf.level, Change::Flip(VALID));
            }
            let place = table_place(rng, request.map, tree);
            let flip = if rng.chance(500) { rng.bits() & ignored } else { 0 };
            return at(level, Change::Table { place, flip });
        }
        3 if has_table => {
            let flip = match rng.below(5) {
                0 => VALID,
                1 => TABLE,
                2 => 1 << rng.between(52, 63) | rng.bits() & ignored,
                _ => rng.bits() & ignored,
            };
            return at(table_level, Change::Flip(flip));
        }
        4 => CONTIGUOUS,
        5 => output_flip(rng, request, tree, leaf.level),
        _ => 1 << rng.between(2, 11),
    };
    at(leaf.level, Change::Flip(flip))
}

/// Adds at least `least` edits, and at most 4, to `case`, which is what `trees` map.
pub(super) fn corrupt_descriptors(
    rng: &mut Rng,
    request: Request<'_>,
    trees: &[TreeBuilder],
    case: &mut Case,
    least: u64,
) {
    for _ in 0..rng.between(least, 4) {
        let Some((tree, leaf)) = a_leaf(rng, trees, [0; 2]) else { return };
        // A case has room for all of them.
        let _ = case.push_edit(hostile(rng, request, tree, leaf));
    }
}

/// An address whose walk passes, or nearly passes, a descriptor that was edited; or one that has to do with any leaf, as
/// `odds` say, see [`TreeBuilder::near`].
pub(super) fn address(rng: &mut Rng, trees: &[TreeBuilder], edits: &[Edit], odds: [u64; 6]) -> u64 {
    if let Some(edit) = rng.pick(edits).filter(|_| rng.chance(550)) {
        let tree = &trees[usize::from(edit.tree)];
        let format = &tree.format;
        let level = 3 - rng.between(0, u64::from(format.levels_below())) as i8;
        let bits = format.granule.entry_bits(level).min(format.ia_bits.into());
        let is_close = rng.chance(750);
        let within = if is_close { rng.bits() & ((1 << bits) - 1) } else { 0 };
        return tree.address(edit.input ^ within);
    }
    let Some((tree, leaf)) = a_leaf(rng, trees, [0; 2]) else { return rng.bits() };
    tree.near(rng, leaf.first, tree.bytes(leaf), odds)
}

/// One to three bits of a leaf. A block must not become a table: its output is anywhere.
fn leaf_flip(rng: &mut Rng, level: i8) -> u64 {
    let mut mask = 0;
    for _ in 0..rng.between(1, 3) {
        mask |= 1 << rng.below(64);
    }
    if level < 3 { mask & !TABLE } else { mask }
}

/// Any word at level 3; above it any word that is not a table descriptor.
fn leaf_word(rng: &mut Rng, level: i8) -> u64 {
    let word = rng.bits();
    match rng.below(4) {
        0 => word & !VALID,
        _ if level == 3 => word | VALID,
        _ => word & !TABLE | VALID,
    }
}

/// Output address bits of a leaf, among them those beyond the output size.
fn output_flip(rng: &mut Rng, request: Request<'_>, tree: &TreeBuilder, level: i8) -> u64 {
    let high = 1 << rng.between((tree.oa_bits - 1).min(47).into(), 49);
    let format = match tree.format.address {
        AddressFormat::Lpa => 1 << rng.between(12, 15),
        AddressFormat::Ds => 1 << rng.between(8, 9),
        AddressFormat::Bits48 => high,
    };
    // Bits between a block's address and its attributes, nT among them.
    let low = 1 << rng.between(12, u64::from(tree.format.granule.entry_bits(level).min(47)));
    let nt = if request.abilities.bbm_level > 0 && level < 3 { 1 << 16 } else { high };
    rng.one_of(&[high, high, format, low, nt])
}

/// Bits that a table descriptor of stage 2 has no use for, or that say nothing for the walk.
const fn ignored_in_table(format: &Format) -> u64 {
    // The architecture ignores 51:48 in the 48-bit formats; in the DS format 49:48 are address, and 9:8.
    match format.address {
        AddressFormat::Bits48 => 0xffff << 48 | 0x0ffc,
        AddressFormat::Lpa => 0xfff << 52 | 0x0ffc,
        AddressFormat::Ds => 0xfff << 52 | 0x0cfc,
    }
}

/// Where a hostile table descriptor points: into an arena, the void, or the tree's own tables.
fn table_place(rng: &mut Rng, map: &MemoryMap, tree: &TreeBuilder) -> Place {
    let own = rng.pick(tree.tree.slots()).unwrap_or_default();
    let page = tree.format.granule.bytes();
    if rng.chance(300) {
        // The root itself, or a table near it: a walk that goes round.
        return Place::new(own.arena(), (own.offset() + page * rng.below(4)) / page * page);
    }
    let arenas = (0..).zip(map.arenas()).filter(|(_, arena)| arena.kind != ArenaKind::Scratch);
    rng.choose(arenas).map_or(own, |(number, arena)| {
        Place::new(number, rng.below((arena.size / page).max(1)) * page)
    })
}

/// A change to `leaf`, or to a table on the way to it, by `change`, which is told whether it is one of a table.
/// `None` for a descriptor that is needed: `is_needed` is told the input address, and log2 of what the entry covers.
pub(super) fn beside(
    rng: &mut Rng,
    tree: &TreeBuilder,
    leaf: &Leaf,
    is_needed: impl Fn(u64, u32) -> bool,
    change: impl FnOnce(&mut Rng, bool) -> Option<Change>,
) -> Option<Edit> {
    // What a group means of which one entry differs is another question.
    if leaf.attributes.has(Attributes::CONTIGUOUS) {
        return None;
    }
    let granule = tree.format.granule;
    let entry = rng.below(leaf.entries);
    let input = leaf.first + (entry << granule.entry_bits(leaf.level));
    let above = rng.below((leaf.level - tree.format.start_level) as u64 + 1) as i8;
    let above = if rng.chance(600) { 0 } else { above };
    let level = leaf.level - above;
    if is_needed(input, granule.entry_bits(level)) {
        return None;
    }
    Some(Edit::new(tree.number, input, level, change(rng, above > 0)?))
}

/// A change to a table descriptor of the stage that has the last word.
pub(super) fn bound_table(rng: &mut Rng, map: &MemoryMap, tree: &TreeBuilder) -> Option<Change> {
    Some(match rng.below(4) {
        0 => Change::Table { place: nothing(rng, map, tree)?, flip: 0 },
        2.. if tree.role.is_stage1() => Change::Flip(rng.one_of(&LIMITS)),
        _ => Change::Flip(VALID),
    })
}

/// What an edit of a leaf must keep to.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Whether all that it leads to stays in arenas: it may get other permissions then.
    pub stays: bool,
    /// Whether others may execute it.
    pub may_execute: bool,
    /// Whether its output address may become too large: under a guest, where nothing else of the executor depends
    /// on the Address size fault.
    pub may_overflow: bool,
}

/// A change to `leaf` of the stage that has the last word, within `bounds`.
pub(super) fn bound_leaf(
    rng: &mut Rng,
    tree: &TreeBuilder,
    leaf: &Leaf,
    bounds: Bounds,
) -> Option<Change> {
    let Bounds { stays, may_execute, may_overflow } = bounds;
    let flip = match rng.weighted([(2, 0), (1, 1), (2, 2), (3, 3), (2, 4), (1, 5), (1, 6)]) {
        1 if leaf.level == 3 => TABLE,
        2 if stays => AF,
        3 if stays && tree.role.is_stage1() => rng.one_of(&ACCESS_OF_STAGE1),
        3 if stays => rng.one_of(&ACCESS),
        4 if stays && may_execute => rng.one_of(&EXECUTION),
        5 if stays && may_overflow => harmless(rng, tree),
        6 if may_overflow => too_large(rng, tree)?,
        _ => VALID,
    };
    Some(Change::Flip(flip))
}

/// A bit that makes an output address too large.
pub(super) fn too_large(rng: &mut Rng, tree: &TreeBuilder) -> Option<u64> {
    let first = u64::from(tree.oa_bits);
    (first < 48).then(|| 1 << rng.between(first, 47))
}

/// A bit of a leaf that changes no answer but the attributes in it. With DS = 1 there is no SH.
pub(super) fn harmless(rng: &mut Rng, tree: &TreeBuilder) -> u64 {
    const SH: [u64; 2] = [1 << 8, 1 << 9];
    // nG or FnXS, and what software has for itself.
    const OTHERS: [u64; 3] = [1 << 11, 1 << 55, 1 << 58];
    let has_sh = tree.format.address != AddressFormat::Ds;
    if has_sh && rng.chance(400) { rng.one_of(&SH) } else { rng.one_of(&OTHERS) }
}

/// A place where nothing answers, and that a table could be at.
fn nothing(rng: &mut Rng, map: &MemoryMap, tree: &TreeBuilder) -> Option<Place> {
    let bits = match tree.format.address {
        AddressFormat::Bits48 => tree.oa_bits.min(48),
        AddressFormat::Lpa | AddressFormat::Ds => tree.oa_bits,
    };
    let fits = map
        .arenas()
        .iter()
        .filter(|arena| arena.kind == ArenaKind::Void && arena.last() >> bits == 0);
    Some(Place::absolute(rng.choose(fits)?.base.next_multiple_of(PIECE)))
}

/// Where a register of translation control has its fields: T0SZ lies at bit 0, and TG0 at 14.
pub(super) struct Fields {
    pub ps: u32,
    pub ds: u32,
}

/// Makes field number `kind` of the register `control` what it should not be: T0SZ, TG0, PS, DS, or any one bit. Field 4 is
/// the `root`, which is made one that is not aligned, or is said to be above the output size.
pub(super) fn corrupt_register(
    rng: &mut Rng,
    fields: &Fields,
    control: &mut u64,
    root: &mut u64,
    oa_bits: u8,
    kind: u8,
) {
    let any = rng.bits();
    let (at, width, value) = match kind {
        0 if rng.chance(500) => (0, 6, any),
        // Near what the tables are for.
        0 => (0, 6, (*control + rng.below(9)).wrapping_sub(4)),
        1 => (14, 2, any),
        2 => (fields.ps, 3, any),
        3 => (fields.ds, 1, !(*control >> fields.ds)),
        4 if rng.chance(500) => return *root ^= any & 0xfff,
        4 => return *root ^= 1 << rng.between(u64::from(oa_bits).min(47), 47),
        // Reserved ones, HWU, NSW, EPD, TBI, HPD, HA, HD, and all of the above.
        _ => return *control ^= 1 << rng.below(64),
    };
    let mask = ((1 << width) - 1) << at;
    *control = *control & !mask | value << at & mask;
}
