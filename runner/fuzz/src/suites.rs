//! YAML that people write: the same text is read as each kind of file.

use std::path::Path;

use device::Description;
use device::description::DescriptionError;
use judge::known::KnownErrata;
use runner::explain::ExplainFile;
use runner::failure::Failure;
use suite::Suite;
use suite::case_file::CaseFile;
use suite::yaml::YamlError;

/// Reads `bytes` as every kind of file; whether they are one.
pub fn decode(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let file = Path::new("some.yaml");
    [
        accepted(text, Suite::from_text(text, file).map(drop)),
        accepted(text, KnownErrata::from_text(text, file).map(drop)),
        accepted(text, ExplainFile::from_text(text, file).map(drop)),
        accepted(text, CaseFile::from_text(text, file).map(|case| written(&case))),
        match Description::from_text(text, file) {
            Err(DescriptionError::Yaml(error)) => accepted(text, Err(error)),
            Err(error) => {
                assert!(error.to_string().starts_with("some.yaml: "), "{error}");
                false
            }
            Ok(_) => true,
        },
    ]
    .contains(&true)
}

/// An error is about a place in the text, and what it shows of it is short and obeyed by no terminal.
fn accepted(text: &str, read: Result<(), YamlError>) -> bool {
    let Err(error) = read else { return true };
    // To YAML a carriage return alone ends a line, too.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines = text.split('\n').count();
    assert!((1..=lines.max(1)).contains(&error.line), "{error}: there are {lines} lines");
    let width = text.split('\n').nth(error.line - 1).map_or(0, |line| line.chars().count());
    assert!((1..=width + 1).contains(&error.column), "{error}: the line has {width} characters");
    assert!(!error.problem.is_empty());
    let shown = Failure::from(error).to_string();
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    // The problem itself may name all that would be right.
    let excerpt = shown.lines().skip(1);
    assert!(excerpt.clone().all(|line| line.chars().count() < 160), "{shown}");
    false
}

/// What a case file says, it says again when it is written.
fn written(case: &CaseFile) {
    let text = case.to_string();
    let again = CaseFile::from_text(&text, Path::new("again.yaml"));
    assert_eq!(again.as_ref(), Ok(case), "{text}");
}
