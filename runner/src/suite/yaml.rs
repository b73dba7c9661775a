//! YAML text to types: the only module that knows the YAML crate.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// A YAML file that is malformed, or says something that its type has no place for.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", file.display())]
pub struct YamlError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong, with line, column and snippet.
    pub message: String,
}

/// Reads `text`, which came from `file`.
pub fn from_str<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T, YamlError> {
    serde_yaml::from_str(text)
        .map_err(|error| YamlError { file: file.to_owned(), message: error.to_string() })
}
