//! Generators: from a space, a seed and an index to a case.
//!
//! Every generator is a pure function of what it is given. Random ones use one ChaCha8 stream a case
//! index, of which only `next_u64` is used, so that a case is the same on every machine for ever; the
//! [`VERSION`] counts the changes of meaning, and a test pins the cases of each version.
//!
//! ```text
//!   Space, Abilities, MemoryMap, seed, index
//!        |
//!   setup     which shape of tree, which register fields, where tables lie
//!        |
//!   mappings  disjoint ranges at legal levels
//!        |
//!   probes    inside, at the edges, beside, beyond
//!        |
//!   hostile   (some cases) descriptors and registers that no hypervisor would write
//! ```

pub mod exhaustive;
mod hostile;
mod mappings;
mod probes;
pub mod random;
mod rng;
mod setup;
mod space;

pub use rng::Rng;
pub use setup::EPOCH;
pub use space::Space;

/// The version of the generators. The same inputs give the same case for one version.
pub const VERSION: u32 = 1;

/// Why no case could be drawn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum NotDrawn {
    /// The PE has none of the granules, with none of the DS values, at none of the sizes.
    NoSuchShape,
    /// No table arena of the target has addresses that the output size can express.
    NoArena,
}

impl NotDrawn {
    /// The reason in words.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoSuchShape => "the PE has no stage 2 of this granule and size",
            Self::NoArena => "the target has no memory at addresses that the tables could use",
        }
    }
}
