//! Boot services of UEFI, as far as they are needed to leave it (UEFI specification, 7.2.3 and 7.4.6).

use uefi_raw::table::boot::BootServices;
use uefi_raw::{Handle, Status};

use crate::payload::global::Global;

/// Words of a memory map: there is room for 1365 descriptors of 48 bytes.
const MAP_WORDS: usize = 8 << 10;

#[unsafe(link_section = ".noinit")]
static MAP: Global<[u64; MAP_WORDS]> = Global::new([0; MAP_WORDS]);

/// UEFI's last memory map.
pub struct MemoryMap {
    pub bytes: &'static [u8],
    /// From one to the next.
    pub stride: usize,
}

/// Why UEFI could not be left.
pub struct ExitError {
    /// What its loader is told.
    pub status: Status,
    /// In words.
    pub why: &'static str,
    /// Whether some of UEFI may be gone: its console, for one.
    pub is_late: bool,
}

/// How often it is tried: each time somebody changes the memory map in between.
const TRIES: usize = 8;

impl ExitError {
    /// There would be nothing to talk over.
    pub const NO_CONSOLE: Self = Self {
        status: Status::UNSUPPORTED,
        why: "neither device tree nor SPCR name a console that it could drive: name one in the target file",
        is_late: false,
    };
}

/// Leaves UEFI: its last memory map, from where there is no way back.
///
/// Timers may change the map between the two calls. Then its key is old, and it is tried again; nothing
/// else may be called after a first try.
///
/// # Safety
/// `services` are UEFI's, and it has not been left. It is not used once this succeeds.
pub unsafe fn leave(services: *const BootServices, image: Handle) -> Result<MemoryMap, ExitError> {
    for _ in 0..TRIES {
        let (mut bytes, mut key, mut stride, mut version) = (8 * MAP_WORDS, 0, 0, 0);
        let map = MAP.pointer();
        // SAFETY: the caller's promise; there is room for as many bytes as is said.
        let status = unsafe {
            ((*services).get_memory_map)(
                &mut bytes,
                map.cast(),
                &mut key,
                &mut stride,
                &mut version,
            )
        };
        if status != Status::SUCCESS {
            let why = "UEFI's memory map can't be had";
            return Err(ExitError { status, why, is_late: false });
        }
        // SAFETY: the caller's promise.
        match unsafe { ((*services).exit_boot_services)(image, key) } {
            Status::SUCCESS => {
                // SAFETY: filled so far, and nobody writes it any more.
                let bytes =
                    unsafe { core::slice::from_raw_parts(map.cast(), bytes.min(8 * MAP_WORDS)) };
                return Ok(MemoryMap { bytes, stride });
            }
            Status::INVALID_PARAMETER => {}
            status => {
                let why = "UEFI refuses to be left";
                return Err(ExitError { status, why, is_late: true });
            }
        }
    }
    let (status, why) = (Status::INVALID_PARAMETER, "UEFI's memory map changes all the time");
    Err(ExitError { status, why, is_late: true })
}
