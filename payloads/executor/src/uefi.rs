//! UEFI (UEFI specification 2.10): what it says of the machine when it is left.

use core::mem::offset_of;

use arrayvec::ArrayVec;
use link::hello::Region;
use link::surroundings::Text;
use uefi_raw::table::boot::{MemoryAttribute, MemoryDescriptor, MemoryType, PAGE_SIZE};

use crate::machine::{MAX_REGIONS, Machine};

/// What UEFI says of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firmware {
    /// What it calls its maker.
    pub vendor: Text<64>,
    /// RAM that is nobody's once UEFI has been left.
    pub memory: ArrayVec<Region, MAX_REGIONS>,
    /// What ACPI says.
    pub acpi: Machine,
}

impl Firmware {
    /// Lays it over what the device tree says, if UEFI has one. UEFI alone knows what it keeps of RAM; of
    /// everything else a device tree knows more than ACPI does.
    pub fn apply(&self, machine: &mut Machine) {
        machine.memory = self.memory.clone();
        if machine.firmware.is_empty() {
            machine.firmware = self.vendor;
        }
        machine.console = machine.console.or(self.acpi.console);
        machine.gic = machine.gic.take().or_else(|| self.acpi.gic.clone());
        if machine.psci.is_none() {
            machine.psci = self.acpi.psci;
            machine.pes = self.acpi.pes.clone();
        }
    }
}

/// The types of memory that are free when UEFI has been left (7.2.3, table 7.10): boot services' code and data,
/// and what was always free. The executor itself is in a loader's.
const FREE: [MemoryType; 3] =
    [MemoryType::BOOT_SERVICES_CODE, MemoryType::BOOT_SERVICES_DATA, MemoryType::CONVENTIONAL];
/// Attributes: it can be mapped Write-Back; it is meant for some device.
const WRITE_BACK: u64 = MemoryAttribute::WRITE_BACK.bits();
const SPECIFIC_PURPOSE: u64 = MemoryAttribute::SPECIAL_PURPOSE.bits();
const PAGE: u64 = PAGE_SIZE as u64;

/// The free RAM in a memory map whose descriptors are `stride` bytes apart (7.2.3, EFI_MEMORY_DESCRIPTOR), in
/// whole pieces. Where there are too many, the largest are kept.
pub fn free_memory(map: &[u8], stride: usize) -> ArrayVec<Region, MAX_REGIONS> {
    let mut free: ArrayVec<Region, MAX_REGIONS> = ArrayVec::new();
    if stride < size_of::<MemoryDescriptor>() {
        return free;
    }
    for descriptor in map.chunks_exact(stride) {
        let number = |at: usize| {
            let bytes = descriptor[at..at + 8].iter().rev();
            bytes.fold(0, |number: u64, &byte| number << 8 | u64::from(byte))
        };
        let kind = MemoryType(number(offset_of!(MemoryDescriptor, ty)) as u32);
        let base = number(offset_of!(MemoryDescriptor, phys_start));
        let attributes = number(offset_of!(MemoryDescriptor, att));
        let pages = number(offset_of!(MemoryDescriptor, page_count));
        let size = pages.checked_mul(PAGE).filter(|size| base.checked_add(*size).is_some());
        let is_free =
            FREE.contains(&kind) && attributes & (WRITE_BACK | SPECIFIC_PURPOSE) == WRITE_BACK;
        if let (true, Some(size)) = (is_free, size) {
            add(&mut free, Region { base, size });
        }
    }
    free
}

/// Adds `region`, joined to those that it touches.
fn add(free: &mut ArrayVec<Region, MAX_REGIONS>, mut region: Region) {
    let joins = |one: &Region, other: &Region| {
        one.base + one.size == other.base || other.base + other.size == one.base
    };
    while let Some(at) = free.iter().position(|other| joins(other, &region)) {
        let other = free.swap_remove(at);
        region = Region { base: region.base.min(other.base), size: region.size + other.size };
    }
    if let Err(full) = free.try_push(region) {
        let smallest = free.iter_mut().min_by_key(|region| region.size);
        if let Some(smallest) = smallest.filter(|smallest| smallest.size < full.element().size) {
            *smallest = full.element();
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::machine::{Console, ConsoleKind, Gic, Psci};

    const STRIDE: usize = 48;

    fn map(descriptors: &[(u32, u64, u64, u64)]) -> Vec<u8> {
        let words = |&(kind, base, pages, attributes): &(u32, u64, u64, u64)| {
            [kind.into(), base, 0xdead, pages, attributes, 0xbeef]
        };
        descriptors.iter().flat_map(words).flat_map(u64::to_le_bytes).collect()
    }

    #[test]
    fn what_nobody_keeps_is_free_and_joined() {
        let all = map(&[
            (7, 0x4000_0000, 16, 0xf),
            (4, 0x4002_0000, 16, 0xf),
            (3, 0x4001_0000, 16, 0xf),
            // The loader's, runtime services', ACPI's.
            (1, 0x4003_0000, 16, 0xf),
            (6, 0x4004_0000, 16, 1 << 63 | 0xf),
            (9, 0x4005_0000, 16, 0xf),
            // Not Write-Back; a device's.
            (7, 0x4006_0000, 16, 1),
            (7, 0x4007_0000, 16, 1 << 18 | 0xf),
            (7, 0x4008_0000, 16, 0xf),
        ]);
        let free = free_memory(&all, STRIDE);
        let size = 0x1_0000;
        let want =
            [Region { base: 0x4000_0000, size: 3 * size }, Region { base: 0x4008_0000, size }];
        assert_eq!(free.as_slice(), want);
    }

    #[test]
    fn the_largest_are_kept() {
        let many: Vec<_> = (0..70).map(|at| (7, at << 32, at + 1, 8)).collect();
        let free = free_memory(&map(&many), STRIDE);
        assert_eq!(free.len(), MAX_REGIONS);
        assert!(free.iter().all(|region| region.size > 6 * PAGE), "{free:x?}");
    }

    #[test]
    fn uefi_knows_memory_and_a_device_tree_the_rest() {
        let described = |console, pe| Machine {
            console: Some(Console { base: console, kind: ConsoleKind::Pl011 }),
            gic: Some(Gic::V2 { distributor: console, interface: 9 }),
            psci: Some(Psci { cpu_on: Psci::CPU_ON }),
            pes: [pe].into_iter().collect(),
            firmware: Text::new(b"U-Boot"),
            memory: [Region { base: 0, size: 99 * PAGE }].into_iter().collect(),
            ..Machine::default()
        };
        let memory: ArrayVec<_, MAX_REGIONS> =
            [Region { base: 0, size: PAGE }].into_iter().collect();
        let firmware = Firmware {
            vendor: Text::new(b"EDK II"),
            memory: memory.clone(),
            acpi: described(1, 1),
        };

        let mut machine = described(2, 2);
        firmware.apply(&mut machine);
        assert_eq!(machine, Machine { memory: memory.clone(), ..described(2, 2) });
        let mut machine = Machine::default();
        firmware.apply(&mut machine);
        assert_eq!(machine, Machine { memory, firmware: firmware.vendor, ..described(1, 1) });
    }

    proptest! {
        #[test]
        fn any_map_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..400), stride in 0usize..60) {
            let free = free_memory(&bytes, stride);
            prop_assert!(free.iter().all(|region| region.base.checked_add(region.size).is_some()));
        }
    }
}
