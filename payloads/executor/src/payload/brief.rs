//! Brief answers: observations of which the host was told the digest, kept in case that it wants all of them.

use link::digest;

use crate::payload::buffer::{Buffer, buffer};

/// Room for the body of a response, and the body in it.
pub struct KeptBody {
    room: &'static mut Buffer,
    /// How many bytes of the room count.
    used: usize,
}

impl KeptBody {
    /// Nothing. Called once.
    pub fn new() -> Self {
        Self { room: buffer!(), used: 0 }
    }

    /// Keeps `body` in place of an earlier one, and returns its digest.
    pub fn keep(&mut self, body: &[u8]) -> u64 {
        self.used = body.len().min(self.room.0.len());
        self.room.0[..self.used].copy_from_slice(&body[..self.used]);
        digest::of(body)
    }

    /// What is kept; empty before the first.
    pub fn kept(&self) -> &[u8] {
        &self.room.0[..self.used]
    }
}
