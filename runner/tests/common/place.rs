//! A folder for runs with findings, choices and reproducers, that never lose a machine to a surprise.

use std::fs;
use std::path::{Path, PathBuf};

use super::folders;
use super::targets;

/// The one erratum of neoverse-n1 that kills it. What else it does wrong makes findings, and those reproducers.
const DEADLY: &str = "
errata:
  - names: [AT-ends-the-device-by-a-stage2-Permission-fault]
    reference: QEMU issue 3328.
    when: { operations: ['at_s12*'] }
";

/// The folder of a test, with `deadly.yaml`, known errata, and `target.yaml`.
pub struct Place(pub PathBuf);

impl Place {
    /// For the test `name`.
    pub fn new(name: &str) -> Self {
        let folder = folders::empty(name);
        fs::write(folder.join("deadly.yaml"), DEADLY).unwrap();
        // What the target chooses is not said beforehand: it is learned, and records tell of it.
        let target = targets::folder().join("qemu-neoverse-n1.yaml");
        let target = fs::read_to_string(target).unwrap();
        let (target, _) = target.split_once("\nchoices:").unwrap();
        fs::write(folder.join("target.yaml"), format!("{target}\n")).unwrap();
        Self(folder)
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// The folder of the one run in `results`.
    pub fn run_in(&self, results: &str) -> PathBuf {
        run_in(&self.0.join(results)).expect("a run")
    }
}

/// The folder of the one run in `results`, once there is one.
pub fn run_in(results: &Path) -> Option<PathBuf> {
    let mut runs = fs::read_dir(results).ok()?;
    let run = runs.next()?.unwrap().path();
    assert!(runs.next().is_none(), "one run");
    Some(run)
}
