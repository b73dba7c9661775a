//! What can go wrong with a payload.

use std::io;
use std::path::PathBuf;

use super::esp::EspError;

/// A payload that can't be had or used.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The ELF file can't be read.
    #[error("{}: the payload can't be read: {source}; `hypwalk payload build` makes it", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    /// The ELF file is no executor that could run.
    #[error("{}: {fault}; `hypwalk payload build` makes a sound one", file.display())]
    Unfit {
        file: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The source tree is not where it could be.
    #[error(
        "the source of the payload is nowhere to be found (looked for payloads/executor in: {}); \
         run from inside the source tree, or name it in HYPWALK_SOURCE", looked.join(", ")
    )]
    NoSource { looked: Vec<String> },
    /// No toolchain can build it.
    #[error("no toolchain here can build the payload: {why}; scripts/setup installs one")]
    NoToolchain { why: String },
    /// The wish for a toolchain is none that exists.
    #[error("HYPWALK_PAYLOAD_TOOLCHAIN is {0:?}: it can be rustup, debian or auto")]
    UnknownToolchain(String),
    /// A program of the toolchain can't be run.
    #[error("{program} can't be run: {source}; scripts/setup installs what is needed")]
    Program { program: String, source: io::Error },
    /// There is no FAT image of it.
    #[error(transparent)]
    Esp(#[from] EspError),
    /// Cargo failed.
    #[error("the payload does not build ({status}):\n{output}\n  by: {command}")]
    Failed { command: String, status: String, output: String },
}

/// What makes an ELF file unfit to be the executor.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// It is damaged, or no ELF file at all.
    #[error("this is no whole ELF file ({0})")]
    Malformed(String),
    /// It is for another machine.
    #[error("this is an ELF file for something else: {0}")]
    Foreign(String),
    /// A segment makes no sense.
    #[error("segment {segment}: {what}")]
    Segment {
        segment: usize,
        /// What makes no sense.
        what: &'static str,
    },
    /// There is nothing to load.
    #[error("it has no segments to load")]
    Empty,
    /// The entry point is not in code.
    #[error("the entry point {0:#x} is not in an executable segment")]
    Entry(u64),
    /// It wants a dynamic linker.
    #[error("it wants a dynamic linker: {0}")]
    Dynamic(String),
    /// A relocation that the start code does not apply.
    #[error("relocation of type {kind} at {offset:#x} {why}")]
    Relocation {
        /// The type.
        kind: u32,
        /// Where it is applied.
        offset: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The configuration block is not as it should be.
    #[error("the configuration block {0}")]
    Config(String),
    /// The batch is not as it should be.
    #[error("the batch {0}")]
    Batch(&'static str),
    /// The version note is not as it should be.
    #[error("the version note {0}")]
    Note(String),
    /// A symbol that is needed is not there.
    #[error("it has no symbol {0}: it was stripped, or is of another version")]
    NoSymbol(String),
    /// The flat image does not begin as a Linux `Image`.
    #[error("the image header {0}")]
    Header(String),
    /// UEFI would not start the flat image.
    #[error("the PE header {0}")]
    Application(String),
}
