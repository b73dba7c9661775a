//! ACPI's tables (ACPI 6.5): what they say of the machine, read without trusting them.
//!
//! ```text
//!  UEFI --> RSDP --> XSDT --+-> SPCR   the kind of UART, and where its registers are
//!                           +-> FACP   whether there is PSCI
//!                           +-> APIC   interrupt controller, and the PEs
//! ```
//!
//! SPCR is Microsoft's "Serial Port Console Redirection Table"; its kinds of UART are those of the "Debug
//! Port Table 2".

use arrayvec::ArrayVec;
use link::hello::Region;

use crate::machine::{Console, ConsoleKind, Gic, Machine, Psci};

/// The most tables that are looked at.
const MAX_TABLES: usize = 256;
/// Bytes of the head that each table has.
const HEAD: usize = 36;

/// What the tables say of console, PEs and interrupt controller. The first of them, the RSDP, is at `rsdp`.
/// `memory` gives bytes of memory, by address and size, where there are any.
pub fn machine<'a>(rsdp: u64, memory: impl Fn(u64, usize) -> Option<&'a [u8]>) -> Machine {
    let mut machine = Machine::default();
    let table = |at: u64| {
        let length = number(memory(at, HEAD)?, 4, 4)? as usize;
        (length >= HEAD).then(|| memory(at, length))?
    };
    let root = memory(rsdp, HEAD).filter(|root| root.starts_with(b"RSD PTR ") && root[15] >= 2);
    let list = root.and_then(|root| table(number(root, 24, 8)?));
    let list = list.filter(|list| list.starts_with(b"XSDT")).unwrap_or(&[0; HEAD]);
    for entry in list[HEAD..].chunks_exact(8).take(MAX_TABLES) {
        match number(entry, 0, 8).and_then(table) {
            Some(spcr) if spcr.starts_with(b"SPCR") => {
                machine.console = machine.console.or(console(spcr));
            }
            Some(fadt) if fadt.starts_with(b"FACP") => machine.psci = psci(fadt),
            Some(madt) if madt.starts_with(b"APIC") => interrupts(madt, &mut machine),
            _ => {}
        }
    }
    machine
}

/// Whether there is PSCI: of the ARM_BOOT_ARCH flags of a FADT, at byte 129, bit 0 says so, and bit 1 that it is
/// called by HVC, and so by nobody at EL2.
fn psci(fadt: &[u8]) -> Option<Psci> {
    (number(fadt, 129, 2)? & 0b11 == 0b01).then_some(Psci { cpu_on: Psci::CPU_ON })
}

/// What a MADT says (5.2.12). From byte 44 on it has structures, each of which begins with its type and size:
///
/// ```text
///   GICC, 0x0b: a PE                  12: flags, bit 0 enabled   32: CPU interface   60: redistributor   68: MPIDR
///   GICD, 0x0c: the distributor        8: address                20: version
///   GICR, 0x0e: some redistributors    4: address                12: size
/// ```
fn interrupts(madt: &[u8], machine: &mut Machine) {
    let mut distributor = None;
    let mut interface = None;
    let mut redistributors = ArrayVec::new();
    let mut rest = madt.get(44..).unwrap_or_default();
    while let Some((part, after)) =
        rest.get(1).and_then(|&size| rest.split_at_checked(usize::from(size).max(2)))
    {
        let field = |at, bytes| number(part, at, bytes).unwrap_or(0);
        match part[0] {
            0x0b if field(12, 4) & 1 == 1 => {
                interface = interface.or(Some(field(32, 8)).filter(|&address| address != 0));
                let _ = machine.pes.try_push(field(68, 8));
                // Where redistributors are apart, each PE says where its own is: two frames of 64 KB. Of many
                // the first are kept, and a machine most likely begins with the first of its PEs.
                let region = Region { base: field(60, 8), size: 0x2_0000 };
                if region.base != 0 {
                    let _ = redistributors.try_push(region);
                }
            }
            0x0c => distributor = Some((field(8, 8), field(20, 1))),
            0x0e => {
                let region = Region { base: field(4, 8), size: field(12, 4) };
                let _ = redistributors.try_push(region);
            }
            _ => {}
        }
        rest = after;
    }
    machine.gic = match (distributor, interface) {
        (Some((distributor, 3..)), _) => Some(Gic::V3 { distributor, redistributors }),
        (Some((distributor, _)), Some(interface)) => Some(Gic::V2 { distributor, interface }),
        _ => None,
    };
}

/// The console of an SPCR. From byte 40 it has a Generic Address:
///
/// ```text
///   40: space (0: memory)   41: bits of a register   43: access size (1: byte .. 3: word)   44: address
/// ```
fn console(spcr: &[u8]) -> Option<Console> {
    let (kind, address) = (number(spcr, 36, 1)?, spcr.get(40..52)?);
    let base = number(address, 4, 8)?;
    if address[0] != 0 || base == 0 {
        return None;
    }
    let kind = match kind {
        // 16550; one that DBGP describes; one whose registers are as the address says.
        0x00 | 0x01 | 0x12 => {
            let wide = address[1] == 32 || address[3] == 3;
            ConsoleKind::Ns16550 { shift: if wide { 2 } else { 0 }, wide }
        }
        0x03 => ConsoleKind::Pl011,
        0x0c => ConsoleKind::Imx,
        // With 32-bit accesses alone, and as BSA has it.
        0x0d | 0x0e => ConsoleKind::Sbsa,
        _ => return None,
    };
    Some(Console { base, kind })
}

/// The little-endian number in `bytes` bytes from `at` on.
fn number(from: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let bytes = from.get(at..)?.get(..bytes)?;
    Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// Where the tables are.
    const RSDP: u64 = 0x1000;
    const XSDT: u64 = 0x1040;
    const SPCR: u64 = 0x10a0;
    const FADT: u64 = 0x1100;
    const MADT: u64 = 0x1300;

    /// A 64-bit number at each of some offsets of a structure of `kind` with `size` bytes.
    fn structure(kind: u8, size: u8, fields: &[(usize, u64)]) -> Vec<u8> {
        let mut bytes = std::vec![0; usize::from(size) + 8];
        for (at, value) in fields {
            bytes[*at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        bytes.truncate(size.into());
        bytes[..2].copy_from_slice(&[kind, size]);
        bytes
    }

    fn tables(spcr: [u8; 3], madt: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = std::vec![0; 0x600];
        let mut put = |at: u64, what: &[u8]| {
            bytes[(at - RSDP) as usize..][..what.len()].copy_from_slice(what);
        };
        put(RSDP, b"RSD PTR \0BOARDS\x02");
        put(RSDP + 24, &XSDT.to_le_bytes());
        // The first entry leads nowhere.
        put(XSDT, b"XSDT\x44\0\0\0");
        for (at, table) in (36..).step_by(8).zip([0xffff_0000, SPCR, FADT, MADT]) {
            put(XSDT + at, &u64::to_le_bytes(table));
        }
        let [kind, bits, access] = spcr;
        put(SPCR, b"SPCR\x50\0\0\0");
        put(SPCR + 36, &[kind, 0, 0, 0, 0, bits, 0, access]);
        put(SPCR + 44, &0x900_0000_u64.to_le_bytes());
        put(FADT, b"FACP\x14\x01\0\0");
        put(FADT + 129, &[0b01]);
        let madt = madt.concat();
        put(MADT, b"APIC");
        put(MADT + 4, &(44 + madt.len() as u32).to_le_bytes());
        put(MADT + 44, &madt);
        bytes
    }

    fn found(bytes: &[u8]) -> Machine {
        machine(RSDP, |at, size| {
            bytes.get(usize::try_from(at.checked_sub(RSDP)?).ok()?..)?.get(..size)
        })
    }

    #[test]
    fn the_console_is_found_with_its_kind() {
        let kinds = [
            (0x03, 32, 3, ConsoleKind::Pl011),
            (0x0e, 32, 3, ConsoleKind::Sbsa),
            (0x0c, 32, 3, ConsoleKind::Imx),
            (0x00, 8, 1, ConsoleKind::Ns16550 { shift: 0, wide: false }),
            (0x12, 32, 3, ConsoleKind::Ns16550 { shift: 2, wide: true }),
        ];
        for (number, bits, access, kind) in kinds {
            let console = found(&tables([number, bits, access], &[])).console;
            assert_eq!(console, Some(Console { base: 0x900_0000, kind }), "{number:#x}");
        }
        assert_eq!(found(&tables([0x0f, 32, 3], &[])).console, None, "a debug channel is no UART");
    }

    #[test]
    fn a_console_in_no_memory_is_none() {
        let mut bytes = tables([3, 32, 3], &[]);
        bytes[(SPCR - RSDP) as usize + 40] = 1;
        assert_eq!(found(&bytes).console, None);
    }

    #[test]
    fn psci_is_there_where_it_is_called_by_smc() {
        let mut bytes = tables([3, 32, 3], &[]);
        assert_eq!(found(&bytes).psci, Some(Psci { cpu_on: Psci::CPU_ON }));
        for flags in [0b00, 0b10, 0b11] {
            bytes[(FADT - RSDP) as usize + 129] = flags;
            assert_eq!(found(&bytes).psci, None, "{flags:#b}");
        }
    }

    #[test]
    fn pes_and_interrupt_controller_are_found() {
        let pe = |enabled, interface, redistributor, mpidr| {
            let fields = [(12, enabled), (32, interface), (60, redistributor), (68, mpidr)];
            structure(0x0b, 82, &fields)
        };
        let distributor = |version| structure(0x0c, 24, &[(8, 0x800_0000), (20, version)]);
        let together = structure(0x0e, 16, &[(4, 0x80a_0000), (12, 0xf6_0000)]);
        let one = |base, size| [Region { base, size }].into_iter().collect();

        let parts = [distributor(3), pe(1, 0, 0, 0), pe(0, 0, 0, 1), pe(1, 0, 0, 0x100), together];
        let machine = found(&tables([3, 32, 3], &parts));
        assert_eq!(machine.pes.as_slice(), [0, 0x100]);
        let redistributors = one(0x80a_0000, 0xf6_0000);
        assert_eq!(machine.gic, Some(Gic::V3 { distributor: 0x800_0000, redistributors }));

        let machine = found(&tables([3, 32, 3], &[pe(1, 0, 0x80a_0000, 0), distributor(4)]));
        let redistributors = one(0x80a_0000, 0x2_0000);
        assert_eq!(machine.gic, Some(Gic::V3 { distributor: 0x800_0000, redistributors }));

        let machine = found(&tables([3, 32, 3], &[distributor(2), pe(1, 0x801_0000, 0, 0)]));
        let (distributor, interface) = (0x800_0000, 0x801_0000);
        assert_eq!(machine.gic, Some(Gic::V2 { distributor, interface }));
    }

    proptest! {
        #[test]
        fn damaged_tables_are_survived(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let parts = [structure(0x0c, 24, &[(8, 0x800_0000)]), structure(0x0b, 82, &[(12, 1)])];
            let mut bytes = tables([3, 32, 3], &parts);
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            found(&bytes);
            found(&bytes[..cut.index(bytes.len())]);
        }
    }
}
