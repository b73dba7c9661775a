//! Messages that are put together from their pieces, in whatever order these come.

use super::segment::{MOST, PAYLOAD, Segment};

/// Which pieces of a message somebody has: one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts([u8; MOST / 8]);

impl Parts {
    /// None.
    pub const NONE: Self = Self([0; MOST / 8]);

    /// The parts that a payload tells of.
    pub fn from_payload(payload: &[u8]) -> Self {
        let mut parts = Self::NONE;
        parts.0.iter_mut().zip(payload).for_each(|(byte, told)| *byte = *told);
        parts
    }

    /// A payload that tells of these: the bytes up to the last part.
    pub fn as_payload(&self) -> &[u8] {
        let end = self.0.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        &self.0[..end]
    }

    /// Whether part number `index` is among them.
    pub fn contains(&self, index: usize) -> bool {
        self.0.get(index / 8).is_some_and(|byte| byte & 1 << (index % 8) != 0)
    }

    /// The first of `count` parts that is not among them.
    pub fn first_missing(&self, count: usize) -> Option<usize> {
        (0..count).find(|index| !self.contains(*index))
    }

    fn add(&mut self, index: usize) {
        if let Some(byte) = self.0.get_mut(index / 8) {
            *byte |= 1 << (index % 8);
        }
    }
}

/// A message of which pieces are still to come.
#[derive(Debug)]
pub(super) struct Assembly<B> {
    buffer: B,
    has: Parts,
    /// Size of the message in 8-byte words; 0 until the first piece is here.
    words: u16,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Assembly<B> {
    /// A message without pieces, in `buffer`.
    pub const fn new(buffer: B) -> Self {
        Self { buffer, has: Parts::NONE, words: 0 }
    }

    /// Forgets all pieces.
    pub fn clear(&mut self) {
        self.has = Parts::NONE;
        self.words = 0;
    }

    /// The pieces that are here.
    pub const fn has(&self) -> &Parts {
        &self.has
    }

    /// Adds the piece in `segment`. What does not fit the pieces before it is not added.
    pub fn add(&mut self, segment: &Segment<'_>) {
        let bytes = usize::from(segment.words) * 8;
        let begin = usize::from(segment.index) * PAYLOAD;
        let fits = segment.words != 0
            && (self.words == 0 || self.words == segment.words)
            && begin < bytes
            && segment.payload.len() == PAYLOAD.min(bytes - begin)
            && bytes <= self.buffer.as_ref().len();
        let place = self.buffer.as_mut().get_mut(begin..begin + segment.payload.len());
        if let Some(place) = place.filter(|_| fits) {
            place.copy_from_slice(segment.payload);
            self.words = segment.words;
            self.has.add(segment.index.into());
        }
    }

    /// Whether all of it is here.
    pub fn is_whole(&self) -> bool {
        let count = (usize::from(self.words) * 8).div_ceil(PAYLOAD);
        count != 0 && self.has.first_missing(count).is_none()
    }

    /// How many pieces are missing, as far as that is known.
    pub fn missing(&self) -> usize {
        let count = (usize::from(self.words) * 8).div_ceil(PAYLOAD);
        (0..count).filter(|index| !self.has.contains(*index)).count()
    }

    /// The message, as far as it is here.
    pub fn message(&self) -> &[u8] {
        self.buffer.as_ref().get(..usize::from(self.words) * 8).unwrap_or_default()
    }
}
