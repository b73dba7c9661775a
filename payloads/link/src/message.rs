//! The head that every message begins with.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::MAX_MESSAGE;

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum MessageKind {
    /// Target to host, after boot, or when it is asked: [`crate::hello::Hello`].
    Hello = 1,
    /// Host to target: [`crate::hello::Configure`].
    Configure = 2,
    /// Target to host: the arenas are mapped and zeroed. No body.
    Ready = 3,
    /// Host to target: a case, as [`case::CaseRef::write_to`] writes it.
    Case = 4,
    /// Target to host: [`crate::observations`].
    Observations = 5,
    /// Target to host: the executor can't go on, [`crate::hello::Epitaph`].
    Epitaph = 6,
    /// Host to target: [`Rounds`] and a case, whose probes are asked that often in a row while its
    /// tables stand. It measures the target: no campaign sends it.
    Repeat = 7,
    /// Target to host: as [`MessageKind::Observations`], with the answers of the last round.
    Repeated = 8,
    /// Host to target, on a stream only: answered by a [`MessageKind::Hello`], also where another host was
    /// answered before. No body.
    Open = 9,
    /// Host to target, on a stream only: as [`MessageKind::Case`], and the digest of the observations is answer enough.
    Brief = 10,
    /// Target to host: the [`crate::digest`] of the observations, one word. The target keeps them.
    Digest = 11,
    /// Host to target: the digest is not the one that was forecast; the observations that are kept are wanted. No
    /// body.
    Whole = 12,
    /// Host to target: the suite's cases, for those that are meant by number, [`crate::plan`].
    Plan = 16,
    /// Target to host: it has the plan, or can't keep it. A body of one word: 1, or 0.
    Planned = 17,
    /// Host to target: what it is to go by while it soaks, [`crate::soak::Terms`]. It is answered as a plan is.
    Terms = 18,
    /// Host to target: which cases of the plan it is to ask and compare by itself, [`crate::soak::Soak`].
    Soak = 19,
    /// Target to host: how far it came, [`crate::soak::Progress`].
    Progress = 20,
}

impl MessageKind {
    /// The kind with this number.
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Hello,
            2 => Self::Configure,
            3 => Self::Ready,
            4 => Self::Case,
            5 => Self::Observations,
            6 => Self::Epitaph,
            7 => Self::Repeat,
            8 => Self::Repeated,
            9 => Self::Open,
            10 => Self::Brief,
            11 => Self::Digest,
            12 => Self::Whole,
            16 => Self::Plan,
            17 => Self::Planned,
            18 => Self::Terms,
            19 => Self::Soak,
            20 => Self::Progress,
            _ => return None,
        })
    }
}

/// What stands in front of the case in a [`MessageKind::Repeat`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Rounds {
    /// How often each probe is asked, at least 1: 0 is taken for it.
    pub rounds: u64,
}

impl Rounds {
    /// Splits the body of a [`MessageKind::Repeat`] into the number of rounds and the bytes of the case;
    /// `None` when it is too short.
    pub fn split(body: &[u8]) -> Option<(u64, &[u8])> {
        let (Self { rounds }, case) = Self::ref_from_prefix(body).ok()?;
        Some(((*rounds).max(1), case))
    }
}

/// The head of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Head {
    kind: u32,
    /// Size of the body in bytes, a multiple of 8.
    pub bytes: u32,
    /// Which exchange it belongs to: observations carry the sequence number of their case.
    pub sequence: u64,
}

impl Head {
    /// Size of a head in bytes.
    pub const BYTES: usize = size_of::<Self>();

    /// The head of a message with a body of `bytes` bytes.
    pub const fn new(kind: MessageKind, bytes: u32, sequence: u64) -> Self {
        Self { kind: kind as u32, bytes, sequence }
    }

    /// What the message is; `None` when it is nothing that exists.
    pub const fn kind(&self) -> Option<MessageKind> {
        MessageKind::from_number(self.kind)
    }

    /// Splits the message at the front of `bytes` into head and body. `None` when the bytes are
    /// fewer than the head says, misaligned, or the head makes no sense.
    pub fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = Self::ref_from_prefix(bytes).ok()?;
        let body = rest.get(..head.bytes as usize)?;
        let sane = head.kind().is_some()
            && head.bytes.is_multiple_of(8)
            && Self::BYTES + body.len() <= MAX_MESSAGE;
        sane.then_some((*head, body))
    }
}
