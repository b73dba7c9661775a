//! What ACPI's tables (ACPI 6.5) say of the console, read without trusting them.
//!
//! ```text
//!  UEFI --> RSDP --> XSDT --> SPCR: the kind of UART, and where its registers are
//! ```
//!
//! SPCR is Microsoft's "Serial Port Console Redirection Table"; its kinds of UART are those of the "Debug
//! Port Table 2".

use crate::machine::{Console, ConsoleKind};

/// The most tables that are looked at.
const MAX_TABLES: usize = 256;
/// Bytes of the head that each table has.
const HEAD: usize = 36;

/// The console that the tables name, whose first one, the RSDP, is at `rsdp`. `memory` gives bytes of memory, by
/// address and size, where there are any.
pub fn console<'a>(rsdp: u64, memory: impl Fn(u64, usize) -> Option<&'a [u8]>) -> Option<Console> {
    let root = memory(rsdp, HEAD)?;
    if !root.starts_with(b"RSD PTR ") || root[15] < 2 {
        return None;
    }
    let table = |at: u64, name: &[u8; 4]| {
        let head = memory(at, HEAD)?;
        let length = number(head, 4, 4)? as usize;
        (head.starts_with(name) && length >= HEAD).then(|| memory(at, length))?
    };
    let list = table(number(root, 24, 8)?, b"XSDT")?;
    let entries = list[HEAD..].chunks_exact(8).take(MAX_TABLES);
    entries.filter_map(|entry| table(number(entry, 0, 8)?, b"SPCR")).find_map(of_spcr)
}

/// The console of an SPCR. From byte 40 it has a Generic Address:
///
/// ```text
///   40: space (0: memory)   41: bits of a register   43: access size (1: byte .. 3: word)   44: address
/// ```
fn of_spcr(spcr: &[u8]) -> Option<Console> {
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
    const SPCR: u64 = 0x1080;

    fn tables(kind: u8, bits: u8, access: u8) -> Vec<u8> {
        let mut bytes = std::vec![0; 0x100];
        let mut put = |at: u64, what: &[u8]| {
            bytes[(at - RSDP) as usize..][..what.len()].copy_from_slice(what);
        };
        put(RSDP, b"RSD PTR \0BOARDS\x02");
        put(RSDP + 24, &XSDT.to_le_bytes());
        put(XSDT, b"XSDT\x34\0\0\0");
        // The first entry leads nowhere.
        put(XSDT + 36, &0xffff_0000_u64.to_le_bytes());
        put(XSDT + 44, &SPCR.to_le_bytes());
        put(SPCR, b"SPCR\x50\0\0\0");
        put(SPCR + 36, &[kind, 0, 0, 0, 0, bits, 0, access]);
        put(SPCR + 44, &0x900_0000_u64.to_le_bytes());
        bytes
    }

    fn found(bytes: &[u8]) -> Option<Console> {
        console(RSDP, |at, size| {
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
            let found = found(&tables(number, bits, access));
            assert_eq!(found, Some(Console { base: 0x900_0000, kind }), "{number:#x}");
        }
        assert_eq!(found(&tables(0x0f, 32, 3)), None, "a debug channel is no UART");
    }

    #[test]
    fn a_console_in_no_memory_is_none() {
        let mut bytes = tables(3, 32, 3);
        bytes[(SPCR - RSDP) as usize + 40] = 1;
        assert_eq!(found(&bytes), None);
    }

    proptest! {
        #[test]
        fn damaged_tables_are_survived(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = tables(3, 32, 3);
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let _ = found(&bytes);
            let _ = found(&bytes[..cut.index(bytes.len())]);
        }
    }
}
