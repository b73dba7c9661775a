//! Inspection of an ELF file: whether it can run as the executor.
//!
//! ```text
//!   ELF64, little-endian, AArch64, ET_DYN      position independent
//!   PT_LOAD  R E   entry point in here         in the file, in order, apart from each other,
//!   PT_LOAD  R     .hypwalk.config, note       none both writable and executable
//!   PT_LOAD  RW
//!   relocations: R_AARCH64_RELATIVE alone, on file bytes outside code: the start code applies them
//! ```

use goblin::elf::dynamic::DT_NEEDED;
use goblin::elf::header::{EM_AARCH64, ET_DYN};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_INTERP, PT_LOAD};
use goblin::elf::reloc::R_AARCH64_RELATIVE;
use goblin::elf::section_header::{SHF_ALLOC, SHT_NOBITS};
use goblin::elf::{Elf, Reloc, SectionHeader};
use link::config::Config;
use zerocopy::FromBytes;

use super::error::Fault;

/// What an inspection found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The address of the entry point.
    pub entry: u64,
    /// What is loaded, in order of address.
    pub segments: Vec<Segment>,
    /// How many relocations the start code applies.
    pub relocations: usize,
    /// The address of the configuration block.
    pub config: u64,
    /// The executor's own version.
    pub version: String,
}

/// A segment that is loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// First address, from the start of the image.
    pub address: u64,
    /// Bytes that come from the file.
    pub file_bytes: u64,
    /// Bytes in memory; what the file does not have is not initialised by the loader.
    pub memory_bytes: u64,
    /// Whether it is writable.
    pub writable: bool,
    /// Whether it is executable.
    pub executable: bool,
}

impl Segment {
    /// Whether `bytes` from `address` come from the file.
    fn holds(&self, address: u64, bytes: u64) -> bool {
        address
            .checked_sub(self.address)
            .and_then(|offset| offset.checked_add(bytes))
            .is_some_and(|end| end <= self.file_bytes)
    }
}

/// The owner of the version note.
pub const NOTE_OWNER: &str = "Hypwalk";
/// The name of the version note's section.
pub const NOTE_SECTION: &str = ".note.hypwalk";

/// Inspects the ELF file that `bytes` hold.
pub fn inspect(bytes: &[u8]) -> Result<Layout, Fault> {
    let elf = Elf::parse(bytes).map_err(|error| Fault::Malformed(error.to_string()))?;
    check_kind(&elf)?;
    let segments = segments(&elf, bytes.len() as u64)?;
    if !segments.iter().any(|segment| segment.executable && segment.holds(elf.entry, 4)) {
        return Err(Fault::Entry(elf.entry));
    }
    check_static(&elf)?;
    let relocations = check_relocations(&elf, &segments)?;
    let config = check_config(&elf, bytes, &segments)?;
    let version = check_note(&elf, bytes)?;
    Ok(Layout { entry: elf.entry, segments, relocations, config, version })
}

fn check_kind(elf: &Elf<'_>) -> Result<(), Fault> {
    let header = &elf.header;
    let foreign = |what: String| Err(Fault::Foreign(what));
    if !elf.is_64 || !elf.little_endian {
        return foreign("it is not 64-bit little-endian".to_owned());
    }
    if header.e_machine != EM_AARCH64 {
        return foreign(format!("its machine is number {}, not AArch64", header.e_machine));
    }
    if header.e_type != ET_DYN {
        return foreign(format!("its type is {}: it is not position independent", header.e_type));
    }
    Ok(())
}

fn segments(elf: &Elf<'_>, file_size: u64) -> Result<Vec<Segment>, Fault> {
    let mut segments: Vec<Segment> = Vec::new();
    for (number, header) in elf.program_headers.iter().enumerate() {
        let fault = |what| Err(Fault::Segment { segment: number, what });
        if header.p_offset.checked_add(header.p_filesz).is_none_or(|end| end > file_size) {
            return fault("it reaches beyond the end of the file");
        }
        if header.p_type != PT_LOAD {
            continue;
        }
        let flag = |flag| header.p_flags & flag != 0;
        if header.p_filesz > header.p_memsz {
            return fault("it has more bytes in the file than in memory");
        }
        if header.p_vaddr.checked_add(header.p_memsz).is_none_or(|end| end > MOST_BYTES) {
            return fault("it ends too far from the start of the image");
        }
        if !flag(PF_R) {
            return fault("it is not readable");
        }
        if flag(PF_W) && flag(PF_X) {
            return fault("it is both writable and executable");
        }
        if let Some(last) = segments.last()
            && header.p_vaddr < last.address + last.memory_bytes
        {
            return fault("it overlaps the segment before it, or is out of order");
        }
        segments.push(Segment {
            address: header.p_vaddr,
            file_bytes: header.p_filesz,
            memory_bytes: header.p_memsz,
            writable: flag(PF_W),
            executable: flag(PF_X),
        });
    }
    match segments.first() {
        None => Err(Fault::Empty),
        Some(first) if first.address != 0 => {
            Err(Fault::Segment { segment: 0, what: "the image is not linked at 0" })
        }
        Some(_) => Ok(segments),
    }
}

/// An image that is larger is none of ours.
const MOST_BYTES: u64 = 256 << 20;

fn check_static(elf: &Elf<'_>) -> Result<(), Fault> {
    if elf.program_headers.iter().any(|header| header.p_type == PT_INTERP) {
        return Err(Fault::Dynamic("it names an interpreter".to_owned()));
    }
    let needed = elf.dynamic.iter().flat_map(|dynamic| &dynamic.dyns);
    if needed.into_iter().any(|entry| entry.d_tag == DT_NEEDED) {
        return Err(Fault::Dynamic("it needs a shared library".to_owned()));
    }
    Ok(())
}

/// Checks the relocations, which both the dynamic section and the section headers may name.
fn check_relocations(elf: &Elf<'_>, segments: &[Segment]) -> Result<usize, Fault> {
    let loaded = |index: usize| {
        elf.section_headers.get(index).is_some_and(|s| s.sh_flags & u64::from(SHF_ALLOC) != 0)
    };
    let by_section = elf.shdr_relocs.iter().filter(|(index, _)| loaded(*index));
    let by_section: Vec<Reloc> =
        by_section.flat_map(|(_, relocations)| relocations.iter()).collect();
    let dynamic = [&elf.dynrelas, &elf.dynrels, &elf.pltrelocs];
    let dynamic: Vec<Reloc> =
        dynamic.into_iter().flat_map(|relocations| relocations.iter()).collect();

    for relocation in dynamic.iter().chain(&by_section) {
        let (kind, offset) = (relocation.r_type, relocation.r_offset);
        let fault = |why| Err(Fault::Relocation { kind, offset, why });
        if kind != R_AARCH64_RELATIVE {
            return fault("is of a type that the start code does not apply");
        }
        if relocation.r_addend.is_none() {
            return fault("has no addend, which the start code expects");
        }
        match segments.iter().find(|segment| segment.holds(offset, 8)) {
            None => return fault("is applied outside of what is loaded"),
            Some(segment) if segment.executable => return fault("is applied to code"),
            Some(_) => {}
        }
    }
    Ok(dynamic.len().max(by_section.len()))
}

fn section<'a>(elf: &'a Elf<'_>, name: &str) -> Option<&'a SectionHeader> {
    let named = |section: &&SectionHeader| elf.shdr_strtab.get_at(section.sh_name) == Some(name);
    elf.section_headers.iter().find(named)
}

fn contents<'a>(section: &SectionHeader, bytes: &'a [u8]) -> Option<&'a [u8]> {
    if section.sh_type == SHT_NOBITS {
        return None;
    }
    let start = usize::try_from(section.sh_offset).ok()?;
    let size = usize::try_from(section.sh_size).ok()?;
    bytes.get(start..)?.get(..size)
}

fn check_config(elf: &Elf<'_>, bytes: &[u8], segments: &[Segment]) -> Result<u64, Fault> {
    let fault = |what: &str| Fault::Config(format!("({}) {what}", Config::SECTION));
    let section = section(elf, Config::SECTION).ok_or_else(|| fault("is missing"))?;
    let contents = contents(section, bytes).ok_or_else(|| fault("is not in the file"))?;
    let (config, _) = Config::read_from_prefix(contents).map_err(|_| fault("is too short"))?;
    check_block(&config)?;
    let address = section.sh_addr;
    if !segments.iter().any(|segment| segment.holds(address, size_of::<Config>() as u64)) {
        return Err(fault("is not loaded"));
    }
    Ok(address)
}

/// Checks magic and version of a configuration block.
pub(super) fn check_block(config: &Config) -> Result<(), Fault> {
    if config.magic != Config::MAGIC {
        return Err(Fault::Config(format!(
            "begins with {:#x}, which is not its magic",
            config.magic
        )));
    }
    if config.version != u64::from(link::VERSION) {
        let (found, expected) = (config.version, link::VERSION);
        return Err(Fault::Config(format!("has version {found}, this runner speaks {expected}")));
    }
    Ok(())
}

/// The executor's version. The note's description is that as text, filled up with zeros, and then the
/// version of the wire that it speaks.
fn check_note(elf: &Elf<'_>, bytes: &[u8]) -> Result<String, Fault> {
    let fault = |what: &str| Fault::Note(format!("({NOTE_SECTION}) {what}"));
    let mut notes =
        elf.iter_note_sections(bytes, Some(NOTE_SECTION)).ok_or_else(|| fault("is missing"))?;
    let note = notes.next().ok_or_else(|| fault("is empty"))?;
    let note = note.map_err(|_| fault("is damaged"))?;
    if note.name != NOTE_OWNER {
        return Err(fault("belongs to somebody else"));
    }
    let (text, version) = u32::read_from_suffix(note.desc).map_err(|_| fault("is too short"))?;
    if version != link::VERSION {
        let expected = link::VERSION;
        return Err(fault(&format!("says version {version}, this runner speaks {expected}")));
    }
    Ok(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned())
}
