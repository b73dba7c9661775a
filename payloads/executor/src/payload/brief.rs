//! The observations that were answered by their digest, kept in case that the host wants all of them.

use link::MAX_MESSAGE;
use link::digest;

use crate::payload::global::Global;

/// Room for the largest body.
#[repr(C, align(16))]
struct Room([u8; MAX_MESSAGE]);

#[unsafe(link_section = ".noinit")]
static ROOM: Global<Room> = Global::new(Room([0; MAX_MESSAGE]));

/// How many bytes of the room count.
static USED: Global<usize> = Global::new(0);

/// Keeps `body` in place of an earlier one, and returns its digest.
pub fn keep(body: &[u8]) -> u64 {
    // SAFETY: between requests nobody uses what is kept.
    let (room, used) = unsafe { (&mut (*ROOM.pointer()).0, &mut *USED.pointer()) };
    *used = body.len().min(room.len());
    room[..*used].copy_from_slice(&body[..*used]);
    digest::of(body)
}

/// What is kept; empty before the first.
pub fn kept() -> &'static [u8] {
    // SAFETY: it changes only in `keep`, between requests.
    let (room, used) = unsafe { (&(*ROOM.pointer()).0, *USED.pointer()) };
    &room[..used]
}
