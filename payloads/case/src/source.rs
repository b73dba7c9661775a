//! The generators of cases, by the names and numbers that suites and plans call them.

use zerocopy::{FromBytes, IntoBytes};

use crate::Case;
use crate::abilities::Abilities;
use crate::draw::el2::{self, HypSpace};
use crate::draw::el10::{self, GuestSpace};
use crate::draw::stage2::{exhaustive, random};
use crate::draw::{NotDrawn, Request, Space};
use crate::memory::MemoryMap;

/// Hands the generators to the macro `$then`: name in [`Source`](crate::source::Source), number in plans, name in
/// suites, [what is counted](crate::source::Counted), space, the function that draws a case, and the one that says how
/// many cases a round has.
#[macro_export]
macro_rules! generators {
    ($then:ident) => {
        $then! {
            /// Random cases.
            Random 1 "random": Cases of Space, random::draw, one;
            /// Every legal shape that the PE has: granule, DS, input address size, start level.
            Shapes 2 "shapes": Rounds of Space, exhaustive::shape, exhaustive::shape_count;
            /// Every point of granule, DS, T0SZ, SL2 and SL0, legal or not. Of its space `dc`, `fwb` and
            /// `hardware_updates` have a meaning.
            Legality 3 "legality": Once of Space, exhaustive::legality, points;
            /// Random set-ups of EL2's own stage 1, that the executor switches to while it asks.
            Hyp 4 "hyp": Cases of HypSpace, el2::draw, one;
            /// Every shape of EL2's stage 1 with one range, with the trampoline in the lower half of the addresses, in
            /// the upper half, and outside.
            Placements 5 "placements": Rounds of HypSpace, el2::placement, el2::placement_count;
            /// Guests at EL1 and EL0, under stage 1 and stage 2 together.
            Guest 6 "guest": Cases of GuestSpace, el10::draw, one;
            /// Guests between whose probes tables change, other tables are loaded, and TLBs are maintained.
            Tlbi 7 "tlbi": Cases of GuestSpace, el10::sequence, one;
        }
    };
}

/// What a suite counts of a generator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counted {
    /// Cases, of which there are as many as there is time for.
    Cases,
    /// Rounds through all its cases.
    Rounds,
    /// Nothing: there is one round.
    Once,
}

macro_rules! declare {
    ($($(#[$doc:meta])* $source:ident $number:literal $name:literal:
       $counted:ident of $space:ident, $draw:path, $round:path;)*) => {
        /// A generator, with the space that it draws from.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Source {
            $($(#[$doc])* $source($space),)*
        }

        impl Source {
            /// The bytes of the largest space.
            pub const MAX_SPACE: usize = {
                let sizes = [$(size_of::<$space>()),*];
                let (mut most, mut at) = (0, 0);
                while at < sizes.len() {
                    if sizes[at] > most {
                        most = sizes[at];
                    }
                    at += 1;
                }
                most
            };

            /// The name in suites.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$source(_) => $name,)*
                }
            }

            /// The number in plans, from 1.
            pub const fn number(&self) -> u64 {
                match self {
                    $(Self::$source(_) => $number,)*
                }
            }

            /// The space, raw.
            pub fn space(&self) -> &[u8] {
                match self {
                    $(Self::$source(space) => space.as_bytes(),)*
                }
            }

            /// The generator that has this number, with the space at the front of `bytes`; `None` where there is
            /// none.
            pub fn from_parts(number: u64, bytes: &[u8]) -> Option<Self> {
                Some(match number {
                    $($number => Self::$source($space::read_from_prefix(bytes).ok()?.0),)*
                    _ => return None,
                })
            }

            /// What a suite counts of it.
            pub const fn counted(&self) -> Counted {
                match self {
                    $(Self::$source(_) => Counted::$counted,)*
                }
            }

            /// How many cases a round of it has on a PE with these abilities.
            pub fn round(&self, abilities: &Abilities) -> u64 {
                match self {
                    $(Self::$source(space) => $round(space, abilities),)*
                }
            }

            /// Its case number `index`, or why this target can't be asked it.
            pub fn draw(
                &self,
                abilities: &Abilities,
                map: &MemoryMap,
                seed: u64,
                index: u64,
            ) -> Result<Case, NotDrawn> {
                let request = Request { abilities, map, seed, index };
                match self {
                    $(Self::$source(space) => $draw(space, request),)*
                }
            }

            /// How many probes each case has.
            pub const fn probes(&self) -> u64 {
                match self {
                    $(Self::$source(space) => space.probes,)*
                }
            }

            /// The same, to be changed.
            pub const fn probes_mut(&mut self) -> &mut u64 {
                match self {
                    $(Self::$source(space) => &mut space.probes,)*
                }
            }

            /// Weights of the 4K, 16K and 64K granule.
            pub const fn granules_mut(&mut self) -> &mut [u64; 3] {
                match self {
                    $(Self::$source(space) => &mut space.granules,)*
                }
            }
        }
    };
}

generators!(declare);

/// A round of a random generator is a case.
const fn one<S>(_: &S, _: &Abilities) -> u64 {
    1
}

const fn points(_: &Space, _: &Abilities) -> u64 {
    exhaustive::LegalityPoint::COUNT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_space_make_the_generator_that_has_them() {
        let space = Space { probes: 3, ..Space::BENIGN };
        let source = Source::Legality(space);
        assert_eq!(Source::from_parts(source.number(), source.space()), Some(source));
        assert_eq!(Source::from_parts(source.number(), &source.space()[1..]), None);
        assert_eq!(
            (Source::from_parts(0, source.space()), Source::from_parts(8, source.space())),
            (None, None)
        );
    }
}
