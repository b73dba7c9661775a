//! The log of the words that the builder wrote.

use arrayvec::ArrayVec;

use crate::digest::Digest;
use crate::memory::TableMemory;

/// The most words that one case may write.
pub const MAX_WORDS: usize = 2048;

/// One word that the builder wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word {
    /// Its physical address.
    pub pa: u64,
    /// The value that it was last known to have.
    pub value: u64,
}

/// Every word that the builder wrote, once each, in the order of the first write.
#[derive(Clone, Debug, Default)]
pub struct WordLog {
    words: ArrayVec<Word, MAX_WORDS>,
}

/// The log has no room for another word: the case maps too much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogFull;

impl WordLog {
    /// An empty log.
    pub const fn new() -> Self {
        Self { words: ArrayVec::new_const() }
    }

    /// Forgets all words.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// The words, in the order of the first write.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// Writes a word that was not written before.
    pub(crate) fn write(
        &mut self,
        memory: &mut impl TableMemory,
        pa: u64,
        value: u64,
    ) -> Result<(), LogFull> {
        self.words.try_push(Word { pa, value }).map_err(|_| LogFull)?;
        memory.write(pa, value);
        Ok(())
    }

    /// Writes a word that may have been written before.
    pub(crate) fn rewrite(
        &mut self,
        memory: &mut impl TableMemory,
        pa: u64,
        value: u64,
    ) -> Result<(), LogFull> {
        // Latest first: an edit mostly aims at what the last mappings made.
        let known = self.words.iter_mut().rev().find(|word| word.pa == pa);
        match known {
            Some(word) => {
                word.value = value;
                memory.write(pa, value);
                Ok(())
            }
            None => self.write(memory, pa, value),
        }
    }

    /// The digest of all words, addresses and values, as the log knows them.
    pub fn digest(&self) -> u64 {
        let add = |digest: Digest, word: &Word| digest.add(word.pa).add(word.value);
        self.words.iter().fold(Digest::new(), add).value()
    }

    /// Takes `values`, what all words are now, in their order, and calls `changed` with the old form and
    /// the new value of each that differs; the log then holds the new value.
    pub fn refresh(
        &mut self,
        values: impl IntoIterator<Item = u64>,
        mut changed: impl FnMut(Word, u64),
    ) {
        for (word, now) in self.words.iter_mut().zip(values) {
            if now != word.value {
                changed(*word, now);
                word.value = now;
            }
        }
    }

    /// Zeroes every word that was written, and forgets them. Returns the digest of the words as
    /// memory held them just before.
    pub fn undo(&mut self, memory: &mut impl TableMemory) -> u64 {
        let mut digest = Digest::new();
        for word in &self.words {
            digest = digest.add(word.pa).add(memory.replace(word.pa, 0));
        }
        self.words.clear();
        digest.value()
    }
}
