//! UEFI's system table, and what it leads to (UEFI specification, 4.3 to 4.6).

use core::ptr;

use executor::acpi;
use executor::machine::Console;

use crate::payload::efi::services::BootServices;

/// EFI_SYSTEM_TABLE (4.3), of which only those fields have names that are used.
#[repr(C)]
pub struct SystemTable {
    head: [u64; 3],
    vendor: [u64; 2],
    input: [u64; 2],
    output_handle: u64,
    output: *const TextOutput,
    error_output: [u64; 2],
    runtime_services: u64,
    boot_services: *const BootServices,
    entries: usize,
    configuration: *const Entry,
}

/// EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL (12.4).
#[repr(C)]
struct TextOutput {
    reset: u64,
    output_string: unsafe extern "efiapi" fn(*const TextOutput, *const u16) -> u64,
}

/// EFI_CONFIGURATION_TABLE (4.6).
#[repr(C)]
struct Entry {
    guid: [u8; 16],
    table: u64,
}

/// b1b621d5-f19c-41a5-830b-d9152c69aae0: a flattened device tree.
const DEVICE_TREE: [u8; 16] =
    guid(0xb1b6_21d5, 0xf19c, 0x41a5, [0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0]);
/// 8868e871-e4f1-11d3-bc22-0080c73c8881: ACPI 2.0 and later.
const ACPI: [u8; 16] =
    guid(0x8868_e871, 0xe4f1, 0x11d3, [0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81]);

/// A GUID as it lies in memory (appendix A): its first three parts are little-endian.
const fn guid(a: u32, b: u16, c: u16, d: [u8; 8]) -> [u8; 16] {
    let ([a0, a1, a2, a3], [b0, b1], [c0, c1]) =
        (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
    [a0, a1, a2, a3, b0, b1, c0, c1, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}

impl SystemTable {
    /// The address of the device tree; 0 where there is none.
    pub fn device_tree(&self) -> u64 {
        self.find(&DEVICE_TREE).unwrap_or(0)
    }

    /// The console that ACPI names.
    pub fn acpi_console(&self) -> Option<Console> {
        acpi::console(self.find(&ACPI)?, |at, bytes| {
            // SAFETY: UEFI maps all memory, and its tables name nothing else; nobody writes them.
            (at != 0).then(|| unsafe { core::slice::from_raw_parts(at as *const u8, bytes) })
        })
    }

    /// What may be asked before UEFI is left.
    pub fn boot_services(&self) -> &BootServices {
        // SAFETY: UEFI's own, and there while it has not been left.
        unsafe { &*self.boot_services }
    }

    /// Says `text`, which is ASCII, on UEFI's console.
    pub fn say(&self, text: &str) {
        if self.output.is_null() {
            return;
        }
        for byte in text.bytes() {
            let letter = [u16::from(byte), 0];
            // SAFETY: UEFI's own; the text ends with a zero. That it could not be said matters to nobody.
            unsafe { ((*self.output).output_string)(self.output, letter.as_ptr()) };
        }
    }

    fn find(&self, guid: &[u8; 16]) -> Option<u64> {
        if self.configuration.is_null() {
            return None;
        }
        // SAFETY: the system table says that there are so many.
        let entries = unsafe { &*ptr::slice_from_raw_parts(self.configuration, self.entries) };
        entries.iter().find(|entry| entry.guid == *guid).map(|entry| entry.table)
    }
}
