//! Started by UEFI: what its tables say is read and kept, UEFI is left, and the executor begins as from any
//! other loader.
//!
//! ```text
//!  efi.S --> efi_main: device tree, ACPI's SPCR, memory map    UEFI's map and stack
//!                      ExitBootServices
//!                      entry (start.S)                         the machine is the executor's
//! ```

mod services;
mod tables;

use core::fmt::Write as _;

use executor::uefi::{self, Firmware};

use crate::payload::asm;
use crate::payload::boot;
use crate::payload::efi::services::Failure;
use crate::payload::efi::tables::SystemTable;
use crate::payload::global::Global;
use crate::payload::image::config;

/// What UEFI said. In the file, so that there is nothing in it when another loader starts the image; the start
/// code clears only what is not.
#[unsafe(link_section = ".data.firmware")]
static FIRMWARE: Global<Option<Firmware>> = Global::new(None);

/// What UEFI said of the machine, if it has started this image.
pub fn firmware() -> Option<&'static Firmware> {
    // SAFETY: changed only before UEFI is left.
    unsafe { (*FIRMWARE.pointer()).as_ref() }
}

/// Entered by UEFI. Returns a status, with UEFI as it was, when it can't be left.
#[unsafe(no_mangle)]
extern "C" fn efi_main(image: u64, table: &SystemTable) -> u64 {
    let tree = table.device_tree();
    let found = Firmware { console: table.acpi_console(), ..Firmware::default() };
    // SAFETY: nobody has a reference to it.
    unsafe { *FIRMWARE.pointer() = Some(found) };

    let machine = boot::machine(tree);
    let has_wire = config().mailbox != 0 || machine.console.is_some();
    let left = if has_wire {
        table.say("hypwalk: leaving UEFI\r\n");
        table.boot_services().leave(image)
    } else {
        Err(Failure::NO_CONSOLE)
    };
    match left {
        Ok(map) => {
            // SAFETY: as above.
            if let Some(firmware) = unsafe { (*FIRMWARE.pointer()).as_mut() } {
                firmware.memory = uefi::free_memory(map.bytes, map.stride);
            }
            // SAFETY: UEFI has been left.
            unsafe { asm::entry(tree) }
        }
        Err(Failure { status, why, is_late: false }) => {
            ["hypwalk: ", why, "\r\n"].into_iter().for_each(|text| table.say(text));
            status
        }
        Err(Failure { status, why, is_late: true }) => {
            boot::open_console(&machine);
            let mut console = boot::console();
            // A console never fails.
            let _ = write!(console, "\r\nhypwalk: {why}\r\n");
            status
        }
    }
}
