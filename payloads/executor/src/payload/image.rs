//! Image: its configuration, batch and version, which the host finds by the names of their sections.

use core::ptr;

use link::batch::Batch;
use link::config::Config;

use crate::payload::global::Global;

/// The configuration block, which the host overwrites before the image is started. Not a plain
/// static: the compiler must not know its value.
#[used]
#[unsafe(link_section = ".hypwalk.config")]
static CONFIG: Global<Config> = Global::new(Config::new());

pub fn config() -> Config {
    // SAFETY: a static that nobody writes while the image runs. Volatile: the host wrote it.
    unsafe { ptr::read_volatile(CONFIG.pointer()) }
}

/// The batch, which the host overwrites where the image is to run by itself.
#[used]
#[unsafe(link_section = ".hypwalk.batch")]
static BATCH: Global<Batch> = Global::new(Batch::NONE);

/// The batch, if there is one.
pub fn batch() -> Option<&'static Batch> {
    // SAFETY: a static that nobody writes while the image runs. Volatile: the host wrote it.
    let count = unsafe { ptr::read_volatile(&raw const (*BATCH.pointer()).count) };
    // SAFETY: as above; what the compiler knew of it is hidden from it.
    (count > 0).then(|| unsafe { &*core::hint::black_box(BATCH.pointer()) })
}

/// An ELF note: name "Hypwalk", type 1, and as description the version of this crate, as text filled
/// up with zeros, and then [`link::VERSION`].
#[repr(C)]
struct Note {
    name_bytes: u32,
    description_bytes: u32,
    kind: u32,
    name: [u8; 8],
    version: [u8; VERSION_BYTES],
    link_version: u32,
}

const VERSION: &[u8] = env!("CARGO_PKG_VERSION").as_bytes();
const VERSION_BYTES: usize = (VERSION.len() + 1).next_multiple_of(4);

#[used]
#[unsafe(link_section = ".note.hypwalk")]
static NOTE: Note = Note {
    name_bytes: 8,
    description_bytes: VERSION_BYTES as u32 + 4,
    kind: 1,
    name: *b"Hypwalk\0",
    version: {
        let mut text = [0; VERSION_BYTES];
        let (front, _) = text.split_at_mut(VERSION.len());
        front.copy_from_slice(VERSION);
        text
    },
    link_version: link::VERSION,
};
