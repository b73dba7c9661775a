//! `hypwalk payload`: the executor's image.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use device::TargetError;
use device::description::Size;
use link::config::Config;
use payload::{self, Executor, Layout, Options, PayloadError, Wish, esp};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::print;

/// Build the payload, or look at one.
#[derive(Debug, Args)]
pub struct Payload {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Cross-compile the executor, and check its ELF file.
    Build {
        /// With the operations that hurt the executor itself, for tests.
        #[arg(long)]
        self_test: bool,
        /// Write its flat image too: what a boot loader puts into memory and jumps to. It is a Linux `Image`.
        #[arg(long, value_name = "FILE")]
        image: Option<PathBuf>,
        /// Write the application that UEFI starts: the same bytes, whose PE header is checked.
        #[arg(long, value_name = "FILE")]
        efi: Option<PathBuf>,
        /// Write a FAT image from which UEFI starts it: for a USB stick, a memory card, or an emulator's drive.
        #[arg(long, value_name = "FILE")]
        esp: Option<PathBuf>,
        /// The size of this image: bytes, or a number with K or M.
        #[arg(long, value_name = "SIZE", default_value_t = Size(esp::USUAL_BYTES), requires = "esp")]
        esp_size: Size,
    },
    /// Check an ELF file, and tell what is in it.
    Inspect {
        /// The ELF file.
        file: PathBuf,
    },
}

impl Payload {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Command::Build { self_test, image, efi, esp, esp_size } => {
                let esp = esp.as_deref().map(|file| (file, esp_size));
                build(self_test, image.as_deref(), efi.as_deref(), esp)?;
            }
            Command::Inspect { file } => {
                let executor =
                    Executor::open(&file).map_err(|error| Failure::new(Exit::Usage, error))?;
                print(layout(executor.layout()))?;
            }
        }
        Ok(Exit::Conforms)
    }
}

fn build(
    self_test: bool,
    image: Option<&Path>,
    efi: Option<&Path>,
    esp: Option<(&Path, Size)>,
) -> Result<(), Failure> {
    let wish = Wish::from_environment().map_err(TargetError::from)?;
    let built =
        payload::build(&Options { self_test, toolchain: wish }).map_err(TargetError::from)?;
    let executor = Executor::open(&built.elf).map_err(TargetError::from)?;
    print(format_args!("{} ({})\n", built.elf.display(), built.toolchain))?;
    print(layout(executor.layout()))?;
    if let Some(file) = image {
        write(file, &executor.image(&Config::new()).map_err(TargetError::from)?)?;
    }
    if let Some(file) = efi {
        write(file, &executor.efi(&Config::new()).map_err(TargetError::from)?)?;
    }
    if let Some((file, Size(bytes))) = esp {
        let image = executor.esp(&Config::new(), bytes).map_err(|error| match error {
            // It is the size that was asked for.
            PayloadError::Esp(error) => Failure::new(Exit::Usage, error),
            error => TargetError::from(error).into(),
        });
        write(file, &image?)?;
    }
    Ok(())
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(file, bytes).map_err(|error| {
        let error = format!("{} can't be written: {error}", file.display());
        Failure::new(Exit::Results, error)
    })?;
    print(format_args!("{}: {} bytes\n", file.display(), bytes.len()))
}

fn layout(layout: &Layout) -> String {
    let mut text = format!(
        "version {}, entry {:#x}, configuration at {:#x}, {} relocations\n",
        layout.version, layout.entry, layout.config, layout.relocations
    );
    for segment in &layout.segments {
        let mode = match (segment.writable, segment.executable) {
            (false, true) => "code",
            (true, _) => "data",
            (false, false) => "constants",
        };
        text += &format!(
            "  {:#8x}  {:#8x} bytes in the file, {:#8x} in memory  {mode}\n",
            segment.address, segment.file_bytes, segment.memory_bytes
        );
    }
    text
}
