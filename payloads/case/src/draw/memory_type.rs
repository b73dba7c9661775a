//! Memory types: what `MAIR_ELx` and stage 2's MemAttr say, and what both stages together make of it.
//!
//! Cases keep apart what matters to others who use the same memory, Write-Back, Non-cacheable and Device, and give
//! every encoding of each its turn.

use arrayvec::ArrayVec;

use super::Rng;
use crate::abilities::Abilities;

/// A memory type, as far as it matters who else uses the same memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MemoryType {
    /// Normal, Write-Back at both cache levels.
    WriteBack,
    /// Normal, Non-cacheable at both.
    NonCacheable,
    /// Any of the Device types.
    Device,
    /// Normal, Write-Through, or of two kinds.
    Other,
    /// Normal, any: nobody relies on which.
    Any,
}

impl MemoryType {
    /// Whether no cache holds what is read or written.
    pub const fn is_uncached(self) -> bool {
        matches!(self, Self::NonCacheable | Self::Device)
    }

    /// Of memory that is of type `self` at stage 1 and `stage2` at stage 2.
    pub const fn with_stage2(self, stage2: Stage2Memory) -> Self {
        match (self, stage2) {
            (_, Stage2Memory::ForcedWriteBack) => Self::WriteBack,
            (own, Stage2Memory::AsStage1) => own,
            (Self::Device, _) | (_, Stage2Memory::Combined(Self::Device)) => Self::Device,
            (Self::NonCacheable, _) | (_, Stage2Memory::Combined(Self::NonCacheable)) => {
                Self::NonCacheable
            }
            (Self::WriteBack, Stage2Memory::Combined(Self::WriteBack)) => Self::WriteBack,
            _ => Self::Other,
        }
    }
}

/// What stage 2 says of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage2Memory {
    /// A type that is combined with that of stage 1: the lesser of the two counts.
    Combined(MemoryType),
    /// HCR_EL2.FWB = 1: Write-Back, whatever stage 1 says.
    ForcedWriteBack,
    /// HCR_EL2.FWB = 1, or no stage 2: as stage 1 says.
    AsStage1,
}

impl Stage2Memory {
    /// Whether it is Device memory whatever stage 1 says.
    pub fn is_device(self) -> bool {
        self == Self::Combined(MemoryType::Device)
    }

    /// All that MemAttr can say, with HCR_EL2.FWB as given.
    pub fn all(fwb: bool) -> [Self; 4] {
        let of = Self::Combined;
        let [third, fourth] = if fwb {
            [Self::ForcedWriteBack, Self::AsStage1]
        } else {
            [of(MemoryType::WriteBack), of(MemoryType::Other)]
        };
        [of(MemoryType::Device), of(MemoryType::NonCacheable), third, fourth]
    }

    /// MemAttr\[3:0\] that says it, with HCR_EL2.FWB as given.
    pub fn encode(self, rng: &mut Rng, fwb: bool) -> u8 {
        let device = rng.below(4) as u8;
        match self {
            Self::Combined(MemoryType::Device) => device,
            Self::Combined(MemoryType::NonCacheable) => 0b0101,
            Self::Combined(MemoryType::WriteBack) => 0b1111,
            Self::Combined(MemoryType::Other | MemoryType::Any) => {
                rng.one_of(&[0b0110, 0b0111, 0b1001, 0b1010, 0b1011, 0b1101, 0b1110])
            }
            Self::ForcedWriteBack => 0b0110,
            Self::AsStage1 if fwb => 0b0111,
            Self::AsStage1 => 0b1111,
        }
    }
}

/// The bytes of `MAIR_ELx`.
#[derive(Clone, Debug)]
pub(super) struct Mair {
    /// Its value.
    pub value: u64,
    types: ArrayVec<MemoryType, 8>,
}

impl Mair {
    /// Eight memory types: all of `needed` among them, and others as often as `odds` say.
    pub fn draw<const N: usize>(
        rng: &mut Rng,
        abilities: &Abilities,
        needed: &[MemoryType],
        odds: [(u64, MemoryType); N],
    ) -> Self {
        let mut mair = Self { value: 0, types: ArrayVec::new() };
        let first = rng.below(8) as u8;
        for index in 0..8u8 {
            let drawn = rng.weighted(odds);
            let place = usize::from((index + first) % 8);
            let memory = needed.get(place).copied().unwrap_or(drawn);
            mair.value |= byte(rng, memory, abilities) << (8 * index);
            mair.types.push(memory);
        }
        mair
    }

    /// For EL1&0: which of the three types is used matters to others.
    pub fn of_guest(rng: &mut Rng, abilities: &Abilities) -> Self {
        use MemoryType::{Device, NonCacheable, Other, WriteBack};
        let odds = [(4, WriteBack), (2, NonCacheable), (3, Device), (2, Other)];
        Self::draw(rng, abilities, &[WriteBack, NonCacheable, Device], odds)
    }

    /// An index whose type `wanted` accepts; 0 where there is none.
    pub fn pick(&self, rng: &mut Rng, wanted: impl Fn(MemoryType) -> bool) -> (u8, MemoryType) {
        let numbered = (0..).zip(self.types.iter().copied());
        let suitable = numbered.filter(|(_, memory)| wanted(*memory));
        rng.choose(suitable).unwrap_or((0, self.types[0]))
    }
}

/// A byte of `MAIR_ELx` for `memory`.
fn byte(rng: &mut Rng, memory: MemoryType, abilities: &Abilities) -> u64 {
    // Write-Back, Transient or not, with at least one allocation hint where the encoding needs it.
    const WRITE_BACK: [u64; 7] = [5, 6, 7, 12, 13, 14, 15];
    // Write-Through likewise, and Non-cacheable.
    const LESSER: [u64; 8] = [1, 2, 3, 4, 8, 9, 10, 11];
    let [above, below] = [rng.one_of(&WRITE_BACK), rng.one_of(&WRITE_BACK)];
    let [lesser, any] = [rng.one_of(&LESSER), rng.one_of(&[4, 5, 10, 15])];
    let without_xs = abilities.xs && rng.chance(200);
    match memory {
        MemoryType::WriteBack => above << 4 | below,
        MemoryType::NonCacheable if without_xs => 0x40,
        MemoryType::NonCacheable => 0x44,
        // nGnRnE, nGnRE, nGRE, GRE; bit 0 is XS = 0.
        MemoryType::Device => rng.below(4) << 2 | u64::from(without_xs),
        MemoryType::Other if without_xs => 0xa0,
        MemoryType::Any if without_xs => rng.one_of(&[0x40, 0xa0]),
        MemoryType::Any => rng.between(1, 15) << 4 | rng.between(1, 15),
        // Non-cacheable outside and inside is another type.
        MemoryType::Other if (lesser, any) == (4, 4) => 0x4f,
        MemoryType::Other => lesser << 4 | any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MemoryType::{Device, NonCacheable, Other, WriteBack};
    use Stage2Memory::{AsStage1, Combined, ForcedWriteBack};

    #[test]
    fn the_lesser_of_two_types_counts() {
        assert_eq!(WriteBack.with_stage2(Combined(NonCacheable)), NonCacheable);
        assert_eq!(NonCacheable.with_stage2(Combined(WriteBack)), NonCacheable);
        assert_eq!(Device.with_stage2(Combined(WriteBack)), Device);
        assert_eq!(Other.with_stage2(Combined(Device)), Device);
        assert_eq!(WriteBack.with_stage2(Combined(Other)), Other);
        assert_eq!(Other.with_stage2(Combined(NonCacheable)), NonCacheable);
        assert_eq!(Device.with_stage2(ForcedWriteBack), WriteBack);
        assert_eq!(Device.with_stage2(AsStage1), Device);
    }

    #[test]
    fn every_mair_has_the_three_types_that_count() {
        let abilities = Abilities::new(&crate::abilities::Ids::default());
        for index in 0..100 {
            let rng = &mut Rng::new(1, index);
            let mair = Mair::of_guest(rng, &abilities);
            for wanted in [WriteBack, NonCacheable, Device] {
                let (index, memory) = mair.pick(rng, |memory| memory == wanted);
                assert_eq!(memory, wanted);
                let byte = mair.value >> (8 * index) & 0xff;
                let is_write_back = |nibble: u64| nibble > 4 && !(8..12).contains(&nibble);
                assert_eq!(byte >> 4 == 0, wanted == Device);
                assert_eq!(byte & 0xf0 == 0x40, wanted == NonCacheable, "{byte:#x}");
                let both = is_write_back(byte >> 4) && is_write_back(byte & 0xf);
                assert_eq!(both, wanted == WriteBack, "{byte:#x}");
            }
        }
    }
}
