//! System table of UEFI, and what it leads to (UEFI specification, 4.3 to 4.6).

use core::ptr;

use executor::acpi;
use executor::machine::Machine;
use link::surroundings::Text;
use uefi_raw::table::system::SystemTable;
use uefi_raw::{Guid, guid};

/// A flattened device tree.
const DEVICE_TREE: Guid = guid!("b1b621d5-f19c-41a5-830b-d9152c69aae0");
/// ACPI 2.0 and later.
const ACPI: Guid = guid!("8868e871-e4f1-11d3-bc22-0080c73c8881");

/// What UEFI's tables say, while it has not been left.
pub struct Tables {
    system: &'static SystemTable,
}

impl Tables {
    /// What `system` leads to.
    ///
    /// # Safety
    /// It is UEFI's, which maps all memory, and these are used until it has been left.
    pub const unsafe fn new(system: &'static SystemTable) -> Self {
        Self { system }
    }

    /// The address of the device tree; 0 where there is none.
    pub fn device_tree(&self) -> u64 {
        self.find(&DEVICE_TREE).unwrap_or(0)
    }

    /// What ACPI says of the machine.
    pub fn acpi(&self) -> Machine {
        let described = self.find(&ACPI).map(|rsdp| {
            acpi::machine(rsdp, |at, bytes| {
                // SAFETY: UEFI maps all memory, and its tables name nothing else; nobody writes them.
                (at != 0).then(|| unsafe { core::slice::from_raw_parts(at as *const u8, bytes) })
            })
        });
        described.unwrap_or_default()
    }

    /// What UEFI calls its maker, where that is ASCII.
    pub fn vendor(&self) -> Text<64> {
        let vendor = self.system.firmware_vendor;
        let mut text = [0; 64];
        if !vendor.is_null() {
            for (at, slot) in text.iter_mut().enumerate() {
                // SAFETY: a text that ends with a zero, which is not passed.
                match unsafe { vendor.add(at).read() } {
                    0 => break,
                    letter => *slot = u8::try_from(letter).unwrap_or(b'?'),
                }
            }
        }
        Text::new(&text)
    }

    /// Says `text`, which is ASCII, on UEFI's console.
    pub fn say(&self, text: &str) {
        let output = self.system.stdout;
        if output.is_null() {
            return;
        }
        for byte in text.bytes() {
            let letter = [u16::from(byte), 0];
            // SAFETY: UEFI's own; the text ends with a zero. That it could not be said matters to nobody.
            let _ = unsafe { ((*output).output_string)(output, letter.as_ptr()) };
        }
    }

    fn find(&self, guid: &Guid) -> Option<u64> {
        let SystemTable {
            configuration_table: first,
            number_of_configuration_table_entries: count,
            ..
        } = *self.system;
        if first.is_null() {
            return None;
        }
        // SAFETY: the system table says that there are so many.
        let entries = unsafe { &*ptr::slice_from_raw_parts(first, count) };
        let entry = entries.iter().find(|entry| entry.vendor_guid == *guid)?;
        Some(entry.vendor_table.addr() as u64)
    }
}
