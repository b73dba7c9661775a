//! The keys of a case in YAML, and the case that they make.

use case::edit::{Change, Edit};
use case::format::{AddressFormat, Format, RawFormat};
use case::guest::Guest;
use case::mapping::Mapping;
use case::memory::Place;
use case::probe::{El, Operation, Probe};
use case::registers::Registers;
use case::tree::{Role, Tree};
use case::world_switch::SwitchPlaces;
use case::{Case, CaseFull, Flags};
use case::{MAX_EDITS, MAX_MAPPINGS, MAX_PROBES, MAX_SLOTS, MAX_TREES};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::leaf::LeafFields;
use crate::bounded::Bounded;
use crate::granule::GranuleName;
use crate::hex::Hex;

/// One set-up of translation registers and tables, with its probes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Case")]
pub(super) struct CaseFields {
    /// The system registers that the case sets, raw.
    registers: RegisterFields,
    /// The tree of tables, of a case that has one tree of stage 2 and no other.
    tables: Option<TableFields>,
    /// The trees of tables, of any other case; mappings and edits name them by number.
    #[serde(default)]
    #[schemars(length(max = MAX_TREES))]
    trees: Vec<TreeFields>,
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
    /// Where code and data of the world switch lie, of a case with the flag `stay`.
    stay: Option<StayFields>,
    /// Where the guest's code is, of a case with the flag `guest`.
    guest: Option<GuestFields>,
}

macro_rules! register_keys {
    ($($(#[$doc:meta])* $field:ident $name:literal $(= $default:ident)?;)*) => {
        /// Raw values of system registers. All others have the executor's own values.
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(rename = "Registers")]
        struct RegisterFields {
            $($(#[$doc])* #[serde(rename = $name $(, $default)?)] $field: Hex,)*
        }

        impl From<&RegisterFields> for Registers {
            fn from(fields: &RegisterFields) -> Self {
                Self { $($field: fields.$field.0,)* }
            }
        }

        /// Name and value of each register that a file must state: of those that are not 0, or have no default.
        pub(super) fn stated(registers: &Registers) -> impl Iterator<Item = (&'static str, u64)> {
            let is_required = [$(stringify!($($default)?).is_empty()),*];
            let named = registers.named().into_iter().zip(is_required);
            named.filter(|((_, value), required)| *required || *value != 0).map(|(named, _)| named)
        }
    };
}

case::registers!(register_keys);

/// One tree of tables, of either stage.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tree")]
struct TreeFields {
    /// What it translates.
    role: RoleName,
    /// Its tables.
    tables: TableFields,
}

/// What a tree translates, and by which register a walk finds its root.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Role")]
enum RoleName {
    /// Stage 2 of the EL1&0 regime: VTTBR_EL2.
    Stage2,
    /// Stage 1 of EL2, or the lower range of EL2&0.
    Ttbr0El2,
    /// The upper range of EL2&0.
    Ttbr1El2,
    /// Stage 1 of EL2 while the executor enters a set-up that does not reach its trampoline.
    Idmap,
    /// Stage 1 of EL1&0, the lower range. Its slots have IPAs.
    Ttbr0El1,
    /// The upper range of EL1&0, likewise.
    Ttbr1El1,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Stage2 => Self::Stage2,
            RoleName::Ttbr0El2 => Self::Ttbr0El2,
            RoleName::Ttbr1El2 => Self::Ttbr1El2,
            RoleName::Idmap => Self::Idmap,
            RoleName::Ttbr0El1 => Self::Ttbr0El1,
            RoleName::Ttbr1El1 => Self::Ttbr1El1,
        }
    }
}

/// Where code and data of the world switch to a set-up of EL2 lie. Places are the starts of scratch arenas.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stay")]
struct StayFields {
    /// The code that turns the MMU on, mapped to itself.
    trampoline: PlaceFields,
    /// The code that turns it off again, mapped to itself.
    exit: PlaceFields,
    /// The code that asks.
    code: PlaceFields,
    /// Its virtual address.
    code_va: Hex,
    /// The memory that it works in.
    data: PlaceFields,
    /// Its virtual address.
    data_va: Hex,
}

impl From<&StayFields> for SwitchPlaces {
    fn from(fields: &StayFields) -> Self {
        Self {
            trampoline: fields.trampoline.0,
            exit: fields.exit.0,
            code: fields.code.0,
            code_va: fields.code_va.0,
            data: fields.data.0,
            data_va: fields.data_va.0,
        }
    }
}

/// Where a guest's code is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Guest")]
struct GuestFields {
    /// The start of a scratch arena.
    code: PlaceFields,
    /// The virtual address of its guest code.
    code_va: Hex,
}

impl From<&GuestFields> for Guest {
    fn from(fields: &GuestFields) -> Self {
        Self { code: fields.code.0, code_va: fields.code_va.0 }
    }
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
    /// The IPA of the first byte of each slot, of a tree whose tables are found by IPA: those of stage 1 of
    /// EL1&0. Of no other.
    #[serde(default)]
    #[schemars(length(max = MAX_SLOTS))]
    ipas: Vec<Hex>,
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
    /// Number of the tree. Default: 0.
    #[serde(default)]
    tree: TreeNumber,
    /// What each leaf says.
    leaf: LeafFields,
}

/// The number of a tree.
type TreeNumber = Bounded<0, { MAX_TREES as u64 - 1 }>;

fn one() -> Bounded<1, { u32::MAX as u64 }> {
    const { Bounded::new(1).unwrap() }
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
    /// Number of the tree. Default: 0.
    #[serde(default)]
    tree: TreeNumber,
    /// What is done to it.
    change: ChangeFields,
    /// It waits for a probe `change` that names it. Default: false.
    #[serde(default)]
    late: bool,
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
    /// The input address, or the operand of a step.
    address: Hex,
    /// The EL that does it: 2 is the executor, 1 and 0 a guest. Default: 2.
    #[serde(default = "two")]
    el: Bounded<0, 2>,
    /// Size of an access in bytes: 1, 2, 4 or 8. Default: 8.
    bytes: Option<Bytes>,
    /// Number of the edit or the tree that a step names. Default: 0.
    #[serde(default)]
    number: Bounded<0, 255>,
    /// Number of the PE that does it. Default: 0.
    #[serde(default)]
    pe: Bounded<0, 255>,
    /// In what form it is done.
    #[serde(default)]
    flags: Vec<ProbeFlag>,
}

const fn two() -> Bounded<0, 2> {
    const { Bounded::new(2).unwrap() }
}

/// The size of an access to one register's worth.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
struct Bytes(u8);

impl TryFrom<u64> for Bytes {
    type Error = String;

    fn try_from(bytes: u64) -> Result<Self, Self::Error> {
        match bytes {
            1 | 2 | 4 | 8 => Ok(Self(bytes as u8)),
            other => Err(format!("an access has 1, 2, 4 or 8 bytes, not {other}")),
        }
    }
}

impl JsonSchema for Bytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": [1, 2, 4, 8] })
    }
}

/// In what form a probe is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ProbeFlag")]
pub enum ProbeFlag {
    /// A guest's access with PSTATE.PAN = 1.
    Pan,
    /// TLB maintenance of all PEs of the Inner Shareable domain.
    Is,
    /// TLB maintenance of all PEs of the Outer Shareable domain.
    Os,
    /// TLB maintenance that does not wait for accesses with the XS attribute.
    Nxs,
    /// Done at the same time as the next probe, on another PE.
    Together,
}

impl ProbeFlag {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pan, Self::Is, Self::Os, Self::Nxs, Self::Together];

    /// Those that are set in `flags`, as [`Probe::flags`] has them.
    pub fn of(flags: u8) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |flag| flags & flag.bit() != 0)
    }

    /// Its name in a case file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pan => "pan",
            Self::Is => "is",
            Self::Os => "os",
            Self::Nxs => "nxs",
            Self::Together => "together",
        }
    }

    /// The bit in [`Probe::flags`].
    pub const fn bit(self) -> u8 {
        match self {
            Self::Pan => Probe::PAN,
            Self::Is => Probe::INNER_SHAREABLE,
            Self::Os => Probe::OUTER_SHAREABLE,
            Self::Nxs => Probe::NXS,
            Self::Together => Probe::TOGETHER,
        }
    }
}

impl ProbeFields {
    /// Refuses forms that no instruction has, and what is never done at the same time as another probe.
    fn check(&self) -> Result<(), String> {
        let (name, has) = (self.operation.0.name(), |flag| self.flags.contains(&flag));
        if has(ProbeFlag::Is) && has(ProbeFlag::Os) {
            return Err(format!("`{name}` has the flags `is` and `os`: it is one or the other"));
        }
        if has(ProbeFlag::Together) && (self.operation.0.is_step() || self.el.get() == 2) {
            return Err(format!(
                "`{name}` by EL{} has the flag `together`: what guests ask is done at the same time, and nothing else",
                self.el.get()
            ));
        }
        Ok(())
    }
}

impl From<&ProbeFields> for Probe {
    fn from(fields: &ProbeFields) -> Self {
        let el = match fields.el.get() {
            0 => El::El0,
            1 => El::El1,
            _ => El::El2,
        };
        let flags = fields.flags.iter().fold(0, |bits, flag| bits | flag.bit());
        let probe = Self::new(fields.operation.0, fields.address.0).by(el).with(flags);
        let mut probe = probe.of_bytes(fields.bytes.map_or(8, |bytes| bytes.0));
        probe.number = fields.number.get() as u8;
        probe.pe = fields.pe.get() as u8;
        probe
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct OperationName(Operation);

impl TryFrom<String> for OperationName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Operation::from_name(&name).map(Self).ok_or_else(|| {
            let known: Vec<_> = Operation::of_real_builds().map(Operation::name).collect();
            let known = known.join(", ");
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
        let names: Vec<_> = Operation::of_real_builds().map(Operation::name).collect();
        schemars::json_schema!({ "enum": names })
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
    /// The executor goes over to the case's EL2 registers, and asks from there.
    Stay,
    /// The monitor at EL3 loads the case's EL2 registers, and asks from there.
    Monitor,
    /// Guests ask, by probes whose `el` is 1 or 0.
    Guest,
}

impl FlagName {
    const fn bit(self) -> u64 {
        match self {
            Self::Updates => Flags::UPDATES,
            Self::Audit => Flags::AUDIT,
            Self::Intent => Flags::INTENT,
            Self::Stay => Flags::WORLD_SWITCH,
            Self::Monitor => Flags::MONITOR,
            Self::Guest => Flags::GUEST,
        }
    }
}

impl TryFrom<CaseFields> for Case {
    type Error = String;

    fn try_from(fields: CaseFields) -> Result<Self, Self::Error> {
        let too_many = |what, most| move |CaseFull| format!("a case has at most {most} {what}");
        let mut case = Self::new((&fields.registers).into());
        let mut trees: Vec<Tree> = Vec::new();
        match (&fields.tables, &fields.trees[..]) {
            (Some(tables), []) => trees.push(tables.tree(Role::Stage2)?),
            (None, [_, ..]) => {
                for tree in &fields.trees {
                    trees.push(tree.tables.tree(tree.role.into())?);
                }
            }
            _ => return Err("a case has either `tables` or `trees`".to_owned()),
        }
        for &tree in &trees {
            case.push_tree(tree).map_err(too_many("trees", MAX_TREES))?;
        }
        for mapping in &fields.mappings {
            let number = mapping.tree.get();
            let tree = trees.get(number as usize).and_then(Tree::role);
            let role =
                tree.ok_or_else(|| format!("a mapping is in tree {number}: there is none"))?;
            let mapping = mapping.mapping(role)?;
            case.push_mapping(mapping).map_err(too_many("mappings", MAX_MAPPINGS))?;
        }
        for edit in &fields.edits {
            case.push_edit(edit.into()).map_err(too_many("edits", MAX_EDITS))?;
        }
        for probe in &fields.probes {
            probe.check()?;
            case.push_probe(probe.into()).map_err(too_many("probes", MAX_PROBES))?;
        }
        if let Some(stay) = &fields.stay {
            case.set_world_switch(stay.into());
        }
        if let Some(guest) = &fields.guest {
            case.set_guest(guest.into());
        }
        case.set_flags(Flags(fields.flags.iter().fold(0, |bits, flag| bits | flag.bit())));
        Ok(case)
    }
}

impl TableFields {
    fn tree(&self, role: Role) -> Result<Tree, String> {
        let format = self.format();
        if RawFormat::from(format).decode().is_none() {
            return Err(format!(
                "no tree of tables resolves {} bits from level {} with this granule",
                format.ia_bits, format.start_level
            ));
        }
        let too_many = |CaseFull| format!("a tree has at most {MAX_SLOTS} slots");
        let ipas = if role.is_in_ipa_space() { self.slots.len() } else { 0 };
        if self.ipas.len() != ipas {
            return Err(format!(
                "a tree with the role {} and {} slots has {ipas} `ipas`, not {}",
                role.name(),
                self.slots.len(),
                self.ipas.len()
            ));
        }
        let (root, slots) =
            self.slots.split_first().ok_or("the tables have no slot: at least one is needed")?;
        if role.is_in_ipa_space() {
            let mut tree = Tree::in_ipa_space(role, format);
            for (slot, ipa) in self.slots.iter().zip(&self.ipas) {
                tree.push_slot_at(slot.0, ipa.0).map_err(too_many)?;
            }
            return Ok(tree);
        }
        let mut tree = Tree::new(role, format, root.0);
        for slot in slots {
            tree.push_slot(slot.0).map_err(too_many)?;
        }
        Ok(tree)
    }

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

impl MappingFields {
    fn mapping(&self, role: Role) -> Result<Mapping, String> {
        Ok(Mapping {
            input: self.input.0,
            output: self.output.0,
            entries: self.entries.get() as u32,
            level: self.level.0,
            tree: self.tree.get() as u8,
            reserved: [0; 2],
            attributes: self.leaf.attributes(role)?,
        })
    }
}

impl From<&EditFields> for Edit {
    fn from(fields: &EditFields) -> Self {
        let change = match fields.change {
            ChangeFields::Replace(word) => Change::Replace(word.0),
            ChangeFields::Flip(mask) => Change::Flip(mask.0),
            ChangeFields::Table { to, flip } => Change::Table { place: to.0, flip: flip.0 },
        };
        let edit = Self::new(fields.tree.get() as u8, fields.input.0, fields.level.0, change);
        if fields.late { edit.late() } else { edit }
    }
}
