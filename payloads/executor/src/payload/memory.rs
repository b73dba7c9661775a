//! Arena memory: words at physical addresses, seen through windows of the executor's own map.

use core::cell::Cell;
use core::num::NonZeroU64;
use core::ptr;

use arrayvec::ArrayVec;
use case::memory::ArenaKind;
use executor::windows::{Window, Windows};
use tables::{MAX_WORDS, TableMemory, Word};

use crate::payload::asm;

/// The arenas, mapped.
pub struct Arenas {
    windows: Windows,
    /// The window that was used last: nearly always it is the next one's too.
    last: Cell<Last>,
    /// Whether an address outside all arenas was asked for.
    strayed: Cell<bool>,
}

/// What of a window turns a physical address into a virtual one.
#[derive(Clone, Copy)]
struct Last {
    base: u64,
    size: u64,
    delta: u64,
}

impl Arenas {
    /// No arenas.
    pub const fn none() -> Self {
        let last = Last { base: 0, size: 0, delta: 0 };
        Self { windows: Windows::none(), last: Cell::new(last), strayed: Cell::new(false) }
    }

    /// Takes the arenas behind `windows` into use.
    ///
    /// # Safety
    /// The windows are mapped, and nobody else uses the memory behind them.
    pub unsafe fn replace(&mut self, windows: Windows) {
        *self = Self { windows, ..Self::none() };
    }

    /// Whether an address outside all arenas was asked for since the last time.
    pub fn strayed(&self) -> bool {
        self.strayed.replace(false)
    }

    /// The windows of the arenas of this kind, by physical address.
    pub fn windows(&self, kind: ArenaKind) -> impl Iterator<Item = &Window> {
        self.windows.all().iter().filter(move |window| window.kind == kind)
    }

    /// Calls `work` with each window.
    pub fn each_window(&self, work: impl FnMut(&Window)) {
        self.windows.all().iter().for_each(work);
    }

    /// Where the word at physical address `pa`, a multiple of 8, is; `None`, which is remembered,
    /// outside all arenas. Arenas are made of whole words.
    #[inline]
    fn at(&self, pa: u64) -> Option<u64> {
        let last = self.last.get();
        if pa.wrapping_sub(last.base) < last.size {
            Some(pa.wrapping_add(last.delta))
        } else {
            self.look_up(pa)
        }
    }

    #[cold]
    fn look_up(&self, pa: u64) -> Option<u64> {
        let Some(&Window { base, size, va, .. }) = self.windows.find(pa) else {
            self.strayed.set(true);
            return None;
        };
        let delta = va.wrapping_sub(base);
        self.last.set(Last { base, size, delta });
        Some(pa.wrapping_add(delta))
    }

    /// Where physical address `pa` is; `None`, which is remembered, outside all arenas.
    pub fn address_of(&self, pa: u64) -> Option<u64> {
        self.at(pa)
    }

    /// Calls `maintain` with an address in each line that holds one of `words`. Words that follow each
    /// other in one line count once.
    pub fn each_line(&self, words: &[Word], line: u64, maintain: impl Fn(u64)) {
        let mut last = u64::MAX;
        for word in words {
            let number = word.pa & !(line - 1);
            if number != last {
                last = number;
                self.at(word.pa).into_iter().for_each(&maintain);
            }
        }
    }

    /// Zeroes `window`, in memory too.
    pub fn zero(&self, window: &Window, line: u64) {
        let end = window.va + window.size;
        let block = asm::zero_block_bytes().unwrap_or(window.size.next_power_of_two());
        let mut va = window.va;
        while va < end {
            if va.is_multiple_of(block) && end - va >= block && asm::zero_block_bytes().is_some() {
                // SAFETY: in a mapped window, whose memory no reference points into.
                unsafe { asm::zero_block(va) };
                va += block;
            } else {
                // SAFETY: as above; windows are made of whole words.
                unsafe { ptr::write_volatile(va as *mut u64, 0) };
                va += 8;
            }
        }
        self.clean(window, line, asm::clean_line);
        asm::dsb_sy();
    }

    /// Calls `maintain` with an address in each line of `window`.
    pub fn clean(&self, window: &Window, line: u64, maintain: impl Fn(u64)) {
        let mut va = window.va & !(line - 1);
        while va < window.va + window.size {
            maintain(va);
            va += line;
        }
    }

    /// Calls `found` with address and value of each word of `window` that is not zero, by address.
    pub fn each_word_set(&self, window: &Window, mut found: impl FnMut(u64, u64)) {
        // SAFETY: mapped, whole words at a multiple of 8 (see `El2Map::configure`); while the slice
        // lives nobody writes: the walker is quiesced.
        let words = unsafe {
            core::slice::from_raw_parts(window.va as *const u64, window.size as usize / 8)
        };
        for (chunk, eight) in words.chunks(8).enumerate() {
            if eight.iter().fold(0, |all, word| all | word) == 0 {
                continue;
            }
            for (at, &word) in eight.iter().enumerate() {
                if word != 0 {
                    found(window.base + 8 * (8 * chunk + at) as u64, word);
                }
            }
        }
    }
}

impl TableMemory for Arenas {
    #[inline]
    fn read(&self, pa: u64) -> u64 {
        match self.at(pa) {
            // SAFETY: in a mapped window. Volatile: the walker may write there too.
            Some(va) => unsafe { ptr::read_volatile(va as *const u64) },
            None => 0,
        }
    }

    #[inline]
    fn write(&mut self, pa: u64, value: u64) {
        if let Some(va) = self.at(pa) {
            // SAFETY: in a mapped window. Volatile: the walker reads it.
            unsafe { ptr::write_volatile(va as *mut u64, value) }
        }
    }
}

/// Words of the arenas that are read again and again: where they are is looked up once.
pub struct Watched {
    /// The address of each; `None` outside the arenas.
    places: ArrayVec<Option<NonZeroU64>, MAX_WORDS>,
}

impl Watched {
    /// No words.
    pub const fn none() -> Self {
        Self { places: ArrayVec::new_const() }
    }

    /// Watches `words` of `arenas`, and no others.
    pub fn replace(&mut self, arenas: &Arenas, words: &[Word]) {
        self.places.clear();
        self.places.extend(words.iter().map(|word| arenas.at(word.pa).and_then(NonZeroU64::new)));
    }

    /// What they are now, in their order.
    pub fn values(&self) -> impl Iterator<Item = u64> + '_ {
        self.places.iter().map(|place| match place {
            // SAFETY: in a mapped window, and windows stay. Volatile: the walker writes there.
            Some(va) => unsafe { ptr::read_volatile(va.get() as *const u64) },
            None => 0,
        })
    }
}

/// The arenas, with each line that is written cleaned to the point of coherency when the writes have
/// gone on to another.
pub struct Cleaned<'a> {
    arenas: &'a mut Arenas,
    line_bytes: u64,
    /// The line that was written last.
    written: u64,
}

/// No line: no window is there.
const NO_LINE: u64 = u64::MAX;

impl<'a> Cleaned<'a> {
    /// Writes through to memory, in lines of `line_bytes`.
    pub fn new(arenas: &'a mut Arenas, line_bytes: u64) -> Self {
        Self { arenas, line_bytes, written: NO_LINE }
    }

    /// Cleans the last line written. A DSB then completes the cleaning.
    pub fn finish(self) {
        if self.written != NO_LINE {
            asm::clean_line(self.written);
        }
    }
}

impl TableMemory for Cleaned<'_> {
    #[inline]
    fn read(&self, pa: u64) -> u64 {
        self.arenas.read(pa)
    }

    #[inline]
    fn write(&mut self, pa: u64, value: u64) {
        self.replace(pa, value);
    }

    #[inline]
    fn replace(&mut self, pa: u64, value: u64) -> u64 {
        let Some(va) = self.arenas.at(pa) else { return 0 };
        let line = va & !(self.line_bytes - 1);
        if line != self.written {
            if self.written != NO_LINE {
                asm::clean_line(self.written);
            }
            self.written = line;
        }
        let word = va as *mut u64;
        // SAFETY: in a mapped window. Volatile: the walker reads it, and may write it.
        unsafe {
            let old = ptr::read_volatile(word);
            ptr::write_volatile(word, value);
            old
        }
    }
}
