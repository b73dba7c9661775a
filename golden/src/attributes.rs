//! Memory attributes: what descriptors say about memory, and how the two stages combine.

use core::fmt;

/// The attributes of a memory location (the pseudocode's `MemoryAttributes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryAttributes {
    /// Device or Normal, and which.
    pub memory: MemoryType,
    /// Shareability. For Device and Normal Non-cacheable memory it is Outer Shareable, once effective.
    pub shareability: Shareability,
    /// The XS attribute: may accesses to the location take long? It means something only with FEAT_XS.
    pub xs: bool,
}

/// Device or Normal memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryType {
    /// Device memory.
    Device(Device),
    /// Normal memory.
    Normal {
        /// Inner cacheability.
        inner: Cacheability,
        /// Outer cacheability.
        outer: Cacheability,
    },
}

/// The kinds of Device memory, strongest first: (non-)Gathering, (non-)Reordering, (no) Early write
/// acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(non_camel_case_types, reason = "Arm's names")]
pub enum Device {
    /// Device-nGnRnE.
    nGnRnE,
    /// Device-nGnRE.
    nGnRE,
    /// Device-nGRE.
    nGRE,
    /// Device-GRE.
    GRE,
}

impl Device {
    /// Every kind, strongest first.
    pub(crate) const ALL: [Self; 4] = [Self::nGnRnE, Self::nGnRE, Self::nGRE, Self::GRE];

    /// The `MAIR_ELx` byte, with XS = 1.
    pub(crate) const fn to_mair(self) -> u8 {
        (self as u8) << 2
    }

    /// Source: `DecodeDevice`.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        match bits & 0b11 {
            0b00 => Self::nGnRnE,
            0b01 => Self::nGnRE,
            0b10 => Self::nGRE,
            _ => Self::GRE,
        }
    }
}

/// The cacheability of Normal memory, inner or outer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cacheability {
    /// Non-cacheable.
    NonCacheable,
    /// Write-through cacheable.
    WriteThrough(Hints),
    /// Write-back cacheable.
    WriteBack(Hints),
}

/// Allocation hints of cacheable memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hints {
    /// Allocate on a read.
    pub read_allocate: bool,
    /// Allocate on a write.
    pub write_allocate: bool,
    /// The line is expected to be used for a short time only.
    pub transient: bool,
}

impl Hints {
    /// Read-allocate and write-allocate, not transient.
    pub const READ_WRITE: Self =
        Self { read_allocate: true, write_allocate: true, transient: false };
    /// Read-allocate only, not transient.
    pub const READ: Self = Self { read_allocate: true, write_allocate: false, transient: false };

    /// Bits 1:0 of a cacheability encoding: 1 is read, 0 is write.
    const fn from_bits(bits: u64, transient: bool) -> Self {
        Self { read_allocate: bits & 0b10 != 0, write_allocate: bits & 0b01 != 0, transient }
    }

    const fn to_bits(self) -> u64 {
        (self.read_allocate as u64) << 1 | self.write_allocate as u64
    }
}

/// The shareability of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shareability {
    /// Non-shareable.
    Non,
    /// Inner Shareable.
    Inner,
    /// Outer Shareable.
    Outer,
}

impl MemoryType {
    /// Normal Non-cacheable memory.
    pub const NON_CACHEABLE: Self =
        Self::Normal { inner: Cacheability::NonCacheable, outer: Cacheability::NonCacheable };
    /// Normal Write-back memory with all allocation hints.
    pub const WRITE_BACK: Self = Self::Normal {
        inner: Cacheability::WriteBack(Hints::READ_WRITE),
        outer: Cacheability::WriteBack(Hints::READ_WRITE),
    };

    /// Is it Device memory?
    #[must_use]
    pub const fn is_device(self) -> bool {
        matches!(self, Self::Device(_))
    }

    /// Inner and outer Write-back: the only type whose XS is 0 without saying so.
    pub(crate) const fn is_write_back(self) -> bool {
        matches!(
            self,
            Self::Normal { inner: Cacheability::WriteBack(_), outer: Cacheability::WriteBack(_) }
        )
    }
}

impl MemoryAttributes {
    /// Does the architecture promise that exclusives and atomics work here? They do in Shareable Write-back
    /// memory that allocates on reads and writes, and not for a short time only.
    ///
    /// Source: DDI 0487, "Atomic instructions".
    pub(crate) fn supports_atomics(self) -> bool {
        self.memory == MemoryType::WRITE_BACK && self.shareability != Shareability::Non
    }

    /// What a `MAIR_ELx` attribute byte and a descriptor's shareability mean. `None` for a byte that is
    /// reserved, with FEAT_XS or without.
    ///
    /// ```text
    ///   7    4 3    0
    ///  +------+------+   0000 dd0x   Device, dd its kind; x = 1: XS is 0 (FEAT_XS)
    ///  | outer| inner|   0100 0000   Normal Non-cacheable, XS is 0 (FEAT_XS)
    ///  +------+------+   1010 0000   Normal Write-through, read-allocate, XS is 0 (FEAT_XS)
    ///                    oooo iiii   Normal, neither half 0000
    /// ```
    ///
    /// Source: `S1DecodeMemAttrs`, `S1ConstrainUnpredictableRESMAIR`.
    #[must_use]
    #[inline]
    pub const fn from_mair(attr: u8, shareability: Shareability, feat_xs: bool) -> Option<Self> {
        let attr = attr as u64;
        let (memory, xs) = match (attr >> 4, attr & 0xf) {
            (0, low) if low & 0b11 == 0b00 => {
                (MemoryType::Device(Device::from_bits(low >> 2)), true)
            }
            (0, low) if low & 0b11 == 0b01 && feat_xs => {
                (MemoryType::Device(Device::from_bits(low >> 2)), false)
            }
            (0, _) => return None,
            (0b0100, 0) if feat_xs => (MemoryType::NON_CACHEABLE, false),
            (0b1010, 0) if feat_xs => {
                let through = Cacheability::WriteThrough(Hints::READ);
                (MemoryType::Normal { inner: through, outer: through }, false)
            }
            (_, 0) => return None,
            (outer, inner) => {
                let memory = MemoryType::Normal {
                    inner: Cacheability::from_bits(inner),
                    outer: Cacheability::from_bits(outer),
                };
                (memory, !memory.is_write_back())
            }
        };
        Some(Self { memory, shareability, xs })
    }

    /// What stage 2 says on its own, without FEAT_S2FWB: `MemAttr[3:0]` of a descriptor, where
    /// `reserved` stands in for the reserved cacheability 0b00.
    ///
    /// Allocation hints are stage 1's alone: those here have no meaning.
    ///
    /// Source: `S2DecodeMemAttrs`, `S2DecodeCacheability`.
    #[inline]
    pub(crate) const fn from_stage2(
        attr: u64,
        shareability: Shareability,
        fnxs: bool,
        reserved: Cacheability,
    ) -> Self {
        const fn half(bits: u64, reserved: Cacheability) -> Cacheability {
            match bits {
                0b00 => reserved,
                0b01 => Cacheability::NonCacheable,
                0b10 => Cacheability::WriteThrough(Hints::READ_WRITE),
                _ => Cacheability::WriteBack(Hints::READ_WRITE),
            }
        }
        let memory = match attr >> 2 & 0b11 {
            0b00 => MemoryType::Device(Device::from_bits(attr)),
            outer => MemoryType::Normal {
                inner: half(attr & 0b11, reserved),
                outer: half(outer, reserved),
            },
        };
        Self { memory, shareability, xs: !fnxs }
    }

    /// Stage 1 and stage 2 combined without FEAT_S2FWB: the stronger wins.
    ///
    /// Source: `S2CombineS1MemAttrs`.
    #[must_use]
    #[inline]
    pub fn combined(self, stage2: Self) -> Self {
        let memory = match (self.memory, stage2.memory) {
            (MemoryType::Device(one), MemoryType::Device(two)) => MemoryType::Device(one.min(two)),
            (device @ MemoryType::Device(_), _) | (_, device @ MemoryType::Device(_)) => device,
            (
                MemoryType::Normal { inner: inner1, outer: outer1 },
                MemoryType::Normal { inner: inner2, outer: outer2 },
            ) => MemoryType::Normal {
                inner: inner1.combined(inner2),
                outer: outer1.combined(outer2),
            },
        };
        let xs = !memory.is_write_back() && self.xs && stage2.xs;
        Self { memory, shareability: self.shareability.max(stage2.shareability), xs }.effective()
    }

    /// With the shareability that the memory type forces.
    ///
    /// Source: `EffectiveShareability`.
    #[must_use]
    #[inline]
    pub fn effective(self) -> Self {
        let forced = self.memory.is_device() || self.memory == MemoryType::NON_CACHEABLE;
        Self { shareability: if forced { Shareability::Outer } else { self.shareability }, ..self }
    }

    /// Does `PAR_EL1.ATTR` have an encoding of its own for this memory with XS = 0?
    pub(crate) fn shows_xs(self) -> bool {
        let effective = self.effective();
        effective.to_mair(true) != effective.to_mair(false)
    }

    /// The 8-bit encoding of `PAR_EL1.ATTR`, which is that of a `MAIR_ELx` byte. XS = 0 shows where an
    /// encoding for it exists, and only with FEAT_XS.
    ///
    /// Source: `EncodePARAttrs`.
    #[must_use]
    #[inline]
    pub fn to_mair(self, feat_xs: bool) -> u8 {
        let no_xs = feat_xs && !self.xs;
        let bits = match self.memory {
            MemoryType::Device(device) => (device as u64) << 2 | u64::from(no_xs),
            MemoryType::NON_CACHEABLE if no_xs => 0b0100_0000,
            MemoryType::Normal {
                inner: Cacheability::WriteThrough(_),
                outer: Cacheability::WriteThrough(Hints::READ),
            } if no_xs => 0b1010_0000,
            MemoryType::Normal { inner, outer } => outer.to_bits() << 4 | inner.to_bits(),
        };
        bits as u8
    }
}

impl Cacheability {
    /// Half of a `MAIR_ELx` byte for Normal memory, which is not 0000.
    ///
    /// ```text
    ///  00RW  Write-through transient      10RW  Write-through
    ///  0100  Non-cacheable                11RW  Write-back
    ///  01RW  Write-back transient
    /// ```
    ///
    /// Source: `DecodeLDFAttr`.
    const fn from_bits(bits: u64) -> Self {
        let hints = Hints::from_bits(bits, bits & 0b1000 == 0);
        match bits {
            0b0100 => Self::NonCacheable,
            _ if bits & 0b0100 == 0 => Self::WriteThrough(hints),
            _ => Self::WriteBack(hints),
        }
    }

    const fn to_bits(self) -> u64 {
        match self {
            Self::NonCacheable => 0b0100,
            Self::WriteThrough(hints) => {
                (if hints.transient { 0b0000 } else { 0b1000 }) | hints.to_bits()
            }
            Self::WriteBack(hints) => {
                (if hints.transient { 0b0100 } else { 0b1100 }) | hints.to_bits()
            }
        }
    }

    /// The allocation hints of cacheable memory.
    #[must_use]
    pub const fn hints(self) -> Option<Hints> {
        match self {
            Self::NonCacheable => None,
            Self::WriteThrough(hints) | Self::WriteBack(hints) => Some(hints),
        }
    }

    /// The less cacheable of the two stages, with stage 1's hints.
    ///
    /// Source: `S2CombineS1AttrHints`.
    #[inline]
    const fn combined(self, stage2: Self) -> Self {
        match (self, stage2) {
            (Self::NonCacheable, _) | (_, Self::NonCacheable) => Self::NonCacheable,
            (Self::WriteThrough(hints), _) | (Self::WriteBack(hints), Self::WriteThrough(_)) => {
                Self::WriteThrough(hints)
            }
            (Self::WriteBack(hints), Self::WriteBack(_)) => Self::WriteBack(hints),
        }
    }
}

impl Shareability {
    /// The encoding of SH in `PAR_EL1` and in descriptors.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        match self {
            Self::Non => 0b00,
            Self::Outer => 0b10,
            Self::Inner => 0b11,
        }
    }

    /// What SH means; `None` for the reserved 0b01.
    ///
    /// Source: `DecodeShareability`.
    #[must_use]
    pub const fn from_bits(sh: u64) -> Option<Self> {
        match sh & 0b11 {
            0b00 => Some(Self::Non),
            0b10 => Some(Self::Outer),
            0b11 => Some(Self::Inner),
            _ => None,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device-{self:?}")
    }
}

impl fmt::Display for Cacheability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NonCacheable => "NC",
            Self::WriteThrough(_) => "WT",
            Self::WriteBack(_) => "WB",
        })?;
        let Some(hints) = self.hints() else { return Ok(()) };
        f.write_str(match (hints.read_allocate, hints.write_allocate) {
            (true, true) => " RaWa",
            (true, false) => " RanWa",
            (false, true) => " nRaWa",
            (false, false) => " nRanWa",
        })?;
        f.write_str(if hints.transient { " transient" } else { "" })
    }
}

impl fmt::Display for Shareability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Non => "Non-shareable",
            Self::Inner => "Inner Shareable",
            Self::Outer => "Outer Shareable",
        })
    }
}

impl fmt::Display for MemoryAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.memory {
            MemoryType::Device(device) => write!(f, "{device}")?,
            MemoryType::Normal { inner, outer } if inner == outer => write!(f, "Normal {inner}")?,
            MemoryType::Normal { inner, outer } => {
                write!(f, "Normal inner {inner}, outer {outer}")?
            }
        }
        // Write-back memory has XS = 0 in any case, and needs no mention.
        let no_xs = if self.xs || self.memory.is_write_back() { "" } else { ", nXS" };
        write!(f, ", {}{no_xs}", self.shareability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `PAR_EL1.ATTR` says is what `MAIR_ELx` said, for every byte that is not reserved.
    #[test]
    fn mair_bytes_survive() {
        for feat_xs in [false, true] {
            let mut reserved = 0;
            for byte in 0..=u8::MAX {
                match MemoryAttributes::from_mair(byte, Shareability::Inner, feat_xs) {
                    Some(attributes) => assert_eq!(attributes.to_mair(feat_xs), byte),
                    None => reserved += 1,
                }
            }
            // 16 Device bytes less the 4 kinds, 15 with a zero low half; FEAT_XS takes 6 of them.
            assert_eq!(reserved, if feat_xs { 21 } else { 27 });
        }
    }
}
