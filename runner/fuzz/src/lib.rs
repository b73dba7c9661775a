//! Arbitrary bytes into the decoders of all that Hypwalk reads and did not make in the same process.
//!
//! | module | what is read | from whom |
//! |---|---|---|
//! | [`mailbox`] | counters and messages in shared memory | the target |
//! | [`frames`]  | messages on a byte stream | the target |
//! | [`gdb`]     | packets of a debugger | the debugger |
//! | [`case`]    | the words of a case, and a case as text | the wire, people |
//! | [`records`] | header, records and summary of a run | a disk |
//! | [`vectors`] | test vectors, tables of legality | people |
//! | [`suites`]  | suites, targets, cases, known errata, walks to explain | people |
//!
//! Each has a function `decode` that panics where a decoder breaks its word, and says whether the
//! bytes were accepted. Coverage-guided runs (`scripts/fuzz`) and the test `fuzz` of the runner, which
//! replays the corpus and damages it, share them.

pub mod case;
pub mod frames;
pub mod gdb;
pub mod mailbox;
pub mod message;
pub mod records;
pub mod suites;
pub mod vectors;

/// Bytes at an address that is a multiple of 8, as wires hand them out.
pub struct Aligned {
    words: Vec<u64>,
    length: usize,
}

impl Aligned {
    /// A copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        let word = |chunk: &[u8]| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(word)
        };
        Self { words: bytes.chunks(8).map(word).collect(), length: bytes.len() }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &zerocopy::IntoBytes::as_bytes(&self.words[..])[..self.length]
    }
}
