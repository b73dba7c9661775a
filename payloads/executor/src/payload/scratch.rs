//! Scratch arenas, see [`case::scratch`]: filled once, and restored after stores.

use core::ptr;

use case::CaseRef;
use case::memory::{ArenaKind, MemoryMap, Place};
use case::scratch;
use executor::windows::Window;

use crate::payload::asm::{self, WorldCode};
use crate::payload::memory::Arenas;

/// The physical address of the scratch arena that begins at `place`.
pub fn base(map: &MemoryMap, place: Place) -> Option<u64> {
    let arena = map.arenas().get(usize::from(place.arena()))?;
    (scratch::fits(arena) && place.offset() == 0).then_some(arena.base)
}

/// Fills all scratch arenas: code, tags and slots.
pub fn fill(arenas: &Arenas, line: u64) {
    for window in arenas.windows(ArenaKind::Scratch) {
        for (code, offset) in
            [(WorldCode::bytes(), scratch::CODE), (asm::guest_code_bytes(), scratch::GUEST)]
        {
            let to = (window.va + offset) as *mut u8;
            // SAFETY: in a mapped window that no reference points into; the code fits.
            unsafe { ptr::copy_nonoverlapping(code.as_ptr(), to, code.len()) };
        }
        for offset in (scratch::TAGS..scratch::TAGS + scratch::TAGS_BYTES).step_by(8) {
            // SAFETY: in a mapped window that no reference points into.
            unsafe { ptr::write_volatile((window.va + offset) as *mut u64, window.base + offset) };
        }
        let slots = scratch::SLOTS..scratch::SLOTS + scratch::SLOTS_BYTES;
        for offset in slots.step_by(scratch::SLOT_BYTES as usize) {
            let slot = scratch::slot(window.base + offset);
            // SAFETY: as above; slots are aligned.
            unsafe { ptr::write_volatile((window.va + offset) as *mut _, slot) };
        }
        // It is fetched with the MMU off too, and tags are reached past the caches: all is in memory.
        arenas.clean(window, line, asm::clean_and_invalidate_line);
    }
    asm::dsb_sy();
    // Nothing that was fetched there before, under whatever map, is held.
    asm::invalidate_instruction_caches();
    asm::dsb_sy();
    asm::isb();
}

/// Calls `found` with address and value of each tag that is not as it was, and restores it. Looked at are
/// the arenas that `case` maps, or all of them.
pub fn restore(
    arenas: &Arenas,
    line: u64,
    case: &CaseRef<'_>,
    map: &MemoryMap,
    all: bool,
    mut found: impl FnMut(u64, u64),
) {
    let reached = |window: &&Window| all || is_mapped(case, map, window);
    for window in arenas.windows(ArenaKind::Scratch).filter(reached) {
        let tags = Window {
            base: window.base + scratch::TAGS,
            va: window.va + scratch::TAGS,
            size: scratch::TAGS_BYTES,
            ..*window
        };
        // A store past the caches is not hidden by what they hold, and one in them is not lost.
        arenas.clean(&tags, line, asm::clean_and_invalidate_line);
        asm::dsb_sy();
        for pa in (tags.base..tags.base + tags.size).step_by(8) {
            let word = (tags.va + (pa - tags.base)) as *mut u64;
            // SAFETY: in a mapped window that no reference points into.
            let value = unsafe { ptr::read_volatile(word) };
            if value != pa {
                found(pa, value);
                // SAFETY: as above.
                unsafe { ptr::write_volatile(word, pa) };
                asm::clean_and_invalidate_line(word.addr() as u64);
            }
        }
    }
    asm::dsb_sy();
}

/// Whether a leaf of `case` leads to the tags behind `window`.
fn is_mapped(case: &CaseRef<'_>, map: &MemoryMap, window: &Window) -> bool {
    let first = window.base + scratch::TAGS;
    let last = first + (scratch::TAGS_BYTES - 1);
    case.mappings.iter().any(|mapping| {
        let format = case.trees.get(usize::from(mapping.tree)).and_then(|tree| tree.format());
        let (Some(format), Some(output)) = (format, map.resolve(mapping.output)) else {
            return false;
        };
        let bytes = u64::from(mapping.entries) << format.granule.entry_bits(mapping.level);
        output <= last && first - output.min(first) < bytes
    })
}
