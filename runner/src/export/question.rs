//! What an exported case asks, and by which instructions.

use case::guest::piece;
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
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    pub from: From,
    pub address: u64,
    /// The instructions, with the address in x9, what is stored in x12, and the answer in x0.
    pub instructions: Vec<String>,
    /// In words.
    pub words: String,
    /// `SPSR_EL2` by which a guest is entered.
    pub spsr: u64,
    /// Where in the guest's code the instructions are, in bytes.
    pub piece: u64,
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
        if flags.has(Flags::MONITOR) {
            return Err(NotExported::Monitor);
        }
        if case.tree(Role::Idmap).is_some() {
            return Err(NotExported::Idmap);
        }
        let operation = probe.operation().ok_or(NotExported::Steps)?;
        let no = NotExported::Operation(operation.name());
        let from = match probe.el() {
            Some(El::El2) if flags.has(Flags::WORLD_SWITCH) => From::World,
            Some(El::El2) if operation.is_at() => From::El2,
            Some(El::El2) | None => return Err(no),
            Some(_) => From::Guest,
        };
        let instructions = instructions(operation, probe.bytes()).ok_or_else(|| no.clone())?;
        let piece = match from {
            From::Guest => piece(operation, probe.bytes()).ok_or(no)?,
            From::El2 | From::World => 0,
        };
        let words = judge::verdict::Question::of(probe).to_string();
        let (address, spsr) = (probe.address, spsr(probe));
        Ok((*probe, Self { from, address, instructions, words, spsr, piece }))
    }

    pub const fn is_guest(&self) -> bool {
        matches!(self.from, From::Guest)
    }

    pub const fn is_world(&self) -> bool {
        matches!(self.from, From::World)
    }

    pub fn address(&self) -> String {
        hex(self.address)
    }

    pub fn spsr_in_hex(&self) -> String {
        hex(self.spsr)
    }

    /// Where in the guest's page the instructions are, in bytes.
    pub fn at(&self) -> String {
        hex(scratch::GUEST + self.piece)
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
    use Operation::{
        AtS1e0r, AtS1e0w, AtS1e1r, AtS1e1rp, AtS1e1w, AtS1e1wp, AtS1e2r, AtS1e2w, AtS12e0r,
        AtS12e0w, AtS12e1r, AtS12e1w, CompareAndSwap, DcCivac, DcCvac, DcCvau, DcIvac, Load,
        LoadAcquire, LoadUnprivileged, Store, StoreRelease, StoreUnprivileged, Swap,
    };
    let suffix = match bytes {
        1 => "b",
        2 => "h",
        _ => "",
    };
    let x = if bytes == 8 { "x" } else { "w" };
    let at =
        |form: &str| vec![format!("at {form}, x9"), "isb".to_owned(), "mrs x0, par_el1".to_owned()];
    let load = |name: &str| vec![format!("{name}{suffix} {x}0, [x9]"), "dsb sy".to_owned()];
    let store = |name: &str| vec![format!("{name}{suffix} {x}12, [x9]"), "dsb sy".to_owned()];
    let atomic = |name: &str, first: &str, second: &str| {
        vec![format!("{name}{suffix} {x}{first}, {x}{second}, [x9]"), "dsb sy".to_owned()]
    };
    let maintain = |form: &str| vec![format!("dc {form}, x9"), "dsb sy".to_owned()];
    Some(match operation {
        AtS12e1r => at("s12e1r"),
        AtS12e1w => at("s12e1w"),
        AtS12e0r => at("s12e0r"),
        AtS12e0w => at("s12e0w"),
        AtS1e2r => at("s1e2r"),
        AtS1e2w => at("s1e2w"),
        AtS1e1r => at("s1e1r"),
        AtS1e1w => at("s1e1w"),
        AtS1e0r => at("s1e0r"),
        AtS1e0w => at("s1e0w"),
        AtS1e1rp => at("s1e1rp"),
        AtS1e1wp => at("s1e1wp"),
        Load => load("ldr"),
        LoadAcquire => load("ldar"),
        LoadUnprivileged => load("ldtr"),
        Store => store("str"),
        StoreRelease => store("stlr"),
        StoreUnprivileged => store("sttr"),
        Swap => atomic("swpal", "12", "0"),
        CompareAndSwap => atomic("casal", "0", "12"),
        DcCvac => maintain("cvac"),
        DcCvau => maintain("cvau"),
        DcCivac => maintain("civac"),
        DcIvac => maintain("ivac"),
        _ => return None,
    })
}
