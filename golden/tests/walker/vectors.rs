//! The walker against the answers of Arm's published pseudocode: see vectors/README.md.
//!
//! A vector that golden answers otherwise is listed in the crate `vectors`, by id and with the rule.

use std::path::Path;

use vectors::{Summary, Verdict};

/// Checks a file, and fails with the first disagreements in full.
fn check(file: &str) -> Summary {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    let mut disagreements = String::new();
    let summary = vectors::check_file(&path, |checked| {
        if let Verdict::Disagrees(difference) = &checked.verdict
            && disagreements.len() < 4000
        {
            disagreements += &format!("{} query {}: {difference:?}\n", checked.id, checked.query);
        }
    })
    .unwrap_or_else(|error| panic!("{error}"));
    assert!(summary.is_all_agreed(), "{summary:?}\n{disagreements}");
    summary
}

#[track_caller]
fn assert_agrees(file: &str, vectors: u64, queries: u64) {
    assert_agrees_but_for(file, vectors, queries, 0);
}

#[track_caller]
fn assert_agrees_but_for(file: &str, vectors: u64, queries: u64, left_out: u64) {
    let summary = check(file);
    assert_eq!((summary.vectors, summary.queries()), (vectors, queries), "{file}");
    assert_eq!((summary.agreed, summary.left_out), (queries - left_out, left_out), "{file}");
}

#[test]
fn stage2() {
    assert_agrees("stage2.jsonl.gz", 1895, 5000);
}

#[test]
fn two_stage() {
    assert_agrees("two-stage.jsonl.gz", 1907, 5000);
}

#[test]
fn el2() {
    assert_agrees("el2.jsonl.gz", 1890, 5000);
}

#[test]
fn vhe() {
    assert_agrees("vhe.jsonl.gz", 1888, 5000);
}

#[test]
fn at() {
    assert_agrees("at.jsonl.gz", 1919, 5000);
}

#[test]
fn pie() {
    // PAR_EL1.DirtyBit of a fault that came before the one that is reported.
    assert_agrees_but_for("pie.jsonl.gz", 1893, 5000, 1);
}

#[test]
fn stage2_legality() {
    assert_agrees("stage2-legality.csv.gz", 21504, 21504);
}
