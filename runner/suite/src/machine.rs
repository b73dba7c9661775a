//! The machine that answered a campaign: enough of it to say whether another is like it.

use std::collections::BTreeMap;

use case::abilities::Abilities;
use case::edit::Change;
use case::memory::{Arena, ArenaKind, MemoryMap, Place};
use case::{CaseRef, Flags};
use link::hello::IdRegisters;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hex::Hex;

/// The machine that answered: its name, its ID registers, and the memory that cases may use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The target's name.
    pub target: String,
    /// The emulator and its version, in its own words; absent for hardware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emulator: Option<String>,
    /// Whether it has a monitor at EL3. Default: no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub monitor: bool,
    /// ID registers by name, as far as somebody wants to know them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, Hex>,
    /// The arenas, in the order of their numbers; of a case that was made small those that it uses, with their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<ArenaFields>,
}

/// One arena of a memory map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Arena")]
pub struct ArenaFields {
    /// Its number, where it is not one more than that of the arena before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arena: Option<u8>,
    /// First physical address.
    pub base: Hex,
    /// Size in bytes.
    pub size: Hex,
    /// What it is to a case.
    pub kind: ArenaKindName,
}

/// What an arena is to a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ArenaKind")]
pub enum ArenaKindName {
    /// Memory that belongs to the case.
    Tables,
    /// Addresses where nothing answers.
    Void,
    /// The executor's while it lives in a case's set-up, and what probes reach.
    // Headers of runs of format 2, and reproducers of then, have it by its former name.
    #[serde(alias = "stage")]
    Scratch,
}

impl ArenaKindName {
    /// The name in YAML.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tables => "tables",
            Self::Void => "void",
            Self::Scratch => "scratch",
        }
    }
}

impl Machine {
    /// The machine called `target` that said `ids` of itself and was given `map`.
    pub fn new(target: &str, emulator: Option<String>, ids: &IdRegisters, map: &MemoryMap) -> Self {
        let id = |(name, value): (&str, u64)| (name.to_owned(), Hex(value));
        let ids = ids.named().into_iter().map(id).collect();
        let memory = map.arenas().iter().map(ArenaFields::from).collect();
        Self { target: target.to_owned(), emulator, monitor: false, ids, memory }
    }

    /// The same machine with a monitor at EL3, or without.
    #[must_use]
    pub fn with_monitor(self, monitor: bool) -> Self {
        Self { monitor, ..self }
    }

    /// The same machine, with as much of it as `case` uses.
    #[must_use]
    pub fn of_case(&self, case: CaseRef<'_>) -> Self {
        let used = self.numbered().filter(|(number, _)| uses(case, *number));
        let memory = used.map(|(number, arena)| ArenaFields { arena: Some(number), ..*arena });
        Self { memory: memory.collect(), ..self.clone() }
    }

    /// The arenas by their numbers.
    fn numbered(&self) -> impl Iterator<Item = (u8, &ArenaFields)> {
        self.memory.iter().scan(0_u8, |next, arena| {
            let number = arena.arena.unwrap_or(*next);
            *next = number.saturating_add(1);
            Some((number, arena))
        })
    }

    fn arena(&self, number: u8) -> Option<&ArenaFields> {
        self.numbered().find(|(other, _)| *other == number).map(|(_, arena)| arena)
    }

    /// The memory map; `None` where it makes no sense. In the place of arenas that it leaves out there is nothing.
    pub fn memory_map(&self) -> Option<MemoryMap> {
        const NOTHING: Arena = Arena { base: (1 << 56) - 1, size: 1, kind: ArenaKind::Void };
        let mut map = MemoryMap::new();
        for (number, arena) in self.numbered() {
            while map.arenas().len() < usize::from(number) {
                map.push(NOTHING)?;
            }
            let kind = match arena.kind {
                ArenaKindName::Tables => ArenaKind::Tables,
                ArenaKindName::Void => ArenaKind::Void,
                ArenaKindName::Scratch => ArenaKind::Scratch,
            };
            let pushed = map.push(Arena { base: arena.base.0, size: arena.size.0, kind })?;
            (pushed == number).then_some(())?;
        }
        Some(map)
    }

    /// The ID registers of the PE. One that the file does not name counts as 0.
    pub fn id_registers(&self) -> IdRegisters {
        IdRegisters::from_named(|name| self.ids.get(name).map_or(0, |value| value.0))
    }

    /// What drawing wants to know of the PE.
    pub fn abilities(&self) -> Abilities {
        self.id_registers().abilities().with_monitor(self.monitor)
    }

    /// What stands between `case`, which was drawn for this machine, and `other`: each arena that
    /// the case uses and that `other` has not, or has elsewhere.
    pub fn differences(&self, other: &Self, case: CaseRef<'_>) -> Vec<Difference> {
        let numbers = (0..Place::ABSOLUTE).filter(|number| uses(case, *number));
        let difference = |number: u8| {
            let was = self.arena(number)?;
            match other.arena(number) {
                None => Some(Difference::Missing(number)),
                Some(is) if is.kind != was.kind => Some(Difference::OtherKind(number)),
                Some(is) if is.size < was.size => Some(Difference::Smaller(number)),
                Some(is) if is.base != was.base => {
                    Some(Difference::Moved { arena: number, from: was.base, to: is.base })
                }
                Some(_) => None,
            }
        };
        numbers.filter_map(difference).collect()
    }
}

/// Whether `case` names arena number `arena`.
fn uses(case: CaseRef<'_>, arena: u8) -> bool {
    let edited = case.edits.iter().filter_map(|edit| match edit.change() {
        Some(Change::Table { place, .. }) => Some(place),
        _ => None,
    });
    let mapped = case.mappings.iter().map(|mapping| mapping.output);
    let places = &case.header.world_switch;
    let switched = [places.trampoline, places.exit, places.code, places.data];
    let switched = switched.into_iter().filter(|_| case.flags().has(Flags::WORLD_SWITCH));
    let guest = Some(case.header.guest.code).filter(|_| case.flags().has(Flags::GUEST));
    let mut all = case.slots().chain(mapped).chain(edited).chain(switched).chain(guest);
    all.any(|place| place.arena() == arena)
}

impl From<&Arena> for ArenaFields {
    fn from(arena: &Arena) -> Self {
        let kind = match arena.kind {
            ArenaKind::Tables => ArenaKindName::Tables,
            ArenaKind::Void => ArenaKindName::Void,
            ArenaKind::Scratch => ArenaKindName::Scratch,
        };
        Self { arena: None, base: Hex(arena.base), size: Hex(arena.size), kind }
    }
}

/// How the memory of another machine differs for a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Difference {
    /// It has no such arena.
    #[error("there is no arena {0}")]
    Missing(u8),
    /// The arena is void and not memory, or memory and not void.
    #[error("arena {0} is of another kind")]
    OtherKind(u8),
    /// The arena is smaller.
    #[error("arena {0} is smaller")]
    Smaller(u8),
    /// The arena is elsewhere: the case can be asked, with other addresses in its tables.
    #[error("arena {arena} is at {to} and not at {from}")]
    Moved {
        /// Its number.
        arena: u8,
        /// Where it was when the case was drawn.
        from: Hex,
        /// Where it is.
        to: Hex,
    },
}

impl Difference {
    /// Whether the case can't be asked at all.
    pub const fn prevents(self) -> bool {
        !matches!(self, Self::Moved { .. })
    }
}
