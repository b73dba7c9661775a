//! The wire: the host's end of the link to an executor, whichever way messages travel.

use std::time::Duration;

use link::mailbox::Cursor;
use link::mark::Mark;
use link::message::{Head, MessageKind};
use serde::{Deserialize, Serialize};
use zerocopy::IntoBytes;

/// A way to the executor and back.
pub trait Wire: Send {
    /// How many requests may be out at a time.
    fn window(&self) -> usize;

    /// Whether bytes are dear on it, so that a digest is sent in place of what can be forecast.
    fn is_narrow(&self) -> bool {
        false
    }

    /// Sends a message whose body `write` puts into the bytes that it is given, returning the size;
    /// says `false` when `write` returned `None`: the body is larger than a message.
    ///
    /// It does not wait. Where the target's end of the wire makes no sense, the next
    /// [`Wire::take`] says so.
    fn send(
        &mut self,
        kind: MessageKind,
        sequence: u64,
        write: &mut dyn FnMut(&mut [u8]) -> Option<usize>,
    ) -> bool;

    /// The next message, if it is here; its body is then in [`Wire::body`]. After an `Err` the target is of
    /// no more use.
    fn take(&mut self) -> Result<Option<Head>, Fault>;

    /// The body of the message that was taken last; 8-byte aligned.
    fn body(&self) -> &[u8];

    /// Changes whenever the target makes progress or is sent something.
    fn progress(&self) -> [u64; 5];

    /// Sleeps for about `pause`, or until there may be something to take.
    fn sleep(&mut self, pause: Duration);

    /// Takes a closer look at a target that seems to hang, where it takes more than a look: what is seen,
    /// in words. `None` says that it makes progress after all, and that [`Wire::progress`] now shows it.
    ///
    /// After a look that finds no progress the target is as good as dead, and what it said before is there to
    /// be taken.
    fn examine(&mut self) -> Option<String> {
        Some(String::new())
    }

    /// Where the target is, if the wire can tell.
    fn cursor(&self) -> Option<Cursor>;

    /// The number of the case that the target has drawn by itself and works on, if the wire can tell.
    fn drawn(&self) -> Option<u64>;

    /// How far the target came on its start, if the wire can tell and it has left a mark.
    fn mark(&self) -> Option<Mark>;

    /// The first `count` answers to the oldest request in flight, as far as the wire can tell.
    fn answers(&self, count: usize) -> Vec<u64>;

    /// What the way there and back has done to messages.
    fn wear(&self) -> Wear {
        Wear::default()
    }
}

/// Composes a message in `bytes`: a head, and the body that `write` puts behind it, filled up to whole words with
/// zeros. Returns its size, or `None` where the body is larger than a message.
pub fn compose(
    bytes: &mut [u8],
    kind: MessageKind,
    sequence: u64,
    write: &mut dyn FnMut(&mut [u8]) -> Option<usize>,
) -> Option<usize> {
    let (head, body) = bytes.split_at_mut(Head::BYTES);
    let size = write(body)?;
    let whole = size.next_multiple_of(8);
    body[size..whole].fill(0);
    head.copy_from_slice(Head::new(kind, whole as u32, sequence).as_bytes());
    Some(Head::BYTES + whole)
}

/// Copies `bytes` to the front of `body`, if they fit; returns their number.
pub fn copy(bytes: &[u8], body: &mut [u8]) -> Option<usize> {
    body.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(bytes.len())
}

/// What is wrong at the other end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// What came makes no sense, in these words.
    Garbage(String),
    /// It has started anew.
    Reset,
    /// It speaks this version.
    Version(u32),
}

/// What a line has done to messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wear {
    /// Frames that came damaged.
    pub damaged: u64,
    /// Pieces of messages that were sent again, there or back.
    pub sent_again: u64,
}

impl Wear {
    /// Whether the line has done nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what `other` tells.
    pub const fn add(&mut self, other: Self) {
        self.damaged += other.damaged;
        self.sent_again += other.sent_again;
    }
}
