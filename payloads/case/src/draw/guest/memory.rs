//! Memory types, at each stage and of both together.

use arrayvec::ArrayVec;

use super::super::Rng;
use crate::abilities::Abilities;

/// A memory type, as far as it matters who else uses the same memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Memory {
    /// Normal, Write-Back at both cache levels.
    WriteBack,
    /// Normal, Non-cacheable at both.
    NonCacheable,
    /// Any of the Device types.
    Device,
    /// Normal, Write-Through, or of two kinds.
    Other,
}

impl Memory {
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
    Combined(Memory),
    /// HCR_EL2.FWB = 1: Write-Back, whatever stage 1 says.
    ForcedWriteBack,
    /// HCR_EL2.FWB = 1, or no stage 2: as stage 1 says.
    AsStage1,
}

impl Stage2Memory {
    /// Whether it is Device memory whatever stage 1 says.
    pub fn is_device(self) -> bool {
        self == Self::Combined(Memory::Device)
    }

    /// All that MemAttr can say, with HCR_EL2.FWB as given.
    pub const fn all(fwb: bool) -> &'static [Self] {
        if fwb {
            &[
                Self::Combined(Memory::Device),
                Self::Combined(Memory::NonCacheable),
                Self::ForcedWriteBack,
                Self::AsStage1,
            ]
        } else {
            &[
                Self::Combined(Memory::Device),
                Self::Combined(Memory::NonCacheable),
                Self::Combined(Memory::WriteBack),
                Self::Combined(Memory::Other),
            ]
        }
    }

    /// MemAttr\[3:0\] that says it, with HCR_EL2.FWB as given.
    pub fn encode(self, rng: &mut Rng, fwb: bool) -> u8 {
        let device = rng.below(4) as u8;
        match self {
            Self::Combined(Memory::Device) => device,
            Self::Combined(Memory::NonCacheable) => 0b0101,
            Self::Combined(Memory::WriteBack) => 0b1111,
            Self::Combined(Memory::Other) => {
                let mixed = [0b0110, 0b0111, 0b1001, 0b1010, 0b1011, 0b1101, 0b1110];
                rng.pick(&mixed).unwrap_or(0b1010)
            }
            Self::ForcedWriteBack => 0b0110,
            Self::AsStage1 if fwb => 0b0111,
            Self::AsStage1 => 0b1111,
        }
    }
}

/// The bytes of `MAIR_EL1`.
#[derive(Clone, Debug)]
pub(super) struct Mair {
    /// Its value.
    pub value: u64,
    types: ArrayVec<Memory, 8>,
}

impl Mair {
    /// Eight memory types, Write-Back, Non-cacheable and Device among them.
    pub fn draw(rng: &mut Rng, abilities: &Abilities) -> Self {
        let mut mair = Self { value: 0, types: ArrayVec::new() };
        let first = rng.below(8) as u8;
        for index in 0..8u8 {
            let fixed = [Memory::WriteBack, Memory::NonCacheable, Memory::Device];
            let drawn = rng.weighted([
                (4, Memory::WriteBack),
                (2, Memory::NonCacheable),
                (3, Memory::Device),
                (2, Memory::Other),
            ]);
            let place = usize::from((index + first) % 8);
            let memory = fixed.get(place).copied().unwrap_or(drawn);
            mair.value |= byte(rng, memory, abilities) << (8 * index);
            mair.types.push(memory);
        }
        mair
    }

    /// An index whose type `wanted` accepts; 0 where there is none.
    pub fn pick(&self, rng: &mut Rng, wanted: impl Fn(Memory) -> bool) -> (u8, Memory) {
        let numbered = (0..).zip(self.types.iter().copied());
        let suitable: ArrayVec<(u8, Memory), 8> =
            numbered.filter(|(_, memory)| wanted(*memory)).collect();
        rng.pick(&suitable).unwrap_or((0, self.types[0]))
    }
}

/// A byte of `MAIR_EL1` for `memory`.
fn byte(rng: &mut Rng, memory: Memory, abilities: &Abilities) -> u64 {
    // Write-Back, Transient or not, with at least one allocation hint where the encoding needs it.
    const WRITE_BACK: [u64; 7] = [5, 6, 7, 12, 13, 14, 15];
    // Write-Through likewise, and Non-cacheable.
    const LESSER: [u64; 8] = [1, 2, 3, 4, 8, 9, 10, 11];
    let mut one_of = |nibbles: &[u64]| rng.pick(nibbles).unwrap_or(4);
    let [above, below] = [one_of(&WRITE_BACK), one_of(&WRITE_BACK)];
    let [lesser, any] = [one_of(&LESSER), one_of(&[4, 5, 10, 15])];
    let without_xs = abilities.xs && rng.chance(200);
    match memory {
        Memory::WriteBack => above << 4 | below,
        Memory::NonCacheable if without_xs => 0x40,
        Memory::NonCacheable => 0x44,
        // nGnRnE, nGnRE, nGRE, GRE; bit 0 is XS = 0.
        Memory::Device => rng.below(4) << 2 | u64::from(without_xs),
        Memory::Other if without_xs => 0xa0,
        // Non-cacheable outside and inside is another type.
        Memory::Other if (lesser, any) == (4, 4) => 0x4f,
        Memory::Other => lesser << 4 | any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Memory::{Device, NonCacheable, Other, WriteBack};
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
            let mair = Mair::draw(rng, &abilities);
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
