//! All errata, by what they are about.

use crate::access::Operation;
use crate::attributes::{Cacheability, Device, Hints, MemoryAttributes, MemoryType};
use crate::descriptor::{AF, AP_READ_ONLY, DBM, S2AP_WRITE, ones};
use crate::el::El;
use crate::errata::{Effect, Erratum, Instruction, Site};
use crate::exception::Exception;
use crate::fault::{FaultKind, Stage};
use crate::implementation::{Features, Implementation};
use crate::level::Level;
use crate::maintenance::Maintenance;
use crate::masked::Masked;
use crate::registers::{Field, HcrEl2, HcrxEl2, Registers, Sctlr, Tcr, Tcr2, TcrEl2, VtcrEl2};
use crate::rule::Rule;

/// Every erratum, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Erratum> {
    let parts = [
        RULES,
        FIELDS,
        FEATURES,
        DESCRIPTORS,
        PARAMETERS,
        PERMISSIONS,
        MEMORY,
        ADDRESSES,
        UPDATES,
        REPORTS,
        INSTRUCTIONS,
    ];
    parts.into_iter().flatten()
}

/// The erratum of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Erratum> {
    all().find(|erratum| erratum.name == name)
}

macro_rules! errata {
    ($($name:literal $does:literal, $breaks:literal: $effect:expr;)*) => {
        &[$(Erratum { name: $name, does: $does, breaks: $breaks, effect: $effect },)*]
    };
}

macro_rules! lifted {
    ($($name:literal $text:literal: $rule:ident $($stage:ident)*;)*) => {
        &[$($(Erratum {
            name: lifted!(@name $stage $name),
            does: lifted!(@does $stage $text),
            breaks: Rule::$rule.function(),
            effect: Effect::Lifts(lifted!(@stage $stage), Rule::$rule),
        },)*)*]
    };
    (@name One $name:literal) => { concat!("stage1-no-", $name) };
    (@name Two $name:literal) => { concat!("stage2-no-", $name) };
    (@name Any $name:literal) => { concat!("no-", $name) };
    (@does One $text:literal) => { concat!("stage 1 does without the ", $text) };
    (@does Two $text:literal) => { concat!("stage 2 does without the ", $text) };
    (@does Any $text:literal) => { concat!("it does without the ", $text) };
    (@stage One) => { Some(Stage::One) };
    (@stage Two) => { Some(Stage::Two) };
    (@stage Any) => { None };
}

/// Rules that are not applied.
const RULES: &[Erratum] = lifted! {
    "alignment-check-by-SCTLR.A" "alignment check by SCTLR_ELx.A": AlignmentCheck Any;
    "alignment-check-of-ordered-and-atomic-accesses" "alignment check of ordered and atomic accesses": UnalignedAtomic Any;
    "alignment-check-of-device-memory" "alignment check of Device memory": DeviceAlignment Any One Two;
    "alignment-fault-of-dc-zva-to-device-memory" "alignment fault of DC ZVA to Device memory": ZeroDevice Any One Two;
    "address-size-check-while-it-is-off" "address size check while it is off": Stage1DisabledAddressSize One;
    "check-of-the-address-range" "check of the address range": VaOutOfRange One;
    "check-of-the-ipa-size" "check of the IPA size": IpaOutOfRange Two;
    "check-of-E0PD" "check of E0PD": E0pd One;
    "check-of-EPD" "check of EPD": Epd One;
    "address-size-check-of-the-table-base" "address size check of the table base": BaseOutOfRange Any One Two;
    "address-size-check-of-tables" "address size check of tables": TableOutOfRange Any One Two;
    "address-size-check-of-the-output" "address size check of the output": OutputOutOfRange Any One Two;
    "check-whether-a-block-is-allowed" "check whether a block is allowed": BlockNotSupported One Two;
    "check-of-the-access-flag" "check of the access flag": AccessFlag Any One Two;
    "check-of-execute-permission" "check of execute permission": NoExecute Any One Two;
    "check-of-read-permission" "check of read permission": NoRead Any One Two;
    "check-of-write-permission" "check of write permission": NoWrite Any One Two;
    "check-of-dirty-state" "check of dirty state": NotDirty Any One Two;
    "protection-of-table-walks" "protection of table walks": ProtectedTableWalk Two;
};

fn always(_: &Implementation, _: &Registers) -> bool {
    true
}

/// Has TCR_EL2 the layout for one address range?
fn one_range(pe: &Implementation, registers: &Registers) -> bool {
    !two_ranges(pe, registers)
}

/// Has TCR_EL2 the layout for two address ranges?
fn two_ranges(pe: &Implementation, registers: &Registers) -> bool {
    pe.has(Features::FEAT_VHE) && registers.hcr_el2().e2h()
}

/// The field of this name, which there is.
const fn field(fields: &[Field], name: &str) -> Field {
    let mut n = 0;
    while n < fields.len() {
        let (one, other) = (fields[n].name.as_bytes(), name.as_bytes());
        let mut equal = one.len() == other.len();
        let mut at = 0;
        while equal && at < one.len() {
            equal = one[at] == other[at];
            at += 1;
        }
        if equal {
            return fields[n];
        }
        n += 1;
    }
    panic!("no view of a register has this field")
}

macro_rules! fields {
    ($($register:ident $name:literal $layout:literal $view:ident $within:ident:
        $($field:ident $($value:literal)+,)*;)*) => {
        &[$($($(Erratum {
            name: concat!($name, ".", stringify!($field), $layout, "-taken-for-", $value),
            does: concat!("it takes ", $name, ".", stringify!($field), " for ", $value),
            breaks: concat!($name, ".", stringify!($field)),
            effect: Effect::Register {
                register: |registers| &mut registers.$register,
                field: const { field($view::FIELDS, stringify!($field)) },
                value: $value,
                within: $within,
            },
        },)+)*)*]
    };
}

/// Register fields that are taken for another value.
const FIELDS: &[Erratum] = fields! {
    hcr_el2 "HCR_EL2" "" HcrEl2 always:
        VM 0 1, PTW 0 1, DC 0 1, TGE 0, CD 0 1, ID 0 1, TEA 0 1, NV 0, NV1 0, FWB 0 1,;
    hcrx_el2 "HCRX_EL2" "" HcrxEl2 always: CMOW 0 1, TCR2En 0 1,;
    vtcr_el2 "VTCR_EL2" "" VtcrEl2 always:
        SH0 0 2 3, PS 0 5, HA 0 1, HD 0 1, DS 0 1, SL2 0 1, S2PIE 0 1, HAFT 0 1,;
    sctlr_el1 "SCTLR_EL1" "" Sctlr always:
        M 0 1, A 0 1, C 0 1, nAA 0 1, I 0 1, WXN 0 1, EE 0 1, CMOW 0 1, EPAN 0 1,;
    sctlr_el2 "SCTLR_EL2" "" Sctlr always:
        M 0, A 0 1, C 0 1, nAA 0 1, I 0 1, WXN 0 1, EE 0 1, CMOW 0 1, EPAN 0 1,;
    tcr_el1 "TCR_EL1" "" Tcr always:
        EPD0 0 1, EPD1 0 1, SH0 0 2 3, SH1 0 2 3, IPS 0 5, TBI0 0 1, TBI1 0 1, HA 0 1, HD 0 1, HPD0 0 1,
        HPD1 0 1, TBID0 0 1, TBID1 0 1, E0PD0 0 1, E0PD1 0 1, DS 0 1,;
    tcr_el2 "TCR_EL2" "" TcrEl2 one_range:
        SH0 0 2 3, PS 0 5, TBI 0 1, HA 0 1, HD 0 1, HPD 0 1, TBID 0 1, DS 0 1,;
    tcr_el2 "TCR_EL2" "-of-a-host" Tcr two_ranges:
        EPD0 0 1, EPD1 0 1, SH0 0 2 3, SH1 0 2 3, IPS 0 5, TBI0 0 1, TBI1 0 1, HA 0 1, HD 0 1, HPD0 0 1,
        HPD1 0 1, TBID0 0 1, TBID1 0 1, E0PD0 0 1, E0PD1 0 1, DS 0 1,;
    tcr2_el1 "TCR2_EL1" "" Tcr2 always: PIE 0 1, AIE 0 1, HAFT 0 1,;
    tcr2_el2 "TCR2_EL2" "" Tcr2 always: PIE 0 1, AIE 0 1, HAFT 0 1,;
};

macro_rules! features {
    ($($feature:ident)*) => {
        &[$(
            Erratum {
                name: concat!(stringify!($feature), "-is-not-there"),
                does: concat!("it has no ", stringify!($feature), ", of which its ID registers tell"),
                breaks: stringify!($feature),
                effect: Effect::Without(Features::$feature),
            },
            Erratum {
                name: concat!(stringify!($feature), "-is-there"),
                does: concat!("it has ", stringify!($feature), ", of which its ID registers do not tell"),
                breaks: stringify!($feature),
                effect: Effect::With(Features::$feature),
            },
        )*]
    };
}

/// Features that are there, or not there, other than the ID registers tell.
const FEATURES: &[Erratum] = features! {
    FEAT_BBM FEAT_E0PD FEAT_HAFDBS FEAT_HAFDBS_DBS FEAT_HAFT FEAT_HPDS FEAT_LPA FEAT_LVA FEAT_NV FEAT_PAN
    FEAT_PAN3 FEAT_PAuth FEAT_S1PIE FEAT_S2FWB FEAT_S2PIE FEAT_TCR2 FEAT_TTST FEAT_XNX FEAT_XS FEAT_UAO
    FEAT_LSE2 FEAT_CMOW
};

/// Is it a leaf, by its type and the level?
const fn is_leaf(site: &Site<'_>, descriptor: u64) -> bool {
    let is_last = site.level.get() == Level::FINAL.get();
    descriptor & 1 != 0 && (descriptor & 0b10 == 0) != is_last
}

const fn is_table(site: &Site<'_>, descriptor: u64) -> bool {
    let is_last = site.level.get() == Level::FINAL.get();
    descriptor & 0b11 == 0b11 && !is_last
}

macro_rules! bits {
    ($($stage:ident $kind:ident $($name:literal $function:literal $msb:literal:$lsb:literal $($value:literal)+,)*;)*) => {
        &[$($($(Erratum {
            name: bits!(@name $stage $kind $name $value),
            does: bits!(@does $stage $kind $name $value),
            breaks: $function,
            effect: Effect::Descriptor(Stage::$stage, |site, descriptor| {
                let bits = const { Field { name: $name, msb: $msb, lsb: $lsb } };
                if $kind(site, descriptor) { bits.set(descriptor, $value) } else { descriptor }
            }),
        },)+)*)*]
    };
    (@name One is_leaf $name:literal $value:literal) => { concat!("stage1-leaf-", $name, "-taken-for-", $value) };
    (@name Two is_leaf $name:literal $value:literal) => { concat!("stage2-leaf-", $name, "-taken-for-", $value) };
    (@name One is_table $name:literal $value:literal) => { concat!("stage1-table-", $name, "-taken-for-", $value) };
    (@does One is_leaf $name:literal $value:literal) => { concat!("it takes ", $name, " of a stage 1 leaf for ", $value) };
    (@does Two is_leaf $name:literal $value:literal) => { concat!("it takes ", $name, " of a stage 2 leaf for ", $value) };
    (@does One is_table $name:literal $value:literal) => { concat!("it takes ", $name, " of a stage 1 table descriptor for ", $value) };
}

/// Fields of descriptors that are taken for another value.
const DESCRIPTORS: &[Erratum] = bits! {
    One is_leaf
        "AttrIndx" "AArch64.MAIRAttr" 4:2 0 7,
        "AttrIndx[2]" "AArch64.MAIRAttr" 4:4 0 1,
        "AttrIndx[3]" "AArch64.S1NextWalkStateLeaf" 59:59 0 1,
        "AP[1]" "AArch64.S1DirectBasePermissions" 6:6 0 1,
        "AP[2]" "AArch64.S1DirectBasePermissions" 7:7 0 1,
        "SH" "AArch64.S1NextWalkStateLeaf" 9:8 0 2 3,
        "AF" "AArch64.S1Walk" 10:10 0,
        "nT" "AArch64.BlocknTFaults" 16:16 0 1,
        "DBM" "AArch64.S1DirectBasePermissions" 51:51 0 1,
        "Contiguous" "AArch64.ContiguousBit" 52:52 0 1,
        "PXN" "AArch64.S1DirectBasePermissions" 53:53 0 1,
        "UXN" "AArch64.S1DirectBasePermissions" 54:54 0 1,;
    One is_table
        "PXNTable" "AArch64.S1NextWalkStateTable" 59:59 0 1,
        "UXNTable" "AArch64.S1NextWalkStateTable" 60:60 0 1,
        "APTable[0]" "AArch64.S1NextWalkStateTable" 61:61 0 1,
        "APTable[1]" "AArch64.S1NextWalkStateTable" 62:62 0 1,;
    Two is_leaf
        "MemAttr" "S2DecodeMemAttrs" 5:2 0 7 15,
        "MemAttr[3]" "AArch64.S2ApplyFWBMemAttrs" 5:5 0 1,
        "S2AP[0]" "AArch64.S2DirectBasePermissions" 6:6 0 1,
        "S2AP[1]" "AArch64.S2DirectBasePermissions" 7:7 0 1,
        "SH" "AArch64.S2NextWalkStateLeaf" 9:8 0 2 3,
        "AF" "AArch64.S2Walk" 10:10 0,
        "FnXS" "AArch64.S2NextWalkStateLeaf" 11:11 0 1,
        "nT" "AArch64.BlocknTFaults" 16:16 0 1,
        "DBM" "AArch64.S2DirectBasePermissions" 51:51 0 1,
        "Contiguous" "AArch64.ContiguousBit" 52:52 0 1,
        "XN[0]" "AArch64.S2DirectBasePermissions" 53:53 0 1,
        "XN[1]" "AArch64.S2DirectBasePermissions" 54:54 0 1,;
};

/// Parameters that are resolved otherwise.
const PARAMETERS: &[Erratum] = errata! {
    "stage1-output-size-is-48-bits" "stage 1 checks addresses against 48 bits, whatever PS or IPS says",
        "AArch64.PhysicalAddressSize": Effect::Stage1(|_, params| params.format.oa_bits = 48);
    "stage2-output-size-is-48-bits" "stage 2 checks addresses against 48 bits, whatever PS says",
        "AArch64.PhysicalAddressSize": Effect::Stage2(|_, params| params.format.oa_bits = 48);
    "stage1-output-size-is-52-bits" "stage 1 checks addresses against 52 bits, whatever PS or IPS says",
        "AArch64.PhysicalAddressSize": Effect::Stage1(|_, params| params.format.oa_bits = 52);
    "stage2-output-size-is-52-bits" "stage 2 checks addresses against 52 bits, whatever PS says",
        "AArch64.PhysicalAddressSize": Effect::Stage2(|_, params| params.format.oa_bits = 52);
    "stage1-TTBR-bits-of-a-wide-base-ignored" "stage 1 takes bits 51:48 of a table base for 0",
        "AArch64.S1TTBaseAddress": Effect::Stage1(|_, params| params.ttbr &= !0b11_1100);
    "stage2-VTTBR-bits-of-a-wide-base-ignored" "stage 2 takes bits 51:48 of a table base for 0",
        "AArch64.S2TTBaseAddress": Effect::Stage2(|_, params| {
            if params.format.has_wide_base(params.ps) {
                params.vttbr &= !0b11_1100;
            }
        });
    "stage2-shareability-of-stage-1-registers" "leaves of stage 2 without SH are Non-shareable, whatever SH0 says",
        "AArch64.S2NextWalkStateLeaf": Effect::Stage2(|_, params| params.sh = 0);
    "stage1-TBI-of-fetches-too" "the top byte is ignored for fetches, whatever TBID says",
        "AArch64.AddrTop": Effect::Stage1(|_, params| params.tbid = false);
    "stage1-NV1-layout-of-descriptors-ignored" "stage 1 reads leaves as without HCR_EL2.NV1",
        "AArch64.S1DirectBasePermissions": Effect::Stage1(|_, params| params.nv1 = false);
};

/// Permissions that come out otherwise.
const PERMISSIONS: &[Erratum] = errata! {
    "WXN-forgets-writable-clean" "WXN takes a clean leaf that hardware may make dirty for read-only",
        "AArch64.S1DirectBasePermissions": Effect::Stage1Permissions(|site, permissions, leaf, params| {
            if is_writable_clean(leaf, params.ha && params.hd) && params.wxn {
                let never = if site.subject.el == El::El0 || !params.regime.has_unprivileged() { leaf >> 54 & 1 } else { leaf >> 53 & 1 };
                permissions.execute = never == 0;
            }
        });
    "privileged-fetch-of-what-EL0-may-write-once-dirty"
        "a clean leaf that EL0 may write once it is dirty is executed above EL0",
        "AArch64.S1DirectBasePermissions": Effect::Stage1Permissions(|site, permissions, leaf, params| {
            let is_for_el0 = leaf >> 6 & 1 != 0 && params.regime.has_unprivileged();
            if is_for_el0 && site.subject.el != El::El0 && is_writable_clean(leaf, params.ha && params.hd) && !params.wxn {
                permissions.execute = leaf >> 53 & 1 == 0;
            }
        });
    "privileged-fetch-of-what-EL0-may-write" "a leaf that EL0 may write is executed above EL0",
        "AArch64.S1DirectBasePermissions": Effect::Stage1Permissions(|site, permissions, leaf, params| {
            let is_for_el0 = leaf >> 6 & 0b11 == 0b01 && params.regime.has_unprivileged();
            if is_for_el0 && site.subject.el != El::El0 && !params.wxn {
                permissions.execute = leaf >> 53 & 1 == 0;
            }
        });
    "PAN-has-no-effect" "PSTATE.PAN has no effect", "AArch64.S1ApplyOutputPerms":
        Effect::Stage1Permissions(|site, permissions, leaf, params| {
            if site.subject.el != El::El0 && leaf >> 6 & 1 != 0 && !params.pie {
                permissions.read = true;
                permissions.write |= leaf & AP_READ_ONLY == 0;
            }
        });
    "PAN-applies-to-fetches" "PSTATE.PAN takes permissions away from fetches too, so that WXN finds nothing to write", "CreateAccDescIFetch":
        Effect::Stage1Permissions(|site, permissions, leaf, params| {
            let is_fetch = site.subject.instruction == Instruction::Access(Operation::Fetch);
            if is_fetch && site.subject.el != El::El0 && leaf >> 54 & 1 == 0 && params.epan && params.wxn {
                permissions.execute = leaf >> 53 & 1 == 0;
            }
        });
    "stage2-execute-never-of-EL1-is-that-of-EL0" "stage 2 takes XN of EL1 for that of EL0",
        "AArch64.S2DirectBasePermissions": Effect::Stage2Permissions(|_, permissions, leaf, params| {
            if !params.s2pie {
                permissions.execute = leaf >> 54 & 1 == 0;
            }
        });
    "stage2-write-implies-read" "stage 2 lets read what may be written", "AArch64.S2DirectBasePermissions":
        Effect::Stage2Permissions(|_, permissions, _, _| permissions.read |= permissions.write);
    "stage2-execute-needs-read" "stage 2 executes only what may be read", "AArch64.S2DirectBasePermissions":
        Effect::Stage2Permissions(|_, permissions, _, _| permissions.execute &= permissions.read);
    "stage1-execute-needs-read" "stage 1 executes only what may be read", "AArch64.S1DirectBasePermissions":
        Effect::Stage1Permissions(|_, permissions, _, _| permissions.execute &= permissions.read);
};

/// Would hardware make this clean leaf dirty on a write?
const fn is_writable_clean(leaf: u64, managed: bool) -> bool {
    managed && leaf & DBM != 0 && leaf & AP_READ_ONLY != 0
}

/// Memory attributes that come out otherwise.
const MEMORY: &[Erratum] = errata! {
    "stage1-forgets-XS" "stage 1 takes XS for 1", "S1DecodeMemAttrs":
        Effect::Attributes(Stage::One, |_, memory| memory.xs = true);
    "stage1-forgets-transient" "stage 1 takes transient memory for memory that is not", "DecodeLDFAttr":
        Effect::Attributes(Stage::One, |_, memory| *memory = not_transient(*memory));
    "stage1-inner-cacheability-is-that-of-outer" "stage 1 takes inner cacheability for outer", "S1DecodeMemAttrs":
        Effect::Attributes(Stage::One, |_, memory| if let MemoryType::Normal { inner, outer } = &mut memory.memory { *inner = *outer; });
    "stage1-outer-cacheability-is-that-of-inner" "stage 1 takes outer cacheability for inner", "S1DecodeMemAttrs":
        Effect::Attributes(Stage::One, |_, memory| if let MemoryType::Normal { inner, outer } = &mut memory.memory { *outer = *inner; });
    "stage2-inner-cacheability-is-that-of-outer" "stage 2 takes inner cacheability for outer", "S2DecodeMemAttrs":
        Effect::Attributes(Stage::Two, |_, memory| if let MemoryType::Normal { inner, outer } = &mut memory.memory { *inner = *outer; });
    "combination-forgets-transient" "where the stages are combined, transient memory is not told", "S2CombineS1AttrHints":
        Effect::Combined(|combination| if combination.fwb { combination.both } else { not_transient(combination.both) });
    "combination-forgets-XS" "where the stages are combined, XS is 1", "S2CombineS1MemAttrs":
        Effect::Combined(|combination| MemoryAttributes { xs: true, ..combination.both });
    "combination-takes-the-weaker-device" "two Device types are combined to the weaker", "S2CombineS1Device":
        Effect::Combined(|combination| match (combination.stage1.memory, combination.stage2.memory) {
            (MemoryType::Device(one), MemoryType::Device(two)) => MemoryAttributes { memory: MemoryType::Device(one.max(two)), ..combination.both },
            _ => combination.both,
        });
    "combination-takes-normal-for-device" "Device and Normal memory are combined to Normal", "S2CombineS1MemAttrs":
        Effect::Combined(|combination| match (combination.stage1.memory, combination.stage2.memory) {
            (MemoryType::Device(_), normal @ MemoryType::Normal { .. })
            | (normal @ MemoryType::Normal { .. }, MemoryType::Device(_)) => MemoryAttributes { memory: normal, ..combination.both }.effective(),
            _ => combination.both,
        });
    "combination-is-stage-1" "memory is what stage 1 says, whatever stage 2 says", "S2CombineS1MemAttrs":
        Effect::Combined(|combination| combination.stage1.effective());
    "combination-is-stage-2" "memory is what stage 2 says, whatever stage 1 says", "S2CombineS1MemAttrs":
        Effect::Combined(|combination| combination.stage2.effective());
    "combination-takes-hints-of-stage-2" "allocation hints are stage 2's", "S2CombineS1AttrHints":
        Effect::Combined(|combination| if combination.fwb { combination.both } else { with_all_hints(combination.both) });
    "combination-takes-the-weaker-shareability" "shareability is the weaker of both", "S2CombineS1MemAttrs":
        Effect::Combined(|combination| MemoryAttributes {
            shareability: combination.stage1.shareability.min(combination.stage2.shareability), ..combination.both }.effective());
    "FWB-device-is-that-of-stage-2" "with FWB, Device memory of stage 2 is taken as it is, whatever stage 1 says",
        "AArch64.S2ApplyFWBMemAttrs": Effect::Combined(|combination| match combination.memattr & 0b111 {
            device @ 0..=3 if combination.fwb => MemoryAttributes {
                memory: MemoryType::Device(Device::from_bits(device)), ..combination.both },
            _ => combination.both,
        });
    "FWB-write-back-forgets-hints-of-stage-1" "with FWB, forced Write-Back memory has all allocation hints",
        "AArch64.S2ApplyFWBMemAttrs": Effect::Combined(|combination| {
            if combination.fwb && combination.memattr & 0b111 == 0b110 { with_all_hints(combination.both) } else { combination.both }
        });
    "FWB-non-cacheable-over-device" "with FWB, Non-cacheable of stage 2 goes before Device of stage 1",
        "AArch64.S2ApplyFWBMemAttrs": Effect::Combined(|combination| {
            if combination.fwb && combination.memattr & 0b111 == 0b101 {
                MemoryAttributes { memory: MemoryType::NON_CACHEABLE, ..combination.both }.effective()
            } else {
                combination.both
            }
        });
};

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

macro_rules! addresses {
    ($($one:literal $two:literal $does:literal $function:literal: $change:expr;)*) => {
        &[$(
            Erratum { name: $one, does: concat!("stage 1 ", $does), breaks: $function, effect: Effect::Address(Stage::One, $change) },
            Erratum { name: $two, does: concat!("stage 2 ", $does), breaks: $function, effect: Effect::Address(Stage::Two, $change) },
        )*]
    };
}

/// Output addresses that come out otherwise.
const ADDRESSES: &[Erratum] = addresses! {
    "stage1-output-lost-above-48-bits" "stage2-output-lost-above-48-bits" "loses output address bits above 47" "AArch64.LeafBase":
        |_, address| address & ones(48);
    "stage1-output-lost-above-50-bits" "stage2-output-lost-above-50-bits" "loses output address bits above 49" "AArch64.LeafBase":
        |_, address| address & ones(50);
    "stage1-output-lost-above-44-bits" "stage2-output-lost-above-44-bits" "loses output address bits above 43" "AArch64.LeafBase":
        |_, address| address & ones(44);
    "stage1-output-lost-above-40-bits" "stage2-output-lost-above-40-bits" "loses output address bits above 39" "AArch64.LeafBase":
        |_, address| address & ones(40);
    "stage1-output-lost-above-32-bits" "stage2-output-lost-above-32-bits" "loses output address bits above 31" "AArch64.LeafBase":
        |_, address| address & ones(32);
};

/// Hardware updates that are made or left out.
const UPDATES: &[Erratum] = errata! {
    "AT-sets-dirty-state" "an AT for a write sets dirty state", "AArch64.SettingDirtyStatePermitted":
        Effect::Update(None, |site, update| {
            let is_write = matches!(site.subject.instruction, Instruction::At(at) if at.is_write());
            if is_write && update.hd && update.result.is_ok() && !site.s1_walk {
                update.new & !AP_READ_ONLY | update.written & AP_READ_ONLY
            } else {
                update.new
            }
        });
    "stage1-access-flag-is-not-set" "stage 1 does not set the access flag", "AArch64.SettingAccessFlagPermitted":
        Effect::Update(Some(Stage::One), |_, update| update.new & !AF | update.old & AF);
    "stage2-access-flag-is-not-set" "stage 2 does not set the access flag", "AArch64.SettingAccessFlagPermitted":
        Effect::Update(Some(Stage::Two), |_, update| update.new & !AF | update.old & AF);
    "stage1-dirty-state-is-not-set" "stage 1 does not set dirty state", "AArch64.SettingDirtyStatePermitted":
        Effect::Update(Some(Stage::One), |_, update| update.new & !AP_READ_ONLY | update.old & AP_READ_ONLY);
    "stage2-dirty-state-is-not-set" "stage 2 does not set dirty state", "AArch64.SettingDirtyStatePermitted":
        Effect::Update(Some(Stage::Two), |_, update| update.new & !S2AP_WRITE | update.old & S2AP_WRITE);
    "stage1-dirty-state-set-by-reads" "stage 1 sets dirty state on a read", "AArch64.SettingDirtyStatePermitted":
        Effect::Update(Some(Stage::One), |_, update| set_by_all(update.new, update.written, update.hd && update.result.is_ok()));
    "stage2-dirty-state-set-by-reads" "stage 2 sets dirty state on a read", "AArch64.SettingDirtyStatePermitted":
        Effect::Update(Some(Stage::Two), |_, update| set_by_all(update.new, update.written, update.hd && update.result.is_ok()));
    "access-flag-not-set-with-dirty-state" "where dirty state is set, the access flag is not", "AArch64.SettingAccessFlagPermitted":
        Effect::Update(None, |_, update| {
            if (update.new ^ update.old) & AP_READ_ONLY != 0 { update.new & !AF | update.old & AF } else { update.new }
        });
    "dirty-state-set-in-spite-of-a-permission-fault" "dirty state is set by a write that has a Permission fault",
        "AArch64.SettingDirtyStatePermitted": Effect::Update(None, |site, update| {
            let is_denied = update.result.is_err_and(|fault| fault.kind == FaultKind::Permission && fault.write);
            let is_access = matches!(site.subject.instruction, Instruction::Access(_));
            set_by_all(update.new, update.written, update.hd && is_denied && is_access)
        });
};

/// With dirty state set, where it is `due`.
const fn set_by_all(new: u64, written: u64, due: bool) -> u64 {
    if due { new & !AP_READ_ONLY | written & AP_READ_ONLY } else { new }
}

const WNR: u64 = 1 << 6;
const S1PTW: u64 = 1 << 7;
const ISV: u64 = 1 << 24;
const IL: u64 = 1 << 25;
const STATUS_CODE: u64 = 0b11_1111;
const DIRTY_BIT: u64 = 1 << 37;
const PAR_STATUS_CODE: u64 = STATUS_CODE << 1;
const PAR_PTW: u64 = 1 << 8;
const PAR_S: u64 = 1 << 9;
const PAR_SH: u64 = 0b11 << 7;
const PAR_ATTR: u64 = 0xff << 56;

/// The same register with these bits as in `value`, where they are determined.
const fn with(register: Masked, bits: u64, value: u64) -> Masked {
    Masked::new(register.value & !bits | value & bits, register.mask)
}

fn esr(exception: &mut Exception, bits: u64, value: u64) {
    exception.esr = with(exception.esr, bits, value);
}

const fn is_fault(par: &Masked) -> bool {
    par.value & 1 != 0
}

/// Reports that are wrong.
const REPORTS: &[Erratum] = errata! {
    "fault-tells-level-0" "every fault tells level 0", "AArch64.FaultSyndrome, AArch64.PARFaultStatus":
        Effect::Fault(|_, fault| fault.level = Level::L0);
    "fault-on-a-walk-tells-level-0" "a stage 2 fault on a stage 1 walk tells level 0", "AArch64.FaultSyndrome, AArch64.PARFaultStatus":
        Effect::Fault(|_, fault| if fault.s1_walk { fault.level = Level::L0; });
    "fault-on-a-walk-tells-the-level-of-stage-1" "a stage 2 fault on a stage 1 walk tells the level of stage 1", "AArch64.FaultSyndrome, AArch64.PARFaultStatus":
        Effect::WalkFault(|site, fault| if fault.kind.has_level() { fault.level = site.level; });
    "fault-tells-the-level-above" "a fault of stage 2 tells the level above", "AArch64.FaultSyndrome, AArch64.PARFaultStatus":
        Effect::Fault(|_, fault| if fault.stage == Stage::Two && fault.level.get() > 0 { fault.level = Level::with_below(fault.level.below() + 1); });
    "fault-on-a-walk-is-of-the-access" "a stage 2 fault on a stage 1 walk does not tell S1PTW", "AArch64.FaultSyndrome":
        Effect::Fault(|_, fault| fault.s1_walk = false);
    "atomic-faults-as-a-store" "an atomic's fault tells a write, where it may not read either", "AArch64.FaultSyndrome":
        Effect::Fault(|subject, fault| if subject.instruction == Instruction::Access(Operation::Atomic) { fault.write = true; });
    "atomic-faults-as-a-load" "an atomic's fault tells a read, where it may not write", "AArch64.FaultSyndrome":
        Effect::Fault(|subject, fault| if subject.instruction == Instruction::Access(Operation::Atomic) { fault.write = false; });
    "permission-fault-as-access-flag-fault" "a Permission fault is told as an Access flag fault", "EncodeLDFSC":
        Effect::Fault(|_, fault| if fault.kind == FaultKind::Permission { fault.kind = FaultKind::AccessFlag; });
    "access-flag-fault-as-permission-fault" "an Access flag fault is told as a Permission fault", "EncodeLDFSC":
        Effect::Fault(|_, fault| if fault.kind == FaultKind::AccessFlag { fault.kind = FaultKind::Permission; });
    "address-size-fault-as-translation-fault" "an Address size fault is told as a Translation fault", "EncodeLDFSC":
        Effect::Fault(|_, fault| if fault.kind == FaultKind::AddressSize { fault.kind = FaultKind::Translation; });
    "translation-fault-as-address-size-fault" "a Translation fault is told as an Address size fault", "EncodeLDFSC":
        Effect::Fault(|_, fault| if fault.kind == FaultKind::Translation { fault.kind = FaultKind::AddressSize; });
    "syndrome-tells-no-WnR" "ESR's WnR is 0", "AArch64.FaultSyndrome": Effect::Exception(|subject, _, exception| {
        if !matches!(subject.instruction, Instruction::Access(Operation::Fetch)) { esr(exception, WNR, 0); }
    });
    "syndrome-tells-WnR" "ESR's WnR is 1", "AArch64.FaultSyndrome": Effect::Exception(|subject, _, exception| {
        if !matches!(subject.instruction, Instruction::Access(Operation::Fetch)) { esr(exception, WNR, WNR); }
    });
    "maintenance-faults-as-a-read" "a fault of cache maintenance tells a read", "AArch64.FaultSyndrome":
        Effect::Exception(|subject, _, exception| if matches!(subject.instruction, Instruction::Maintenance(_)) { esr(exception, WNR, 0); });
    "syndrome-tells-no-S1PTW" "ESR's S1PTW is 0", "AArch64.FaultSyndrome":
        Effect::Exception(|_, _, exception| esr(exception, S1PTW, 0));
    "syndrome-describes-no-instruction" "ESR's ISV is 0", "AArch64.FaultSyndrome":
        Effect::Exception(|_, _, exception| esr(exception, 0x7ff << 14, 0));
    "syndrome-describes-an-instruction-in-any-case" "ESR's ISV is 1 of every Data Abort", "AArch64.FaultSyndrome":
        Effect::Exception(|subject, _, exception| if !matches!(subject.instruction, Instruction::Access(Operation::Fetch)) { esr(exception, ISV, ISV); });
    "syndrome-tells-a-short-instruction" "ESR's IL is 0", "AArch64.ExceptionClass":
        Effect::Exception(|_, _, exception| esr(exception, IL, 0));
    "syndrome-tells-no-dirty-bit" "ESR's DirtyBit is 0", "AArch64.FaultSyndrome":
        Effect::Exception(|_, _, exception| esr(exception, DIRTY_BIT, 0));
    "HPFAR-is-lost" "HPFAR_EL2 is 0", "AArch64.ReportException":
        Effect::Exception(|_, _, exception| exception.hpfar = exception.hpfar.map(|_| 0));
    "HPFAR-is-not-shifted" "HPFAR_EL2 holds the IPA from bit 12", "AArch64.ReportException":
        Effect::Exception(|_, _, exception| exception.hpfar = exception.hpfar.map(|hpfar| hpfar << 8 & ((1 << 48) - 16)));
    "HPFAR-loses-bits-above-48" "HPFAR_EL2 holds bits 47:12 of the IPA alone", "AArch64.ReportException":
        Effect::Exception(|_, _, exception| exception.hpfar = exception.hpfar.map(|hpfar| hpfar & ((1 << 40) - 1)));
    "FAR-is-of-the-page" "FAR holds the address of the page", "AArch64.ReportException":
        Effect::Exception(|_, _, exception| exception.far.0 &= !0xfff);
    "FAR-loses-the-top-byte" "FAR holds the address without its top byte", "AArch64.ReportException":
        Effect::Exception(|_, _, exception| exception.far.0 = ((exception.far.0 << 8) as i64 >> 8) as u64);
    "stage2-fault-is-taken-to-EL1" "a fault of stage 2 is taken to EL1", "AArch64.DataAbort":
        Effect::Exception(|subject, fault, exception| if fault.stage == Stage::Two && subject.el != El::El2 { exception.target = El::El1; });
    "PAR-tells-no-stage" "PAR_EL1.S is 0", "AArch64.EncodePAR":
        Effect::Par(|_, par| if is_fault(par) { *par = with(*par, PAR_S, 0); });
    "PAR-tells-no-PTW" "PAR_EL1.PTW is 0", "AArch64.EncodePAR":
        Effect::Par(|_, par| if is_fault(par) { *par = with(*par, PAR_PTW, 0); });
    "PAR-tells-level-0" "PAR_EL1.FST tells level 0", "AArch64.PARFaultStatus":
        Effect::Par(|_, par| if is_fault(par) { *par = with(*par, 0b11 << 1, 0); });
    "PAR-tells-translation-faults-alone" "PAR_EL1.FST tells a Translation fault, whatever the fault", "AArch64.PARFaultStatus":
        Effect::Par(|_, par| if is_fault(par) { *par = with(*par, PAR_STATUS_CODE & !(0b11 << 1), 0b100 << 1); });
    "PAR-tells-no-shareability" "PAR_EL1.SH is 0", "PAREncodeShareability":
        Effect::Par(|_, par| if !is_fault(par) { *par = with(*par, PAR_SH, 0); });
    "PAR-tells-inner-shareable" "PAR_EL1.SH is Inner Shareable of Device and Non-cacheable memory", "PAREncodeShareability":
        Effect::Par(|_, par| if !is_fault(par) && par.value & PAR_SH == 0b10 << 7 { *par = with(*par, PAR_SH, PAR_SH); });
    "PAR-tells-no-attributes" "PAR_EL1.ATTR is 0", "EncodePARAttrs":
        Effect::Par(|_, par| if !is_fault(par) { *par = with(*par, PAR_ATTR, 0); });
    "PAR-address-loses-bits-above-48" "PAR_EL1.PA has bits 47:12 alone", "AArch64.EncodePAR":
        Effect::Par(|_, par| if !is_fault(par) { *par = with(*par, 0xff << 48, 0); });
    "PAR-address-is-of-64K" "PAR_EL1.PA has zeroes in bits 15:12", "AArch64.EncodePAR":
        Effect::Par(|_, par| if !is_fault(par) { *par = with(*par, 0xf << 12, 0); });
};

/// Instructions that do nothing.
const INSTRUCTIONS: &[Erratum] = errata! {
    "DC-by-VA-does-not-translate" "DC CVAC, CVAU, CIVAC and IVAC do not translate their address", "AArch64.DC":
        Effect::Nothing(|subject| matches!(subject.instruction,
            Instruction::Maintenance(Maintenance::DcCvac | Maintenance::DcCvau | Maintenance::DcCivac | Maintenance::DcIvac)));
    "DC-CVAC-does-not-translate" "DC CVAC does not translate its address", "AArch64.DC":
        Effect::Nothing(|subject| subject.instruction == Instruction::Maintenance(Maintenance::DcCvac));
    "DC-CVAU-does-not-translate" "DC CVAU does not translate its address", "AArch64.DC":
        Effect::Nothing(|subject| subject.instruction == Instruction::Maintenance(Maintenance::DcCvau));
    "DC-CIVAC-does-not-translate" "DC CIVAC does not translate its address", "AArch64.DC":
        Effect::Nothing(|subject| subject.instruction == Instruction::Maintenance(Maintenance::DcCivac));
    "DC-IVAC-does-not-translate" "DC IVAC does not translate its address", "AArch64.DC":
        Effect::Nothing(|subject| subject.instruction == Instruction::Maintenance(Maintenance::DcIvac));
    "IC-IVAU-does-not-translate" "IC IVAU does not translate its address", "AArch64.IC":
        Effect::Nothing(|subject| subject.instruction == Instruction::Maintenance(Maintenance::IcIvau));
};
