//! A case as YAML text that a person can read.

use std::fmt;

use case::edit::{Change, Edit};
use case::format::AddressFormat;
use case::mapping::{Mapping, Stage2Attributes};
use case::memory::Place;
use case::{CaseRef, Flags};

use crate::suite::granule::GranuleName;

/// Writes `case` as YAML whose lines are indented by `indent` spaces.
///
/// Words from outside that mean nothing (an operation that does not exist) are written as `?`, which
/// nothing reads.
pub(super) fn write(f: &mut fmt::Formatter<'_>, case: CaseRef<'_>, indent: usize) -> fmt::Result {
    let at = " ".repeat(indent);
    let registers = &case.header.registers;
    writeln!(f, "{at}registers:")?;
    writeln!(f, "{at}  HCR_EL2: {:#x}", registers.hcr_el2)?;
    writeln!(f, "{at}  VTCR_EL2: {:#x}", registers.vtcr_el2)?;
    let others = [
        ("VTTBR_EL2", registers.vttbr_el2),
        ("SCTLR_EL1", registers.sctlr_el1),
        ("TCR_EL1", registers.tcr_el1),
        ("MAIR_EL1", registers.mair_el1),
    ];
    for (name, value) in others.iter().filter(|(_, value)| *value != 0) {
        writeln!(f, "{at}  {name}: {value:#x}")?;
    }
    writeln!(f, "{at}tables:")?;
    match case.header.format.decode() {
        Some(format) => {
            writeln!(f, "{at}  granule: {}", GranuleName::from(format.granule).name())?;
            writeln!(f, "{at}  start_level: {}", format.start_level)?;
            writeln!(f, "{at}  ia_bits: {}", format.ia_bits)?;
            writeln!(f, "{at}  address: {}", address(format.address))?;
        }
        None => writeln!(f, "{at}  granule: ?")?,
    }
    list(f, indent + 2, "slots", case.slots(), |f, slot| write!(f, "{}", Yaml(*slot)))?;
    list(f, indent, "mappings", case.mappings, |f, mapping| write_mapping(f, indent, mapping))?;
    list(f, indent, "edits", case.edits, write_edit)?;
    list(f, indent, "probes", case.probes, |f, probe| {
        let operation = probe.operation().map_or("?", |operation| operation.name());
        write!(f, "{{ operation: {operation}, address: {:#x} }}", probe.address)
    })?;
    let flags = [("updates", Flags::UPDATES), ("audit", Flags::AUDIT), ("intent", Flags::INTENT)];
    let set = flags.iter().filter(|(_, bit)| case.flags().has(*bit));
    let set: Vec<&str> = set.map(|(name, _)| *name).collect();
    writeln!(f, "{at}flags: [{}]", set.join(", "))
}

const fn address(format: AddressFormat) -> &'static str {
    match format {
        AddressFormat::Bits48 => "bits48",
        AddressFormat::Lpa => "lpa",
        AddressFormat::Ds => "ds",
    }
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    indent: usize,
    name: &str,
    items: &[T],
    item: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    let at = " ".repeat(indent);
    if items.is_empty() {
        return writeln!(f, "{at}{name}: []");
    }
    writeln!(f, "{at}{name}:")?;
    for each in items {
        write!(f, "{at}  - ")?;
        item(f, each)?;
        writeln!(f)?;
    }
    Ok(())
}

fn write_mapping(f: &mut fmt::Formatter<'_>, indent: usize, mapping: &Mapping) -> fmt::Result {
    let at = " ".repeat(indent + 4);
    let leaf = &mapping.attributes;
    writeln!(f, "input: {:#x}", mapping.input)?;
    writeln!(f, "{at}output: {}", Yaml(mapping.output))?;
    writeln!(f, "{at}level: {}", mapping.level)?;
    writeln!(f, "{at}entries: {}", mapping.entries)?;
    write!(f, "{at}leaf: {{ MemAttr: {:#x}, S2AP: {}", leaf.mem_attr, leaf.s2ap)?;
    write!(f, ", SH: {}, XN: {}, AF: {}", leaf.sh, leaf.xn, leaf.af)?;
    let flags = [
        ("Contiguous", Stage2Attributes::CONTIGUOUS),
        ("DBM", Stage2Attributes::DBM),
        ("nT", Stage2Attributes::NT),
        ("FnXS", Stage2Attributes::FNXS),
    ];
    for (name, _) in flags.iter().filter(|(_, flag)| leaf.has(*flag)) {
        write!(f, ", {name}: 1")?;
    }
    write!(f, ", software: {:#x} }}", leaf.software)
}

fn write_edit(f: &mut fmt::Formatter<'_>, edit: &Edit) -> fmt::Result {
    write!(f, "{{ input: {:#x}, level: {}, change: ", edit.input, edit.level)?;
    match edit.change() {
        Some(Change::Replace(word)) => write!(f, "{{ replace: {word:#x} }}")?,
        Some(Change::Flip(mask)) => write!(f, "{{ flip: {mask:#x} }}")?,
        Some(Change::Table { place, flip }) => {
            write!(f, "{{ table: {{ to: {}, flip: {flip:#x} }} }}", Yaml(place))?;
        }
        None => f.write_str("?")?,
    }
    f.write_str(" }")
}

/// A place as a YAML flow mapping.
struct Yaml(Place);

impl fmt::Display for Yaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.arena() {
            Place::ABSOLUTE => write!(f, "{{ pa: {:#x} }}", self.0.offset()),
            arena => write!(f, "{{ arena: {arena}, offset: {:#x} }}", self.0.offset()),
        }
    }
}
