//! The matrix of verdicts: granules by IPA sizes.

use std::collections::BTreeSet;

use case::format::Granule;
use judge::verdict::{Cell, Verdict};

use super::mark::Mark;
use super::suspects::id;
use crate::record::{Matrix, Square};
use crate::report::terminal::{grouped, plural};

/// The matrix, one row an IPA size; the page turns it where there is room.
#[derive(Clone, Debug)]
pub struct Grid {
    pub rows: Vec<Row>,
    /// The verdicts that occur, worst first.
    pub legend: Vec<Mark>,
}

/// The squares of one IPA size.
#[derive(Clone, Debug)]
pub struct Row {
    /// The size in bits.
    pub ipa_bits: u8,
    /// One for each granule.
    pub squares: Vec<Look>,
}

/// How a square looks.
#[derive(Clone, Debug)]
pub struct Look {
    /// The worst verdict in it.
    pub mark: Mark,
    /// How many findings, probes that known errata predict, or that conform: short.
    pub count: String,
    pub words: String,
    /// What the list of its cases that have findings is linked by.
    pub link: Option<String>,
}

impl Grid {
    /// The granules in the order of a row's squares.
    pub const GRANULES: [&str; 3] = ["4K", "16K", "64K"];

    /// The matrix of a run; of the cells in `linked` the cases are listed.
    pub fn new(matrix: &Matrix, linked: &[&str]) -> Self {
        let sizes: BTreeSet<u8> = matrix.iter().map(|(cell, _)| cell.ipa_bits).collect();
        let row = |ipa_bits: u8| {
            let cells = Granule::ALL.map(|granule| Cell { granule, ipa_bits });
            let look = |cell: &Cell| {
                let link = Some(id(*cell)).filter(|id| linked.contains(&&**id));
                Look { link, ..look(*cell, matrix.get(*cell)) }
            };
            Row { ipa_bits, squares: cells.iter().map(look).collect() }
        };
        let rows: Vec<Row> = sizes.into_iter().map(row).collect();
        let worst: BTreeSet<Verdict> =
            matrix.iter().filter_map(|(_, square)| worst(square)).collect();
        let legend = worst.into_iter().rev().map(Mark::of).collect();
        Self { rows, legend }
    }
}

/// The worst verdict of a square; `None` where nothing was asked.
fn worst(square: &Square) -> Option<Verdict> {
    let probes = Verdict::ALL.into_iter().rev().find(|verdict| square.verdicts.of(*verdict) > 0);
    // A finding about a case as a whole is the verdict of no probe.
    let whole = (square.findings > square.verdicts.findings()).then_some(Verdict::Mismatch);
    probes.max(whole)
}

fn look(cell: Cell, square: Option<&Square>) -> Look {
    let name = format!("{}, IPA size {}", Cell::granule_name(cell.granule), cell.ipa_bits);
    let Some(square) = square else {
        let words = format!("{name}: no case");
        return Look { mark: Mark::NONE, count: String::new(), words, link: None };
    };
    let Square { cases, probes, verdicts, findings } = square;
    let mut words = format!("{name}: {}, {}", plural(*cases, "case"), plural(*probes, "probe"));
    for verdict in Verdict::ALL.into_iter().filter(|verdict| verdicts.of(*verdict) > 0) {
        words += &format!(", {} {}", grouped(verdicts.of(verdict)), verdict.name());
    }
    let Some(worst) = worst(square) else {
        return Look { mark: Mark::NONE, count: String::new(), words, link: None };
    };
    let count = if worst.is_finding() { *findings } else { verdicts.of(worst) };
    Look { mark: Mark::of(worst), count: short(count), words, link: None }
}

/// A number in four characters at most: `999`, `1.2k`, `34k`, `5.6M`.
fn short(number: u64) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let (mut value, mut unit) = (number as f64, 0);
    // What would be written as 1000 belongs to the next unit.
    while value >= 999.5 {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && value < 9.95);
    format!("{value:.decimals$}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use judge::verdict::Counts;

    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1.0k"),
            (9_949, "9.9k"),
            (9_950, "10k"),
            (999_499, "999k"),
            (999_500, "1.0M"),
            (u64::MAX, "18E"),
        ];
        for (number, wanted) in cases {
            assert_eq!(short(number), wanted, "{number}");
        }
    }

    #[test]
    fn the_worst_verdict_decides_and_a_finding_without_one_is_a_mismatch() {
        let verdicts = Counts { conforms: 9, known: 1, hung: 1, ..Counts::default() };
        let mut square = Square { cases: 1, probes: 11, verdicts, findings: 1 };
        assert_eq!(worst(&square), Some(Verdict::Hung));
        square.verdicts.hung = 0;
        assert_eq!(worst(&square), Some(Verdict::Mismatch));
        square.findings = 0;
        assert_eq!(worst(&square), Some(Verdict::Known));
        assert_eq!(worst(&Square::default()), None);
    }
}
