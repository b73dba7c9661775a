//! What is allowed, as masks and values of the registers that tell of it.

use case::memory::{ArenaKind, MemoryMap};
use case::probe::{Operation, Probe};
use case::scratch;
use oracle::answer::{Answer, Reach};
use oracle::expectation::Expectation;

use super::{NotExported, hex};

/// How an instruction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Kind {
    /// It was done: what it answered is in the first register.
    Done = 0,
    /// It took an exception to EL1: `ESR_EL1`, `FAR_EL1`.
    ToEl1 = 1,
    /// It took an exception to EL2: `ESR_EL2`, `FAR_EL2`, `HPFAR_EL2`.
    ToEl2 = 2,
}

/// One outcome: a mask and a value for each of three registers, which ones the kind says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowed {
    pub kind: Kind,
    /// Mask and value of each.
    pub registers: [(u64, u64); 3],
}

impl Allowed {
    /// The words of it, for the assembler.
    pub fn words(&self) -> String {
        let registers = self.registers.iter().flat_map(|(mask, value)| [hex(*mask), hex(*value)]);
        let words: Vec<String> =
            [hex(self.kind as u64), "0".to_owned()].into_iter().chain(registers).collect();
        words.join(", ")
    }
}

impl Allowed {
    /// The same in words: `kind 2, ESR 0x9200004f (mask 0xffffffff), FAR 0x1000`.
    pub fn in_words(&self) -> String {
        let names = match self.kind {
            Kind::Done => ["answer", "", ""],
            Kind::ToEl1 | Kind::ToEl2 => ["ESR", "FAR", "HPFAR"],
        };
        let registers = names.iter().zip(&self.registers).filter(|(_, (mask, _))| *mask != 0);
        let told = registers.map(|(name, (mask, value))| match *mask {
            u64::MAX => format!(", {name} {value:#x}"),
            mask => format!(", {name} {value:#x} (mask {mask:#x})"),
        });
        format!("kind {}{}", self.kind as u64, told.collect::<String>())
    }
}

const ANY: (u64, u64) = (0, 0);
/// `HPFAR_EL2`: FIPA.
const FIPA: u64 = 0x0000_ffff_ffff_fff0;

/// All that is `expectation` of `probe`, each once.
pub fn all(
    probe: &Probe,
    expectation: &Expectation,
    map: &MemoryMap,
) -> Result<Vec<Allowed>, NotExported> {
    if !expectation.complete {
        return Err(NotExported::Expectation("more is allowed than is followed"));
    }
    if expectation.strays_to.is_some() {
        return Err(NotExported::Expectation("its walk leaves the memory of the case"));
    }
    let mut all = Vec::new();
    for outcome in &expectation.outcomes {
        if !outcome.updates.is_empty() {
            return Err(NotExported::Updates);
        }
        let allowed = of(probe, &outcome.answer, map);
        if !all.contains(&allowed) {
            all.push(allowed);
        }
    }
    if all.is_empty() {
        return Err(NotExported::Expectation("the instruction is UNDEFINED or trapped there"));
    }
    Ok(all)
}

fn of(probe: &Probe, answer: &Answer, map: &MemoryMap) -> Allowed {
    let done = |register| Allowed { kind: Kind::Done, registers: [register, ANY, ANY] };
    match answer {
        Answer::Par { par, .. } => done((par.mask, par.value)),
        Answer::Reached(reach) => {
            done(loaded(probe, *reach, map).map_or(ANY, |word| (u64::MAX, word)))
        }
        Answer::Maintained(_) => done(ANY),
        Answer::Exception(taken) => {
            let exception = &taken.abort.exception;
            let hpfar = exception.hpfar.map_or(ANY, |hpfar| (FIPA, hpfar));
            let kind = if taken.target == 1 { Kind::ToEl1 } else { Kind::ToEl2 };
            let hpfar = if kind == Kind::ToEl1 { ANY } else { hpfar };
            let esr = (exception.esr.mask, exception.esr.value);
            Allowed { kind, registers: [esr, (u64::MAX, exception.far.0), hpfar] }
        }
    }
}

/// What a load finds at `reach`: each word holds its own address there. `None` where nothing is known of it.
fn loaded(probe: &Probe, reach: Reach, map: &MemoryMap) -> Option<u64> {
    use Operation::{Load, LoadAcquire, LoadUnprivileged};
    if !matches!(probe.operation()?, Load | LoadAcquire | LoadUnprivileged) {
        return None;
    }
    let byte = |number: u8| {
        let pa = reach.byte(number);
        let arena = map.arenas().iter().find(|arena| arena.contains(pa, 1))?;
        let tags = scratch::TAGS..scratch::TAGS + scratch::TAGS_BYTES;
        let is_tag = arena.kind == ArenaKind::Scratch && tags.contains(&(pa - arena.base));
        is_tag.then(|| (pa & !7).to_le_bytes()[(pa & 7) as usize])
    };
    let mut bytes = [0; 8];
    for (number, slot) in (0..probe.bytes()).zip(&mut bytes) {
        *slot = byte(number)?;
    }
    Some(u64::from_le_bytes(bytes))
}
