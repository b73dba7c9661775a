//! The executor's image: the ELF file is built, inspected, made into the forms that boot loaders take, and patched.
//!
//! ```text
//!   payloads/executor ── cargo ──> ELF ── inspect (goblin) ──> Layout
//!                     build         └──── image (object) ────> flat Image, configured
//!                                                 └─ application (goblin): and PE, for UEFI
//!                                                    └─ esp (fatfs): on a FAT volume
//! ```
//!
//! Two libraries read the files, each what it is the better tool for. [`object`] makes the image: it walks
//! segments, symbols and sections where they lie, and is what other crates of the workspace read and write ELF with.
//! `goblin` inspects: it gives a dynamic section's relocations as lists, whatever tables name them, and a PE
//! header's fields under the names of the specification, both of which `object` leaves to be computed from raw
//! entries. So what one library takes for granted when the image is made, the other has checked.

pub mod application;
pub mod build;
pub mod error;
pub mod esp;
pub mod image;
pub mod inspect;
pub mod source;

use std::fs;
use std::path::{Path, PathBuf};

use link::batch::Batch;
use link::config::Config;

pub use build::{Built, Options, Toolchain, Wish, build};
pub use error::{Fault, PayloadError};
pub use inspect::{Layout, Segment};

/// An executor that was inspected and found sound.
#[derive(Clone, Debug)]
pub struct Executor {
    file: PathBuf,
    elf: Vec<u8>,
    layout: Layout,
}

impl Executor {
    /// Reads and inspects the ELF file `file`.
    pub fn open(file: &Path) -> Result<Self, PayloadError> {
        let elf = fs::read(file)
            .map_err(|source| PayloadError::Unreadable { file: file.to_owned(), source })?;
        Self::from_bytes(elf, file)
    }

    /// Inspects the ELF file that `elf` holds; `file` is for messages.
    pub fn from_bytes(elf: Vec<u8>, file: &Path) -> Result<Self, PayloadError> {
        let file = file.to_owned();
        match inspect::inspect(&elf) {
            Ok(layout) => Ok(Self { file, elf, layout }),
            Err(fault) => Err(PayloadError::Unfit { file, fault }),
        }
    }

    /// The file that it was read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What the inspection found.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The offset in the image of the place where the executor comes by when it has no case in flight.
    pub fn doorbell(&self) -> Result<u64, PayloadError> {
        image::symbol(&self.elf, "doorbell")
            .map_err(|fault| PayloadError::Unfit { file: self.file.clone(), fault })
    }

    /// The flat image, configured by `config`: what a boot loader puts into memory and jumps to.
    pub fn image(&self, config: &Config) -> Result<Vec<u8>, PayloadError> {
        image::flat(&self.elf, config).map_err(|fault| self.unfit(fault))
    }

    /// The application that UEFI starts, configured by `config`: the flat image, whose PE header is checked.
    pub fn efi(&self, config: &Config) -> Result<Vec<u8>, PayloadError> {
        let image = self.image(config)?;
        let last = self.layout.segments.last();
        let memory = last.map_or(0, |segment| segment.address + segment.memory_bytes);
        application::check(&image, memory).map_err(|fault| self.unfit(fault))?;
        Ok(image)
    }

    /// A FAT image of `bytes` bytes from which UEFI starts the executor, configured by `config`.
    pub fn esp(&self, config: &Config, bytes: u64) -> Result<Vec<u8>, PayloadError> {
        Ok(esp::image(&self.efi(config)?, bytes)?)
    }

    /// The flat image, configured by `config`, which does `batch` without a host.
    pub fn batch_image(&self, config: &Config, batch: &Batch) -> Result<Vec<u8>, PayloadError> {
        let mut image = self.efi(config)?;
        image::put_batch(&self.elf, &mut image, batch).map_err(|fault| self.unfit(fault))?;
        Ok(image)
    }

    /// The ELF file, configured by `config`, which does `batch` without a host.
    pub fn batch_elf(&self, config: &Config, batch: &Batch) -> Result<Vec<u8>, PayloadError> {
        image::with_batch(&self.elf, config, batch).map_err(|fault| self.unfit(fault))
    }

    fn unfit(&self, fault: Fault) -> PayloadError {
        PayloadError::Unfit { file: self.file.clone(), fault }
    }
}
