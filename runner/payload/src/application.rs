//! The PE header: whether a flat image is an application that UEFI starts.
//!
//! ```text
//!   file and memory     0x0000  headers: "MZ", PE32+, AArch64, EFI application
//!                       0x1000  .text   read, executed: the entry point is in here
//!                       ......  .data   read, written: constants, configuration, data; more in memory
//! ```
//!
//! Both sections lie in the file where they lie in memory, so that the same bytes are a flat image.

use goblin::pe::PE;
use goblin::pe::header::COFF_MACHINE_ARM64;
use goblin::pe::section_table::{
    IMAGE_SCN_MEM_EXECUTE, IMAGE_SCN_MEM_READ, IMAGE_SCN_MEM_WRITE, SectionTable,
};
use goblin::pe::subsystem::IMAGE_SUBSYSTEM_EFI_APPLICATION;

use super::error::Fault;

/// Checks `image`, to which UEFI gives `memory` bytes.
pub fn check(image: &[u8], memory: u64) -> Result<(), Fault> {
    let fault = |what: String| Err(Fault::Application(what));
    let pe =
        PE::parse(image).map_err(|error| Fault::Application(format!("is damaged: {error}")))?;
    if pe.header.coff_header.machine != COFF_MACHINE_ARM64 {
        return fault(format!("is for machine {:#x}", pe.header.coff_header.machine));
    }
    let Some(optional) = pe.header.optional_header.filter(|_| pe.is_64) else {
        return fault("is not of 64 bits".to_owned());
    };
    let windows = optional.windows_fields;
    if windows.subsystem != IMAGE_SUBSYSTEM_EFI_APPLICATION {
        return fault(format!("is for subsystem {}, not an EFI application", windows.subsystem));
    }
    if u64::from(windows.size_of_image) < memory {
        let said = windows.size_of_image;
        return fault(format!("says {said:#x} bytes, but the image takes {memory:#x} in memory"));
    }
    let mut end = u64::from(windows.size_of_headers);
    for section in &pe.sections {
        let name = section.name().unwrap_or("?");
        check_section(section, end, image.len() as u64, &windows)
            .map_err(|what| Fault::Application(format!("has a section {name} {what}")))?;
        end = u64::from(section.virtual_address) + u64::from(section.virtual_size);
    }
    if end > u64::from(windows.size_of_image) {
        return fault("has a section that ends behind the image".to_owned());
    }
    let entry = u64::from(optional.standard_fields.address_of_entry_point);
    let is_code = |section: &SectionTable| {
        let start = u64::from(section.virtual_address);
        section.characteristics & IMAGE_SCN_MEM_EXECUTE != 0
            && (start..start + u64::from(section.size_of_raw_data)).contains(&entry)
    };
    if !pe.sections.iter().any(is_code) {
        return fault(format!("has its entry point {entry:#x} outside of code"));
    }
    Ok(())
}

/// What is wrong with `section`, before which the headers, or the last section, reach to `before`.
fn check_section(
    section: &SectionTable,
    before: u64,
    file: u64,
    windows: &goblin::pe::optional_header::WindowsFields64,
) -> Result<(), &'static str> {
    let [address, offset, raw] =
        [section.virtual_address, section.pointer_to_raw_data, section.size_of_raw_data]
            .map(u64::from);
    let flag = |flag| section.characteristics & flag != 0;
    let is_multiple = |value: u64, of: u32| of != 0 && value.is_multiple_of(of.into());
    let faults = [
        (address < before, "that overlaps what is before it"),
        (!is_multiple(address, windows.section_alignment), "that is not aligned in memory"),
        (!is_multiple(raw, windows.file_alignment), "whose size in the file is not aligned"),
        (offset != address, "that lies elsewhere in the file than in memory"),
        (offset + raw > file, "that reaches beyond the end of the file"),
        (raw > section.virtual_size.into(), "that has more bytes in the file than in memory"),
        (!flag(IMAGE_SCN_MEM_READ), "that is not readable"),
        (
            flag(IMAGE_SCN_MEM_WRITE) && flag(IMAGE_SCN_MEM_EXECUTE),
            "that is both writable and executable",
        ),
    ];
    match faults.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, what)) => Err(what),
        None => Ok(()),
    }
}
