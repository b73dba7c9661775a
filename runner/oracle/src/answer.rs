//! Answers that the architecture allows.

use golden::{Abort, Fault, Masked};

/// What may be observed of a probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// An AT instruction writes `PAR_EL1`.
    Par {
        par: Masked,
        /// The fault that it reports, if it does.
        fault: Option<Fault>,
    },
    /// An access is done.
    Reached(Reach),
    /// Cache maintenance is done, which tells nothing: of that address, if it was translated.
    Maintained(Option<Reach>),
    /// The instruction takes an exception.
    Exception(Taken),
}

impl Answer {
    /// Whether one observation may be both this and `other`.
    pub fn may_be(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Par { par: one, .. }, Self::Par { par: other, .. }) => agree(*one, *other),
            (Self::Reached(one), Self::Reached(other)) => one == other,
            (Self::Maintained(_), Self::Maintained(_)) => true,
            (Self::Exception(one), Self::Exception(other)) => one.may_be(other),
            _ => false,
        }
    }

    /// The fault that it tells of.
    pub const fn fault(&self) -> Option<Fault> {
        match self {
            Self::Par { fault, .. } => *fault,
            Self::Exception(taken) => Some(taken.abort.fault),
            Self::Reached(_) | Self::Maintained(_) => None,
        }
    }
}

/// Whether what is determined of both is the same.
const fn agree(one: Masked, other: Masked) -> bool {
    (one.value ^ other.value) & one.mask & other.mask == 0
}

/// Where the bytes of an access lie.
///
/// ```text
///   VA    | page n        | page n + 1    |        PA    .. | `pa`: `before` bytes | ..
///                 |  access  |                           .. | `rest`: the others   | ..
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// The physical address of its first byte.
    pub pa: u64,
    /// Of an access that crosses pages: how many of its bytes lie there, and the physical address of the
    /// next one. They may well follow on.
    pub rest: Option<(u8, u64)>,
}

impl Reach {
    /// An access whose bytes all lie behind one another.
    pub const fn new(pa: u64) -> Self {
        Self { pa, rest: None }
    }

    /// The physical address of byte number `number`.
    pub const fn byte(self, number: u8) -> u64 {
        match self.rest {
            Some((before, rest)) if number >= before => rest + (number - before) as u64,
            _ => self.pa + number as u64,
        }
    }
}

/// An exception that an instruction takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// The fault, and its syndrome.
    pub abort: Abort,
    /// The EL that takes it.
    pub target: u8,
    /// `ELR_ELx`, where it is known which instruction it is.
    pub elr: Option<u64>,
    /// `SPSR_ELx`, likewise.
    pub spsr: Masked,
    /// What is done all the same, of a store: those of its bytes whose pages let it through may hold
    /// either value. How many, and where the first of them is, in the store and in memory.
    pub partial: Option<Partial>,
}

/// The bytes of a store that may be done although another page stops it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partial {
    /// The number of the first of them in the store.
    pub first: u8,
    /// How many they are.
    pub bytes: u8,
    /// The physical address of the first.
    pub pa: u64,
}

impl Taken {
    fn may_be(&self, other: &Self) -> bool {
        fn is_open<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            one.zip(other).is_none_or(|(one, other)| one == other)
        }
        let [one, two] = [self, other].map(|taken| &taken.abort.exception);
        self.target == other.target
            && agree(one.esr, two.esr)
            && one.far == two.far
            && is_open(one.hpfar, two.hpfar)
            && is_open(self.elr, other.elr)
            && agree(self.spsr, other.spsr)
    }

    /// The exception of an instruction of which nothing is known but its fault.
    pub const fn new(abort: Abort) -> Self {
        let target = abort.exception.target.get();
        Self { abort, target, elr: None, spsr: Masked::new(0, 0), partial: None }
    }
}
