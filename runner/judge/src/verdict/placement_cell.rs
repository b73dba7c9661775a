//! Placements of the trampoline by granule and address size: what a table of placements is made of.

use std::fmt;
use std::str::FromStr;

use case::CaseRef;
use case::format::AddressFormat;
use case::memory::MemoryMap;
use case::placement::Placement;
use case::tree::Role;
use serde::{Deserialize, Serialize};

use super::Cell;

/// Granule and size of the addresses of EL2's one range, with DS or not, and where in them the trampoline
/// lies. Written `4K/39/upper`, and with DS = 1 `4K/DS/52/lower`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlacementCell {
    /// DS = 1.
    pub ds: bool,
    /// Granule, and virtual address size.
    pub cell: Cell,
    /// Where the trampoline lies.
    pub placement: Placement,
}

/// A text that names no such placement.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no granule, address size and placement, such as 4K/39/upper or 16K/DS/52/lower")]
pub struct PlacementCellError(String);

impl PlacementCell {
    /// Of `case` in a target with the memory of `map`; `None` without a world switch, or with two ranges.
    pub fn of(case: CaseRef<'_>, map: &MemoryMap) -> Option<Self> {
        let placement = Placement::of(case, map)?;
        let is_host = case.header.registers.hcr_el2 & case::control::hcr::E2H != 0;
        let format = case.format(Role::Ttbr0El2).filter(|_| !is_host)?;
        let cell = Cell { granule: format.granule, ipa_bits: format.ia_bits };
        Some(Self { ds: format.address == AddressFormat::Ds, cell, placement })
    }
}

impl fmt::Display for PlacementCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ds, cell, placement } = self;
        let granule = Cell::granule_name(cell.granule);
        let ds = if *ds { "DS/" } else { "" };
        write!(f, "{granule}/{ds}{}/{}", cell.ipa_bits, placement.name())
    }
}

impl FromStr for PlacementCell {
    type Err = PlacementCellError;

    /// Reads what `Display` writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, PlacementCellError> {
        let read = text.rsplit_once('/').and_then(|(cell, name)| {
            let named = |placement: &Placement| placement.name() == name;
            let placement = Placement::ALL.into_iter().find(named)?;
            let plain = cell.replacen("/DS/", "/", 1);
            Some(Self { ds: plain != cell, cell: plain.parse().ok()?, placement })
        });
        read.ok_or_else(|| PlacementCellError(text.to_owned()))
    }
}

impl TryFrom<String> for PlacementCell {
    type Error = PlacementCellError;

    fn try_from(text: String) -> Result<Self, PlacementCellError> {
        text.parse()
    }
}

impl From<PlacementCell> for String {
    fn from(cell: PlacementCell) -> Self {
        cell.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placement_is_read_back_as_it_was_written() {
        for text in ["4K/39/upper", "16K/DS/52/lower", "64K/31/outside"] {
            assert_eq!(text.parse::<PlacementCell>().unwrap().to_string(), text);
        }
        for text in ["", "4K/39", "4K/39/above", "4K/ds/39/upper", "/DS/39/upper", "4K/DS/upper"] {
            assert_eq!(
                text.parse::<PlacementCell>(),
                Err(PlacementCellError(text.to_owned())),
                "{text}"
            );
        }
    }
}
