//! Test vectors, and tables of legal configurations; plain or compressed.

use vectors::{Error, Summary, Verdict, check_reader};

/// Reads `bytes` as a file of vectors; whether it is one that has vectors.
pub fn decode(bytes: &[u8]) -> bool {
    let mut heard = Summary::default();
    let read = check_reader("file", bytes, |checked| match &checked.verdict {
        Verdict::Agrees => heard.agreed += 1,
        Verdict::Disagrees(_) => heard.disagreed += 1,
        Verdict::LeftOut(_) => heard.left_out += 1,
        Verdict::Undecided => heard.undecided += 1,
        Verdict::NotCovered(reason) => {
            *heard.not_covered.entry(reason.clone()).or_default() += 1;
        }
    });
    match read {
        Ok(summary) => {
            heard.vectors = summary.vectors;
            assert_eq!(heard, summary, "whoever listens hears of each query once");
            assert!(
                summary.is_all_agreed()
                    == (summary.agreed + summary.left_out == summary.queries()
                        && summary.agreed > 0)
            );
            summary.queries() > 0
        }
        Err(error) => {
            place(&error, bytes);
            false
        }
    }
}

/// An error names its place, which is in the file.
fn place(error: &Error, bytes: &[u8]) {
    let compressed = bytes.starts_with(&[0x1f, 0x8b]);
    let line_of = |number: u64| {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        bytes.split(|byte| *byte == b'\n').nth(at)
    };
    match error {
        Error::Malformed { line, column, field, .. } => {
            assert!(!field.is_empty() && *column > 0, "{error}");
            if !compressed {
                let text = line_of(*line).unwrap_or_else(|| panic!("no such line: {error}"));
                assert!(*column <= text.len() + 1, "{error} in a line of {}", text.len());
            }
        }
        Error::Io { line, .. } => {
            assert!(compressed || *line == 0 || line_of(*line).is_some(), "{error}");
        }
    }
}
