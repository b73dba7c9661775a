//! The fields of a leaf descriptor in YAML, by the names of their stage.

use std::fmt;

use case::mapping::Attributes;
use case::tree::Role;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::bounded::Bounded;

/// A field of a descriptor.
type Bits<const HIGH: u64> = Bounded<0, HIGH>;

impl<const HIGH: u64> Default for Bounded<0, HIGH> {
    fn default() -> Self {
        const { Self::new(0).unwrap() }
    }
}

/// Which leaves have a field.
#[derive(Clone, Copy)]
enum Of {
    Stage1,
    Stage2,
    Both,
}

impl Of {
    fn has(self, role: Role) -> bool {
        match self {
            Self::Stage1 => role.is_stage1(),
            Self::Stage2 => !role.is_stage1(),
            Self::Both => true,
        }
    }
}

/// How a field is written where it is not 0.
#[derive(Clone, Copy)]
enum Written {
    Decimal,
    Hex,
}

/// Declares the fields, in the order in which they are written. Each has its name and its highest value, the stage
/// that it belongs to, the byte of [`Attributes`] that keeps it and its lowest bit there, and how it is written.
macro_rules! leaf {
    ($($(#[$doc:meta])* $name:ident: $high:literal, $of:ident, $byte:ident >> $lsb:expr, $written:ident;)*) => {
        /// The fields of a leaf descriptor other than its address. Default: 0.
        #[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        #[schemars(rename = "Leaf")]
        #[expect(non_snake_case, reason = "the fields' own names are the keys")]
        pub(super) struct LeafFields {
            $($(#[$doc])* $name: Bits<$high>,)*
        }

        impl LeafFields {
            /// What the leaves of a tree with this role say.
            pub fn attributes(&self, role: Role) -> Result<Attributes, String> {
                let mut attributes = Attributes::default();
                $(
                    let value = self.$name.get() as u8;
                    if value != 0 && !Of::$of.has(role) {
                        let stage = if role.is_stage1() { 1 } else { 2 };
                        let name = stringify!($name);
                        return Err(format!("a leaf of stage {stage} has no field `{name}`"));
                    }
                    attributes.$byte |= value << $lsb;
                )*
                Ok(attributes)
            }
        }

        /// Name and value of each field of `leaf`, the stages that have it, and how it is written.
        fn fields(leaf: &Attributes) -> impl Iterator<Item = (&'static str, u8, Of, Written)> {
            [$((stringify!($name), leaf.$byte >> $lsb & $high, Of::$of, Written::$written)),*].into_iter()
        }
    };
}

leaf! {
    /// Stage 2: memory attributes.
    MemAttr: 15, Stage2, mem_attr >> 0, Hex;
    /// Stage 1: number of the memory attributes in MAIR.
    AttrIndx: 7, Stage1, mem_attr >> 0, Decimal;
    /// Stage 2: access permissions: 1 read, 2 write.
    S2AP: 3, Stage2, ap >> 0, Decimal;
    /// Stage 1: AP\[2:1\]: 1 unprivileged, 2 read-only.
    AP: 3, Stage1, ap >> 0, Decimal;
    /// Shareability; not written where DS = 1.
    SH: 3, Both, sh >> 0, Decimal;
    /// Stage 2: execute-never.
    XN: 3, Stage2, xn >> 0, Decimal;
    /// Stage 1: not secure.
    NS: 1, Stage1, mem_attr >> 3, Decimal;
    /// Stage 1: privileged execute-never.
    PXN: 1, Stage1, xn >> 0, Decimal;
    /// Stage 1: unprivileged execute-never; in a regime with one range of addresses, execute-never.
    UXN: 1, Stage1, xn >> 1, Decimal;
    /// Access flag.
    AF: 1, Both, af >> 0, Decimal;
    /// One of a contiguous group.
    Contiguous: 1, Both, flags >> Attributes::CONTIGUOUS.trailing_zeros(), Decimal;
    /// Dirty bit modifier.
    DBM: 1, Both, flags >> Attributes::DBM.trailing_zeros(), Decimal;
    /// Block translation entry.
    nT: 1, Both, flags >> Attributes::NT.trailing_zeros(), Decimal;
    /// Stage 1: not global.
    nG: 1, Stage1, flags >> Attributes::NG.trailing_zeros(), Decimal;
    /// Stage 2: the XS attribute is ignored.
    FnXS: 1, Stage2, flags >> Attributes::FNXS.trailing_zeros(), Decimal;
    /// Bits 58:55, which hardware ignores.
    software: 15, Both, software >> 0, Hex;
}

/// Writes what `leaf`, of a tree with this role, says, as a YAML flow mapping. Fields that are 0 are left out.
pub(super) fn write(f: &mut fmt::Formatter<'_>, role: Role, leaf: &Attributes) -> fmt::Result {
    let mut before = "{ ";
    let set = fields(leaf).filter(|(_, value, of, _)| *value != 0 && of.has(role));
    for (name, value, _, written) in set {
        match written {
            Written::Hex => write!(f, "{before}{name}: {value:#x}")?,
            Written::Decimal => write!(f, "{before}{name}: {value}")?,
        }
        before = ", ";
    }
    f.write_str(if before == ", " { " }" } else { "{}" })
}
