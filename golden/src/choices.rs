//! What the architecture leaves open, each choice by name.
//!
//! A walk asks its [`Choices`] only where its outcome may depend on the answer. Answers are numbered;
//! number 0 is what Arm's pseudocode is usually run with.

use core::fmt;

use crate::attributes::{Cacheability, Device, Hints, Shareability};
use crate::errata::{Errata, forward_errata};
use crate::granule::Granule;
use crate::memory::Stale;

/// Who settles a choice, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Openness {
    /// A PE settles it one way and keeps to it: it is learned, and pinned in a [`Profile`](crate::Profile).
    ImplementationDefined,
    /// Any answer may come, each time anew: it is never pinned by what was seen.
    ConstrainedUnpredictable,
}

/// The number of an answer to a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Answer(pub u16);

/// Answers what the architecture leaves open. A device that breaks rules says so beside it, as [`Errata`].
pub trait Choices: Errata {
    /// The answer to a choice of which there are `count` answers, numbered from 0. A larger number is
    /// taken as 0.
    fn choose(&mut self, choice: Choice, count: u16) -> Answer;

    /// Does a walk look at the neighbours of a descriptor, to find what a TLB may hold of its contiguous group?
    fn group_inspection(&self) -> GroupInspection {
        GroupInspection::Always
    }

    /// The architecture allows more here than choices can name.
    fn anything(&mut self) {}
}

impl<C: Errata + ?Sized> Errata for &mut C {
    forward_errata!(self => (**self));
}

impl<C: Choices + ?Sized> Choices for &mut C {
    fn choose(&mut self, choice: Choice, count: u16) -> Answer {
        (**self).choose(choice, count)
    }

    fn group_inspection(&self) -> GroupInspection {
        (**self).group_inspection()
    }

    fn anything(&mut self) {
        (**self).anything();
    }
}

/// When a walk reads the neighbours of a descriptor. These reads are the model's, not the walk's: no observer sees
/// them. A group has up to 128 members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GroupInspection {
    /// Never: the descriptor found is the one used.
    Never,
    /// Wherever a neighbour's contiguous bit might reach the address: every lookup that can end a walk.
    #[default]
    Always,
}

/// The answers of a choice, as a type.
pub(crate) trait Answers: Copy + 'static {
    const ALL: &'static [(Self, &'static str)];
}

/// Puts a choice.
pub(crate) fn ask<A: Answers, C: Choices + ?Sized>(choices: &mut C, choice: Choice) -> A {
    let Answer(n) = choices.choose(choice, A::ALL.len() as u16);
    A::ALL.get(usize::from(n)).unwrap_or(&A::ALL[0]).0
}

macro_rules! answers {
    ($($set:ident: $type:ty { $($value:expr => $name:literal,)* })*) => {
        $(impl Answers for $type {
            const ALL: &'static [(Self, &'static str)] = &[$(($value, $name),)*];
        })*
    };
}

/// What an out-of-range TnSZ does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutOfRange {
    Fault,
    Clamp,
}

/// What PS = 0b111 acts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReservedPs {
    Largest,
    As52,
    As48,
}

/// Does a check fault?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Faults {
    Ignore,
    Fault,
}

/// Does an instruction fetch from Device memory fault?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceFetch {
    NoFault,
    PermissionFault,
}

/// What MemAttr = 0bx100 means with FEAT_S2FWB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReservedFwb {
    NonCacheable,
    WriteBack,
    Stage1,
    Device(Device),
}

/// Does the rest of an unaligned access fault on Device memory?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestOfAccess {
    Fault,
    NoFault,
}

/// Does cache maintenance fault where it may?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheFaults {
    Fault,
    NoFault,
}

/// Does cache maintenance translate its address?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NeedsTranslation {
    Yes,
    No,
}

/// Does memory support an access that is to be atomic?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Atomics {
    Performed,
    Fault,
}

/// What a table base with non-zero bits below its alignment does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MisalignedBase {
    TreatedAsZero,
    Ored,
    Inverting,
}

/// What `PAR_EL1` says about attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParAttributes {
    Translated,
    Descriptors,
    Implemented,
}

/// Does `PAR_EL1.ATTR` tell XS = 0?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParXs {
    Reported,
    NotReported,
}

/// Does the TLB hold old and new at once, and say so?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    None,
    TlbConflict,
}

/// What an entry with the contiguous bit that is out of its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContiguousUse {
    AsRange,
    Alone,
}

/// The stage that reports a TLB conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConflictStage {
    AsFound,
    Other,
}

/// What `HCR_EL2.{VM, DC}` do while {E2H, TGE} is {1, 1}.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostStage2 {
    AsWritten,
    Off,
}

answers! {
    OutOfRange: OutOfRange { Self::Fault => "fault", Self::Clamp => "clamp", }
    ReservedPs: ReservedPs { Self::Largest => "52_bits", Self::As52 => "0b110", Self::As48 => "0b101", }
    Faults: Faults { Self::Ignore => "ignore", Self::Fault => "fault", }
    DeviceFetch: DeviceFetch { Self::NoFault => "no_fault", Self::PermissionFault => "permission_fault", }
    Atomics: Atomics { Self::Performed => "performed", Self::Fault => "fault", }
    RestOfAccess: RestOfAccess { Self::Fault => "fault", Self::NoFault => "no_fault", }
    CacheFaults: CacheFaults { Self::Fault => "fault", Self::NoFault => "no_fault", }
    NeedsTranslation: NeedsTranslation { Self::Yes => "translated", Self::No => "not_translated", }
    YesNo: bool { false => "false", true => "true", }
    Shareability: Shareability {
        Self::Outer => "osh", Self::Inner => "ish", Self::Non => "nsh",
    }
    Cacheability: Cacheability {
        Self::NonCacheable => "nc",
        Self::WriteBack(Hints::READ_WRITE) => "wb",
        Self::WriteThrough(Hints::READ_WRITE) => "wt",
    }
    Granule: Granule { Self::K4 => "4k", Self::K16 => "16k", Self::K64 => "64k", }
    ReservedFwb: ReservedFwb {
        Self::NonCacheable => "nc",
        Self::WriteBack => "wb",
        Self::Stage1 => "stage1",
        Self::Device(Device::nGnRnE) => "device_ngnrne",
        Self::Device(Device::nGnRE) => "device_ngnre",
        Self::Device(Device::nGRE) => "device_ngre",
        Self::Device(Device::GRE) => "device_gre",
    }
    MisalignedBase: MisalignedBase {
        Self::TreatedAsZero => "treated_as_zero", Self::Ored => "ored", Self::Inverting => "inverting",
    }
    ParAttributes: ParAttributes {
        Self::Translated => "translated", Self::Descriptors => "descriptors", Self::Implemented => "implemented",
    }
    ParXs: ParXs { Self::Reported => "reported", Self::NotReported => "not_reported", }
    Conflict: Conflict { Self::None => "none", Self::TlbConflict => "tlb_conflict", }
    ContiguousUse: ContiguousUse { Self::AsRange => "as_range", Self::Alone => "alone", }
    ConflictStage: ConflictStage { Self::AsFound => "as_found", Self::Other => "other", }
    HostStage2: HostStage2 { Self::AsWritten => "as_written", Self::Off => "off", }
}

/// `nv1_0` or `nv1_1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nv1(pub bool);

impl Answers for Nv1 {
    const ALL: &'static [(Self, &'static str)] = &[(Self(false), "nv1_0"), (Self(true), "nv1_1")];
}

/// How the answers of a choice are named.
#[derive(Clone, Copy)]
enum Names {
    /// One name each.
    Listed(fn(usize) -> Option<&'static str>),
    /// The byte itself.
    Byte,
    /// The entry found, or another member of its group: the one of this number among those with another outcome.
    Group,
}

macro_rules! choices {
    ($($(#[$doc:meta])* $variant:ident: $openness:ident, $name:literal, $names:expr;)*) => {
        /// Something that the architecture leaves open.
        ///
        /// Each has a name, which profiles and test vectors use, an [`Openness`] and numbered answers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Choice {
            $($(#[$doc])* $variant,)*
        }

        impl Choice {
            /// Every choice.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Who settles it.
            #[must_use]
            pub const fn openness(self) -> Openness {
                match self { $(Self::$variant => Openness::$openness,)* }
            }

            fn names(self) -> Names {
                match self { $(Self::$variant => $names,)* }
            }
        }
    };
}

fn listed<A: Answers>(n: usize) -> Option<&'static str> {
    A::ALL.get(n).map(|&(_, name)| name)
}

/// A word's value in memory, and those before it.
fn versions(n: usize) -> Option<&'static str> {
    const NAMES: [&str; 1 + Stale::MAX] = ["new", "old", "old_2", "old_3", "old_4"];
    NAMES.get(n).copied()
}

choices! {
    /// TnSZ below the minimum, without FEAT_LPA (stage 2) or FEAT_LVA (stage 1): a level 0 Translation
    /// fault, or the minimum. With them it is always the fault.
    ///
    /// Source: `AArch64.S1TxSZFaults`, `AArch64.S2TxSZFaults`.
    TxszBelowMin: ImplementationDefined, "txsz_below_min", Names::Listed(listed::<OutOfRange>);
    /// TnSZ above the maximum: a level 0 Translation fault, or the maximum.
    ///
    /// Source: `AArch64.S1TxSZFaults`, `AArch64.S2TxSZFaults`.
    TxszAboveMax: ImplementationDefined, "txsz_above_max", Names::Listed(listed::<OutOfRange>);
    /// The contiguous range is larger than the input address size: ignored, or a Translation fault.
    ///
    /// Source: `AArch64.ContiguousBitFaults`.
    ContiguousMisprogrammed: ImplementationDefined, "contiguous_misprogrammed", Names::Listed(listed::<Faults>);
    /// nT = 1 in a block descriptor, at block translation change level 1 or 2: ignored, or a Translation
    /// fault.
    ///
    /// Source: `AArch64.BlocknTFaults`.
    NtBitOnBlock: ImplementationDefined, "nt_bit_on_block", Names::Listed(listed::<Faults>);
    /// A reserved or unsupported granule in TG0 of stage 1 selects this granule.
    ///
    /// Source: `AArch64.S1DecodeTG0`.
    Tg0ActsAs: ImplementationDefined, "unsupported_tg0_acts_as", Names::Listed(listed::<Granule>);
    /// A reserved or unsupported granule in TG1 selects this granule.
    ///
    /// Source: `AArch64.S1DecodeTG1`.
    Tg1ActsAs: ImplementationDefined, "unsupported_tg1_acts_as", Names::Listed(listed::<Granule>);
    /// A reserved or unsupported granule in `VTCR_EL2.TG0` selects this granule.
    ///
    /// Source: `AArch64.S2DecodeTG0`.
    VtcrTg0ActsAs: ImplementationDefined, "unsupported_vtcr_tg0_acts_as", Names::Listed(listed::<Granule>);
    /// PS or IPS is 0b111, where the size can be 52 bits: the output size is 52 bits and a table base has its form of
    /// other values, which is what the pseudocode makes of it; or it acts as 0b110 in all, or as 0b101.
    ///
    /// Source: DDI 0487, `TCR_EL1.IPS`: reserved values behave as 0b101 or 0b110 by earlier issues, and 0b111 stands for
    /// the size of 0b110 by later ones; `AArch64.PhysicalAddressSize`.
    ReservedOutputSize: ConstrainedUnpredictable, "reserved_output_size", Names::Listed(listed::<ReservedPs>);
    /// With `HCR_EL2.VM` = 1, stage 1 makes Device and Non-cacheable memory Outer Shareable before stage 2
    /// combines. It shows only with FEAT_S2FWB.
    ///
    /// Source: `AArch64.S1Translate`.
    Stage1ShareabilityMadeEffective: ImplementationDefined, "stage1_shareability_made_effective",
        Names::Listed(listed::<bool>);
    /// `PAR_EL1.{ATTR, SH}` report the attributes as translated (with the cacheability controls applied),
    /// as the descriptors have them (without), or as the implementation implements them (anything).
    ///
    /// Source: DDI 0487, `PAR_EL1`; `ReportedPARAttrs`, `ReportedPARShareability`.
    ParAttributes: ImplementationDefined, "par_attributes", Names::Listed(listed::<ParAttributes>);
    /// `PAR_EL1.ATTR` tells XS = 0 by an encoding of its own, or reports the attribute as if XS were 1: a PE
    /// on which XS makes no difference may report the attribute that it implements.
    ///
    /// Source: DDI 0487, `PAR_EL1.ATTR`; `EncodePARAttrs`.
    ParXs: ImplementationDefined, "par_xs", Names::Listed(listed::<ParXs>);
    /// AT S12E* while `HCR_EL2.{E2H, TGE}` is {1, 1}: the descriptions of VM and DC say that they behave
    /// as 0 then, and Arm's pseudocode uses them as written.
    ///
    /// Source: DDI 0487, `HCR_EL2.VM`, `HCR_EL2.DC`; `AArch64.GetS2TTWParams`.
    HostStage2: ImplementationDefined, "host_stage2", Names::Listed(listed::<HostStage2>);
    /// Cache maintenance meets a leaf whose access flag is clear, and HA is 0: an Access flag fault, or none.
    ///
    /// Source: `AArch64.S1Walk`, `AArch64.S2Walk`.
    MaintenanceAccessFlag: ImplementationDefined, "maintenance_access_flag", Names::Listed(listed::<CacheFaults>);
    /// IC IVAU at EL0 without read permission: a Permission fault, or none.
    ///
    /// Source: `AArch64.S1CheckPermissions`, `AArch64.S2CheckPermissions`.
    IcReadPermission: ImplementationDefined, "ic_read_permission", Names::Listed(listed::<CacheFaults>);
    /// IC IVAU translates its address, and may fault, or does not need to.
    ///
    /// Source: `ICInstNeedsTranslation`.
    IcTranslation: ImplementationDefined, "ic_translation", Names::Listed(listed::<NeedsTranslation>);
    /// DC by virtual address to a point before which there is no data cache translates the address, and may
    /// fault, or does not need to.
    ///
    /// Source: `DCInstNeedsTranslation`.
    DcTranslation: ImplementationDefined, "dc_translation", Names::Listed(listed::<NeedsTranslation>);
    /// With HA = 1, is the access flag set although the access has a Permission or Alignment fault?
    ///
    /// Source: `AArch64.SettingAccessFlagPermitted`.
    AfUpdateOnFault: ConstrainedUnpredictable, "af_update_on_fault", Names::Listed(listed::<bool>);
    /// With HD = 1, is dirty state set although the access has an Alignment fault?
    ///
    /// Source: `AArch64.SettingDirtyStatePermitted`.
    DirtyUpdateOnAlignmentFault: ConstrainedUnpredictable, "dirty_update_on_alignment_fault",
        Names::Listed(listed::<bool>);
    /// With HA = 1, does an address translation instruction leave the access flag alone? The pseudocode
    /// always sets it.
    ///
    /// Source: DDI 0487, "Hardware management of the Access flag"; `AArch64.S1Translate`.
    AtLeavesAccessFlag: ConstrainedUnpredictable, "at_leaves_access_flag", Names::Listed(listed::<bool>);
    /// An instruction fetch from Device memory that may be executed: allowed, or a Permission fault.
    ///
    /// Source: `AArch64.S1CheckPermissions`, `AArch64.S2CheckPermissions`.
    FetchFromDevice: ConstrainedUnpredictable, "fetch_from_device", Names::Listed(listed::<DeviceFetch>);
    /// An exclusive, atomic, acquiring or releasing access that is not aligned, and that FEAT_LSE2 would
    /// allow, meets memory that is not Normal Write-Back, inner and outer: performed, or an Alignment fault.
    ///
    /// Source: `AArch64.MemSingle`; DDI 0487, "Alignment of data accesses".
    UnalignedNotWriteBack: ConstrainedUnpredictable, "unaligned_not_write_back", Names::Listed(listed::<Atomics>);
    /// An access that is not aligned crosses from a page of Normal memory into one of Device memory: an Alignment
    /// fault, or none.
    ///
    /// Source: `AArch64.Mem`, on accesses that cross pages with different memory types.
    UnalignedIntoDevice: ConstrainedUnpredictable, "unaligned_into_device", Names::Listed(listed::<RestOfAccess>);
    /// An exclusive or atomic access to memory for which the architecture does not promise it: any that is
    /// not Shareable Normal Write-Back, inner and outer, with read and write allocation hints that are not
    /// transient. It is performed, atomic or not, or faults with FSC 110101. What a location supports is
    /// IMPLEMENTATION DEFINED, but may differ from one to the next.
    ///
    /// Source: DDI 0487, "Atomic instructions", "Load-Exclusive and Store-Exclusive instruction usage
    /// restrictions".
    UnsupportedAtomic: ConstrainedUnpredictable, "unsupported_atomic", Names::Listed(listed::<Atomics>);
    /// What the reserved SH = 0b01 means.
    ///
    /// Source: `DecodeShareability`.
    ReservedShareability: ConstrainedUnpredictable, "reserved_shareability", Names::Listed(listed::<Shareability>);
    /// What the reserved stage 2 cacheability 0b00 means, without FEAT_S2FWB.
    ///
    /// Source: `S2DecodeCacheability`.
    ReservedS2Memattr: ConstrainedUnpredictable, "reserved_s2_memattr", Names::Listed(listed::<Cacheability>);
    /// What the reserved MemAttr = 0bx100 means, with FEAT_S2FWB: any of the values that are allocated,
    /// Device types too. The pseudocode takes it for 0bx101.
    ///
    /// Source: DDI 0487, "Reserved values in System and memory-mapped registers and translation table
    /// entries"; `AArch64.S2ApplyFWBMemAttrs`.
    ReservedFwbMemattr: ConstrainedUnpredictable, "reserved_fwb_memattr", Names::Listed(listed::<ReservedFwb>);
    /// The `MAIR_ELx` byte that a reserved one is treated as.
    ///
    /// Source: `S1DecodeMemAttrs`.
    ReservedMairActsAs: ConstrainedUnpredictable, "reserved_mair_acts_as", Names::Byte;
    /// `HCR_EL2.{NV, NV1}` = {0, 1} is treated as NV1 = 0 or 1.
    ///
    /// Source: `AArch64.S1TTWParamsEL10`.
    Nv1WithoutNv: ConstrainedUnpredictable, "nv1_without_nv", Names::Listed(listed::<Nv1>);
    /// A table base register has non-zero bits below the table's alignment. They are treated as zero, or
    /// addresses of descriptors are corrupted in those bits: set, or inverted.
    ///
    /// Source: DDI 0487, `TTBR0_EL1.BADDR`; `AArch64.S2TTBaseAddress`.
    MisalignedBase: ConstrainedUnpredictable, "misaligned_base", Names::Listed(listed::<MisalignedBase>);
    /// Of a contiguous group, a TLB may hold any member as an entry for all of them, if it is valid, has the bit, and
    /// its access flag is set or hardware may set it. Where another outcome would come of it (the member that is asked
    /// about is invalid, lacks the bit or the access flag, or maps something else; hardware would make it dirty, or
    /// another one in its place): its own entry, or another member's. Of a group that is larger than the input
    /// address size ([`Choice::ContiguousMisprogrammed`]), the
    /// members in the table count.
    ///
    /// Source: DDI 0487, "The Contiguous bit" (R_SKQHL), "Misprogramming the Contiguous bit" (R_NGLXZ, R_JQQTC), "Use
    /// of the Contiguous bit with hardware updates to the translation tables" (R_GPHKF, R_JKCXG, I_QDCMP).
    ContiguousGroup: ConstrainedUnpredictable, "contiguous_group", Names::Group;
    /// The output address in an entry with the contiguous bit is not the one that its place in its group calls for: it
    /// is the beginning of a range whose bits come from the input address, or an entry of its own.
    ///
    /// Source: DDI 0487, "Misprogramming the Contiguous bit" (R_JQQTC); `StageOA`.
    ContiguousOutOfPlace: ConstrainedUnpredictable, "contiguous_out_of_place", Names::Listed(listed::<ContiguousUse>);
    /// Of a contiguous group, some members have the bit, and some that are valid do not: a translation, or a TLB
    /// conflict abort.
    ///
    /// Source: DDI 0487, "Misprogramming the Contiguous bit" (R_QTRPM, R_NGLXZ).
    ContiguousConflict: ConstrainedUnpredictable, "contiguous_conflict", Names::Listed(listed::<Conflict>);
    /// A TLB may hold older values of a descriptor ([`Stale`](crate::Stale)): the new value, or an older one.
    /// Where break-before-make was left out, this is asked for each part in which they differ: for the address,
    /// for the memory attributes of a leaf and for its permissions, or for what a table takes away.
    ///
    /// Source: DDI 0487, "Using break-before-make when updating translation table entries".
    StaleDescriptor: ConstrainedUnpredictable, "stale_descriptor", Names::Listed(versions);
    /// A descriptor was changed without the break-before-make that it needs: a translation, or a TLB conflict
    /// abort.
    ///
    /// Source: DDI 0487, "Using break-before-make when updating translation table entries".
    StaleConflict: ConstrainedUnpredictable, "stale_conflict", Names::Listed(listed::<Conflict>);
    /// A TLB conflict abort while both stages are on: reported by the stage whose descriptor brings it about, or
    /// by the other one, since a TLB may hold both stages as one. It is IMPLEMENTATION DEFINED, but may depend on
    /// the TLB.
    ///
    /// Source: DDI 0487, "TLB conflict aborts".
    TlbConflictStage: ConstrainedUnpredictable, "tlb_conflict_stage", Names::Listed(listed::<ConflictStage>);
}

impl Choice {
    /// How many choices there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The choice of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.name() == name)
    }

    /// The answer of that name: as listed, or a byte as `0x..`.
    #[must_use]
    pub fn answer_named(self, name: &str) -> Option<Answer> {
        match self.names() {
            Names::Listed(listed) => {
                (0..16).find(|&n| listed(n) == Some(name)).map(|n| Answer(n as u16))
            }
            Names::Byte => u8::from_str_radix(name.strip_prefix("0x")?, 16)
                .ok()
                .map(|byte| Answer(byte.into())),
            Names::Group => match name {
                "own_entry" => Some(Answer(0)),
                _ => None,
            },
        }
    }

    /// Something that prints an answer by its name.
    #[must_use]
    pub const fn answer_name(self, answer: Answer) -> AnswerName {
        AnswerName { choice: self, answer }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Prints an answer by its name.
#[derive(Clone, Copy, Debug)]
pub struct AnswerName {
    choice: Choice,
    answer: Answer,
}

impl fmt::Display for AnswerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Answer(n) = self.answer;
        match self.choice.names() {
            Names::Listed(listed) => f.write_str(listed(usize::from(n)).unwrap_or("?")),
            Names::Byte => write!(f, "{n:#04x}"),
            Names::Group if n == 0 => f.write_str("own_entry"),
            Names::Group => write!(f, "other_entry_{n}"),
        }
    }
}
