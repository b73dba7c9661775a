//! A case that is nothing but an identity map.

use case::Case;
use case::control::hcr;
use case::format::{AddressFormat, Format, Granule};
use case::mapping::{Attributes, Mapping};
use case::memory::Place;
use case::registers::Registers;
use case::tree::{Role, Tree};
use case::vtcr::{Vtcr, start_level_fields, tg0};
use device::Session;

/// The number by which the PE states its physical address size.
pub fn pa_range(session: &dyn Session) -> u64 {
    session.hello().ids.id_aa64mmfr0_el1 & 7
}

/// A case without probes, with its root at `root`, in 64 KB pages, which maps the first 512 MB to themselves.
pub fn case_at(session: &dyn Session, root: Place) -> Case {
    let pa_range = pa_range(session);
    let address = if pa_range == 6 { AddressFormat::Lpa } else { AddressFormat::Bits48 };
    let format = Format { granule: Granule::K64, start_level: 2, ia_bits: 40, address };
    let (sl0, _) = start_level_fields(Granule::K64, 2);
    let vtcr = Vtcr::RES1.ps(pa_range).tg0(tg0(Granule::K64)).sl0(sl0).t0sz(64 - 40);
    let registers =
        Registers { hcr_el2: hcr::RW | hcr::VM, vtcr_el2: vtcr.0, ..Registers::default() };
    let mut case = Case::with_tree(registers, Tree::new(Role::Stage2, format, root));
    // Normal memory, readable and not writable.
    let attributes = Attributes { mem_attr: 0xf, ap: 1, sh: 3, af: 1, ..Default::default() };
    let mapping = Mapping {
        input: 0,
        output: Place::absolute(0),
        entries: 1,
        level: 2,
        tree: 0,
        reserved: [0; 2],
        attributes,
    };
    case.push_mapping(mapping).expect("there is room");
    case
}
