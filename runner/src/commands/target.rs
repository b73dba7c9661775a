//! The target that a command line names.

use std::path::{Path, PathBuf};

use clap::Args;
use device::description::Affinity;
use device::{self, Description, Target, TargetError};
use oracle::learned::Learned;
use payload::{self, Executor, Options, Wish};

use super::lookup::Shelf;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::record::TargetHeader;

/// How a target is run.
#[derive(Clone, Debug, Args)]
pub struct HowToRun {
    /// The QEMU to run, in place of qemu-system-aarch64.
    #[arg(long, env = "HYPWALK_QEMU", hide_env_values = true, value_name = "PROGRAM")]
    qemu: Option<PathBuf>,
    /// The executor's ELF file, in place of one that is built from source.
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// The PE that runs cases, by its affinity, in place of the one that is booted.
    #[arg(long, value_name = "AFFINITY")]
    pe: Option<Affinity>,
}

/// A target, ready to be started.
pub struct Opened {
    /// It.
    pub target: Box<dyn Target>,
    /// What its file says of its IMPLEMENTATION DEFINED choices.
    pub learned: Learned,
    /// The executor's ELF file.
    pub executor: PathBuf,
    /// The file.
    pub file: TargetHeader,
}

/// The target that `name` means, and what its file says of its IMPLEMENTATION DEFINED choices.
pub fn described(name: &Path) -> Result<(Description, Learned), Failure> {
    let TargetHeader { file, text, .. } = HowToRun::read(name, None)?;
    let description = Description::from_text(&text, &file).map_err(TargetError::from)?;
    let learned = learned(&description, &file)?;
    Ok((description, learned))
}

fn learned(description: &Description, file: &Path) -> Result<Learned, Failure> {
    let pins = description.choices.iter();
    let pins = pins.map(|(choice, answer)| (choice.as_str(), answer.as_str()));
    Learned::new(pins)
        .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", file.display())))
}

impl HowToRun {
    /// The target that `name` means: the path of a target file, or the name of one.
    pub fn open(&self, name: &Path) -> Result<Opened, Failure> {
        self.open_text(Self::read(name, self.pe)?)
    }

    /// The same, with the PE `pe` to run cases.
    pub fn open_on(&self, name: &Path, pe: Affinity) -> Result<Opened, Failure> {
        self.open_text(Self::read(name, Some(pe))?)
    }

    fn read(name: &Path, pe: Option<Affinity>) -> Result<TargetHeader, Failure> {
        let file = Shelf::Targets.find(name)?;
        let text = Description::text(&file).map_err(TargetError::from)?;
        Ok(TargetHeader { file, text, pe })
    }

    /// The target that `file` describes.
    pub fn open_text(&self, file: TargetHeader) -> Result<Opened, Failure> {
        let file = TargetHeader { pe: self.pe.or(file.pe), ..file };
        let description = Description::from_text(&file.text, &file.file);
        let mut description = description.map_err(TargetError::from)?;
        description.pe = file.pe.or(description.pe);
        let learned = learned(&description, &file.file)?;
        let executor = self.executor().map_err(TargetError::from)?;
        let target = device::open(description, &executor, self.qemu.clone())?;
        Ok(Opened { target, learned, file, executor: executor.file().to_owned() })
    }

    /// The emulator that is run in place of the default one.
    pub fn emulator(&self) -> Option<PathBuf> {
        self.qemu.clone()
    }

    fn executor(&self) -> Result<Executor, payload::PayloadError> {
        match &self.payload {
            Some(file) => Executor::open(file),
            None => {
                let toolchain = Wish::from_environment()?;
                let built = payload::build(&Options { toolchain, ..Options::default() })?;
                Executor::open(&built.elf)
            }
        }
    }
}
