//! The flat image that a boot loader takes, made from the ELF file.
//!
//! ```text
//!   ELF                        flat image
//!   PT_LOAD 0x00000 ─────────> 0x00000  Linux Image and PE headers, code
//!   PT_LOAD 0x20000 ─────────> 0x20000  constants, configuration (patched here)
//!   PT_LOAD 0x30000 ─────────> 0x30000  data
//!                              end of file bytes; the header's image_size covers what is beyond
//! ```

use link::batch::Batch;
use link::config::Config;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::error::Fault;
use super::inspect::check_block;

/// The head of a Linux arm64 `Image`, from "Booting AArch64 Linux".
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    code: [u32; 2],
    text_offset: u64,
    image_size: u64,
    flags: u64,
    reserved: [u64; 3],
    magic: [u8; 4],
    reserved_or_pe: u32,
}

const MAGIC: [u8; 4] = *b"ARM\x64";
/// Header flag: the image is big-endian.
const BIG_ENDIAN: u64 = 1;

/// The flat image of the ELF file `elf`, configured by `config`.
pub fn flat(elf: &[u8], config: &Config) -> Result<Vec<u8>, Fault> {
    let malformed = |error: object::Error| Fault::Malformed(error.to_string());
    let header = FileHeader64::<LittleEndian>::parse(elf).map_err(malformed)?;
    let endian = header.endian().map_err(malformed)?;

    let mut image = Vec::new();
    let mut memory = 0;
    let headers = header.program_headers(endian, elf).map_err(malformed)?;
    for (number, segment) in headers.iter().enumerate() {
        if segment.p_type(endian) != PT_LOAD {
            continue;
        }
        let fault = |what| Fault::Segment { segment: number, what };
        let data = segment
            .data(endian, elf)
            .map_err(|()| fault("it reaches beyond the end of the file"))?;
        let at = usize::try_from(segment.p_vaddr(endian))
            .ok()
            .filter(|at| *at >= image.len() && *at <= MOST_BYTES)
            .ok_or_else(|| fault("it is out of order, or too far from the start of the image"))?;
        image.resize(at, 0);
        image.extend_from_slice(data);
        memory = segment.p_vaddr(endian).saturating_add(segment.p_memsz(endian));
    }
    check_header(&image, memory)?;
    patch(elf, &mut image, config)?;
    Ok(image)
}

/// An image that is larger is none of ours.
const MOST_BYTES: usize = 256 << 20;

fn check_header(image: &[u8], memory: u64) -> Result<(), Fault> {
    let fault = |what: String| Err(Fault::Header(what));
    let Ok((header, _)) = Header::read_from_prefix(image) else {
        return fault("is not there: the image is too short".to_owned());
    };
    if header.magic != MAGIC {
        return fault(format!(
            "has {:?} where \"ARM\\x64\" belongs",
            header.magic.escape_ascii().to_string()
        ));
    }
    if header.flags & BIG_ENDIAN != 0 {
        return fault("says that the image is big-endian".to_owned());
    }
    if header.image_size < memory {
        let said = header.image_size;
        return fault(format!("says {said:#x} bytes, but the image takes {memory:#x} in memory"));
    }
    Ok(())
}

/// The offset in the image of the symbol `name` of the ELF file `elf`.
pub fn symbol(elf: &[u8], name: &str) -> Result<u64, Fault> {
    let file = ElfFile64::<LittleEndian>::parse(elf)
        .map_err(|error| Fault::Malformed(error.to_string()))?;
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name));
    symbol.map(|symbol| symbol.address()).ok_or_else(|| Fault::NoSymbol(name.to_owned()))
}

fn patch(elf: &[u8], image: &mut [u8], config: &Config) -> Result<(), Fault> {
    let fault = |what: &str| Fault::Config(what.to_owned());
    let (at, _) = section(elf, Config::SECTION)?.ok_or_else(|| fault("is missing"))?;
    let block = image.get_mut(at..).and_then(|rest| rest.get_mut(..size_of::<Config>()));
    let block = block.ok_or_else(|| fault("is not in the image"))?;
    check_block(&Config::read_from_bytes(block).map_err(|_| fault("is too short"))?)?;
    block.copy_from_slice(config.as_bytes());
    Ok(())
}

/// Address and place in the file of the section called `name`, if there is one.
fn section(elf: &[u8], name: &str) -> Result<Option<(usize, usize)>, Fault> {
    let malformed = |error: object::Error| Fault::Malformed(error.to_string());
    let file = ElfFile64::<LittleEndian>::parse(elf).map_err(malformed)?;
    Ok(file.section_by_name(name).and_then(|section| {
        let (offset, _) = section.file_range()?;
        Some((usize::try_from(section.address()).ok()?, usize::try_from(offset).ok()?))
    }))
}

/// Puts `batch` into the flat `image` of the ELF file `elf`.
pub fn put_batch(elf: &[u8], image: &mut [u8], batch: &Batch) -> Result<(), Fault> {
    let (at, _) = section(elf, Batch::SECTION)?.ok_or(Fault::Batch("is missing"))?;
    replace_batch(image, at, batch)
}

/// The ELF file `elf` itself, configured by `config`, with `batch` in it.
pub fn with_batch(elf: &[u8], config: &Config, batch: &Batch) -> Result<Vec<u8>, Fault> {
    let mut file = elf.to_vec();
    let missing = || Fault::Config("is missing".to_owned());
    let (_, at) = section(elf, Config::SECTION)?.ok_or_else(missing)?;
    let block = file.get_mut(at..).and_then(|rest| rest.get_mut(..size_of::<Config>()));
    block.ok_or_else(missing)?.copy_from_slice(config.as_bytes());
    let (_, at) = section(elf, Batch::SECTION)?.ok_or(Fault::Batch("is missing"))?;
    replace_batch(&mut file, at, batch)?;
    Ok(file)
}

fn replace_batch(bytes: &mut [u8], at: usize, batch: &Batch) -> Result<(), Fault> {
    let block = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..size_of::<Batch>()));
    let block = block.ok_or(Fault::Batch("is not in the image"))?;
    let head = [batch.magic, batch.version];
    if block.get(..16) != Some(head.as_bytes()) {
        return Err(Fault::Batch("is of another version"));
    }
    block.copy_from_slice(batch.as_bytes());
    Ok(())
}
