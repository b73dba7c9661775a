//! A drawing of the tables: each with its descriptors, and where they lead.

use std::collections::BTreeSet;

use case::CaseRef;
use case::memory::MemoryMap;
use case::tree::{Role, Tree};

/// Where descriptors have addresses of tables in all formats, less what the granule makes 0.
pub const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// The lines of a drawing of the trees of `case`, whose tables hold these `words`.
pub fn lines(case: CaseRef<'_>, map: &MemoryMap, words: &[(u64, u64)]) -> Vec<String> {
    case.trees.iter().flat_map(|tree| of(tree, map, words).unwrap_or_default()).collect()
}

/// One table.
struct Table {
    pa: u64,
    /// By which descriptors name it.
    address: u64,
    bytes: u64,
}

fn of(tree: &Tree, map: &MemoryMap, words: &[(u64, u64)]) -> Option<Vec<String>> {
    let (role, format) = (tree.role()?, tree.format()?);
    let page = format.granule.bytes();
    let root = map.resolve(*tree.slots().first()?)?;
    let table = |pa, bytes| Table { pa, address: address(tree, map, pa), bytes };
    let pages: BTreeSet<u64> = words.iter().map(|(pa, _)| *pa & !(page - 1)).collect();
    let tables = pages.into_iter().filter(|pa| *pa != root).map(|pa| table(pa, page));
    let tables: Vec<Table> = [table(root, format.root_bytes())].into_iter().chain(tables).collect();
    let (kb, bits, mut level) = (page >> 10, format.ia_bits, format.start_level);
    let role = role.name().to_uppercase();
    let mut lines =
        vec![format!("{role}: granule {kb} KB, {bits} bits of input, from level {level}")];
    let mut row: Vec<&Table> = tables.first().into_iter().collect();
    while !row.is_empty() && level <= 3 {
        let mut next: Vec<&Table> = Vec::new();
        for table in row {
            lines.push(table.head(level));
            for (pa, value) in
                words.iter().filter(|(pa, _)| pa.wrapping_sub(table.pa) < table.bytes)
            {
                let mut below = tables.iter().filter(|_| level < 3);
                let below = below.find(|table| table.is_named_by(*value, page));
                let to = below
                    .map_or_else(|| leaf(*value, level).to_owned(), |below| below.arrow(level + 1));
                lines.push(format!("    [{:4}] {value:#018x}  {to}", (pa - table.pa) / 8));
                if let Some(below) = below.filter(|below| next.iter().all(|it| it.pa != below.pa)) {
                    next.push(below);
                }
            }
        }
        row = next;
        level += 1;
    }
    Some(lines)
}

/// By which address descriptors of `tree` name the table at `pa`: an IPA, where they are in IPA space. What is in a
/// slot follows on.
fn address(tree: &Tree, map: &MemoryMap, pa: u64) -> u64 {
    if !tree.role().is_some_and(Role::is_in_ipa_space) {
        return pa;
    }
    let slots = tree.slots().iter().zip(tree.ipas());
    let slots = slots.filter_map(|(place, ipa)| Some((map.resolve(*place)?, *ipa)));
    let before = slots.filter(|(base, _)| *base <= pa).max_by_key(|(base, _)| *base);
    before.map_or(pa, |(base, ipa)| ipa + (pa - base))
}

impl Table {
    fn head(&self, level: i8) -> String {
        let Self { pa, address, .. } = self;
        let ipa = if address == pa { String::new() } else { format!(", IPA {address:#x}") };
        format!("  level {level}: table at {pa:#x}{ipa}")
    }

    fn arrow(&self, level: i8) -> String {
        format!("--> level {level}, {:#x}", self.pa)
    }

    /// Whether `descriptor`, of tables whose pages are of so many bytes, leads to it: as far as bit 47, above which
    /// formats differ.
    fn is_named_by(&self, descriptor: u64, page: u64) -> bool {
        let mask = ADDRESS & !(page - 1);
        self.address & mask == descriptor & mask && descriptor & 3 == 3
    }
}

/// What `descriptor` of `level` is, that leads to no table of the tree.
const fn leaf(descriptor: u64, level: i8) -> &'static str {
    match (descriptor & 3, level) {
        (3, 3) => "page",
        (3, _) => "--> elsewhere",
        (1, 3) => "reserved",
        (1, _) => "block",
        _ => "invalid",
    }
}
