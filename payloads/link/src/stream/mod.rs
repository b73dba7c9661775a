//! Messages over a byte stream that may lose, change, double and invent bytes.
//!
//! A message travels in *segments* of [`segment::PAYLOAD`] bytes, each a [`crate::frame`] with a check
//! sum of its own: what is damaged costs one segment. Only one side speaks at a time. The host asks
//! and keeps time, the target answers and needs no clock.
//!
//! ```text
//!   host: Asker                                          target: Answerer
//!    |<------------------------------------------ Beacon --|  I am here, of version 6: again and
//!    |                                                     |  again, until somebody opens a session
//!    |-- request 0 (Open), 1 of 1, your turn ------------->|
//!    |<-- response 0 (Hello), 1 of 4 ----------------------|
//!    |<-- response 0, 2 of 4              (damaged) x -----|
//!    |<-- response 0, 3 of 4 ------------------------------|
//!    |<-- response 0, 4 of 4, your turn -------------------|
//!    |-- Ask 0: I have 1, 3, 4; your turn ---------------->|
//!    |<-- response 0, 2 of 4, your turn -------------------|
//!    |-- request 1, 1 of 2        (damaged) x ------------>|
//!    |-- request 1, 2 of 2, your turn -------------------->|
//!    |<------------------- Need 1: I have 2; your turn ----|
//!    |-- request 1, 1 of 2, your turn -------------------->|  whole: it is executed
//!    |<-- response 1 .. -----------------------------------|
//! ```
//!
//! - **Turns.** Whoever gets "your turn" sends one *burst* of segments, and gives the turn back with the
//!   last of it. A turn that is lost is taken by the host, when nothing has come for a while ([`timer`]): it
//!   sends an Ask. Each of its turns has a number, which comes back with the answer, and it takes no notice
//!   of turns that are not its latest: two never go round at once, however early the host asks.
//! - **Once.** A request is executed when it is whole, and never again: who asks for it anew is sent the same
//!   response. The next request says that the last response came whole.
//! - **Sessions.** Each host draws a number, and puts it into all that it sends; so does the target, in what it
//!   answers. What comes of another session is old, or not for us. A target that has no session, or
//!   another one, answers with a Beacon, and a Beacon in the middle of a session says that the
//!   target was reset. Bytes do not overtake each other, so nothing from before is taken for anything after.
//! - **Echo.** Each kind of segment has its direction: what a line echoes to its sender is ignored.
//! - **No flow control.** While the target executes a request it does not look at the line, and the host says
//!   nothing that is needed then.
//!
//! A damaged segment is taken for a whole one where its CRC-32 is right by chance, once in 2^32, and then only
//! if session, number and size fit too. On a line that damages every tenth segment, 10^7 of them bring
//! that about with odds of 1 in 4000.

mod answerer;
mod asker;
mod assembly;
pub mod segment;
pub mod timer;

#[cfg(test)]
mod tests;

pub use answerer::{Answerer, Heard};
pub use asker::{Asker, Event};
pub use assembly::Parts;
