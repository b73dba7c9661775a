//! EL2 stage 1 of the executor itself: its maps are made here, and switched to.
//!
//! The first one is tried: a device may be wrong in this very translation. Where it is, there is no map, and the MMU
//! stays off: all memory is Device then. What the executor stores goes past the caches, in which walks of the EL1&0
//! regime look, so that lines are cleaned and invalidated before and after, as for walks past the caches.

use core::mem::MaybeUninit;

use aarch64_cpu::registers::*;
use arrayvec::ArrayVec;
use case::memory::{ArenaKind, MemoryMap};
use case::scratch;
use executor::abi::{MapFault, MapRegisters, SCTLR_EL23_OFF, Witness};
use executor::el2_tables::{El2Tables, Geometry, MAIR_EL2, MapError, Range, RangeKind, pa_bits};
use executor::windows::Windows;
use link::mark::Mark;

use crate::payload::asm::{self, Image};
use crate::payload::global::Global;
use crate::payload::marks;
use crate::payload::sabotage;

/// Words of tables for one map: 12 tables of 64 KB, or 192 of 4 KB.
const POOL_WORDS: usize = 12 << 13;

/// Tables for the map in use and for the next one.
#[repr(C, align(65536))]
struct Pools(MaybeUninit<[[u64; POOL_WORDS]; 2]>);

#[unsafe(link_section = ".noinit")]
static POOLS: Global<Pools> = Global::new(Pools(MaybeUninit::uninit()));

/// The map in use, if any.
pub struct El2Map {
    /// What is mapped to itself, whatever the arenas are.
    identity: ArrayVec<Range, 8>,
    /// The pool whose tables are in use.
    pool: usize,
    /// The registers of the map in use.
    registers: MapRegisters,
    /// Why there is none: the MMU is off.
    fault: Option<MapFault>,
}

impl El2Map {
    /// Makes the first map, of the image and `others`, and turns the MMU on. Where the map fails the MMU is off
    /// again, and stays so: [`El2Map::fault`] tells why.
    ///
    /// # Safety
    /// Called once, with the MMU off, and `others` are what they say.
    pub unsafe fn enter(others: impl IntoIterator<Item = Range>) -> Result<Self, MapError> {
        let range = |(start, end): (u64, u64), kind| Range::identity(start, end - start, kind);
        let mut identity = ArrayVec::new();
        identity.push(range(Image::code(), RangeKind::Code));
        identity.push(range(Image::constants(), RangeKind::Constants));
        identity.extend(Image::data().map(|piece| range(piece, RangeKind::Data)));
        identity.extend(others.into_iter().take(2));

        marks::leave(Mark::Map);
        let geometry = Geometry::smallest(ID_AA64MMFR0_EL1.get()).ok_or(MapError::OutOfReach)?;
        let mut map = Self { identity, pool: 0, registers: registers(0, geometry), fault: None };
        let root = Self::build(&sabotage::spoil(&map.identity), 0, geometry, &Windows::none())?;
        map.registers = registers(root, geometry);
        let witnesses = witnesses();
        marks::leave(Mark::Caches);
        // SAFETY: the start code cleaned the whole image, and all writes since bypassed the caches.
        unsafe { asm::invalidate_lines(Image::start(), Image::end()) };
        marks::leave(Mark::Mmu);
        let core::ops::Range { start: first, end } = witnesses.as_ptr_range();
        let mut fault = MapFault::default();
        // SAFETY: just made, of the image and what the caller promises; the witnesses are words of the image that
        // nobody else writes.
        if unsafe { asm::try_map(&raw const map.registers, first, end, &raw mut fault) } != 0 {
            asm::stay_past_caches();
            marks::leave(Mark::NoMmu);
            // SAFETY: what was written by way of the caches was what memory held, and it was cleaned.
            unsafe { asm::invalidate_lines(Image::start(), Image::end()) };
            map.fault = Some(fault);
        }
        Ok(map)
    }

    /// Why the MMU is off, if it is.
    pub const fn fault(&self) -> Option<MapFault> {
        self.fault
    }

    /// Maps the arenas of `map` that are memory beside the executor itself. `None` where this PE can't, or they
    /// are not the case's own.
    pub fn configure(&mut self, map: &MemoryMap) -> Option<Windows> {
        let mmfr0 = ID_AA64MMFR0_EL1.get();
        let memory = || map.arenas().iter().filter(|arena| arena.kind != ArenaKind::Void);
        let arenas = || memory().filter(|arena| arena.kind == ArenaKind::Scratch);
        let sound = arenas().all(scratch::fits)
            && memory().all(|arena| {
                let whole = (arena.base | arena.size).is_multiple_of(8);
                let apart = self.identity.iter().all(|range| {
                    arena.last() < range.pa || range.pa + range.bytes - 1 < arena.base
                });
                // The guards between the stacks are the image's too.
                let guards = arena.last() < Image::start() || Image::end() <= arena.base;
                whole && apart && guards && arena.last() >> pa_bits(mmfr0) == 0
            });
        if !sound {
            return None;
        }
        if self.fault.is_some() {
            return Windows::flat(map);
        }
        let geometry = if memory().any(|arena| arena.last() >> 48 != 0) {
            Geometry::reaching_52_bits(mmfr0, Image::start())?
        } else {
            Geometry::smallest(mmfr0)?
        };
        let windows = Windows::new(map, geometry, &self.identity)?;
        let pool = 1 - self.pool;
        let root = Self::build(&self.identity, pool, geometry, &windows).ok()?;
        self.registers = registers(root, geometry);
        // SAFETY: just made; it has image, console and mailbox where they were.
        unsafe { switch_to(&self.registers) };
        self.pool = pool;
        Some(windows)
    }

    /// What a secondary PE loads to use the same map.
    pub const fn registers(&self) -> MapRegisters {
        self.registers
    }

    /// Fills pool number `pool`, which is not in use, with a map of `identity` and `windows`, and returns its root.
    fn build(
        identity: &[Range],
        pool: usize,
        geometry: Geometry,
        windows: &Windows,
    ) -> Result<u64, MapError> {
        let pools: *mut [u64; POOL_WORDS] = POOLS.pointer().cast();
        // SAFETY: one of two pools, not in use, and there is one map that has them; any bytes are words.
        let words = unsafe { &mut *pools.add(pool) };
        let base = words.as_ptr().addr() as u64;
        let mut map = El2Tables::new(geometry, words, base)?;
        let ranges = identity.iter().copied();
        ranges
            .chain(windows.all().iter().map(|window| window.range()))
            .try_for_each(|range| map.map(&range))?;
        Ok(map.root())
    }
}

/// Words of the image that the map must lead to: of each of its parts one. Those of the stacks' far ends are written
/// for it.
fn witnesses() -> ArrayVec<Witness, 8> {
    let read = |address: u64, is_written| {
        // SAFETY: a word of the image, whose MMU is off; nobody has a reference to it that is written by.
        let value = unsafe { core::ptr::read_volatile(address as *const u64) };
        Witness { address, value, is_written }
    };
    let [(data, _), stacks @ ..] = Image::data();
    let mut witnesses = ArrayVec::new();
    witnesses.push(read(Image::code().0, 0));
    witnesses.push(read(Image::constants().0, 0));
    witnesses.push(read(data, 0));
    for (end, _) in stacks {
        // SAFETY: the last word that a stack would grow to.
        unsafe { core::ptr::write_volatile(end as *mut u64, end) };
        witnesses.push(read(end, 1));
    }
    witnesses
}

/// What a PE loads to use the map whose root is at `root`.
fn registers(root: u64, geometry: Geometry) -> MapRegisters {
    /// RES1 bits, MMU, stack alignment check, caches, and no page that is both written and executed.
    const SCTLR_EL2: u64 = SCTLR_EL23_OFF | 1 | 1 << 2 | 1 << 3 | 1 << 12 | 1 << 19;
    let tcr_el2 = geometry.tcr_el2(ID_AA64MMFR0_EL1.get());
    MapRegisters { ttbr0_el2: root, tcr_el2, mair_el2: MAIR_EL2, sctlr_el2: SCTLR_EL2 }
}

/// Switches this PE to another map.
///
/// # Safety
/// The map has the image, and whatever else is used, where they are.
pub unsafe fn switch_to(map: &MapRegisters) {
    let MapRegisters { ttbr0_el2, tcr_el2, mair_el2, sctlr_el2 } = *map;
    // SAFETY: the caller's promise.
    unsafe { asm::switch_map(ttbr0_el2, tcr_el2, mair_el2, sctlr_el2) };
}
