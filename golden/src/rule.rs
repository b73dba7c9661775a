//! The rules that decide a walk, by the name of the pseudocode function that states them.

use core::fmt;

macro_rules! rules {
    ($($(#[doc = $says:literal])+ $rule:ident = $function:literal;)*) => {
        /// A rule that decided something on a walk.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[doc = $says])+ $rule,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)*];

            /// What states it: the pseudocode function, or a rule or section of DDI 0487.
            #[must_use]
            pub const fn function(self) -> &'static str {
                match self { $(Self::$rule => $function,)* }
            }

            /// What it says.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$rule => concat!($($says),+).trim_ascii(),)* }
            }
        }
    };
}

rules! {
    /// SCTLR_ELx.A is 1 and the access is not aligned
    AlignmentCheck = "AArch64.UnalignedAccessFaults";
    /// an exclusive, atomic, acquiring or releasing access is not aligned
    UnalignedAtomic = "AArch64.UnalignedAccessFaults";
    /// an access that is to be atomic is not aligned, and memory is not Write-Back
    UnalignedNotWriteBack = "AArch64.MemSingle";
    /// memory does not support the exclusive or atomic access
    AtomicUnsupported = "DDI 0487, FSC 110101";
    /// stage 1 is off: the output is the input
    Stage1Disabled = "AArch64.S1DisabledOutput";
    /// stage 1 is off, and the address is beyond the physical address size
    Stage1DisabledAddressSize = "AArch64.S1DisabledOutput";
    /// TnSZ is out of range at stage 1
    Stage1Txsz = "AArch64.S1TxSZFaults";
    /// the virtual address is outside the range of its TTBR
    VaOutOfRange = "AArch64.VAIsOutOfRange";
    /// E0PDn keeps EL0 out of this half of the address space
    E0pd = "AArch64.S1Translate";
    /// EPDn disables walks of this half of the address space
    Epd = "AArch64.S1EPD";
    /// T0SZ is out of range at stage 2
    Stage2Txsz = "AArch64.S2TxSZFaults";
    /// this start level does not exist for the granule and the physical address size
    InvalidStartLevel = "AArch64.S2InvalidSL";
    /// this start level does not go with the input address size
    InconsistentStartLevel = "AArch64.S2InconsistentSL";
    /// the IPA is larger than the input address size
    IpaOutOfRange = "AArch64.IPAIsOutOfRange";
    /// the table base is beyond the output address size
    BaseOutOfRange = "AArch64.OAOutOfRange, R_BFHQH";
    /// the table address is beyond the output address size
    TableOutOfRange = "AArch64.OAOutOfRange";
    /// the output address is beyond the output address size
    OutputOutOfRange = "AArch64.OAOutOfRange";
    /// the descriptor is invalid
    DescriptorInvalid = "AArch64.DecodeDescriptorType";
    /// no block is allowed at this level
    BlockNotSupported = "AArch64.BlockDescSupported";
    /// the contiguous range is larger than the input address size
    ContiguousTooLarge = "AArch64.ContiguousBitFaults";
    /// nT is 1 in a block descriptor
    BlockNt = "AArch64.BlocknTFaults";
    /// the access flag is clear, and HA is 0
    AccessFlag = "AArch64.S1Walk, AArch64.S2Walk";
    /// an unaligned access to Device memory
    DeviceAlignment = "AArch64.S1HasAlignmentFault, AArch64.S2HasAlignmentFault";
    /// DC ZVA of Device memory
    ZeroDevice = "AArch64.S1HasAlignmentFault, AArch64.S2HasAlignmentFault";
    /// an instruction fetch from Device memory
    DeviceFetch = "AArch64.S1CheckPermissions, AArch64.S2CheckPermissions";
    /// HCR_EL2.PTW is 1, and the stage 1 walk lands in Device memory
    ProtectedTableWalk = "AArch64.S2CheckPermissions";
    /// the permissions do not allow execution
    NoExecute = "AArch64.S1CheckPermissions, AArch64.S2CheckPermissions";
    /// the permissions do not allow the read
    NoRead = "AArch64.S1CheckPermissions, AArch64.S2CheckPermissions";
    /// the permissions do not allow the write
    NoWrite = "AArch64.S1CheckPermissions, AArch64.S2CheckPermissions";
    /// the descriptor says clean, and the hardware does not manage dirty state
    NotDirty = "AArch64.S1CheckPermissions, AArch64.S2CheckPermissions";
    /// no memory answers at the address of the descriptor
    NoMemory = "HandleExternalTTWAbort";
    /// memory does not support the hardware update of the descriptor
    UpdateUnsupported = "AArch64.MemSwapTableDesc";
    /// the TLB may hold conflicting entries
    TlbConflict = "DDI 0487, TLB matching";
    /// the access flag is set by hardware
    AccessFlagUpdate = "AArch64.SettingAccessFlagPermitted";
    /// dirty state is set by hardware
    DirtyUpdate = "AArch64.SettingDirtyStatePermitted";
    /// the access flag of a table descriptor is set by hardware
    TableAccessFlagUpdate = "AArch64.S1Walk, AArch64.S2Walk";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.says(), self.function())
    }
}
