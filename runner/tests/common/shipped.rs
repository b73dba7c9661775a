//! The files that are shipped beside the program.

use std::fs;
use std::path::{Path, PathBuf};

use super::folders::root;

/// The folder of the shipped suites.
pub fn suites() -> PathBuf {
    root().join("suites")
}

/// The YAML files of `folder`, by name.
pub fn yaml(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let files = entries.map(|entry| entry.expect("the folder can be listed").path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|ending| ending == "yaml")).collect();
    files.sort();
    files
}
