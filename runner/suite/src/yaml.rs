//! YAML text to types: the only module that knows the YAML crate.
//!
//! Types that are read with it check their values while they are read (newtypes, `try_from`), so
//! that a value out of range is an error with a place like any other.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_yaml::{Error, MessageFormatter as _, UserMessageFormatter};

/// A value with its place, and the place, for what can be checked only when more is known.
pub use serde_yaml::{Location, Spanned};

/// Reads `text`, which came from `file`.
pub fn from_str<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T, YamlError> {
    let options = serde_yaml::options! { with_snippet: false, strict_booleans: true };
    serde_yaml::from_str_with_options(text, options)
        .map_err(|error| YamlError::new(text, file, &error))
}

/// A YAML file that is malformed, or says something that its type has no place for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}:{line}:{column}: {problem}", file.display())]
pub struct YamlError {
    pub file: PathBuf,
    /// Line of the error, from 1.
    pub line: usize,
    /// Column of the error in characters, from 1.
    pub column: usize,
    /// What is wrong there, and where it is simple what would be right.
    pub problem: String,
    /// The text of the file, its lines ended by `\n` alone.
    pub text: String,
    /// What is wrong, in bytes of `text`.
    pub span: Range<usize>,
}

impl YamlError {
    /// What is wrong at `place`, the place of a [`Spanned`] value.
    pub fn at(text: &str, file: &Path, place: Location, problem: impl Into<String>) -> Self {
        // Line and column are 0 where the crate knows no place.
        let [line, column] = [place.line(), place.column()].map(|number| number.max(1) as usize);
        // To YAML a carriage return alone ends a line, too.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let span = span(&text, line, column, place.span().len() as usize);
        Self { file: file.to_owned(), line, column, problem: problem.into(), text, span }
    }

    fn new(text: &str, file: &Path, error: &Error) -> Self {
        Self::at(text, file, error.location().unwrap_or(Location::UNKNOWN), problem(error))
    }
}

/// What is wrong, in words for people who write suites.
fn problem(error: &Error) -> String {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => unknown("key", field, expected),
        Error::SerdeUnknownVariant { variant, expected, .. } => unknown("name", variant, expected),
        Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` is there twice")
        }
        Error::InvalidScalar { ty, .. } => wanted(ty),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("{unexpected} is not {expected}")
        }
        Error::Unexpected { expected: "mapping start", .. } => {
            "keys with values are expected here".to_owned()
        }
        Error::Unexpected { expected: "sequence start", .. } => {
            "a list is expected here".to_owned()
        }
        Error::ExpectedMappingEndAfterEnumVariantValue { .. } => {
            "a second name is here, where only one can be chosen".to_owned()
        }
        Error::Eof { .. } => "the file ends before anything is said".to_owned(),
        Error::MultipleDocuments { .. } => {
            "a second document begins here: a file holds one".to_owned()
        }
        other => printable(&UserMessageFormatter.format_message(other)),
    }
}

/// `text` without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The name of those that are `known` that was most likely meant by `found`.
pub fn nearest<S: AsRef<str>>(found: &str, known: impl IntoIterator<Item = S>) -> Option<S> {
    let length = found.chars().count();
    let far = 1 + length / 4;
    let distance = |name: &S| {
        // Whatever differs in length by more is further away; to see that costs next to nothing.
        let near = name.as_ref().chars().count().abs_diff(length) <= far;
        near.then(|| strsim::damerau_levenshtein(found, name.as_ref()))
    };
    let all = known.into_iter().filter_map(|name| Some((distance(&name)?, name)));
    let (_, name) = all.filter(|(distance, _)| *distance <= far).min_by_key(|(far, _)| *far)?;
    Some(name)
}

/// Keys and names that files of earlier versions have, and what they are called now.
const RENAMED: [(&str, &str); 1] = [("stages", "scratch")];

fn unknown(what: &str, found: &str, known: &[&'static str]) -> String {
    let renamed = RENAMED.iter().find(|(old, new)| *old == found && known.contains(new));
    if let Some((old, new)) = renamed {
        return format!("unknown {what} `{old}`: it is called `{new}` now");
    }
    let near = nearest(found, known);
    let found = printable(found);
    match (near, known) {
        (Some(name), _) => format!("unknown {what} `{found}`: did you mean `{name}`?"),
        (None, []) => format!("unknown {what} `{found}`: none are allowed here"),
        (None, _) => format!("unknown {what} `{found}`: there are {}", known.join(", ")),
    }
}

/// The words for a number of Rust type `ty` that was not one.
fn wanted(ty: &str) -> String {
    match ty {
        "u8" => "a whole number from 0 to 255 is expected here".to_owned(),
        "u16" | "u32" | "u64" => "a whole number, not negative, is expected here".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number is expected here".to_owned(),
        "f32" | "f64" => "a number is expected here".to_owned(),
        _ => format!("a value of type {ty} is expected here"),
    }
}

/// The bytes of the `width` characters from `column` of `line` on, as far as that line reaches; the first of them, where
/// they are more than an excerpt has room for: a tab takes four columns.
fn span(text: &str, line: usize, column: usize, width: usize) -> Range<usize> {
    const SHOWN: usize = 24;
    let start_of = |line: usize| {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        std::iter::once(0).chain(ends).nth(line - 1).unwrap_or(text.len())
    };
    let first = start_of(line);
    let shown = text[first..].lines().next().unwrap_or_default();
    let byte = |character: usize| {
        shown.char_indices().nth(character).map_or(shown.len(), |(byte, _)| byte)
    };
    let from = column - 1;
    first + byte(from)..first + byte(from + width.clamp(1, SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read for its errors")]
    struct Thing {
        name: String,
        number: Option<u8>,
    }

    fn error(text: &str) -> YamlError {
        from_str::<Thing>(text, Path::new("a.yaml")).unwrap_err()
    }

    #[test]
    fn an_error_has_a_place() {
        let error = error("name: x\nnumber: seven\n");
        let expected = "a.yaml:2:9: a whole number from 0 to 255 is expected here";
        assert_eq!(error.to_string(), expected);
        assert_eq!(&error.text[error.span], "seven");
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        assert_eq!(error("nane: x\n").problem, "unknown key `nane`: did you mean `name`?");
        assert_eq!(error("colour: x\n").problem, "unknown key `colour`: there are name, number");
    }

    #[test]
    fn a_key_of_an_earlier_version_is_answered_with_its_name_of_today() {
        let known = ["void", "scratch"];
        let told = "unknown key `stages`: it is called `scratch` now";
        assert_eq!(unknown("key", "stages", &known), told);
        // Elsewhere it is a key like any other.
        assert_eq!(unknown("key", "stages", &["name"]), "unknown key `stages`: there are name");
    }

    #[test]
    fn text_that_is_not_yaml_is_refused_where_it_ends_to_be() {
        for text in
            ["", "- 1\n", "name: \"x\n", "name: [\n", "name: *a\n", "a: b: c\n", "%\n", "\0"]
        {
            let error = error(text);
            assert!(error.line > 0 && !error.problem.is_empty(), "{text:?}: {error:?}");
        }
    }

    #[test]
    fn a_carriage_return_ends_a_line_as_yaml_has_it() {
        let error = error("name: x\rother: y\r\nnumber: seven\n");
        assert_eq!((error.line, error.column), (2, 1));
        assert_eq!(&error.text[error.span], "other");
    }

    #[test]
    fn a_span_stays_within_its_line_and_within_the_text() {
        assert_eq!(span("ab\ncd\n", 2, 2, 50), 4..5);
        assert_eq!(span("äö\n", 1, 2, 1), 2..4);
        assert_eq!(span("ab\n", 1, 3, 1), 2..2);
        assert_eq!(span("ab\n", 9, 9, 9), 3..3);
        assert_eq!(span("", 1, 1, 0), 0..0);
    }
}
