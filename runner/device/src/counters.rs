//! The counters of a mailbox and the heads of its messages, held against what they may be.
//!
//! The target writes them, so nothing in them is believed.

use std::mem::offset_of;

use link::MAX_MESSAGE;
use link::mailbox::{Control, SLOTS};
use link::message::Head;
use zerocopy::FromBytes;

/// Offsets in the mailbox.
pub const MAGIC: usize = offset_of!(Control, magic);
pub const SENT: usize = offset_of!(Control, sent);
pub const TAKEN: usize = offset_of!(Control, taken);
pub const ANSWERED: usize = offset_of!(Control, answered);
pub const READ: usize = offset_of!(Control, read);
pub const CURSOR: usize = offset_of!(Control, cursor);
pub const MARK: usize = offset_of!(Control, mark);
pub const DRAWN: usize = offset_of!(Control, drawn);

/// Whether a mailbox that begins with `magic` can hold `answered` answers where `read` have been read.
///
/// # Errors
/// What makes no sense, in words.
pub fn check_answered(magic: u64, answered: u64, read: u64) -> Result<(), String> {
    if magic != Control::MAGIC {
        return Err(format!("the mailbox begins with {magic:#x}, not {:#x}", Control::MAGIC));
    }
    if answered < read || answered - read > SLOTS as u64 {
        return Err(format!("it claims {answered} answers where {read} have been read"));
    }
    Ok(())
}

/// The head of the message that `bytes` begin with. Its body is of whole words, and fits a slot.
///
/// # Errors
/// It is no head, in words.
pub fn head(bytes: &[u8]) -> Result<Head, String> {
    let head = Head::read_from_prefix(bytes).ok().map(|(head, _)| head);
    let sound = head.filter(|head| {
        let size = head.bytes as usize;
        head.kind().is_some() && size.is_multiple_of(8) && size <= MAX_MESSAGE - Head::BYTES
    });
    sound.ok_or_else(|| {
        let start = &bytes[..bytes.len().min(Head::BYTES)];
        format!("a message begins with {start:02x?}, which is no head")
    })
}
