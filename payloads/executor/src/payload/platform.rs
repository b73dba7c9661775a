//! Platform: the machine as its device tree, UEFI and the host describe it.

use executor::board;
use executor::device_tree::DeviceTree;
use executor::machine::Machine;
use executor::uefi::Firmware;

use crate::payload::global::Global;
use crate::payload::image::config;

/// What UEFI said. In the file, so that there is nothing in it when another loader starts the image; the start
/// code clears only what is not.
#[unsafe(link_section = ".data.firmware")]
static FIRMWARE: Global<Option<Firmware>> = Global::new(None);

/// Keeps what UEFI says of the machine.
///
/// # Safety
/// UEFI's code is under way, on one PE, and nobody has a reference to what was kept before.
pub unsafe fn keep_firmware(firmware: Firmware) {
    // SAFETY: the caller's promise.
    unsafe { *FIRMWARE.pointer() = Some(firmware) };
}

/// What the device tree at `tree`, 0 where there is none, says of the machine, and UEFI, and the host.
///
/// # Safety
/// As for [`tree_bytes`]; and [`keep_firmware`] is not under way.
pub unsafe fn machine(tree: u64) -> Machine {
    // SAFETY: the caller's promise.
    let tree = unsafe { tree_bytes(tree) }.and_then(DeviceTree::from_bytes);
    let mut machine = tree.map_or_else(Machine::default, |tree| Machine::new(&tree));
    // SAFETY: the caller's promise.
    if let Some(firmware) = unsafe { &*FIRMWARE.pointer() } {
        firmware.apply(&mut machine);
    }
    board::apply(&config().board, &mut machine);
    machine
}

/// The device tree at `tree`; `None` where that is 0.
///
/// # Safety
/// There is a device tree: the magic was seen. What it takes for its size is mapped, or the MMU is off; nobody
/// writes there, and no line of a cache hides it.
pub unsafe fn tree_bytes(tree: u64) -> Option<&'static [u8]> {
    if tree == 0 {
        return None;
    }
    // SAFETY: the caller's promise.
    let header = unsafe { &*(tree as *const [u8; 8]) };
    let size = DeviceTree::size(header)?;
    // SAFETY: as above.
    Some(unsafe { core::slice::from_raw_parts(tree as *const u8, size) })
}
