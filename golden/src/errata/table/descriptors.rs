//! Fields of descriptors that are taken for another value.

use crate::errata::{Effect, Erratum, Site};
use crate::fault::Stage;
use crate::level::Level;
use crate::registers::Field;

/// Is it a leaf, by its type and the level?
const fn is_leaf(site: &Site, descriptor: u64) -> bool {
    let is_last = site.level.get() == Level::FINAL.get();
    descriptor & 1 != 0 && (descriptor & 0b10 == 0) != is_last
}

/// Is it a block? A page has an address bit where a block has nT.
const fn is_block(site: &Site, descriptor: u64) -> bool {
    is_leaf(site, descriptor) && descriptor & 0b10 == 0
}

const fn is_table(site: &Site, descriptor: u64) -> bool {
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
    (@name One is_block $name:literal $value:literal) => { bits!(@name One is_leaf $name $value) };
    (@name Two is_block $name:literal $value:literal) => { bits!(@name Two is_leaf $name $value) };
    (@does One is_block $name:literal $value:literal) => { bits!(@does One is_leaf $name $value) };
    (@does Two is_block $name:literal $value:literal) => { bits!(@does Two is_leaf $name $value) };
    (@name One is_table $name:literal $value:literal) => { concat!("stage1-table-", $name, "-taken-for-", $value) };
    (@does One is_leaf $name:literal $value:literal) => { concat!("it takes ", $name, " of a stage 1 leaf for ", $value) };
    (@does Two is_leaf $name:literal $value:literal) => { concat!("it takes ", $name, " of a stage 2 leaf for ", $value) };
    (@does One is_table $name:literal $value:literal) => { concat!("it takes ", $name, " of a stage 1 table descriptor for ", $value) };
}

pub(super) const ALL: &[Erratum] = bits! {
    One is_leaf
        "AttrIndx" "AArch64.MAIRAttr" 4:2 0 7,
        "AttrIndx[2]" "AArch64.MAIRAttr" 4:4 0 1,
        "AttrIndx[3]" "AArch64.S1NextWalkStateLeaf" 59:59 0 1,
        "AP[1]" "AArch64.S1DirectBasePermissions" 6:6 0 1,
        "AP[2]" "AArch64.S1DirectBasePermissions" 7:7 0 1,
        "AF" "AArch64.S1Walk" 10:10 0,
        "DBM" "AArch64.S1DirectBasePermissions" 51:51 0 1,
        "Contiguous" "AArch64.ContiguousBit" 52:52 0 1,
        "PXN" "AArch64.S1DirectBasePermissions" 53:53 0 1,
        "UXN" "AArch64.S1DirectBasePermissions" 54:54 0 1,;
    One is_block
        "nT" "AArch64.BlocknTFaults" 16:16 0 1,;
    Two is_block
        "nT" "AArch64.BlocknTFaults" 16:16 0 1,;
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
        "AF" "AArch64.S2Walk" 10:10 0,
        "FnXS" "AArch64.S2NextWalkStateLeaf" 11:11 0 1,
        "DBM" "AArch64.S2DirectBasePermissions" 51:51 0 1,
        "Contiguous" "AArch64.ContiguousBit" 52:52 0 1,
        "XN[0]" "AArch64.S2DirectBasePermissions" 53:53 0 1,
        "XN[1]" "AArch64.S2DirectBasePermissions" 54:54 0 1,;
};
