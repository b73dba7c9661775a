//! What is accepted as an executor, and how everything else is refused.

use std::path::Path;

use goblin::elf::dynamic::{DT_NEEDED, DT_NULL, DT_RELA, DT_RELAENT, DT_RELASZ};
use goblin::elf::header::{
    EI_DATA, ELFCLASS64, ELFDATA2LSB, ELFDATA2MSB, EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC,
    EV_CURRENT,
};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD, PT_NOTE};
use goblin::elf::reloc::{R_AARCH64_GLOB_DAT, R_AARCH64_RELATIVE};
use goblin::elf::section_header::{SHF_ALLOC, SHT_NOTE, SHT_PROGBITS, SHT_RELA, SHT_STRTAB};
use link::config::Config;
use payload::{Executor, Fault, PayloadError};
use zerocopy::{FromBytes, IntoBytes};

/// What goes into the ELF file of a pretend executor.
///
/// ```text
///   in the file:   0x0000    0x1000         0x2000                0x3000   0x3100
///                  headers   image header   note, configuration,  data     section
///                                           relocations, names             headers
///   in memory:               0x0000         0x1000                0x2000
/// ```
struct Pretend {
    machine: u16,
    kind: u16,
    entry: u64,
    segments: Vec<Segment>,
    dynamic: Vec<(u64, u64)>,
    relocations: Vec<(u32, u64)>,
    config: Config,
    config_name: &'static str,
    note_owner: &'static str,
    note: Vec<u8>,
    image_magic: [u8; 4],
    image_size: u64,
}

struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    in_file: u64,
    in_memory: u64,
}

/// Addresses begin at 0 where the file has the code.
const BIAS: u64 = 0x1000;
const CODE: u64 = 0x1000;
const CONSTANTS: u64 = 0x2000;
const NOTE: u64 = CONSTANTS;
const CONFIG: u64 = CONSTANTS + 0x40;
const RELA: u64 = CONSTANTS + 0x800;
const DYNAMIC: u64 = CONSTANTS + 0xa00;
const STRINGS: u64 = CONSTANTS + 0xb00;
const DATA: u64 = 0x3000;
const END: u64 = 0x3100;

impl Pretend {
    fn sound() -> Self {
        let segment = |kind, flags, offset, in_file, in_memory| Segment {
            kind,
            flags,
            offset,
            address: offset - BIAS,
            in_file,
            in_memory,
        };
        let (constants, data) = (CONSTANTS - BIAS, DATA - BIAS);
        Self {
            machine: EM_AARCH64,
            kind: ET_DYN,
            entry: 0,
            segments: vec![
                segment(PT_LOAD, PF_R | PF_X, CODE, 0x100, 0x100),
                segment(PT_LOAD, PF_R, CONSTANTS, 0xc00, 0xc00),
                segment(PT_LOAD, PF_R | PF_W, DATA, 0x100, 0x800),
                segment(PT_NOTE, PF_R, NOTE, 0x1c, 0x1c),
                segment(PT_DYNAMIC, PF_R, DYNAMIC, 0x40, 0x40),
            ],
            dynamic: vec![(DT_RELA, RELA - BIAS), (DT_RELAENT, 24)],
            relocations: vec![(R_AARCH64_RELATIVE, data), (R_AARCH64_RELATIVE, constants + 0xb10)],
            config: Config::new(),
            config_name: Config::SECTION,
            note_owner: "Hypwalk\0",
            note: [*b"7.8\0", link::VERSION.to_le_bytes()].concat(),
            image_magic: *b"ARM\x64",
            image_size: data + 0x800,
        }
    }
    fn elf(&self) -> Vec<u8> {
        let mut file = vec![0; END as usize];
        let mut put =
            |at: u64, bytes: &[u8]| file[at as usize..][..bytes.len()].copy_from_slice(bytes);

        put(CODE + 16, &self.image_size.to_le_bytes());
        put(CODE + 0x38, &self.image_magic);
        put(DATA, b"the data");

        let sizes = [self.note_owner.len() as u32, self.note.len() as u32, 1];
        let note = [sizes.as_bytes(), self.note_owner.as_bytes(), &self.note].concat();
        put(NOTE, &note);
        put(CONFIG, self.config.as_bytes());
        for (at, &(kind, offset)) in self.relocations.iter().enumerate() {
            put(RELA + 24 * at as u64, [offset, kind.into(), 0x40].as_bytes());
        }
        let rela_size = 24 * self.relocations.len() as u64;
        let rest = [(DT_RELASZ, rela_size), (DT_NULL, 0)];
        for (at, &(tag, value)) in self.dynamic.iter().chain(&rest).enumerate() {
            put(DYNAMIC + 16 * at as u64, [tag, value].as_bytes());
        }
        let names = format!("\0{}\0.note.hypwalk\0.rela.dyn\0.shstrtab\0", self.config_name);
        put(STRINGS, names.as_bytes());

        for (at, segment) in self.segments.iter().enumerate() {
            let Segment { kind, flags, offset, address, in_file, in_memory } = *segment;
            let words = [offset, address, address, in_file, in_memory, 0x1000];
            put(
                64 + 56 * at as u64,
                [[kind, flags].as_bytes(), words.as_bytes()].concat().as_slice(),
            );
        }

        let name = |name: &str| names.find(name).expect("it is among the names") as u32;
        let config_size = size_of::<Config>() as u64;
        let sections = [
            (0, 0, 0, 0, 0, 0),
            (name(self.config_name), SHT_PROGBITS, SHF_ALLOC, CONFIG, config_size, 0),
            (name(".note"), SHT_NOTE, SHF_ALLOC, NOTE, note.len() as u64, 0),
            (name(".rela"), SHT_RELA, SHF_ALLOC, RELA, rela_size, 24),
            (name(".shstrtab"), SHT_STRTAB, 0, STRINGS, names.len() as u64, 0),
        ];
        for (name, kind, flags, at, size, entry) in sections {
            file.extend_from_slice([name, kind].as_bytes());
            let address = at.saturating_sub(BIAS);
            file.extend_from_slice([flags.into(), address, at, size, 0, 4, entry].as_bytes());
        }

        let ident =
            [b"\x7fELF".as_slice(), &[ELFCLASS64, ELFDATA2LSB, EV_CURRENT], &[0; 9]].concat();
        let counts = [64, 56, self.segments.len() as u16, 64, sections.len() as u16, 4];
        let (kinds, places) = ([self.kind, self.machine], [self.entry, 64, END]);
        let header = [
            ident.as_slice(),
            kinds.as_bytes(),
            1u32.as_bytes(),
            places.as_bytes(),
            0u32.as_bytes(),
            counts.as_bytes(),
        ];
        file[..64].copy_from_slice(&header.concat());
        file
    }
}

fn open(elf: Vec<u8>) -> Result<Executor, Fault> {
    Executor::from_bytes(elf, Path::new("executor")).map_err(fault)
}

fn fault(error: PayloadError) -> Fault {
    match error {
        PayloadError::Unfit { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

/// The fault of a pretend executor that `change` has made worse.
fn refused(change: impl FnOnce(&mut Pretend)) -> Fault {
    let mut pretend = Pretend::sound();
    change(&mut pretend);
    open(pretend.elf()).expect_err("it is not sound")
}

type Change<'a> = &'a dyn Fn(&mut Pretend);

#[test]
fn a_sound_executor_is_made_into_a_configured_image() {
    let executor = open(Pretend::sound().elf()).expect("it is sound");
    let layout = executor.layout();
    assert_eq!((layout.segments.len(), layout.relocations), (3, 2));
    assert_eq!(layout.version, "7.8");

    let config = Config { mailbox: 0x4800_0000, ..Config::new() };
    let image = executor.image(&config).expect("it is sound");
    assert_eq!(image.len() as u64, DATA - BIAS + 0x100, "what is not in the file is left out");
    assert_eq!(&image[0x38..0x3c], b"ARM\x64");
    assert_eq!(&image[(DATA - BIAS) as usize..][..8], b"the data");
    let (patched, _) = Config::read_from_prefix(&image[layout.config as usize..]).expect("it fits");
    assert_eq!(patched, config);
}

#[test]
fn foreign_files_are_refused() {
    let changes: [(Change<'_>, &str); 2] = [
        (&|pretend| pretend.machine = EM_X86_64, "number 62"),
        (&|pretend| pretend.kind = ET_EXEC, "not position independent"),
    ];
    for (change, reason) in changes {
        let fault = refused(change);
        assert!(matches!(&fault, Fault::Foreign(what) if what.contains(reason)), "{fault}");
    }
    for bytes in [&b""[..], b"\x7fELF", b"#!/bin/sh\n", b"MZ\x90\0", &[0; 4096]] {
        let fault = open(bytes.to_vec()).expect_err("it is no ELF file");
        assert!(matches!(fault, Fault::Malformed(_)), "{fault}");
    }
    let mut big = Pretend::sound().elf();
    big[EI_DATA] = ELFDATA2MSB;
    assert!(open(big).is_err());
}

#[test]
fn segments_that_make_no_sense_are_refused() {
    let changes: [(Change<'_>, &str); 9] = [
        (&|pretend| pretend.segments[1].in_file = 0x2000, "end of the file"),
        (&|pretend| pretend.segments[2].in_file = 0x2000, "end of the file"),
        (&|pretend| pretend.segments[1].in_memory = 0x10, "in memory"),
        (&|pretend| pretend.segments[1].address = 0x80, "overlaps"),
        (&|pretend| pretend.segments[2].address = u64::MAX - 0x800, "too far"),
        (&|pretend| pretend.segments[2].flags |= PF_X, "writable and executable"),
        (&|pretend| pretend.segments[0].flags = PF_X, "not readable"),
        (&|pretend| pretend.segments[0].address = 0x40, "linked at 0"),
        (&|pretend| pretend.segments[2].flags = 0, "not readable"),
    ];
    for (change, reason) in changes {
        let fault = refused(change);
        assert!(matches!(fault, Fault::Segment { what, .. } if what.contains(reason)), "{fault}");
    }
    let nothing = refused(|pretend| pretend.segments.retain(|segment| segment.kind != PT_LOAD));
    assert_eq!(nothing, Fault::Empty);
    assert_eq!(refused(|pretend| pretend.entry = 0x1000), Fault::Entry(0x1000));
    assert_eq!(refused(|pretend| pretend.entry = 0xfe), Fault::Entry(0xfe));
}

#[test]
fn an_executor_that_wants_a_dynamic_linker_is_refused() {
    let fault = refused(|pretend| pretend.segments[3].kind = PT_INTERP);
    assert!(matches!(&fault, Fault::Dynamic(what) if what.contains("interpreter")), "{fault}");
    let fault = refused(|pretend| {
        pretend.dynamic.push((DT_NEEDED, 0));
        pretend.segments[4].in_file = 0x50;
    });
    assert!(matches!(&fault, Fault::Dynamic(what) if what.contains("library")), "{fault}");
}

#[test]
fn relocations_that_nobody_applies_are_refused() {
    let data = DATA - BIAS;
    let kinds = [
        ((R_AARCH64_GLOB_DAT, data), "of a type"),
        ((R_AARCH64_RELATIVE, 0x10), "to code"),
        ((R_AARCH64_RELATIVE, data + 0xfc), "outside"),
        ((R_AARCH64_RELATIVE, u64::MAX), "outside"),
    ];
    for (relocation, reason) in kinds {
        let fault = refused(|pretend| pretend.relocations.push(relocation));
        assert!(matches!(fault, Fault::Relocation { why, .. } if why.contains(reason)), "{fault}");
        // Where no dynamic section tells of them, the section headers do.
        let fault = refused(|pretend| {
            pretend.relocations.push(relocation);
            pretend.segments.truncate(4);
        });
        assert!(matches!(fault, Fault::Relocation { why, .. } if why.contains(reason)), "{fault}");
    }
}

#[test]
fn an_executor_of_another_version_is_refused() {
    let configs: [(Change<'_>, &str); 3] = [
        (&|pretend| pretend.config_name = ".config", "missing"),
        (&|pretend| pretend.config.magic ^= 1, "not its magic"),
        (&|pretend| pretend.config.version += 1, "this runner speaks"),
    ];
    for (change, reason) in configs {
        let fault = refused(change);
        assert!(matches!(&fault, Fault::Config(what) if what.contains(reason)), "{fault}");
    }
    let notes: [(Change<'_>, &str); 3] = [
        (&|pretend| pretend.note_owner = "Another\0", "somebody else"),
        (&|pretend| pretend.note[4] += 1, "this runner speaks"),
        (&|pretend| pretend.note.clear(), "too short"),
    ];
    for (change, reason) in notes {
        let fault = refused(change);
        assert!(matches!(&fault, Fault::Note(what) if what.contains(reason)), "{fault}");
    }
}

#[test]
fn an_image_without_a_sound_header_is_refused() {
    let changes: [(Change<'_>, &str); 2] = [
        (&|pretend| pretend.image_magic = *b"MZ\0\0", "ARM\\x64"),
        (&|pretend| pretend.image_size -= 1, "in memory"),
    ];
    for (change, reason) in changes {
        let mut pretend = Pretend::sound();
        change(&mut pretend);
        let executor = open(pretend.elf()).expect("the ELF file is sound");
        let fault = fault(executor.image(&Config::new()).expect_err("the image is not"));
        assert!(matches!(&fault, Fault::Header(what) if what.contains(reason)), "{fault}");
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let elf = Pretend::sound().elf();
    for length in 0..elf.len() {
        assert!(open(elf[..length].to_vec()).is_err(), "{length} bytes of {}", elf.len());
    }
}

#[test]
fn damage_anywhere_is_survived() {
    let elf = Pretend::sound().elf();
    // Headers, and all that the inspection reads.
    for at in (0..64 + 5 * 56).chain(CONSTANTS as usize..elf.len()) {
        for damage in [0x01, 0x80, 0xff] {
            let mut elf = elf.clone();
            elf[at] ^= damage;
            if let Ok(executor) = open(elf) {
                // Whether it can be made is not the point; that it returns is.
                let _ = executor.image(&Config::new());
            }
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_told_with_a_remedy() {
    let error = Executor::open(Path::new("/nowhere/executor")).expect_err("it is not there");
    let message = error.to_string();
    assert!(message.contains("/nowhere/executor"), "{message}");
    assert!(message.contains("hypwalk payload build"), "{message}");
}
