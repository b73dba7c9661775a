//! Where a case stands in the matrix of verdicts.

use std::fmt;
use std::str::FromStr;

use case::CaseRef;
use case::format::Granule;
use case::tree::Role;
use serde::{Deserialize, Serialize};

/// The granule and input address size of a case's tables, written `4K/40`: of stage 2, or of a case without
/// it of the lower range of EL2's stage 1. Cells are ordered by granule,
/// then by size.
///
/// Where a case sets VTCR_EL2 to what the architecture forbids, its tables still have a shape: that
/// counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cell {
    pub granule: Granule,
    /// The IPA size in bits, at most [`Self::MOST_IPA_BITS`].
    pub ipa_bits: u8,
}

/// A text that names no cell.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no granule and IPA size, such as 4K/40 or 64K/52")]
pub struct CellError(String);

impl Cell {
    /// The most bits that a table's input address has.
    pub const MOST_IPA_BITS: u8 = 56;

    /// The cell of `case`; `None` where it has no tables that could be built.
    pub fn of(case: CaseRef<'_>) -> Option<Self> {
        let format = case.format(Role::Stage2).or_else(|| case.format(Role::Ttbr0El2))?;
        Some(Self { granule: format.granule, ipa_bits: format.ia_bits })
    }

    /// The name of a granule: `4K`, `16K` or `64K`.
    pub const fn granule_name(granule: Granule) -> &'static str {
        match granule {
            Granule::K4 => "4K",
            Granule::K16 => "16K",
            Granule::K64 => "64K",
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Self::granule_name(self.granule), self.ipa_bits)
    }
}

impl FromStr for Cell {
    type Err = CellError;

    /// Reads what `Display` writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, CellError> {
        let cell = text.split_once('/').and_then(|(name, bits)| {
            let named = |granule: &Granule| Self::granule_name(*granule) == name;
            let granule = Granule::ALL.into_iter().find(named)?;
            let ipa_bits = bits.parse().ok().filter(|bits| *bits <= Self::MOST_IPA_BITS)?;
            Some(Self { granule, ipa_bits })
        });
        // A number can be written in more ways than one: 040, +40.
        cell.filter(|cell| cell.to_string() == text).ok_or_else(|| CellError(text.to_owned()))
    }
}

impl TryFrom<String> for Cell {
    type Error = CellError;

    fn try_from(text: String) -> Result<Self, CellError> {
        text.parse()
    }
}

impl From<Cell> for String {
    fn from(cell: Cell) -> Self {
        cell.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells() -> impl Strategy<Value = Cell> {
        let granules = prop::sample::select(Granule::ALL.to_vec());
        (granules, 0..=Cell::MOST_IPA_BITS)
            .prop_map(|(granule, ipa_bits)| Cell { granule, ipa_bits })
    }

    proptest! {
        #[test]
        fn a_cell_is_read_back_as_it_was_written(cell in cells()) {
            prop_assert_eq!(cell.to_string().parse(), Ok(cell));
            let json = serde_json::to_string(&cell).unwrap();
            prop_assert_eq!(serde_json::from_str::<Cell>(&json).unwrap(), cell);
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "[0-9]{1,2}[kK]/[+0-9 ]{1,4}|.{0,8}") {
            if let Ok(cell) = text.parse::<Cell>() {
                prop_assert_eq!(cell.to_string(), text);
            }
        }
    }

    #[test]
    fn other_texts_are_no_cells() {
        for text in
            ["", "4K", "4K/", "/40", "4k/40", "8K/40", "4K/040", "4K/+40", "4K/57", "4K/40 "]
        {
            assert_eq!(text.parse::<Cell>(), Err(CellError(text.to_owned())), "{text}");
        }
        assert!(serde_json::from_str::<Cell>("40").is_err());
    }

    #[test]
    fn cells_are_ordered_by_granule_then_by_size() {
        let cell = |text: &str| text.parse::<Cell>().unwrap();
        assert!(cell("4K/52") < cell("16K/32") && cell("16K/32") < cell("16K/40"));
    }
}
