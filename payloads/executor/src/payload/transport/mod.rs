//! Transports: the two ways in which messages travel, behind one trait.

pub mod mailbox;
pub mod uart;

use core::sync::atomic::AtomicU64;

/// A way for messages to travel.
pub trait Transport {
    /// The next request, if there is one. It stays as it is until it is finished with.
    fn next(&mut self) -> Next;
    /// Where the next response goes: `MAX_MESSAGE` bytes at a multiple of 8. `None` while the host has
    /// not taken earlier ones.
    fn response(&mut self) -> Option<&'static mut [u8]>;
    /// Sends the first `bytes` bytes of the response.
    fn send(&mut self, bytes: usize);
    /// The request is done with.
    fn finish(&mut self);
    /// All that was asked is answered: whoever waits for that is told.
    fn ring(&self) {}
    /// The word that says where the executor is.
    fn cursor(&self) -> &'static AtomicU64;
    /// The word that says which case it has drawn by itself.
    fn drawn(&self) -> &'static AtomicU64;
    /// The longest wait between two looks, in units of the shortest.
    fn longest_wait(&self) -> u64;
    /// Whether the host asks for the Hello, as often as it likes. Otherwise it is sent once, unasked.
    fn is_asked_for_hello(&self) -> bool;
}

/// What a look for a request found.
pub enum Next {
    /// Nothing: one may wait.
    Nothing,
    /// Nothing yet, but one should look again at once.
    Soon,
    Request(Request),
}

/// A request, where the transport holds it.
pub struct Request {
    /// Its number, from 0.
    pub number: u64,
    /// Its bytes, at a multiple of 8.
    pub bytes: &'static [u8],
}
