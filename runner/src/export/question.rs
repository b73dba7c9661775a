//! What an exported case asks, and by which instructions.

use case::control::hcr;
use case::guest::{EXCLUSIVE_TRIES, NOT_STORED, piece};
use case::probe::{El, Operation, Probe};
use case::tree::Role;
use case::{Case, Flags, scratch};

use super::{NotExported, hex};

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    /// The program itself, at EL2 with its MMU off.
    El2,
    /// The program itself, at EL2 in the case's own set-up of EL2.
    World,
    /// A guest, at EL1 or EL0.
    Guest,
    /// A monitor at EL3, of a set-up of EL2 that maps no code.
    Monitor,
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    pub from: From,
    /// In words.
    pub words: String,
    /// The instructions, with the address in x9, what is stored in x12, and the answer in x0.
    pub instructions: Vec<String>,
    pub is_fetch: bool,
    /// Whether it accesses memory, and not only translates.
    pub is_access: bool,
    address: u64,
    /// `SPSR_EL2` by which a guest is entered.
    spsr: u64,
    /// Where in the guest's code the instructions are, in bytes.
    piece: u64,
}

impl Question {
    /// That of the only probe of `case`.
    pub fn of(case: &Case) -> Result<(Probe, Self), NotExported> {
        let case = case.as_ref();
        let flags = case.flags();
        if case.probes.iter().any(|probe| probe.pe != 0) {
            return Err(NotExported::Pes);
        }
        if case.probes.iter().any(|probe| probe.operation().is_none_or(Operation::is_step)) {
            return Err(NotExported::Steps);
        }
        let [probe] = case.probes else { return Err(NotExported::Probes(case.probes.len())) };
        if case.tree(Role::Idmap).is_some() {
            return Err(NotExported::Idmap);
        }
        let operation = probe.operation().ok_or(NotExported::Steps)?;
        let no = NotExported::Operation(operation.name());
        let is_plain = operation.is_at()
            || matches!(operation, Operation::Load | Operation::Store | Operation::Fetch);
        let from = match probe.el() {
            Some(El::El2) if flags.has(Flags::MONITOR) && operation.is_at() => From::Monitor,
            Some(El::El2) if flags.has(Flags::WORLD_SWITCH) && is_plain => From::World,
            Some(El::El2) if operation.is_at() => From::El2,
            Some(El::El0 | El::El1) if !flags.has(Flags::MONITOR) => From::Guest,
            _ => return Err(no),
        };
        let is_outside = matches!(from, From::El2 | From::Guest);
        if is_outside && case.header.registers.hcr_el2 & (hcr::E2H | hcr::TGE) != 0 {
            return Err(NotExported::Host);
        }
        let instructions = instructions(operation, probe.bytes()).ok_or_else(|| no.clone())?;
        let piece = match from {
            From::Guest => piece(operation, probe.bytes()).ok_or(no)?,
            From::El2 | From::World | From::Monitor => 0,
        };
        let question = Self {
            from,
            words: judge::verdict::Question::of(probe).to_string(),
            instructions,
            is_fetch: operation == Operation::Fetch,
            is_access: !operation.is_at(),
            address: probe.address,
            spsr: spsr(probe),
            piece,
        };
        Ok((*probe, question))
    }

    pub const fn is_guest(&self) -> bool {
        matches!(self.from, From::Guest)
    }

    pub const fn is_world(&self) -> bool {
        matches!(self.from, From::World)
    }

    pub const fn is_monitor(&self) -> bool {
        matches!(self.from, From::Monitor)
    }

    pub const fn is_of_el2(&self) -> bool {
        matches!(self.from, From::El2)
    }

    pub fn address(&self) -> String {
        hex(self.address)
    }

    pub fn spsr(&self) -> String {
        hex(self.spsr)
    }

    pub fn piece(&self) -> String {
        hex(self.piece)
    }

    /// How often a store exclusive that fails is tried again.
    pub const fn tries(&self) -> u64 {
        EXCLUSIVE_TRIES
    }

    /// What a store stores.
    pub fn stored(&self) -> String {
        hex(scratch::stored(0))
    }
}

/// DAIF masked, at the EL of `probe`, with its own stack pointer.
fn spsr(probe: &Probe) -> u64 {
    let is_el1 = probe.el() == Some(El::El1);
    const DAIF: u64 = 0x3c0;
    const EL1H: u64 = 5;
    const PAN: u64 = 1 << 22;
    let pan = if probe.has(Probe::PAN) { PAN } else { 0 };
    DAIF | pan | if is_el1 { EL1H } else { 0 }
}

/// The instructions of `operation` with so many bytes; `None` where an exported case does not ask it.
fn instructions(operation: Operation, bytes: u8) -> Option<Vec<String>> {
    let lines = translation(operation).or_else(|| maintenance(operation));
    let lines = lines.or_else(|| access(operation, bytes))?;
    Some(lines.lines().map(|line| line.trim().to_owned()).collect())
}

/// An AT instruction; PAR_EL1 is written by it only as seen after an ISB.
fn translation(operation: Operation) -> Option<String> {
    let form = operation.name().strip_prefix("at_").filter(|_| operation.is_at())?;
    Some(format!("at {form}, x9\nisb\nmrs x0, par_el1"))
}

/// Maintenance, which answers nothing.
fn maintenance(operation: Operation) -> Option<String> {
    let form = match operation {
        Operation::DcCvac => "dc cvac",
        Operation::DcCvau => "dc cvau",
        Operation::DcCivac => "dc civac",
        Operation::DcIvac => "dc ivac",
        Operation::IcIvau => "ic ivau",
        _ => return None,
    };
    Some(format!("{form}, x9\ndsb sy\nisb\nmov x0, #0"))
}

fn access(operation: Operation, bytes: u8) -> Option<String> {
    use Operation::{
        Add, CompareAndSwap, Fetch, Load, LoadAcquire, LoadExclusive, LoadPair, LoadUnprivileged,
        Store, StoreExclusive, StorePair, StoreRelease, StoreUnprivileged, Swap,
    };
    let suffix = match bytes {
        1 => "b",
        2 => "h",
        _ => "",
    };
    let x = if bytes == 8 { "x" } else { "w" };
    let load = |name: &str| format!("{name}{suffix} {x}0, [x9]\ndsb sy");
    // The store has taken whatever exception it takes before it counts as done.
    let store = |name: &str| format!("{name}{suffix} {x}12, [x9]\ndsb sy\nmov x0, x12");
    let atomic = |name: &str, first: &str, second: &str| {
        format!("{name}{suffix} {x}{first}, {x}{second}, [x9]\ndsb sy")
    };
    Some(match operation {
        Load => load("ldr"),
        LoadAcquire => load("ldar"),
        LoadUnprivileged => load("ldtr"),
        LoadExclusive => format!("ldxr{suffix} {x}0, [x9]\nclrex"),
        LoadPair => "ldp x0, x10, [x9]\neor x0, x0, x10, ror #32".to_owned(),
        Store => store("str"),
        StoreRelease => store("stlr"),
        StoreUnprivileged => store("sttr"),
        StorePair => "stp x12, x12, [x9]\ndsb sy\nmov x0, x12".to_owned(),
        StoreExclusive => format!(
            "1: ldxr{suffix} {x}0, [x9]\nstxr{suffix} w10, {x}12, [x9]\ncbz w10, 2f\nsubs x11, x11, #1\nb.ne 1b\n\
             movz x0, #{:#x}, lsl #48\n2: dsb sy",
            NOT_STORED >> 48
        ),
        Swap => atomic("swpal", "12", "0"),
        Add => atomic("ldaddal", "12", "0"),
        CompareAndSwap => atomic("casal", "0", "12"),
        Fetch => "blr x9".to_owned(),
        _ => return None,
    })
}
