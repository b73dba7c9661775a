//! Shared memory: words that a target may write at any moment.
//!
//! Nothing here is ever a `&[u8]`: the other side may change each word between two looks, so every
//! access is an atomic one, and what is to be read in peace is copied out first.

use std::fs::File;
use std::io;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// A mapped piece of memory that somebody else sees too.
#[derive(Debug)]
pub struct SharedMemory {
    map: MmapRaw,
}

impl SharedMemory {
    /// Maps `bytes` of `file` from `offset`, which is a multiple of the page size.
    pub fn map(file: &File, offset: u64, bytes: usize) -> io::Result<Self> {
        let map = MmapOptions::new().offset(offset).len(bytes).map_raw(file)?;
        Ok(Self { map })
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is readable and writable, lives as long as `self`, begins at a page
        // boundary and is that long. All accesses of this process go through here, hence are
        // atomic; what the target does to the memory is as if another thread did it with atomics,
        // since every bit pattern is a u64.
        unsafe { slice::from_raw_parts(self.map.as_ptr().cast(), self.map.len() / 8) }
    }

    fn part(&self, offset: usize, words: usize) -> &[AtomicU64] {
        debug_assert!(offset.is_multiple_of(8), "offset {offset:#x}");
        &self.words()[offset / 8..][..words]
    }

    /// Loads the word at byte `offset`, a multiple of 8; what the target wrote before it is then seen too.
    pub fn load_acquire(&self, offset: usize) -> u64 {
        self.part(offset, 1)[0].load(Ordering::Acquire)
    }

    /// Stores the word at `offset` after all that was written before.
    pub fn store_release(&self, offset: usize, value: u64) {
        self.part(offset, 1)[0].store(value, Ordering::Release);
    }

    /// Copies words out, from `offset` on.
    pub fn read(&self, offset: usize, words: &mut [u64]) {
        for (shared, word) in self.part(offset, words.len()).iter().zip(words) {
            *word = shared.load(Ordering::Relaxed);
        }
    }

    /// Copies words in, from `offset` on.
    pub fn write(&self, offset: usize, words: &[u64]) {
        for (word, shared) in words.iter().zip(self.part(offset, words.len())) {
            shared.store(*word, Ordering::Relaxed);
        }
    }
}
