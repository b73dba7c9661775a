//! UEFI application: what UEFI's tables say is read and kept, UEFI is left, and the executor begins as from any
//! other loader.
//!
//! ```text
//!  efi.S --> efi_main: device tree, ACPI, memory map      UEFI's map and stack
//!                      ExitBootServices
//!                      entry (start.S)                         the machine is the executor's
//! ```

mod services;
mod tables;

use core::fmt::Write as _;

use executor::uefi::{self, Firmware};
use uefi_raw::table::system::SystemTable;
use uefi_raw::{Handle, Status};

use crate::payload::asm;
use crate::payload::console::{self, console};
use crate::payload::efi::services::ExitError;
use crate::payload::efi::tables::Tables;
use crate::payload::image::config;
use crate::payload::platform;

/// Entered by UEFI. Returns a status, with UEFI as it was, when it can't be left.
#[unsafe(no_mangle)]
extern "C" fn efi_main(image: Handle, system: &'static SystemTable) -> Status {
    // SAFETY: UEFI's own, and it has not been left.
    let tables = unsafe { Tables::new(system) };
    let tree = tables.device_tree();
    let found = Firmware { vendor: tables.vendor(), acpi: tables.acpi(), ..Firmware::default() };
    // SAFETY: UEFI runs this on one PE, and nobody has a reference to what it said; what it takes for a device
    // tree is mapped, as all memory is.
    let machine = unsafe {
        platform::keep_firmware(found.clone());
        platform::machine(tree)
    };
    let has_wire = config().mailbox != 0 || machine.console.is_some();
    let left = if has_wire {
        tables.say("hypwalk: leaving UEFI\r\n");
        // SAFETY: nothing of UEFI is used once it has been left.
        unsafe { services::leave(system.boot_services, image) }
    } else {
        Err(ExitError::NO_CONSOLE)
    };
    match left {
        Ok(map) => {
            let memory = uefi::free_memory(map.bytes, map.stride);
            // SAFETY: as above; UEFI has been left.
            unsafe {
                platform::keep_firmware(Firmware { memory, ..found });
                asm::entry(tree)
            }
        }
        Err(ExitError { status, why, is_late: false }) => {
            ["hypwalk: ", why, "\r\n"].into_iter().for_each(|text| tables.say(text));
            status
        }
        Err(ExitError { status, why, is_late: true }) => {
            // SAFETY: mapped as all devices are; nobody has used a console.
            unsafe { console::open(machine.console) };
            // A console never fails.
            let _ = write!(console(), "\r\nhypwalk: {why}\r\n");
            status
        }
    }
}
