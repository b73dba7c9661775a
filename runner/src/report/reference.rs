//! What is known of versions of a device, in files that a repository can keep: nothing in them tells of the machine or
//! the day on which it was found out.
//!
//! ```text
//!   10.0.2/qemu-max.json          suites, seeds, ID registers, choices, causes, what is not explained
//!   10.0.2/qemu-cortex-a53.json
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;
use suite::hex::Hex;

use super::causes::Line;
use crate::diagnosis::device::Device;
use crate::record::RunError;

#[derive(Serialize)]
struct Reference<'a> {
    /// The ID registers.
    ids: BTreeMap<&'a str, Hex>,
    /// The choices that it settled, each with the answers that are possible.
    profile: BTreeMap<String, Vec<String>>,
    #[serde(flatten)]
    found: Line<'a>,
}

/// Writes a file for each of `devices` into the folder of its version in `folder`.
///
/// # Errors
/// Where one can't be written, or a run can't be read.
pub fn write(folder: &Path, devices: &[Device]) -> Result<(), RunError> {
    for device in devices {
        let Some(run) = device.runs.first() else { continue };
        let machine = &run.header.machine;
        let mut profile = BTreeMap::new();
        for run in &device.runs {
            let ending = run.ended()?.and_then(|summary| summary.ending);
            profile.extend(ending.into_iter().flat_map(|ending| ending.profile));
        }
        let ids = machine.ids.iter().map(|(name, value)| (&**name, *value)).collect();
        let reference = Reference { ids, profile, found: Line::new(device) };
        let text = serde_json::to_string_pretty(&reference).unwrap_or_default() + "\n";
        let folder = folder.join(Device::version(run));
        let path = folder.join(format!("{}.json", machine.target));
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, text));
        written.map_err(RunError::not_written(&path))?;
    }
    Ok(())
}
