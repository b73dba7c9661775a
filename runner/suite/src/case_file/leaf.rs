//! The fields of a leaf descriptor in YAML, by the names of their stage.

use std::fmt;

use case::mapping::Attributes;
use case::tree::Role;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::bounded::Bounded;

/// The fields of a leaf descriptor other than its address. Default: 0.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Leaf")]
#[expect(non_snake_case, reason = "the fields' own names are the keys")]
pub(super) struct LeafFields {
    /// Stage 2: memory attributes.
    MemAttr: Bits<15>,
    /// Stage 2: access permissions: 1 read, 2 write.
    S2AP: Bits<3>,
    /// Stage 2: execute-never.
    XN: Bits<3>,
    /// Stage 2: the XS attribute is ignored.
    FnXS: Bits<1>,
    /// Stage 1: number of the memory attributes in MAIR.
    AttrIndx: Bits<7>,
    /// Stage 1: not secure.
    NS: Bits<1>,
    /// Stage 1: AP\[2:1\]: 1 unprivileged, 2 read-only.
    AP: Bits<3>,
    /// Stage 1: privileged execute-never.
    PXN: Bits<1>,
    /// Stage 1: unprivileged execute-never; in a regime with one range of addresses, execute-never.
    UXN: Bits<1>,
    /// Stage 1: not global.
    nG: Bits<1>,
    /// Shareability; not written where DS = 1.
    SH: Bits<3>,
    /// Access flag.
    AF: Bits<1>,
    /// One of a contiguous group.
    Contiguous: Bits<1>,
    /// Dirty bit modifier.
    DBM: Bits<1>,
    /// Block translation entry.
    nT: Bits<1>,
    /// Bits 58:55, which hardware ignores.
    software: Bits<15>,
}

/// A field of a descriptor.
type Bits<const HIGH: u64> = Bounded<0, HIGH>;

impl<const HIGH: u64> Default for Bounded<0, HIGH> {
    fn default() -> Self {
        const { Self::new(0).unwrap() }
    }
}

impl LeafFields {
    /// What the leaves of a tree with this role say.
    pub fn attributes(&self, role: Role) -> Result<Attributes, String> {
        let stage1 = [
            ("AttrIndx", self.AttrIndx.get()),
            ("NS", self.NS.get()),
            ("AP", self.AP.get()),
            ("PXN", self.PXN.get()),
            ("UXN", self.UXN.get()),
            ("nG", self.nG.get()),
        ];
        let stage2 = [
            ("MemAttr", self.MemAttr.get()),
            ("S2AP", self.S2AP.get()),
            ("XN", self.XN.get()),
            ("FnXS", self.FnXS.get()),
        ];
        let (foreign, stage) = if role.is_stage1() { (&stage2[..], 1) } else { (&stage1[..], 2) };
        if let Some((name, _)) = foreign.iter().find(|(_, value)| *value != 0) {
            return Err(format!("a leaf of stage {stage} has no field `{name}`"));
        }
        let flags = [
            (self.Contiguous, Attributes::CONTIGUOUS),
            (self.DBM, Attributes::DBM),
            (self.nT, Attributes::NT),
            (self.FnXS, Attributes::FNXS),
            (self.nG, Attributes::NG),
        ];
        Ok(Attributes {
            mem_attr: (self.MemAttr.get() | self.AttrIndx.get() | self.NS.get() << 3) as u8,
            ap: (self.S2AP.get() | self.AP.get()) as u8,
            sh: self.SH.get() as u8,
            xn: (self.XN.get() | self.PXN.get() | self.UXN.get() << 1) as u8,
            af: self.AF.get() as u8,
            flags: flags.iter().fold(0, |bits, (set, bit)| bits | (set.get() as u8 * bit)),
            software: self.software.get() as u8,
            reserved: 0,
        })
    }
}

/// Writes what `leaf`, of a tree with this role, says, as a YAML flow mapping.
pub(super) fn write(f: &mut fmt::Formatter<'_>, role: Role, leaf: &Attributes) -> fmt::Result {
    let Attributes { mem_attr, ap, sh, xn, af, software, .. } = *leaf;
    let stage_flag = if role.is_stage1() {
        write!(f, "{{ AttrIndx: {}, AP: {ap}, SH: {sh}", mem_attr & 7)?;
        let single = [("NS", mem_attr >> 3), ("PXN", xn & 1), ("UXN", xn >> 1)];
        for (name, value) in single.iter().filter(|(_, value)| *value != 0) {
            write!(f, ", {name}: {value}")?;
        }
        write!(f, ", AF: {af}")?;
        ("nG", Attributes::NG)
    } else {
        write!(f, "{{ MemAttr: {mem_attr:#x}, S2AP: {ap}, SH: {sh}, XN: {xn}, AF: {af}")?;
        ("FnXS", Attributes::FNXS)
    };
    let flags = [
        ("Contiguous", Attributes::CONTIGUOUS),
        ("DBM", Attributes::DBM),
        ("nT", Attributes::NT),
        stage_flag,
    ];
    for (name, _) in flags.iter().filter(|(_, flag)| leaf.has(*flag)) {
        write!(f, ", {name}: 1")?;
    }
    write!(f, ", software: {software:#x} }}")
}
