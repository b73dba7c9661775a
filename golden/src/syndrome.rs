//! What a syndrome says of the instruction that met a stage 2 fault.

/// `ESR_EL2.ISS[24:14]` of a Data Abort from stage 2. The instruction determines it, which the walker does
/// not see: who asks may tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InstructionSyndrome {
    /// Not told: these bits are not judged.
    #[default]
    NotTold,
    /// ISV is 0, and so are the others: every instruction but those of [`InstructionSyndrome::Valid`],
    /// such as pairs, exclusives, atomics, vector registers and whatever writes its base register back.
    Invalid,
    /// ISV is 1: a load or store of a single general-purpose register, XZR included, that does not write
    /// its base register back. It may acquire or release, but is no exclusive.
    ///
    /// Source: DDI 0487, `ESR_EL2`, "ISS encoding for an exception from a Data Abort".
    Valid(Transfer),
}

/// The transfer of a single register, as the syndrome describes it.
///
/// ```text
///   24  23:22  21   20:16  15  14
///  |ISV| SAS | SSE | SRT | SF | AR |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// log2 of the size in memory in bytes, 0 to 3. Higher bits are left out.
    pub sas: u8,
    /// A load that extends the sign.
    pub sse: bool,
    /// The number of the register, 31 for the zero register. Higher bits are left out.
    pub srt: u8,
    /// The register is 64 bits wide, not 32.
    pub sf: bool,
    /// It acquires or releases.
    pub ar: bool,
}

impl InstructionSyndrome {
    /// The bits of `ESR_ELx`; `None` where they are not told.
    pub(crate) fn bits(self) -> Option<u64> {
        match self {
            Self::NotTold => None,
            Self::Invalid => Some(0),
            Self::Valid(Transfer { sas, sse, srt, sf, ar }) => Some(
                1 << 24
                    | u64::from(sas & 0b11) << 22
                    | u64::from(sse) << 21
                    | u64::from(srt & 0b1_1111) << 16
                    | u64::from(sf) << 15
                    | u64::from(ar) << 14,
            ),
        }
    }
}
