//! The cases that show the delivered errata.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::shipped::{suites, yaml};

/// The case files that are delivered, by the target that each says it is for.
pub fn reproducers() -> BTreeMap<String, Vec<PathBuf>> {
    let mut by_target = BTreeMap::<_, Vec<_>>::new();
    for file in yaml(&suites().join("errata/repro")) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let command = format!("#     hypwalk replay suites/errata/repro/{name} --target ");
        let text = fs::read_to_string(&file).unwrap();
        let target = text.lines().find_map(|line| line.strip_prefix(&command));
        let target = target.unwrap_or_else(|| panic!("{name} says how it is replayed")).to_owned();
        by_target.entry(target).or_default().push(file);
    }
    by_target
}
