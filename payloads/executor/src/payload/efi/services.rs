//! UEFI's boot services, as far as they are needed to leave them (UEFI specification, 7.2.3 and 7.4.6).

use crate::payload::global::Global;

/// EFI_BOOT_SERVICES (4.4), of which only those fields have names that are used.
#[repr(C)]
pub struct BootServices {
    head: [u64; 3],
    first: [u64; 4],
    get_memory_map: unsafe extern "efiapi" fn(
        bytes: &mut usize,
        map: *mut u64,
        key: &mut usize,
        stride: &mut usize,
        version: &mut u32,
    ) -> u64,
    others: [u64; 21],
    exit_boot_services: unsafe extern "efiapi" fn(image: u64, key: usize) -> u64,
}

/// Words of a memory map: there is room for 1365 descriptors of 48 bytes.
const MAP_WORDS: usize = 8 << 10;

#[unsafe(link_section = ".noinit")]
static MAP: Global<[u64; MAP_WORDS]> = Global::new([0; MAP_WORDS]);

/// UEFI's last memory map.
pub struct MemoryMap {
    /// Its descriptors.
    pub bytes: &'static [u8],
    /// From one to the next.
    pub stride: usize,
}

/// Why UEFI could not be left.
pub struct Failure {
    /// What its loader is told (appendix D).
    pub status: u64,
    /// In words.
    pub why: &'static str,
    /// Whether some of UEFI may be gone: its console, for one.
    pub is_late: bool,
}

const ERROR: u64 = 1 << 63;
const INVALID_PARAMETER: u64 = ERROR | 2;
const UNSUPPORTED: u64 = ERROR | 3;

/// How often it is tried: each time somebody changes the memory map in between.
const TRIES: usize = 8;

impl Failure {
    /// There would be nothing to talk over.
    pub const NO_CONSOLE: Self = Self {
        status: UNSUPPORTED,
        why: "neither device tree nor SPCR name a console that it could drive: name one in the target file",
        is_late: false,
    };
}

impl BootServices {
    /// Leaves UEFI: its last memory map, from where there is no way back.
    ///
    /// Timers may change the map between the two calls. Then its key is old, and it is tried again; nothing
    /// else may be called after a first try.
    pub fn leave(&self, image: u64) -> Result<MemoryMap, Failure> {
        for _ in 0..TRIES {
            let (mut bytes, mut key, mut stride, mut version) = (8 * MAP_WORDS, 0, 0, 0);
            let map: *mut u64 = MAP.pointer().cast();
            // SAFETY: UEFI's own, with room for as many bytes as is said.
            let status = unsafe {
                (self.get_memory_map)(&mut bytes, map, &mut key, &mut stride, &mut version)
            };
            if status != 0 {
                let why = "UEFI's memory map can't be had";
                return Err(Failure { status, why, is_late: false });
            }
            // SAFETY: from here on nothing of UEFI is used, once this succeeds.
            match unsafe { (self.exit_boot_services)(image, key) } {
                0 => {
                    // SAFETY: filled so far, and nobody writes it any more.
                    let bytes = unsafe {
                        core::slice::from_raw_parts(map.cast(), bytes.min(8 * MAP_WORDS))
                    };
                    return Ok(MemoryMap { bytes, stride });
                }
                INVALID_PARAMETER => {}
                status => {
                    let why = "UEFI refuses to be left";
                    return Err(Failure { status, why, is_late: true });
                }
            }
        }
        let (status, why) = (INVALID_PARAMETER, "UEFI's memory map changes all the time");
        Err(Failure { status, why, is_late: true })
    }
}
