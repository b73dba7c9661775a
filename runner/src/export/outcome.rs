//! What is allowed: of the registers that tell of it, and of memory afterwards.

use case::memory::MemoryMap;
use case::operation::pair;
use case::probe::{Operation, Probe};
use case::scratch;
use golden::Certainty;
use judge::memory;
use oracle::access::Accesses;
use oracle::answer::{Answer, Partial, Reach, Taken};
use oracle::expectation::{self, Expectation};

use super::{NotExported, hex};

/// How an instruction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Kind {
    /// It was done: what it answered is in the first register.
    Done = 0,
    /// It took an exception to EL1.
    ToEl1 = 1,
    /// It took an exception to EL2.
    ToEl2 = 2,
    /// It took an exception to EL3.
    ToEl3 = 3,
}

/// A mask, and what is there under it.
pub type Masked = (u64, u64);

/// One outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub kind: Kind,
    /// Of the answer alone; or of ESR, FAR, HPFAR, ELR and SPSR.
    pub registers: [Masked; 5],
    /// Address, mask and value of each word of memory that is then not as it was, or may be.
    pub words: Vec<(u64, u64, u64)>,
}

const ANY: Masked = (0, 0);
/// `HPFAR_EL2`: FIPA.
const FIPA: u64 = 0x0000_ffff_ffff_fff0;

impl Outcome {
    /// All that is in `expectation` of `probe`, each once, and the physical addresses that it may come to.
    pub fn all(
        probe: &Probe,
        expectation: &Expectation,
        map: &MemoryMap,
    ) -> Result<(Vec<Self>, Vec<u64>), NotExported> {
        if !expectation.complete {
            return Err(NotExported::Expectation("more is allowed than is followed"));
        }
        if expectation.strays_to.is_some() {
            return Err(NotExported::Expectation("its walk leaves the memory of the case"));
        }
        let (mut all, mut reached) = (Vec::new(), Vec::new());
        for allowed in &expectation.outcomes {
            let outcome = Self::of(probe, &allowed.answer, map, &mut reached)?;
            for outcome in outcome.updated(allowed) {
                if !all.contains(&outcome) {
                    all.push(outcome);
                }
            }
        }
        if all.is_empty() {
            return Err(NotExported::Expectation("the instruction is UNDEFINED or trapped there"));
        }
        Ok((all, reached))
    }

    fn of(
        probe: &Probe,
        answer: &Answer,
        map: &MemoryMap,
        reached: &mut Vec<u64>,
    ) -> Result<Self, NotExported> {
        let done = |register| [register, ANY, ANY, ANY, ANY];
        let (kind, registers, words) = match answer {
            Answer::Par { par, .. } => (Kind::Done, done((par.mask, par.value)), Vec::new()),
            Answer::Maintained(_) => (Kind::Done, done((u64::MAX, 0)), Vec::new()),
            Answer::Reached(reach) => {
                let access = Reached::new(probe, *reach, map)?;
                reached.extend((0..access.bytes).map(|number| reach.byte(number)));
                (Kind::Done, done((u64::MAX, access.answer())), access.left())
            }
            Answer::Exception(taken) => {
                let partial = taken.partial.map(partial);
                reached.extend(taken.partial.iter().map(|partial| partial.pa));
                let (kind, registers) = exception(taken);
                (kind, registers, partial.unwrap_or_default())
            }
        };
        Ok(Self { kind, registers, words })
    }

    /// The same with what hardware does to descriptors meanwhile: with and without each that is permitted alone.
    fn updated(self, allowed: &expectation::Allowed) -> Vec<Self> {
        let mut all = vec![self];
        for update in &allowed.updates {
            let becoming = |value: u64| -> Vec<Self> {
                let with = all.clone().into_iter().map(|mut outcome| {
                    outcome.words.push((update.pa.0, u64::MAX, value));
                    outcome
                });
                with.collect()
            };
            let with = becoming(update.new);
            all = match update.certainty {
                Certainty::Certain => with,
                Certainty::Permitted => [all, with].concat(),
                Certainty::InPart(certain) => [becoming(certain), with].concat(),
            };
        }
        all
    }

    /// The words of it, for the assembler: lines of numbers.
    pub fn lines(&self) -> Vec<String> {
        let registers =
            self.registers.iter().map(|(mask, value)| format!("{}, {}", hex(*mask), hex(*value)));
        let head = format!("{}, {}", self.kind as u64, self.words.len());
        let words = self.words.iter();
        let words =
            words.map(|(pa, mask, value)| format!("{}, {}, {}", hex(*pa), hex(*mask), hex(*value)));
        let registers = registers.collect::<Vec<_>>().join(", ");
        [head, registers].into_iter().chain(words).collect()
    }

    /// The same in words: `exception to EL2, ESR 0x9200004f (mask 0xffffffff), FAR 0x1000`.
    pub fn in_words(&self) -> String {
        let (kind, names) = match self.kind {
            Kind::Done => ("done", ["answer", "", "", "", ""]),
            Kind::ToEl1 => ("exception to EL1", EXCEPTION),
            Kind::ToEl2 => ("exception to EL2", EXCEPTION),
            Kind::ToEl3 => ("exception to EL3", EXCEPTION),
        };
        let told = |name: &str, mask, value| match mask {
            0 => String::new(),
            u64::MAX => format!(", {name} {value:#x}"),
            mask => format!(", {name} {value:#x} (mask {mask:#x})"),
        };
        let registers = names.iter().zip(self.registers);
        let registers = registers.map(|(name, (mask, value))| told(name, mask, value));
        let words = self.words.iter();
        let words =
            words.map(|(pa, mask, value)| told(&format!("then [{pa:#x}] is"), *mask, *value));
        kind.to_owned() + &registers.chain(words).collect::<String>()
    }
}

const EXCEPTION: [&str; 5] = ["ESR", "FAR", "HPFAR", "ELR", "SPSR"];

fn exception(taken: &Taken) -> (Kind, [Masked; 5]) {
    let exception = &taken.abort.exception;
    let kind = match taken.target {
        1 => Kind::ToEl1,
        2 => Kind::ToEl2,
        _ => Kind::ToEl3,
    };
    let hpfar = exception.hpfar.filter(|_| kind == Kind::ToEl2);
    let registers = [
        (exception.esr.mask, exception.esr.value),
        (u64::MAX, exception.far.0),
        hpfar.map_or(ANY, |hpfar| (FIPA, hpfar)),
        taken.elr.map_or(ANY, |elr| (u64::MAX, elr)),
        (taken.spsr.mask, taken.spsr.value),
    ];
    (kind, registers)
}

/// The tag at `pa`, a multiple of 8, where byte number `number` of a value may be stored over byte `pa + number`.
struct Word {
    pa: u64,
    mask: u64,
    value: u64,
}

impl Word {
    /// The words in which these bytes lie, tags elsewhere.
    fn with(bytes: impl Iterator<Item = (u64, Masked)>) -> Vec<(u64, u64, u64)> {
        let mut words: Vec<Self> = Vec::new();
        for (pa, (mask, value)) in bytes {
            let shift = 8 * (pa & 7);
            let at = pa & !7;
            let known = words.iter().position(|word| word.pa == at);
            let known = known.unwrap_or_else(|| {
                words.push(Self { pa: at, mask: u64::MAX, value: at });
                words.len() - 1
            });
            let word = &mut words[known];
            word.mask = word.mask & !(0xff << shift) | mask << shift;
            word.value = word.value & !(0xff << shift) | (value & mask) << shift;
        }
        words.into_iter().map(|Self { pa, mask, value }| (pa, mask, value)).collect()
    }
}

/// The words of a store that was stopped, part of which may be done: bits that it would change are left open.
fn partial(partial: Partial) -> Vec<(u64, u64, u64)> {
    Word::with((0..partial.bytes).map(|number| {
        let pa = partial.pa + u64::from(number);
        let (old, new) =
            (tag(pa), scratch::stored(0) >> (8 * ((partial.first + number) % 8)) & 0xff);
        (pa, (!(old ^ new) & 0xff, old))
    }))
}

/// What byte `pa` holds while nobody has stored to it.
const fn tag(pa: u64) -> u64 {
    (pa & !7) >> (8 * (pa & 7)) & 0xff
}

/// An access that is done at tags, or a fetch at a slot.
struct Reached {
    operation: Operation,
    bytes: u8,
    reach: Reach,
    /// The address that was asked for, with which a compare-and-swap compares.
    address: u64,
}

impl Reached {
    fn new(probe: &Probe, reach: Reach, map: &MemoryMap) -> Result<Self, NotExported> {
        let accesses = Accesses::of(probe).ok_or(NotExported::Steps)?;
        let (operation, bytes) = (accesses.operation(), accesses.bytes());
        if !memory::tells(map, operation, bytes, reach) {
            return Err(NotExported::Expectation("memory does not tell where it goes"));
        }
        Ok(Self { operation, bytes, reach, address: probe.address })
    }

    /// So many bytes from number `first` on, as they are before.
    fn before(&self, first: u8, bytes: u8) -> u64 {
        let tag = |number| tag(self.reach.byte(first + number)) << (8 * number);
        (0..bytes).map(tag).sum()
    }

    /// What the question answers.
    fn answer(&self) -> u64 {
        use Operation::{Fetch, LoadPair, Store, StorePair, StoreRelease, StoreUnprivileged};
        match self.operation {
            Fetch => self.reach.pa,
            Store | StorePair | StoreRelease | StoreUnprivileged => scratch::stored(0),
            LoadPair => pair(self.before(0, 8), self.before(8, 8)),
            _ => self.before(0, self.bytes),
        }
    }

    /// The words that hold something else afterwards.
    fn left(&self) -> Vec<(u64, u64, u64)> {
        let width = self.bytes.min(8);
        let mask = u64::MAX >> (64 - 8 * u32::from(width));
        let stored = match self.operation {
            Operation::Add => self.before(0, width).wrapping_add(scratch::stored(0)),
            Operation::CompareAndSwap if self.before(0, width) != self.address & mask => {
                return Vec::new();
            }
            operation if operation.is_store() => scratch::stored(0),
            _ => return Vec::new(),
        };
        Word::with((0..self.bytes).map(|number| {
            let byte = stored >> (8 * (number % width)) & 0xff;
            (self.reach.byte(number), (0xff, byte))
        }))
    }
}

#[cfg(test)]
mod tests {
    use case::memory::{Arena, ArenaKind};
    use case::probe::El;

    use super::*;

    const TAG: u64 = 0x5b00_0000 + scratch::TAGS;

    fn reached(
        operation: Operation,
        bytes: u8,
        address: u64,
        reach: Reach,
    ) -> Result<Reached, NotExported> {
        let mut map = MemoryMap::new();
        let base = TAG - scratch::TAGS;
        map.push(Arena { base, size: scratch::BYTES, kind: ArenaKind::Scratch }).unwrap();
        let probe = Probe::new(operation, address).by(El::El1).of_bytes(bytes);
        Reached::new(&probe, reach, &map)
    }

    #[test]
    fn a_load_answers_the_tag_and_leaves_memory_alone() {
        let load = reached(Operation::Load, 4, 0, Reach::new(TAG + 12)).unwrap();
        assert_eq!((load.answer(), load.left()), (0, vec![]));
        let load = reached(Operation::Load, 2, 0, Reach::new(TAG + 0x128)).unwrap();
        assert_eq!(load.answer(), 0x0128);
        let across = Reach { pa: TAG + 6, rest: Some((2, TAG + 0x1000)) };
        let load = reached(Operation::Load, 8, 0, across).unwrap();
        assert_eq!(load.answer(), (TAG + 0x1000) << 16);
        let two = reached(Operation::LoadPair, 8, 0, Reach::new(TAG)).unwrap();
        assert_eq!(two.answer(), pair(TAG, TAG + 8));
        assert!(reached(Operation::Load, 8, 0, Reach::new(0x4000_0000)).is_err());
        assert!(reached(Operation::Load, 8, 0, Reach::new(TAG + scratch::TAGS_BYTES - 4)).is_err());
    }

    #[test]
    fn stores_and_atomics_leave_what_they_store_among_tags() {
        let store = reached(Operation::Store, 2, 0, Reach::new(TAG + 2)).unwrap();
        assert_eq!(store.answer(), scratch::stored(0));
        assert_eq!(store.left(), [(TAG, u64::MAX, TAG & !0xffff_0000)]);
        let across = Reach { pa: TAG + 4, rest: Some((4, TAG + 0x1000)) };
        let store = reached(Operation::Store, 8, 0, across).unwrap();
        let high = (TAG + 0x1000) & !0xffff_ffff | scratch::stored(0) >> 32;
        assert_eq!(store.left(), [(TAG, u64::MAX, TAG), (TAG + 0x1000, u64::MAX, high)]);
        let add = reached(Operation::Add, 8, 0, Reach::new(TAG)).unwrap();
        assert_eq!(
            (add.answer(), add.left()),
            (TAG, vec![(TAG, u64::MAX, TAG + scratch::stored(0))])
        );
        // It compares with its own address.
        let misses = reached(Operation::CompareAndSwap, 8, 0x1000, Reach::new(TAG)).unwrap();
        assert_eq!((misses.answer(), misses.left()), (TAG, vec![]));
        let hits = reached(Operation::CompareAndSwap, 8, TAG, Reach::new(TAG)).unwrap();
        assert_eq!(hits.left(), [(TAG, u64::MAX, scratch::stored(0))]);
    }

    #[test]
    fn a_store_that_is_stopped_leaves_old_bits_or_new_ones() {
        // Bytes 6 and 7 of the value, 0x04 and 0x57, over 0x02 and 0x5b.
        let words = partial(Partial { first: 6, bytes: 2, pa: TAG + 2 });
        assert_eq!(
            words,
            [(TAG, !((0x02 ^ 0x04) << 16 | (0x5b ^ 0x57) << 24), TAG & !(0x06 << 16 | 0x0c << 24))]
        );
    }
}
