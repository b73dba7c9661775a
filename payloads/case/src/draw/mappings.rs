//! Disjoint mappings at legal levels.

use arrayvec::ArrayVec;

use super::setup::Setup;
use super::{Rng, Space};
use crate::MAX_MAPPINGS;
use crate::abilities::Abilities;
use crate::mapping::{Attributes, Mapping};
use crate::memory::Place;
use crate::vtcr::hcr;

/// The mappings of one case while they are drawn.
pub(super) type Mappings = ArrayVec<Mapping, MAX_MAPPINGS>;

/// Contiguous groups cost up to 128 words each: few a case.
const MOST_GROUPS: usize = 4;
/// How often a place is looked for before a mapping is given up.
const TRIES: usize = 6;

/// The input range of a mapping, as first and last address.
pub(super) fn range(setup: &Setup, mapping: &Mapping) -> (u64, u64) {
    let bytes = u64::from(mapping.entries) << setup.format.granule.entry_bits(mapping.level);
    (mapping.input, mapping.input + (bytes - 1))
}

/// Draws mappings that do not overlap and whose tables fit the slots.
pub(super) fn mappings(
    rng: &mut Rng,
    space: &Space,
    abilities: &Abilities,
    setup: &Setup,
) -> Mappings {
    let mut mappings = Mappings::new();
    let count = rng.between(space.mappings[0], space.mappings[1]).min(MAX_MAPPINGS as u64);
    // Each mapping may need a table at every level below the root, and one more at its end.
    let below = u64::from(setup.format.levels_below());
    let mut left = setup.tables;
    let mut groups = MOST_GROUPS;
    for _ in 0..count {
        let Some(mapping) = place(rng, space, abilities, setup, &mappings, groups > 0) else {
            continue;
        };
        let cost = if mapping.entries > 1 { 2 * below } else { below };
        if cost > left {
            break;
        }
        left -= cost;
        if mapping.attributes.has(Attributes::CONTIGUOUS) {
            groups -= 1;
        }
        mappings.push(mapping);
    }
    mappings
}

fn place(
    rng: &mut Rng,
    space: &Space,
    abilities: &Abilities,
    setup: &Setup,
    others: &Mappings,
    groups: bool,
) -> Option<Mapping> {
    let variant = setup.shape.variant;
    // Neither input nor output is larger than the sizes allow.
    let most_bits = u32::from(setup.shape.ia_bits.min(setup.oa_bits));
    let levels: ArrayVec<i8, 4> = variant
        .leaf_levels(abilities)
        .into_iter()
        .filter(|level| *level >= setup.shape.start_level)
        .filter(|level| setup.format.granule.entry_bits(*level) <= most_bits)
        .collect();
    let level = if rng.chance(350) { 3 } else { rng.pick(&levels)? };
    let entry_bits = setup.format.granule.entry_bits(level);

    let group_bits = variant.contiguous_bits(level);
    let grouped =
        groups && group_bits > 0 && entry_bits + group_bits <= most_bits && rng.chance(200);
    let (unit_bits, entries) = if grouped {
        (entry_bits + group_bits, 1 << group_bits)
    } else {
        let entries: u64 = rng.weighted([(6, 1), (2, 2), (1, 3), (1, 7)]);
        (entry_bits, entries.min(1 << (most_bits - entry_bits)))
    };
    let bytes = entries << entry_bits;
    // The last address at which so many bytes fit, aligned as all are.
    let fit =
        |address: u64, bits: u8| address.min((1u64 << bits) - bytes) >> unit_bits << unit_bits;

    let input = (0..TRIES).find_map(|_| {
        let input = fit(input(rng, setup, others), setup.shape.ia_bits);
        let last = input + (bytes - 1);
        let clear = others.iter().all(|other| {
            let (first, end) = range(setup, other);
            last < first || input > end
        });
        clear.then_some(input)
    })?;
    let output = fit(output(rng, setup), setup.oa_bits);
    let mut attributes = attributes(rng, space, abilities, setup);
    if grouped {
        attributes.flags |= Attributes::CONTIGUOUS;
    }
    Some(Mapping {
        input,
        output: Place::absolute(output),
        entries: entries as u32,
        level,
        tree: 0,
        reserved: [0; 2],
        attributes,
    })
}

/// An input address: the bottom, the top, near another mapping, or anywhere.
fn input(rng: &mut Rng, setup: &Setup, others: &Mappings) -> u64 {
    let mask = (1u64 << setup.shape.ia_bits) - 1;
    let anywhere = rng.bits() & mask;
    let near = rng.below(1 << (setup.format.granule.bits() + setup.format.granule.stride()));
    match rng.weighted([(10, 0), (12, 1), (28, 2), (50, 3)]) {
        0 => 0,
        1 => mask,
        2 => {
            let other = rng.pick(others).map_or(0, |other| other.input);
            (other ^ near) & mask
        }
        _ => anywhere,
    }
}

/// An output address: anywhere, mostly with its highest bit set, so that a lost bit shows.
fn output(rng: &mut Rng, setup: &Setup) -> u64 {
    let top = 1u64 << (setup.oa_bits - 1);
    let anywhere = rng.bits() & (top | (top - 1));
    match rng.weighted([(5, 0), (3, 1), (1, 2)]) {
        0 => anywhere | top,
        1 => anywhere,
        _ => anywhere & 0xffff_ffff,
    }
}

/// Attributes that a hypervisor might give, reserved encodings left out.
fn attributes(rng: &mut Rng, space: &Space, abilities: &Abilities, setup: &Setup) -> Attributes {
    let fwb = setup.registers.hcr_el2 & hcr::FWB != 0;
    let mem_attr = if fwb {
        // Device (four kinds), Normal NC, Normal WB, as stage 1.
        rng.pick(&[0b0000, 0b0001, 0b0010, 0b0011, 0b0101, 0b0110, 0b0111])
    } else {
        // Device (four kinds), then outer and inner cacheability in {NC, WT, WB} each.
        rng.pick(&[
            0b0000, 0b0001, 0b0010, 0b0011, 0b0101, 0b0110, 0b0111, 0b1001, 0b1010, 0b1011, 0b1101,
            0b1110, 0b1111, 0b1111, 0b1111,
        ])
    };
    let mut flags = 0;
    if setup.updates && rng.chance(400) {
        flags |= Attributes::DBM;
    }
    if abilities.xs && rng.chance(300) {
        flags |= Attributes::FNXS;
    }
    // Of those that restrict, half may be read.
    let [full, restricted] = space.restricted;
    let s2ap = [(4 * full, 3), (2 * restricted, 1), (restricted, 2), (restricted, 0)];
    Attributes {
        mem_attr: mem_attr.unwrap_or(0),
        ap: rng.weighted(s2ap),
        sh: rng.weighted([(5, 3), (2, 2), (2, 0)]),
        xn: rng.below(4) as u8,
        af: u8::from(rng.chance(if setup.updates { 500 } else { 850 })),
        flags,
        software: rng.below(16) as u8,
        reserved: 0,
    }
}
