//! Cases: the words that cross the wire, and the text of a reproducer.

use std::path::Path;

use case::tree::Tree;
use case::{Case, CaseRef};
use suite::case_file::CaseText;
use suite::yaml;

use super::Aligned;

/// Reads `bytes` as a case; whether they are one.
pub fn decode(bytes: &[u8]) -> bool {
    words(Aligned::new(bytes).bytes())
}

/// Reads aligned bytes as a case.
pub fn words(bytes: &[u8]) -> bool {
    let Some(case) = CaseRef::from_bytes(bytes) else { return false };
    let size = case.wire_bytes();
    let mut out = vec![0; size];
    assert_eq!(case.write_to(&mut out[..size - 1]), None, "no room for the last byte");
    assert_eq!(case.write_to(&mut out), Some(size));
    assert_eq!(out, bytes[..size]);

    let owned = Case::from_ref(case);
    assert_eq!(owned.as_ref(), case);
    for format in case.trees.iter().filter_map(Tree::format) {
        assert!(format.root_bytes() >= 8 && format.root_alignment().is_power_of_two());
    }
    as_text(&owned);
    true
}

/// What a case says in its text is read back. A text has no place for words that mean nothing, such as
/// an operation that does not exist: then it is refused, and not taken for another case.
fn as_text(case: &Case) {
    let text = CaseText(Box::new(case.clone())).to_string();
    let read = |text: &str| yaml::from_str::<CaseText>(text, Path::new("case.yaml"));
    let Ok(back) = read(&text) else { return };
    let again = back.to_string();
    assert_eq!(again, text, "a text and what is read from it are the same case");
    assert_eq!(read(&again), Ok(back));
}
