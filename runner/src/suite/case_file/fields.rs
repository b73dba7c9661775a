//! The keys of a case in YAML, and the case that they make.

use case::edit::{Change, Edit};
use case::format::{AddressFormat, Format, RawFormat};
use case::mapping::{Mapping, Stage2Attributes};
use case::memory::Place;
use case::probe::{Operation, Probe};
use case::registers::Registers;
use case::{Case, CaseFull, Flags};
use case::{MAX_EDITS, MAX_MAPPINGS, MAX_PROBES, MAX_SLOTS};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::suite::bounded::Bounded;
use crate::suite::granule::GranuleName;
use crate::suite::hex::Hex;

/// One set-up of translation registers and tables, with its probes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Case")]
pub(super) struct CaseFields {
    /// The system registers that the case sets, raw.
    registers: RegisterFields,
    /// The tree of stage 2 tables.
    tables: TableFields,
    /// What is mapped: runs of leaf descriptors.
    #[serde(default)]
    #[schemars(length(max = MAX_MAPPINGS))]
    mappings: Vec<MappingFields>,
    /// What is changed after the tables are built.
    #[serde(default)]
    #[schemars(length(max = MAX_EDITS))]
    edits: Vec<EditFields>,
    /// What is asked, in this order.
    #[schemars(length(max = MAX_PROBES))]
    probes: Vec<ProbeFields>,
    /// What is done beside asking.
    #[serde(default)]
    flags: Vec<FlagName>,
}

/// Raw values of system registers. All others have the executor's own values.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Registers")]
#[expect(non_snake_case, reason = "the registers' own names are the keys")]
struct RegisterFields {
    /// E2H and TGE must be 0.
    HCR_EL2: Hex,
    /// The stage 2 control register.
    VTCR_EL2: Hex,
    /// Less the base address: that of the first slot is exclusive-ored in.
    #[serde(default)]
    VTTBR_EL2: Hex,
    /// Default: 0, stage 1 is off.
    #[serde(default)]
    SCTLR_EL1: Hex,
    /// Default: 0.
    #[serde(default)]
    TCR_EL1: Hex,
    /// Default: 0.
    #[serde(default)]
    MAIR_EL1: Hex,
}

/// The tree of tables that is built; what the registers say of it may differ, in hostile cases.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tables")]
struct TableFields {
    /// Page size.
    granule: GranuleName,
    /// The level of the root.
    start_level: Level<-1>,
    /// Input address size in bits.
    ia_bits: Bounded<1, 56>,
    /// Where descriptors keep output address bits 51:48. Default: nowhere.
    #[serde(default)]
    address: AddressName,
    /// Where tables lie: the root at the first place, table number n in slot n modulo their number.
    #[schemars(length(min = 1, max = MAX_SLOTS))]
    slots: Vec<PlaceFields>,
}

/// Where descriptors keep output address bits 51:48.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "AddressFormat")]
enum AddressName {
    /// Nowhere: 48-bit addresses.
    #[default]
    Bits48,
    /// In bits 15:12 (64K granule with FEAT_LPA).
    Lpa,
    /// In bits 9:8 and 49:48 (4K and 16K granule with DS = 1).
    Ds,
}

/// A level of lookup, from `LEAST` to 3.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
struct Level<const LEAST: i8>(i8);

impl<const LEAST: i8> TryFrom<i64> for Level<LEAST> {
    type Error = String;

    fn try_from(level: i64) -> Result<Self, Self::Error> {
        let in_range = i8::try_from(level).ok().filter(|level| (LEAST..=3).contains(level));
        in_range.map(Self).ok_or_else(|| format!("{level} is no level here: {LEAST} to 3 are"))
    }
}

impl<const LEAST: i8> JsonSchema for Level<LEAST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Level".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": LEAST, "maximum": 3 })
    }
}

/// A place in target memory: `{ arena: 0, offset: 0x1000 }`, or `{ pa: 0x8000_0000 }` for a physical
/// address whatever lies there.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "PlaceKeys")]
#[schemars(with = "PlaceKeys")]
struct PlaceFields(Place);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Place")]
struct PlaceKeys {
    /// Number of the arena in the target's memory map.
    arena: Option<Bounded<0, { Place::ABSOLUTE as u64 - 1 }>>,
    /// Bytes from the start of the arena.
    offset: Option<Bounded<0, PLACE_MAX>>,
    /// A physical address, in place of arena and offset.
    pa: Option<Bounded<0, PLACE_MAX>>,
}

const PLACE_MAX: u64 = (1 << 56) - 1;

impl TryFrom<PlaceKeys> for PlaceFields {
    type Error = &'static str;

    fn try_from(keys: PlaceKeys) -> Result<Self, Self::Error> {
        match (keys.arena, keys.offset, keys.pa) {
            (Some(arena), Some(offset), None) => {
                Ok(Self(Place::new(arena.get() as u8, offset.get())))
            }
            (None, None, Some(pa)) => Ok(Self(Place::absolute(pa.get()))),
            _ => Err("a place has either `arena` and `offset`, or `pa`"),
        }
    }
}

/// A run of consecutive leaf descriptors at one level.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Mapping")]
struct MappingFields {
    /// First input address.
    input: Hex,
    /// Output of the first entry; later ones follow on.
    output: PlaceFields,
    /// The level of the leaves.
    level: Level<0>,
    /// How many leaf descriptors. Default: 1.
    #[serde(default = "one")]
    entries: Bounded<1, { u32::MAX as u64 }>,
    /// What each leaf says.
    leaf: LeafFields,
}

fn one() -> Bounded<1, { u32::MAX as u64 }> {
    const { Bounded::new(1).unwrap() }
}

/// The fields of a stage 2 leaf descriptor other than its address. Default: 0.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Leaf")]
#[expect(non_snake_case, reason = "the fields' own names are the keys")]
struct LeafFields {
    /// Memory attributes.
    MemAttr: Bits<15>,
    /// Access permissions: 1 read, 2 write.
    S2AP: Bits<3>,
    /// Shareability; not written where DS = 1.
    SH: Bits<3>,
    /// Execute-never.
    XN: Bits<3>,
    /// Access flag.
    AF: Bits<1>,
    /// One of a contiguous group.
    Contiguous: Bits<1>,
    /// Dirty bit modifier.
    DBM: Bits<1>,
    /// Block translation entry.
    nT: Bits<1>,
    /// The XS attribute is ignored.
    FnXS: Bits<1>,
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

/// A hostile change to the descriptor on the path of `input` at `level`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Edit")]
struct EditFields {
    /// An input address on whose path the descriptor lies.
    input: Hex,
    /// The level of the descriptor.
    level: Level<-1>,
    /// What is done to it.
    change: ChangeFields,
}

/// What an edit does to its descriptor.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[schemars(rename = "Change")]
enum ChangeFields {
    /// Replaces it by a raw word.
    Replace(Hex),
    /// Flips these bits of it.
    Flip(Hex),
    /// Replaces it by a table descriptor.
    Table {
        /// Where the next-level table is said to be.
        to: PlaceFields,
        /// Bits flipped in the finished descriptor. Default: none.
        #[serde(default)]
        flip: Hex,
    },
}

/// One question to the MMU.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Probe")]
struct ProbeFields {
    /// What is done with the address, such as `at_s12e1r`.
    operation: OperationName,
    /// The input address.
    address: Hex,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct OperationName(Operation);

impl TryFrom<String> for OperationName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Operation::from_name(&name).map(Self).ok_or_else(|| {
            let known = Operation::QUESTIONS.map(Operation::name).join(", ");
            format!("unknown operation `{}`: there are {known}", name.escape_debug())
        })
    }
}

impl JsonSchema for OperationName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Operation".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": Operation::QUESTIONS.map(Operation::name) })
    }
}

/// What is done beside asking.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Flag")]
enum FlagName {
    /// A probe may change tables (hardware updates): the words are read again after each.
    Updates,
    /// Every non-zero word of the arenas is reported before the tables are undone.
    Audit,
    /// Nothing is wrong with the case: a walk must find what the mappings ask for.
    Intent,
}

impl FlagName {
    const fn bit(self) -> u64 {
        match self {
            Self::Updates => Flags::UPDATES,
            Self::Audit => Flags::AUDIT,
            Self::Intent => Flags::INTENT,
        }
    }
}

impl TryFrom<CaseFields> for Case {
    type Error = String;

    fn try_from(fields: CaseFields) -> Result<Self, Self::Error> {
        let format = fields.tables.format();
        if RawFormat::from(format).decode().is_none() {
            return Err(format!(
                "no tree of tables resolves {} bits from level {} with this granule",
                format.ia_bits, format.start_level
            ));
        }
        let (root, slots) = fields
            .tables
            .slots
            .split_first()
            .ok_or("the tables have no slot: at least one is needed")?;
        let too_many = |what, most| move |CaseFull| format!("a case has at most {most} {what}");
        let mut case = Self::new((&fields.registers).into(), format, root.0);
        for slot in slots {
            case.push_slot(slot.0).map_err(too_many("slots", MAX_SLOTS))?;
        }
        for mapping in &fields.mappings {
            case.push_mapping(mapping.into()).map_err(too_many("mappings", MAX_MAPPINGS))?;
        }
        for edit in &fields.edits {
            case.push_edit(edit.into()).map_err(too_many("edits", MAX_EDITS))?;
        }
        for probe in &fields.probes {
            let probe = Probe::new(probe.operation.0, probe.address.0);
            case.push_probe(probe).map_err(too_many("probes", MAX_PROBES))?;
        }
        case.set_flags(Flags(fields.flags.iter().fold(0, |bits, flag| bits | flag.bit())));
        Ok(case)
    }
}

impl TableFields {
    fn format(&self) -> Format {
        Format {
            granule: self.granule.into(),
            start_level: self.start_level.0,
            ia_bits: self.ia_bits.get() as u8,
            address: match self.address {
                AddressName::Bits48 => AddressFormat::Bits48,
                AddressName::Lpa => AddressFormat::Lpa,
                AddressName::Ds => AddressFormat::Ds,
            },
        }
    }
}

impl From<&RegisterFields> for Registers {
    fn from(fields: &RegisterFields) -> Self {
        Self {
            hcr_el2: fields.HCR_EL2.0,
            vtcr_el2: fields.VTCR_EL2.0,
            vttbr_el2: fields.VTTBR_EL2.0,
            sctlr_el1: fields.SCTLR_EL1.0,
            tcr_el1: fields.TCR_EL1.0,
            mair_el1: fields.MAIR_EL1.0,
        }
    }
}

impl From<&MappingFields> for Mapping {
    fn from(fields: &MappingFields) -> Self {
        Self {
            input: fields.input.0,
            output: fields.output.0,
            entries: fields.entries.get() as u32,
            level: fields.level.0,
            reserved: [0; 3],
            attributes: fields.leaf.into(),
        }
    }
}

impl From<LeafFields> for Stage2Attributes {
    fn from(leaf: LeafFields) -> Self {
        let flags = [
            (leaf.Contiguous, Self::CONTIGUOUS),
            (leaf.DBM, Self::DBM),
            (leaf.nT, Self::NT),
            (leaf.FnXS, Self::FNXS),
        ];
        Self {
            mem_attr: leaf.MemAttr.get() as u8,
            s2ap: leaf.S2AP.get() as u8,
            sh: leaf.SH.get() as u8,
            xn: leaf.XN.get() as u8,
            af: leaf.AF.get() as u8,
            flags: flags.iter().fold(0, |bits, (set, bit)| bits | (set.get() as u8 * bit)),
            software: leaf.software.get() as u8,
            reserved: 0,
        }
    }
}

impl From<&EditFields> for Edit {
    fn from(fields: &EditFields) -> Self {
        let change = match fields.change {
            ChangeFields::Replace(word) => Change::Replace(word.0),
            ChangeFields::Flip(mask) => Change::Flip(mask.0),
            ChangeFields::Table { to, flip } => Change::Table { place: to.0, flip: flip.0 },
        };
        Self::new(fields.input.0, fields.level.0, change)
    }
}
