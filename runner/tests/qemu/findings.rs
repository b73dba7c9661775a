//! What makes runs with findings, choices and reproducers that never lose a machine to a surprise.

use std::fs;
use std::path::Path;

/// The one issue of neoverse-n1 that kills it. What else it does wrong makes findings, and those reproducers.
const DEADLY: &str = "
issues:
  - name: aborts
    reference: QEMU issue 3328.
    expected: [stage 2 Permission fault]
    observed: [the target died]
    kills: true
";

/// Writes `deadly.yaml`, known issues, and `target.yaml` to `folder`.
pub fn write(folder: &Path) {
    fs::write(folder.join("deadly.yaml"), DEADLY).unwrap();
    // What the target chooses is not said beforehand: it is learned, and records tell of it.
    let target =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites/targets/qemu-neoverse-n1.yaml");
    let target = fs::read_to_string(target).unwrap();
    let (target, _) = target.split_once("\nchoices:").unwrap();
    fs::write(folder.join("target.yaml"), format!("{target}\n")).unwrap();
}
