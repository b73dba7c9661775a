//! Probes of a life: AT anywhere, and accesses where memory tells of them or that fault.

use arrayvec::ArrayVec;

use super::super::Rng;
use super::area::Area;
use super::setup::Setup;
use crate::probe::{Operation, Probe};
use crate::tree::Role;
use crate::{MAX_MAPPINGS, scratch};

/// What is mapped in the trees that a life is asked about.
pub(super) type Areas = ArrayVec<Area, MAX_MAPPINGS>;

/// AT instructions for EL2's own regime.
const OWN: [Operation; 2] = [Operation::AtS1e2r, Operation::AtS1e2w];
/// AT instructions for the regime of a host, which EL0 shares.
const SHARED: [Operation; 4] =
    [Operation::AtS1e1r, Operation::AtS1e1w, Operation::AtS1e0r, Operation::AtS1e0w];

/// Draws a probe.
pub(super) fn probe(rng: &mut Rng, setup: &Setup, areas: &Areas) -> Probe {
    match rng.weighted([(40, 0), (20, 1), (12, 2), (20, 3), (8, 4)]) {
        1 => data(rng, setup, areas, Operation::Load),
        2 => data(rng, setup, areas, Operation::Store),
        3 => fetch(rng, setup, areas),
        4 => nowhere(rng, setup, areas),
        _ => None,
    }
    .unwrap_or_else(|| at(rng, setup, areas))
}

/// Some area of those that `wanted` picks.
fn pick<'a>(rng: &mut Rng, areas: &'a Areas, wanted: impl Fn(&Area) -> bool) -> Option<&'a Area> {
    let wanted: ArrayVec<&Area, MAX_MAPPINGS> = areas.iter().filter(|area| wanted(area)).collect();
    rng.pick(&wanted)
}

/// The address with another top byte, where the range ignores it.
fn tagged(rng: &mut Rng, setup: &Setup, area: &Area, address: u64) -> u64 {
    let ignored = setup.tbi[usize::from(area.role == Role::Ttbr1El2)];
    if ignored && rng.chance(300) { address ^ rng.below(0x100) << 56 } else { address }
}

fn at(rng: &mut Rng, setup: &Setup, areas: &Areas) -> Probe {
    let operation = match setup.tge && rng.chance(400) {
        true => rng.pick(&SHARED),
        false => rng.pick(&OWN),
    };
    let operation = operation.unwrap_or(Operation::AtS1e2r);
    let Some(area) = pick(rng, areas, |_| true) else { return Probe::new(operation, rng.bits()) };
    let &Area { va_bits, first, bytes, .. } = area;
    let mask = (1u64 << va_bits) - 1;
    let inside = first + rng.below(bytes);
    let input = match rng.weighted([(50, 0), (12, 1), (8, 2), (10, 3), (12, 4), (8, 5)]) {
        0 => inside,
        1 => *[first, first + bytes - 1].get(rng.below(2) as usize).unwrap_or(&first),
        2 if rng.chance(500) => first.wrapping_sub(1) & mask,
        2 => (first + bytes) & mask,
        // A neighbour in the tables: another index at some level.
        3 => inside ^ 1 << rng.below(va_bits.into()),
        4 => rng.bits() & mask,
        // Beyond the range: one bit above it, or all.
        _ => {
            let one = 1 << rng.between(va_bits.into(), 63);
            let address = area.address(inside);
            let beyond = if rng.chance(700) { address ^ one } else { rng.bits() };
            return Probe::new(operation, beyond);
        }
    };
    let address = area.address(input);
    Probe::new(operation, tagged(rng, setup, area, address))
}

/// A load or store at a tag; or a load of what is aligned worse, where that faults: a store that does not
/// fault would spoil two tags.
fn data(rng: &mut Rng, setup: &Setup, areas: &Areas, operation: Operation) -> Option<Probe> {
    let area = pick(rng, areas, |area| area.tags.is_some())?;
    let (first, bytes) = area.tags?;
    let words = bytes / 8;
    let word = match rng.below(4) {
        0 => 0,
        1 => words - 1,
        _ => rng.below(words),
    };
    let faults = operation == Operation::Load && (setup.aligned || area.is_device);
    let offset = if faults && rng.chance(80) { rng.between(1, 7) } else { 0 };
    // What is misaligned stays in the page.
    let word = if offset > 0 { word.min(words.saturating_sub(2)) } else { word };
    let address = area.address(first + 8 * word + offset);
    Some(Probe::new(operation, tagged(rng, setup, area, address)))
}

/// A call of a slot, or of what may not be executed.
fn fetch(rng: &mut Rng, setup: &Setup, areas: &Areas) -> Option<Probe> {
    let never = |area: &Area| {
        let bit = if setup.shape.upper.is_some() { 1 } else { 2 };
        area.attributes.xn & bit != 0
    };
    if rng.chance(250) {
        let area = pick(rng, areas, never)?;
        let address = area.address(area.first + rng.below(area.bytes) / 4 * 4);
        return Some(Probe::new(Operation::Fetch, address));
    }
    let area = pick(rng, areas, |area| area.slots.is_some())?;
    let (first, bytes) = area.slots?;
    let slots = bytes / scratch::SLOT_BYTES;
    let slot = match rng.below(4) {
        0 => 0,
        1 => slots - 1,
        _ => rng.below(slots),
    };
    let address = area.address(first + slot * scratch::SLOT_BYTES);
    Some(Probe::new(Operation::Fetch, address))
}

/// A load or fetch where nothing is mapped, or just beyond the range.
fn nowhere(rng: &mut Rng, setup: &Setup, areas: &Areas) -> Option<Probe> {
    let area = pick(rng, areas, |_| true)?;
    let operation = if rng.chance(500) { Operation::Load } else { Operation::Fetch };
    let input = rng.bits() & ((1u64 << area.va_bits) - 1) & !7;
    let is_mapped = |other: &Area| other.role == area.role && other.has(input);
    if areas.iter().any(is_mapped) {
        return None;
    }
    let address = area.address(input);
    if rng.chance(400) && area.va_bits < 52 {
        return Some(Probe::new(operation, address ^ 1 << rng.between(area.va_bits.into(), 52)));
    }
    let is_load = operation == Operation::Load;
    let address = if is_load { tagged(rng, setup, area, address) } else { address };
    Some(Probe::new(operation, address))
}
