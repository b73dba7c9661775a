//! Places: arenas of low numbers, and small offsets in them.

use std::collections::BTreeSet;

use case::memory::{ArenaKind, MemoryMap, Place};
use case::tree::Role;

use super::{Bits, Draft, Tries, bit_by_bit};
use crate::reduce::draft::{Field, raw};

/// So many arenas of a kind are tried in the place of another.
const ARENAS: usize = 3;

/// All in other arenas, and tables at the starts of theirs.
pub fn arenas(draft: &Draft, map: &MemoryMap) -> Tries {
    let places = places(draft);
    let arenas = places.iter().map(|(_, place)| place.arena()).collect();
    Tries::Each(moved(draft, &places, &arenas, map))
}

/// Bits of the offsets: of all places of an arena, and of each.
pub fn offsets(draft: &Draft, _: &MemoryMap) -> Tries {
    let places = places(draft);
    let arenas: BTreeSet<u8> = places.iter().map(|(_, place)| place.arena()).collect();
    let mut moves = Vec::new();
    for arena in arenas {
        let here: Vec<_> = places.iter().filter(|(_, place)| place.arena() == arena).collect();
        let all = here.iter().fold(0, |all, (_, place)| all | place.offset());
        moves.extend(bit_by_bit(all, |bit| {
            let set = here.iter().filter(|(_, place)| place.offset() & bit != 0);
            set.map(|(field, _)| Bits::clear(*field, bit)).collect()
        }));
    }
    for (field, place) in &places {
        moves.extend(bit_by_bit(place.offset(), |bit| vec![Bits::clear(*field, bit)]));
    }
    Tries::Together(moves)
}

/// Drafts with all that is in one arena in another of its kind with a lower number. A physical address that is an output
/// goes to where cases have memory.
fn moved(
    draft: &Draft,
    places: &[(Field, Place)],
    arenas: &BTreeSet<u8>,
    map: &MemoryMap,
) -> Vec<Draft> {
    let kind = |arena: u8| map.arenas().get(usize::from(arena)).map(|arena| arena.kind);
    let of_kind = |kind: ArenaKind| {
        let all = (0_u8..).zip(map.arenas()).filter(move |(_, arena)| arena.kind == kind);
        all.map(|(number, _)| number).take(ARENAS)
    };
    let mut drafts = Vec::new();
    for arena in arenas.iter().rev() {
        let Some(kind) = kind(*arena) else { continue };
        for other in of_kind(kind).filter(|other| other < arena) {
            let mut moved = draft.clone();
            for (field, place) in places.iter().filter(|(_, place)| place.arena() == *arena) {
                moved.update(*field, |_| raw(Place::new(other, place.offset())));
            }
            drafts.push(settled(moved, map));
        }
    }
    for (field, place) in places.iter().filter(|(field, _)| matches!(field, Field::Slot(..))) {
        for offset in [0, 0x1_0000, 0x2_0000] {
            let mut moved = draft.clone();
            moved.update(*field, |_| raw(Place::new(place.arena(), offset)));
            drafts.push(settled(moved, map));
        }
    }
    for (field, _) in places.iter().filter(|(_, place)| place.arena() == Place::ABSOLUTE) {
        for arena in of_kind(ArenaKind::Scratch).take(1) {
            let mut moved = draft.clone();
            moved.update(*field, |_| raw(Place::new(arena, 0)));
            drafts.push(moved);
        }
    }
    drafts
}

/// The same with the tables of stage 1 where they are, if there is no stage 2: the walker finds them by that.
fn settled(mut draft: Draft, map: &MemoryMap) -> Draft {
    if draft.trees.iter().all(|tree| tree.role != Role::Stage2) {
        for tree in draft.trees.iter_mut().filter(|tree| tree.role.is_in_ipa_space()) {
            for (place, ipa) in &mut tree.slots {
                *ipa = map.resolve(*place).unwrap_or(*ipa);
            }
        }
    }
    draft
}

/// The places that a case names, of physical memory.
fn places(draft: &Draft) -> Vec<(Field, Place)> {
    let mut places = Vec::new();
    for (tree, it) in draft.trees.iter().enumerate() {
        let slots = it.slots.iter().enumerate();
        places.extend(slots.map(|(slot, (place, _))| (Field::Slot(tree, slot), *place)));
    }
    let has_stage2 = draft.trees.iter().any(|tree| tree.role == Role::Stage2);
    let outputs = draft.mappings.iter().enumerate().filter(|(_, mapping)| {
        let tree = draft.trees.get(usize::from(mapping.tree));
        tree.is_none_or(|tree| !has_stage2 || !tree.role.is_in_ipa_space())
    });
    places.extend(outputs.map(|(number, mapping)| (Field::Output(number), mapping.output)));
    if draft.has(case::Flags::GUEST) {
        places.push((Field::GuestCode, draft.guest.code));
    }
    places
}
