//! What makes a target file unusable.

use std::path::PathBuf;

use suite::yaml::YamlError;

/// A target file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// The file can't be read.
    #[error("{}: the target file can't be read: {source}", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    /// The file is no YAML, or says something that a target file has no place for.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// The parts of the file do not fit together.
    #[error("{}: {what}", file.display())]
    Impossible {
        file: PathBuf,
        /// What does not fit, and what would.
        what: String,
    },
}
