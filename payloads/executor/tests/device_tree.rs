//! The device tree reader against an independent implementation, which writes trees and reads them as well.

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::memreserve::MemoryReservation;
use dtoolkit::model::{DeviceTree as Model, DeviceTreeNode, DeviceTreeProperty};
use dtoolkit::{Node as _, Property as _};
use executor::device_tree::DeviceTree;
use proptest::prelude::*;

/// A node: its depth, its name, and its properties.
type Seen = (usize, String, Vec<(String, Vec<u8>)>);

/// A node and its children, as they are drawn.
#[derive(Clone, Debug)]
struct Drawn {
    name: String,
    properties: Vec<(String, Vec<u8>)>,
    children: Vec<Drawn>,
}

impl Drawn {
    fn model(&self) -> DeviceTreeNode {
        let mut node = DeviceTreeNode::new(self.name.as_str()).expect("its name is one");
        for (name, value) in &self.properties {
            let property = DeviceTreeProperty::new(name.as_str(), value.as_slice());
            node.add_property(property.expect("its name is one"));
        }
        self.children.iter().for_each(|child| node.add_child(child.model()));
        node
    }
}

fn properties() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let property = ("[a-z#][a-z,-]{0,11}", prop::collection::vec(any::<u8>(), 0..20));
    let named = prop::collection::btree_map(property.0, property.1, 0..5);
    named.prop_map(|named| named.into_iter().collect())
}

fn nodes() -> impl Strategy<Value = Drawn> {
    let name = "[a-z][a-z0-9,-]{0,11}(@[0-9a-f]{1,8})?";
    let node = move |children| {
        (name, properties(), children).prop_map(
            |(name, properties, children): (_, _, Vec<Drawn>)| Drawn { name, properties, children },
        )
    };
    node(Just(Vec::new()).boxed()).prop_recursive(8, 40, 4, move |inner| {
        let children = prop::collection::vec(inner, 0..4).prop_map(|mut children| {
            // Names of siblings differ.
            children.sort_by(|a, b| a.name.cmp(&b.name));
            children.dedup_by(|a, b| a.name == b.name);
            children
        });
        node(children.boxed())
    })
}

/// What the other implementation sees in `node` and below it.
fn others(node: &FdtNode<'_>, depth: usize, seen: &mut Vec<Seen>) {
    let properties = node.properties().map(|one| (one.name().to_owned(), one.value().to_vec()));
    seen.push((depth, node.name().to_owned(), properties.collect()));
    node.children().for_each(|child| others(&child, depth + 1, seen));
}

/// What our reader sees in `bytes`, of the properties that `wanted` names for each node.
fn ours(bytes: &[u8], wanted: &[Seen]) -> Vec<Seen> {
    let tree = DeviceTree::from_bytes(bytes).expect("it is a device tree");
    let mut seen = Vec::new();
    tree.visit(|node| {
        let wanted = wanted.get(seen.len()).map_or(&[][..], |(_, _, properties)| properties);
        let properties = wanted
            .iter()
            .filter_map(|(name, _)| Some((name.clone(), node.property(name.as_bytes())?.to_vec())));
        let name = String::from_utf8(node.name.to_vec()).expect("names are text");
        seen.push((node.depth, name, properties.collect()));
    });
    seen
}

/// Reads `bytes` both ways, and compares.
fn compare(bytes: &[u8]) -> Result<usize, TestCaseError> {
    let other = Fdt::new(bytes).expect("it is a device tree");
    let mut wanted = Vec::new();
    others(&other.root(), 0, &mut wanted);
    prop_assert_eq!(&ours(bytes, &wanted), &wanted);

    let reservations = other.memory_reservations().map(|one| (one.address(), one.size()));
    let tree = DeviceTree::from_bytes(bytes).expect("it is a device tree");
    let own = tree.reservations().map(|region| (region.base, region.size));
    prop_assert_eq!(own.collect::<Vec<_>>(), reservations.collect::<Vec<_>>());
    Ok(wanted.len())
}

proptest! {
    #[test]
    fn drawn_trees_are_read_alike(
        root in (properties(), prop::collection::vec(nodes(), 0..4)),
        reserved in prop::collection::vec((1u64.., 1u64..), 0..4),
    ) {
        let (properties, mut children) = root;
        children.sort_by(|a, b| a.name.cmp(&b.name));
        children.dedup_by(|a, b| a.name == b.name);
        let mut model = Model::new();
        model.root = Drawn { name: String::new(), properties, children }.model();
        model.memory_reservations =
            reserved.iter().map(|(base, size)| MemoryReservation::new(*base, *size)).collect();
        compare(&model.to_dtb())?;
    }
}

/// A tree as boards have them: cells, an address that is translated by the buses above, a list of strings.
#[test]
fn the_tree_of_a_board_is_read_alike() {
    let node = |name: &str, properties: &[(&str, &[u8])], children: Vec<DeviceTreeNode>| {
        let mut node = DeviceTreeNode::new(name).expect("its name is one");
        for (name, value) in properties {
            node.add_property(DeviceTreeProperty::new(*name, *value).expect("its name is one"));
        }
        children.into_iter().for_each(|child| node.add_child(child));
        node
    };
    let cells = |cells: &[u32]| -> Vec<u8> { cells.iter().flat_map(|c| c.to_be_bytes()).collect() };
    let serial = node(
        "serial@7e201000",
        &[("compatible", b"arm,pl011\0arm,primecell\0"), ("reg", &cells(&[0x7e20_1000, 0x200]))],
        Vec::new(),
    );
    let soc = node(
        "soc",
        &[
            ("#address-cells", &cells(&[1])),
            ("#size-cells", &cells(&[1])),
            ("ranges", &cells(&[0x7e00_0000, 0, 0xfe00_0000, 0x180_0000])),
        ],
        vec![serial],
    );
    let root = [("#address-cells", &cells(&[2])[..]), ("#size-cells", &cells(&[1])[..])];
    let mut model = Model::new();
    model.root = node("", &root, vec![soc]);
    let bytes = model.to_dtb();
    assert_eq!(compare(&bytes).expect("both read the same"), 3);
    let tree = DeviceTree::from_bytes(&bytes).expect("it is a device tree");
    let mut found = None;
    tree.find(b"/soc/serial@7e201000", |node| {
        assert!(node.is_compatible(b"arm,primecell"));
        found = node.region(0).map(|region| (region.base, region.size));
    });
    assert_eq!(found, Some((0xfe20_1000, 0x200)));
}
