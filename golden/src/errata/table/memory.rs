//! Memory attributes that come out otherwise.

use crate::attributes::{Cacheability, Device, Hints, MemoryAttributes, MemoryType, Shareability};
use crate::errata::{Combination, Effect, Erratum};
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
        "combination-forgets-transient-under-write-through",
        "where stage 1 is Write-Back Transient and stage 2 Write-Through, what stage 1 says of being transient is \
         lost",
        "S2CombineS1AttrHints",
        Effect::Combined(|combination| {
            let &Combination { stage1, stage2, fwb, both, .. } = combination;
            match (stage1.memory, stage2.memory, both.memory) {
                (
                    MemoryType::Normal { inner: inner1, outer: outer1 },
                    MemoryType::Normal { inner: inner2, outer: outer2 },
                    MemoryType::Normal { inner, outer },
                ) if !fwb => {
                    let memory = MemoryType::Normal {
                        inner: through_without_transient(inner1, inner2, inner),
                        outer: through_without_transient(outer1, outer2, outer),
                    };
                    MemoryAttributes { memory, ..both }
                }
                _ => both,
            }
        }),
    ),
    Erratum::new(
        "combination-takes-the-device-of-inner-attributes",
        "where a stage is Device, the type of both is looked for in bits 3:0 of their attributes alone, as they \
         stand: inner attributes count as well, and a Device type with XS = 0 is Device-GRE",
        "S2CombineS1Device",
        Effect::Combined(|combination| {
            let &Combination { stage1, stage2, fwb, both, .. } = combination;
            if fwb || !stage1.memory.is_device() && !stage2.memory.is_device() {
                return both;
            }
            let found = [stage1.to_mair(true) & 0xf, stage2.to_mair(false) & 0xf];
            let device = Device::ALL.into_iter().find(|device| found.contains(&device.to_mair()));
            MemoryAttributes { memory: MemoryType::Device(device.unwrap_or(Device::GRE)), ..both }
        }),
    ),
    Erratum::new(
        "combination-takes-inner-attribute-0-as-it-stands",
        "the inner attribute 0 of Normal memory with XS = 0, 0x40 and 0xa0, is taken for Write-Through Transient \
         that does not allocate",
        "S1DecodeMemAttrs",
        Effect::Combined(with_inner_attribute_0),
    ),
    Erratum::new(
        "combination-knows-XS-of-no-stage",
        "where the stages are combined, XS is 1, unless FWB takes stage 1's memory as it is: then it is stage 1's",
        "S2CombineS1MemAttrs, AArch64.S2ApplyFWBMemAttrs",
        Effect::Combined(|combination| {
            let &Combination { stage1, fwb, memattr, both, .. } = combination;
            let is_of_stage1 = match memattr {
                0b0111 => fwb,
                0b0101 => fwb && stage1.memory.is_device(),
                _ => false,
            };
            MemoryAttributes { xs: !is_of_stage1 || stage1.xs, ..both }
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
        "FWB-MemAttr-3-makes-device",
        "with FWB, bit 3 of MemAttr makes memory Device-nGnRnE",
        "AArch64.S2ApplyFWBMemAttrs",
        Effect::Combined(|combination| {
            if combination.fwb && combination.memattr & 0b1000 != 0 {
                let memory = MemoryType::Device(Device::nGnRnE);
                MemoryAttributes { memory, xs: true, ..combination.both }.effective()
            } else {
                combination.both
            }
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

/// What comes of a half of both stages: where stage 2 makes Write-Back Write-Through, it is not transient.
fn through_without_transient(
    stage1: Cacheability,
    stage2: Cacheability,
    both: Cacheability,
) -> Cacheability {
    match (stage1, stage2, both) {
        (
            Cacheability::WriteBack(_),
            Cacheability::WriteThrough(_),
            Cacheability::WriteThrough(hints),
        ) => Cacheability::WriteThrough(Hints { transient: false, ..hints }),
        _ => both,
    }
}

/// Both stages, where the inner attribute of Normal memory with XS = 0 is 0b0000 by its encoding.
fn with_inner_attribute_0(combination: &Combination) -> MemoryAttributes {
    const NONE: Hints = Hints { read_allocate: false, write_allocate: false, transient: true };
    let &Combination { stage1, stage2, fwb, memattr, both } = combination;
    let outer = match (stage1.to_mair(true), stage1.memory) {
        (0x40 | 0xa0, MemoryType::Normal { outer, .. }) => outer,
        _ => return both,
    };
    let inner = Cacheability::WriteThrough(NONE);
    let stage1 = MemoryAttributes { memory: MemoryType::Normal { inner, outer }, ..stage1 };
    match (fwb, both.memory) {
        (_, MemoryType::Device(_)) => both,
        (false, MemoryType::Normal { .. }) => {
            MemoryAttributes { memory: stage1.combined(stage2).memory, ..both }
        }
        // Forced Write-Back gives what says nothing of allocation all of it.
        (true, MemoryType::Normal { outer, .. }) if memattr == 0b0110 => {
            let inner = Cacheability::WriteBack(Hints::READ_WRITE);
            MemoryAttributes { memory: MemoryType::Normal { inner, outer }, ..both }
        }
        (true, MemoryType::Normal { .. }) => both,
    }
}

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
