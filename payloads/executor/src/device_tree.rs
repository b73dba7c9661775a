//! Flattened device tree (Devicetree Specification v0.4, chapter 5), read without trusting it.
//!
//! ```text
//!  header | memory reservations | structure: BEGIN_NODE name (PROP ..)* (node)* END_NODE | strings
//! ```
//!
//! Every read is bounded; what makes no sense ends the walk. Nothing is copied, and bytes are read one
//! by one: while the MMU is off all memory is Device, where a misaligned word faults.

use link::hello::Region;

const MAGIC: u32 = 0xd00d_feed;
/// The most bytes of a device tree, as Linux has it.
const MAX_BYTES: usize = 2 << 20;
/// The deepest nesting that is followed; deeper nodes are passed over.
const MAX_DEPTH: usize = 16;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;

/// A device tree, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct DeviceTree<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
    reservations: &'a [u8],
}

/// How a node's children write addresses, and how those become the node's parent's.
#[derive(Clone, Copy, Debug)]
struct Bus<'a> {
    address_cells: usize,
    size_cells: usize,
    /// `None`: the children's addresses are not in the parent's space at all.
    ranges: Option<&'a [u8]>,
}

/// A node, at its place in the tree.
#[derive(Clone, Copy, Debug)]
pub struct Node<'t, 'a> {
    /// How many nodes are above it: 0 for the root.
    pub depth: usize,
    /// Its name with unit address; empty for the root.
    pub name: &'a [u8],
    body: &'a [u8],
    strings: &'a [u8],
    /// The buses from the root down to the parent.
    buses: &'t [Bus<'a>],
}

impl<'a> DeviceTree<'a> {
    /// The size in bytes of the device tree that begins with `header`; `None` when none begins there.
    pub fn size(header: &[u8; 8]) -> Option<usize> {
        let bytes = word(header, 4)? as usize;
        (word(header, 0)? == MAGIC && (40..=MAX_BYTES).contains(&bytes)).then_some(bytes)
    }

    /// The device tree in `bytes`.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let size = Self::size(bytes.first_chunk()?)?;
        let bytes = bytes.get(..size)?;
        let part = |at: usize, length: Option<usize>| {
            let from = bytes.get(word(bytes, at)? as usize..)?;
            match length {
                Some(length) => from.get(..word(bytes, length)? as usize),
                None => Some(from),
            }
        };
        Some(Self {
            structure: part(8, Some(36))?,
            strings: part(12, Some(32))?,
            reservations: part(16, None)?,
        })
    }

    /// The memory reservation block.
    pub fn reservations(&self) -> impl Iterator<Item = Region> + 'a {
        let entries = self.reservations.chunks_exact(16).map(|entry| {
            let (base, size) = entry.split_at(8);
            Region { base: cells(base), size: cells(size) }
        });
        entries.take_while(|region| (region.base, region.size) != (0, 0))
    }

    /// Calls `visit` for every node, parents before children.
    pub fn visit(&self, mut visit: impl FnMut(&Node<'_, 'a>)) {
        let root = Bus { address_cells: 2, size_cells: 1, ranges: None };
        let mut buses = [root; MAX_DEPTH + 1];
        // The number of nodes that are open.
        let mut open = 0usize;
        let mut rest = self.structure;
        while let Some(token) = word(rest, 0) {
            rest = &rest[4..];
            match token {
                BEGIN_NODE => {
                    let Some((name, body)) = name_and_body(rest) else { return };
                    let depth = open;
                    open += 1;
                    rest = body;
                    if let Some((above, own)) = buses.split_at_mut_checked(depth)
                        && let [own, ..] = own
                    {
                        let node = Node { depth, name, body, strings: self.strings, buses: above };
                        *own = node.bus();
                        visit(&node);
                    }
                }
                PROP => {
                    let Some((_, _, after)) = property(rest) else { return };
                    rest = after;
                }
                END_NODE if open > 1 => open -= 1,
                NOP => {}
                _ => return,
            }
        }
    }

    /// Calls `visit` with the node at `path`, a full path such as `/soc/serial@7e201000`, if there is
    /// one. A unit address may be left out of a component.
    pub fn find(&self, path: &[u8], mut visit: impl FnMut(&Node<'_, 'a>)) {
        let components = || path.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
        let wanted = components().count();
        // How many nodes on the way to the present one are on the path.
        let mut matched = 0;
        let mut found = false;
        self.visit(|node| {
            let Some(above) = node.depth.checked_sub(1) else { return };
            matched = above.min(matched);
            let on_path = matched == above
                && components().nth(above).is_some_and(|component| node.is_named(component));
            if on_path {
                matched = node.depth;
                if matched == wanted && !found {
                    found = true;
                    visit(node);
                }
            }
        });
    }
}

impl<'a> Node<'_, 'a> {
    /// The value of the property `name`.
    pub fn property(&self, name: &[u8]) -> Option<&'a [u8]> {
        let mut rest = self.body;
        loop {
            let token = word(rest, 0)?;
            rest = rest.get(4..)?;
            match token {
                PROP => {
                    let (found, value, after) = property(rest)?;
                    if text(self.strings.get(found..)?)? == name {
                        return Some(value);
                    }
                    rest = after;
                }
                NOP => {}
                _ => return None,
            }
        }
    }

    /// The text of the property `name`, less its final zero.
    pub fn text(&self, name: &[u8]) -> Option<&'a [u8]> {
        text(self.property(name)?)
    }

    /// The 32-bit value of the property `name`.
    pub fn number(&self, name: &[u8]) -> Option<u32> {
        word(self.property(name)?, 0)
    }

    /// Whether the node is compatible with `name`.
    pub fn is_compatible(&self, name: &[u8]) -> bool {
        let list = self.property(b"compatible").unwrap_or_default();
        list.split(|&byte| byte == 0).any(|entry| entry == name)
    }

    /// Whether the device may be used: it has no status, or a good one.
    pub fn is_enabled(&self) -> bool {
        matches!(self.text(b"status"), None | Some(b"okay" | b"ok"))
    }

    /// Whether `component` of a path names this node.
    pub fn is_named(&self, component: &[u8]) -> bool {
        let bare = self.name.split(|&byte| byte == b'@').next();
        self.name == component || bare == Some(component)
    }

    /// Region number `index` of the `reg` property, as the root sees it.
    pub fn region(&self, index: usize) -> Option<Region> {
        let (bus, above) = self.buses.split_last()?;
        let value = self.property(b"reg")?;
        let bytes = 4 * (bus.address_cells + bus.size_cells);
        let entry = value.get(index.checked_mul(bytes)?..)?.get(..bytes)?;
        let (base, size) = entry.split_at(4 * bus.address_cells);
        let mut region = Region { base: cells(base), size: cells(size) };
        // From the parent upwards, until the children of the root.
        let mut child = bus;
        for parent in above.iter().rev() {
            region.base = child.translate(parent, region.base)?;
            child = parent;
        }
        Some(region)
    }

    /// All regions of the `reg` property, as the root sees them.
    pub fn regions(&self) -> impl Iterator<Item = Region> {
        (0..).map_while(|index| self.region(index))
    }

    /// The first number of the `reg` property, as the parent's children write addresses: of a CPU its
    /// MPIDR.
    pub fn unit(&self) -> Option<u64> {
        let bus = self.buses.last()?;
        self.property(b"reg")?.get(..4 * bus.address_cells).map(cells)
    }

    fn bus(&self) -> Bus<'a> {
        // No space has more than four cells; that also bounds all arithmetic.
        let cells = |name: &[u8], default| {
            self.number(name).filter(|&cells| cells <= 4).map_or(default, |cells| cells as usize)
        };
        Bus {
            address_cells: cells(b"#address-cells", 2),
            size_cells: cells(b"#size-cells", 1),
            ranges: self.property(b"ranges"),
        }
    }
}

impl Bus<'_> {
    /// What `address` on this bus is on `parent`.
    fn translate(&self, parent: &Self, address: u64) -> Option<u64> {
        let ranges = self.ranges?;
        if ranges.is_empty() {
            return Some(address);
        }
        let bytes = 4 * (self.address_cells + parent.address_cells + self.size_cells);
        if bytes == 0 {
            return None;
        }
        ranges.chunks_exact(bytes).find_map(|range| {
            let (child, rest) = range.split_at(4 * self.address_cells);
            let (base, size) = rest.split_at(4 * parent.address_cells);
            let offset = address.checked_sub(cells(child))?;
            (offset < cells(size)).then(|| cells(base).checked_add(offset))?
        })
    }
}

/// The name at the front of `bytes`, and what follows its padding.
fn name_and_body(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let name = text(bytes)?;
    Some((name, bytes.get((name.len() + 1).next_multiple_of(4)..)?))
}

/// Name offset and value of the property at the front of `bytes`, and what follows its padding.
fn property(bytes: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let length = word(bytes, 0)? as usize;
    let name = word(bytes, 4)? as usize;
    let value = bytes.get(8..)?.get(..length)?;
    Some((name, value, bytes.get(8 + length.next_multiple_of(4)..)?))
}

/// The bytes before the first zero.
fn text(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some(&bytes[..end])
}

/// The big-endian number in some cells; of more than two, the last two.
fn cells(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

#[cfg(test)]
pub(crate) mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// Writes device trees for tests.
    #[derive(Default)]
    pub(crate) struct Writer {
        structure: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Writer {
        fn word(&mut self, word: u32) {
            self.structure.extend(word.to_be_bytes());
        }

        fn pad(&mut self) {
            self.structure.resize(self.structure.len().next_multiple_of(4), 0);
        }

        pub(crate) fn node(mut self, name: &str, inside: impl FnOnce(Self) -> Self) -> Self {
            self.word(BEGIN_NODE);
            self.structure.extend(name.bytes().chain([0]));
            self.pad();
            let mut writer = inside(self);
            writer.word(END_NODE);
            writer
        }

        pub(crate) fn bytes(mut self, name: &str, value: &[u8]) -> Self {
            self.word(PROP);
            self.word(value.len() as u32);
            self.word(self.strings.len() as u32);
            self.strings.extend(name.bytes().chain([0]));
            self.structure.extend(value);
            self.pad();
            self
        }

        pub(crate) fn words(self, name: &str, words: &[u32]) -> Self {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            self.bytes(name, &bytes)
        }

        pub(crate) fn text(self, name: &str, value: &str) -> Self {
            let bytes: Vec<u8> = value.bytes().chain([0]).collect();
            self.bytes(name, &bytes)
        }

        pub(crate) fn finish(mut self, reserved: &[(u64, u64)]) -> Vec<u8> {
            self.word(9);
            let reservations = reserved.iter().chain(&[(0, 0)]);
            let reservations: Vec<u8> = reservations
                .flat_map(|&(base, size)| [base.to_be_bytes(), size.to_be_bytes()])
                .flatten()
                .collect();
            let structure_at = 40 + reservations.len();
            let strings_at = structure_at + self.structure.len();
            let total = strings_at + self.strings.len();
            let header = [
                MAGIC as usize,
                total,
                structure_at,
                strings_at,
                40,
                17,
                16,
                0,
                self.strings.len(),
                self.structure.len(),
            ];
            let header = header.iter().flat_map(|&word| (word as u32).to_be_bytes());
            let parts = header.chain(reservations).chain(self.structure);
            parts.chain(self.strings).collect()
        }
    }

    fn board() -> Vec<u8> {
        let soc = |soc: Writer| {
            soc.words("#address-cells", &[1])
                .words("#size-cells", &[1])
                .words("ranges", &[0x7e00_0000, 0, 0x3f00_0000, 0x100_0000])
                .node("serial@7e201000", |serial| {
                    serial
                        .text("compatible", "brcm,uart\0arm,pl011")
                        .words("reg", &[0x7e20_1000, 0x200])
                })
                .node("far@1000", |far| far.words("reg", &[0x1000, 4]))
        };
        Writer::default()
            .node("", |root| {
                root.words("#address-cells", &[2]).words("#size-cells", &[1]).node("soc", soc)
            })
            .finish(&[(0x1000, 0x2000)])
    }

    #[test]
    fn an_address_is_translated_on_its_way_to_the_root() {
        let bytes = board();
        let tree = DeviceTree::from_bytes(&bytes).expect("sound");
        let mut seen = 0;
        tree.find(b"/soc/serial@7e201000", |node| {
            seen += 1;
            assert_eq!(node.region(0), Some(Region { base: 0x3f20_1000, size: 0x200 }));
            assert_eq!(node.region(1), None);
            assert!(node.is_compatible(b"arm,pl011") && !node.is_compatible(b"pl011"));
        });
        tree.find(b"/soc/far", |node| {
            seen += 1;
            assert_eq!(node.region(0), None, "no range reaches the root");
        });
        tree.find(b"/serial@7e201000", |_| seen += 100);
        assert_eq!(seen, 2);
    }

    #[test]
    fn reservations_end_at_the_zero_entry() {
        let bytes = board();
        let tree = DeviceTree::from_bytes(&bytes).expect("sound");
        let all: Vec<Region> = tree.reservations().collect();
        assert_eq!(all, [Region { base: 0x1000, size: 0x2000 }]);
    }

    fn read_all(bytes: &[u8]) {
        let Some(tree) = DeviceTree::from_bytes(bytes) else { return };
        tree.reservations().for_each(drop);
        tree.visit(|node| node.regions().take(100).for_each(drop));
        tree.find(b"/soc/serial", |node| {
            assert!(node.text(b"compatible").is_none_or(|text| text.len() < 99))
        });
    }

    proptest! {
        #[test]
        fn damaged_trees_are_survived(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = board();
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            read_all(&bytes);
            let cut = cut.index(bytes.len());
            read_all(&bytes[..cut]);
        }

        #[test]
        fn any_bytes_are_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            read_all(&bytes);
            let size = bytes.len() as u32;
            if let Some(header) = bytes.first_chunk_mut::<8>() {
                header[..4].copy_from_slice(&MAGIC.to_be_bytes());
                header[4..].copy_from_slice(&size.to_be_bytes());
            }
            read_all(&bytes);
        }
    }
}
