//! The EFI system partition: a FAT image from which UEFI starts the executor.
//!
//! ```text
//!   FAT volume, no partition table
//!     EFI/BOOT/BOOTAA64.EFI      what firmware for AArch64 starts from a removable medium
//! ```
//!
//! Firmware takes it as it is from a disk or a USB stick; in a partition of type EFI System it does as well. (UEFI
//! Specification 2.10, 3.5.1.1 "Removable Media Boot Behavior", 13.3 "File System Format")

use std::io::{self, Cursor, ErrorKind, Write};

use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};

/// A FAT image that can't be made.
#[derive(Debug, thiserror::Error)]
pub enum EspError {
    /// The application does not fit.
    #[error(
        "an image of {image} bytes has no room for the application of {application} bytes and what FAT \
         takes itself: make it larger"
    )]
    Full {
        /// The size of the image.
        image: u64,
        /// The size of the application.
        application: usize,
    },
    /// There is no FAT volume of that size.
    #[error("there is no FAT volume of {image} bytes ({source}): take a size between 64K and 512M")]
    Size {
        /// The size of the image.
        image: u64,
        /// Why there is none.
        source: io::Error,
    },
}

/// The size of an image for which nobody asks for another, in bytes.
pub const USUAL_BYTES: u64 = 16 << 20;
/// The largest image, in bytes: it is made in memory.
const MOST_BYTES: u64 = 512 << 20;

/// A FAT image of `bytes` bytes, which is rounded down to whole sectors of 512, with `application` on it. The same
/// application gives the same image.
///
/// # Errors
/// The application does not fit, or there is no FAT volume of that size.
pub fn image(application: &[u8], bytes: u64) -> Result<Vec<u8>, EspError> {
    let size = |source| EspError::Size { image: bytes, source };
    if bytes > MOST_BYTES {
        return Err(size(io::Error::from(ErrorKind::FileTooLarge)));
    }
    let mut volume = vec![0; (bytes & !511) as usize];
    let options = FormatVolumeOptions::new().volume_label(*b"HYPWALK    ");
    fatfs::format_volume(Cursor::new(&mut volume[..]), options).map_err(size)?;
    fill(&mut volume, application)
        .map_err(|_| EspError::Full { image: bytes, application: application.len() })?;
    Ok(volume)
}

/// Writes `application` to the FAT volume `volume`. A memory has no other fault than to be full.
fn fill(volume: &mut [u8], application: &[u8]) -> io::Result<()> {
    let files = FileSystem::new(Cursor::new(volume), FsOptions::new())?;
    let boot = files.root_dir().create_dir("EFI")?.create_dir("BOOT")?;
    let mut file = boot.create_file("BOOTAA64.EFI")?;
    file.write_all(application)?;
    file.flush()?;
    drop((file, boot));
    files.unmount()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_application_is_where_firmware_looks() {
        let application: Vec<u8> = (0..500_000u32).map(|at| (at % 251) as u8).collect();
        let volume = image(&application, USUAL_BYTES).expect("there is room");
        assert_eq!(volume.len() as u64, USUAL_BYTES);
        assert_eq!(volume, image(&application, USUAL_BYTES).expect("there is room"));
        let files = FileSystem::new(Cursor::new(volume), FsOptions::new()).expect("it is FAT");
        let mut read = Vec::new();
        let file = files.root_dir().open_file("efi/boot/bootaa64.efi");
        file.and_then(|mut file| file.read_to_end(&mut read)).expect("it is there");
        assert!(read == application);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let refused = |application: usize, bytes| {
            let error = image(&vec![1; application], bytes).expect_err("it does not fit");
            error.to_string()
        };
        let message = refused(1 << 20, 1 << 20);
        assert!(message.contains("1048576 bytes has no room"), "{message}");
        let message = refused(400_000, 256 << 10);
        assert!(message.contains("no room"), "{message}");
        for bytes in [0, 100, 512, 1 << 40] {
            let message = refused(1, bytes);
            assert!(message.contains("between 64K and 512M"), "{bytes}: {message}");
        }
        image(&[1], 64 << 10).expect("the smallest that is told of");
        image(&[1], 512 << 20).expect("the largest that is told of");
    }
}
