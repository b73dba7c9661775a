//! Memory attributes that come out otherwise.

use crate::attributes::{Cacheability, Device, Hints, MemoryAttributes, MemoryType, Shareability};
use crate::errata::{Effect, Erratum};
use crate::fault::Stage;

pub(super) const ALL: &[Erratum] = &[
    Erratum::new(
        "stage1-leaves-are-non-shareable",
        "stage 1 takes every leaf for Non-shareable",
        "AArch64.S1NextWalkStateLeaf",
        Effect::Attributes(Stage::One, |_, memory| memory.shareability = Shareability::Non),
    ),
    Erratum::new(
        "stage1-leaves-are-inner-shareable",
        "stage 1 takes every leaf for Inner Shareable",
        "AArch64.S1NextWalkStateLeaf",
        Effect::Attributes(Stage::One, |_, memory| memory.shareability = Shareability::Inner),
    ),
    Erratum::new(
        "stage1-leaves-are-outer-shareable",
        "stage 1 takes every leaf for Outer Shareable",
        "AArch64.S1NextWalkStateLeaf",
        Effect::Attributes(Stage::One, |_, memory| memory.shareability = Shareability::Outer),
    ),
    Erratum::new(
        "stage2-leaves-are-non-shareable",
        "stage 2 takes every leaf for Non-shareable",
        "AArch64.S2NextWalkStateLeaf",
        Effect::Attributes(Stage::Two, |_, memory| memory.shareability = Shareability::Non),
    ),
    Erratum::new(
        "stage2-leaves-are-inner-shareable",
        "stage 2 takes every leaf for Inner Shareable",
        "AArch64.S2NextWalkStateLeaf",
        Effect::Attributes(Stage::Two, |_, memory| memory.shareability = Shareability::Inner),
    ),
    Erratum::new(
        "stage2-leaves-are-outer-shareable",
        "stage 2 takes every leaf for Outer Shareable",
        "AArch64.S2NextWalkStateLeaf",
        Effect::Attributes(Stage::Two, |_, memory| memory.shareability = Shareability::Outer),
    ),
    Erratum::new(
        "stage1-forgets-XS",
        "stage 1 takes XS for 1",
        "S1DecodeMemAttrs",
        Effect::Attributes(Stage::One, |_, memory| memory.xs = true),
    ),
    Erratum::new(
        "stage1-forgets-transient",
        "stage 1 takes transient memory for memory that is not",
        "DecodeLDFAttr",
        Effect::Attributes(Stage::One, |_, memory| *memory = not_transient(*memory)),
    ),
    Erratum::new(
        "stage1-inner-cacheability-is-that-of-outer",
        "stage 1 uses the outer cacheability as the inner too",
        "S1DecodeMemAttrs",
        Effect::Attributes(Stage::One, |_, memory| {
            if let MemoryType::Normal { inner, outer } = &mut memory.memory {
                *inner = *outer;
            }
        }),
    ),
    Erratum::new(
        "stage1-outer-cacheability-is-that-of-inner",
        "stage 1 uses the inner cacheability as the outer too",
        "S1DecodeMemAttrs",
        Effect::Attributes(Stage::One, |_, memory| {
            if let MemoryType::Normal { inner, outer } = &mut memory.memory {
                *outer = *inner;
            }
        }),
    ),
    Erratum::new(
        "stage2-inner-cacheability-is-that-of-outer",
        "stage 2 uses the outer cacheability as the inner too",
        "S2DecodeMemAttrs",
        Effect::Attributes(Stage::Two, |_, memory| {
            if let MemoryType::Normal { inner, outer } = &mut memory.memory {
                *inner = *outer;
            }
        }),
    ),
    Erratum::new(
        "combination-forgets-transient",
        "where the stages are combined, transient memory is not told",
        "S2CombineS1AttrHints",
        Effect::Combined(|combination| {
            if combination.fwb { combination.both } else { not_transient(combination.both) }
        }),
    ),
    Erratum::new(
        "combination-forgets-XS",
        "where the stages are combined, XS is 1",
        "S2CombineS1MemAttrs",
        Effect::Combined(|combination| MemoryAttributes { xs: true, ..combination.both }),
    ),
    Erratum::new(
        "combination-takes-the-weaker-device",
        "two Device types are combined to the weaker",
        "S2CombineS1Device",
        Effect::Combined(|combination| {
            match (combination.stage1.memory, combination.stage2.memory) {
                (MemoryType::Device(one), MemoryType::Device(two)) => MemoryAttributes {
                    memory: MemoryType::Device(one.max(two)),
                    ..combination.both
                },
                _ => combination.both,
            }
        }),
    ),
    Erratum::new(
        "combination-takes-normal-for-device",
        "Device and Normal memory are combined to Normal",
        "S2CombineS1MemAttrs",
        Effect::Combined(|combination| {
            match (combination.stage1.memory, combination.stage2.memory) {
                (MemoryType::Device(_), normal @ MemoryType::Normal { .. })
                | (normal @ MemoryType::Normal { .. }, MemoryType::Device(_)) => {
                    MemoryAttributes { memory: normal, ..combination.both }.effective()
                }
                _ => combination.both,
            }
        }),
    ),
    Erratum::new(
        "combination-is-stage-1",
        "memory is what stage 1 says, whatever stage 2 says",
        "S2CombineS1MemAttrs",
        Effect::Combined(|combination| combination.stage1.effective()),
    ),
    Erratum::new(
        "combination-is-stage-2",
        "memory is what stage 2 says, whatever stage 1 says",
        "S2CombineS1MemAttrs",
        Effect::Combined(|combination| combination.stage2.effective()),
    ),
    Erratum::new(
        "combination-takes-hints-of-stage-2",
        "allocation hints are stage 2's",
        "S2CombineS1AttrHints",
        Effect::Combined(|combination| {
            if combination.fwb { combination.both } else { with_all_hints(combination.both) }
        }),
    ),
    Erratum::new(
        "combination-takes-the-weaker-shareability",
        "shareability is the weaker of both",
        "S2CombineS1MemAttrs",
        Effect::Combined(|combination| {
            MemoryAttributes {
                shareability: combination.stage1.shareability.min(combination.stage2.shareability),
                ..combination.both
            }
            .effective()
        }),
    ),
    Erratum::new(
        "FWB-device-is-that-of-stage-2",
        "with FWB, Device memory of stage 2 is taken as it is, whatever stage 1 says",
        "AArch64.S2ApplyFWBMemAttrs",
        Effect::Combined(|combination| match combination.memattr & 0b111 {
            device @ 0..=3 if combination.fwb && combination.both.memory.is_device() => {
                MemoryAttributes {
                    memory: MemoryType::Device(Device::from_bits(device)),
                    ..combination.both
                }
            }
            _ => combination.both,
        }),
    ),
    Erratum::new(
        "FWB-write-back-forgets-hints-of-stage-1",
        "with FWB, forced Write-Back memory has all allocation hints",
        "AArch64.S2ApplyFWBMemAttrs",
        Effect::Combined(|combination| {
            if combination.fwb && combination.memattr & 0b111 == 0b110 {
                with_all_hints(combination.both)
            } else {
                combination.both
            }
        }),
    ),
    Erratum::new(
        "FWB-non-cacheable-over-device",
        "with FWB, Non-cacheable of stage 2 goes before Device of stage 1",
        "AArch64.S2ApplyFWBMemAttrs",
        Effect::Combined(|combination| {
            if combination.fwb && combination.memattr & 0b111 == 0b101 {
                MemoryAttributes { memory: MemoryType::NON_CACHEABLE, ..combination.both }
                    .effective()
            } else {
                combination.both
            }
        }),
    ),
];

/// The same memory, as not transient.
fn not_transient(attributes: MemoryAttributes) -> MemoryAttributes {
    hinted(attributes, |hints| Hints { transient: false, ..hints })
}

/// The same memory, with allocation on reads and on writes.
fn with_all_hints(attributes: MemoryAttributes) -> MemoryAttributes {
    hinted(attributes, |_| Hints::READ_WRITE)
}

fn hinted(attributes: MemoryAttributes, hint: fn(Hints) -> Hints) -> MemoryAttributes {
    let half = |half| match half {
        Cacheability::NonCacheable => Cacheability::NonCacheable,
        Cacheability::WriteThrough(hints) => Cacheability::WriteThrough(hint(hints)),
        Cacheability::WriteBack(hints) => Cacheability::WriteBack(hint(hints)),
    };
    let memory = match attributes.memory {
        MemoryType::Normal { inner, outer } => {
            MemoryType::Normal { inner: half(inner), outer: half(outer) }
        }
        device @ MemoryType::Device(_) => device,
    };
    MemoryAttributes { memory, ..attributes }
}
