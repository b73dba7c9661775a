//! Generators: from a space, a seed and an index to a case.
//!
//! Every generator is a pure function of what it is given. Random ones use one ChaCha8 stream a case
//! index, of which only `next_u64` is used, so that a case is the same on every machine for ever; the
//! [`VERSION`] counts the changes of meaning, and a test pins the cases of each version.
//!
//! ```text
//!   a space, Abilities, MemoryMap, seed, index
//!        |
//!   set-up    which shape of trees, which register fields, where tables lie      stage2, el2, el10
//!        |
//!   trees     disjoint leaves at legal levels, and what each says                tree, pool, leaf, memory_type
//!        |
//!   edits     (some cases) what no hypervisor would write                        edits
//!        |
//!   probes    inside, at the edges, beside, beyond                               address_space
//! ```
//!
//! There are generators for three regimes: [`stage2`] alone, EL2's own stage 1 ([`el2`]), and guests under two stages
//! ([`el10`]).

mod address_space;
mod edits;
pub mod el10;
pub mod el2;
mod leaf;
mod memory_type;
mod pool;
mod registers;
mod rng;
mod space;
pub mod stage2;
mod tree;

use crate::abilities::Abilities;
use crate::memory::MemoryMap;

pub use rng::Rng;
pub use space::Space;
pub use stage2::EPOCH;

/// The version of the generators. The same inputs give the same case for one version.
pub const VERSION: u32 = 2;

/// What a case is drawn for: a machine, and its number in a campaign.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub abilities: &'a Abilities,
    pub map: &'a MemoryMap,
    pub seed: u64,
    pub index: u64,
}

impl Request<'_> {
    /// The stream of the case.
    fn rng(&self) -> Rng {
        Rng::new(self.seed, self.index)
    }
}

/// The reasons: one table of documentation, name, and words.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $reason:literal;)*) => {
        /// Why no case could be drawn.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum NotDrawn {
            $($(#[$doc])* $variant,)*
        }

        impl NotDrawn {
            /// All reasons, by number.
            pub const ALL: [Self; [$(Self::$variant),*].len()] = [$(Self::$variant),*];

            /// The reason in words.
            pub const fn reason(self) -> &'static str {
                match self {
                    $(Self::$variant => $reason,)*
                }
            }
        }
    };
}

reasons! {
    /// The PE has none of the granules, with none of the DS values, at none of the sizes.
    NoSuchShape = "the PE has no stage 2 of this granule and size";
    /// The PE has none of the granules for stage 1, with none of the DS values, at none of the sizes.
    NoSuchHypShape = "the PE has no stage 1 of this granule and size";
    /// The PE has none of the granules for stage 1 of a guest, with none of the DS values, at none of the sizes.
    NoSuchStage1Shape = "the PE has no stage 1 of this granule and size for a guest";
    /// The target has no scratch arena where the trampoline, or the exit, should lie.
    NoPlacement = "the target has no memory where the trampoline or the exit should lie";
    /// The PE has no HCR_EL2.E2H.
    NoHost = "the PE has no HCR_EL2.E2H";
    /// The target has no monitor at EL3.
    NoMonitor = "the target has no monitor at EL3";
    /// The addresses have no room for all that a case needs.
    NoRoom = "the address range is too small for the code, data and tables that the case must map";
    /// No table arena of the target has addresses that the output size can express.
    NoArena = "the target has no memory at addresses that the tables could use";
}
