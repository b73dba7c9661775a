//! A case as YAML text that a person can read.

use std::fmt;

use case::edit::{Change, Edit};
use case::format::AddressFormat;
use case::guest::Guest;
use case::mapping::Mapping;
use case::memory::Place;
use case::probe::{El, Probe};
use case::tree::{Role, Tree};
use case::world_switch::SwitchPlaces;
use case::{CaseRef, Flags};

use super::fields::ProbeFlag;
use super::{fields, leaf};
use crate::granule::GranuleName;

/// Writes `case` as YAML whose lines are indented by `indent` spaces.
///
/// Words from outside that mean nothing (an operation that does not exist) are written as `?`, which
/// nothing reads.
pub(super) fn write(f: &mut fmt::Formatter<'_>, case: CaseRef<'_>, indent: usize) -> fmt::Result {
    let at = " ".repeat(indent);
    writeln!(f, "{at}registers:")?;
    for (name, value) in fields::stated(&case.header.registers) {
        writeln!(f, "{at}  {name}: {value:#x}")?;
    }
    write_trees(f, case.trees, indent)?;
    list(f, indent, "mappings", case.mappings, |f, mapping| {
        let role = case.trees.get(usize::from(mapping.tree)).and_then(Tree::role);
        write_mapping(f, role.unwrap_or(Role::Stage2), mapping)
    })?;
    if !case.edits.is_empty() {
        list(f, indent, "edits", case.edits, write_edit)?;
    }
    list(f, indent, "probes", case.probes, write_probe)?;
    if case.header.world_switch != SwitchPlaces::default() {
        write_world_switch(f, &case.header.world_switch, &at)?;
    }
    let Guest { code, code_va } = case.header.guest;
    if case.header.guest != Guest::default() {
        writeln!(f, "{at}guest: {{ code: {}, code_va: {code_va:#x} }}", Yaml(code))?;
    }
    let flags = [
        ("updates", Flags::UPDATES),
        ("audit", Flags::AUDIT),
        ("intent", Flags::INTENT),
        ("stay", Flags::WORLD_SWITCH),
        ("monitor", Flags::MONITOR),
        ("guest", Flags::GUEST),
    ];
    let set = flags.iter().filter(|(_, bit)| case.flags().has(*bit));
    let set: Vec<&str> = set.map(|(name, _)| *name).collect();
    if set.is_empty() {
        return Ok(());
    }
    writeln!(f, "{at}flags: [{}]", set.join(", "))
}

/// One tree of stage 2 as `tables`, and anything else as `trees`.
fn write_trees(f: &mut fmt::Formatter<'_>, trees: &[Tree], indent: usize) -> fmt::Result {
    let at = " ".repeat(indent);
    if let [only] = trees
        && only.role() == Some(Role::Stage2)
    {
        writeln!(f, "{at}tables:")?;
        return write_tables(f, only, indent + 2);
    }
    if trees.is_empty() {
        return writeln!(f, "{at}trees: []");
    }
    writeln!(f, "{at}trees:")?;
    for tree in trees {
        writeln!(f, "{at}  - role: {}", tree.role().map_or("?", Role::name))?;
        writeln!(f, "{at}    tables:")?;
        write_tables(f, tree, indent + 6)?;
    }
    Ok(())
}

fn write_tables(f: &mut fmt::Formatter<'_>, tree: &Tree, indent: usize) -> fmt::Result {
    let at = " ".repeat(indent);
    match tree.format() {
        Some(format) => {
            writeln!(f, "{at}granule: {}", GranuleName::from(format.granule).name())?;
            writeln!(f, "{at}start_level: {}", format.start_level)?;
            writeln!(f, "{at}ia_bits: {}", format.ia_bits)?;
            if format.address != AddressFormat::Bits48 {
                writeln!(f, "{at}address: {}", address(format.address))?;
            }
        }
        None => writeln!(f, "{at}granule: ?")?,
    }
    list(f, indent, "slots", tree.slots(), |f, slot| write!(f, "{}", Yaml(*slot)))?;
    match tree.role() {
        Some(role) if role.is_in_ipa_space() => {
            list(f, indent, "ipas", tree.ipas(), |f, ipa| write!(f, "{ipa:#x}"))
        }
        _ => Ok(()),
    }
}

fn write_world_switch(f: &mut fmt::Formatter<'_>, places: &SwitchPlaces, at: &str) -> fmt::Result {
    writeln!(f, "{at}stay:")?;
    writeln!(f, "{at}  trampoline: {}", Yaml(places.trampoline))?;
    writeln!(f, "{at}  exit: {}", Yaml(places.exit))?;
    writeln!(f, "{at}  code: {}", Yaml(places.code))?;
    writeln!(f, "{at}  code_va: {:#x}", places.code_va)?;
    writeln!(f, "{at}  data: {}", Yaml(places.data))?;
    writeln!(f, "{at}  data_va: {:#x}", places.data_va)
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

/// What is as by default is left out.
fn write_mapping(f: &mut fmt::Formatter<'_>, role: Role, mapping: &Mapping) -> fmt::Result {
    let Mapping { input, output, level, entries, tree, .. } = mapping;
    write!(f, "{{ input: {input:#x}, output: {}, level: {level}", Yaml(*output))?;
    for (name, number, usual) in [("entries", *entries, 1), ("tree", u32::from(*tree), 0)] {
        if number != usual {
            write!(f, ", {name}: {number}")?;
        }
    }
    f.write_str(", leaf: ")?;
    leaf::write(f, role, &mapping.attributes)?;
    f.write_str(" }")
}

fn write_edit(f: &mut fmt::Formatter<'_>, edit: &Edit) -> fmt::Result {
    write!(f, "{{ input: {:#x}, level: {}, ", edit.input, edit.level)?;
    if edit.tree != 0 {
        write!(f, "tree: {}, ", edit.tree)?;
    }
    write!(f, "change: ")?;
    match edit.change() {
        Some(Change::Replace(word)) => write!(f, "{{ replace: {word:#x} }}")?,
        Some(Change::Flip(mask)) => write!(f, "{{ flip: {mask:#x} }}")?,
        Some(Change::Table { place, flip }) => {
            write!(f, "{{ table: {{ to: {}, flip: {flip:#x} }} }}", Yaml(place))?;
        }
        None => f.write_str("?")?,
    }
    if edit.is_late() {
        f.write_str(", late: true")?;
    }
    f.write_str(" }")
}

/// What is as by default is left out.
fn write_probe(f: &mut fmt::Formatter<'_>, probe: &Probe) -> fmt::Result {
    let operation = probe.operation().map_or("?", |operation| operation.name());
    write!(f, "{{ operation: {operation}, address: {:#x}", probe.address)?;
    match probe.el() {
        Some(El::El2) => {}
        Some(el) => write!(f, ", el: {}", el.level())?,
        None => f.write_str(", el: ?")?,
    }
    let numbers = [("bytes", probe.bytes(), 8), ("number", probe.number, 0), ("pe", probe.pe, 0)];
    for (name, number, _) in numbers.iter().filter(|(_, number, usual)| number != usual) {
        write!(f, ", {name}: {number}")?;
    }
    let set: Vec<&str> = ProbeFlag::of(probe.flags).map(ProbeFlag::name).collect();
    if !set.is_empty() {
        write!(f, ", flags: [{}]", set.join(", "))?;
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
