//! Board description of the host, laid over what the executor found of the machine. [`link::board`] says which of
//! them counts.

use link::board::{self, Board};

use crate::machine::{Console, ConsoleKind, Gic, Machine, Psci};

/// Lays `board` over `machine`.
pub fn apply(board: &Board, machine: &mut Machine) {
    machine.console = console(&board.console).or(machine.console);
    apply_psci(&board.psci, machine);
    match board.gic.kind {
        board::Gic::NONE => machine.gic = None,
        _ => machine.gic = gic(&board.gic).or(machine.gic.take()),
    }
    if !board.memory.all().is_empty() {
        machine.memory = board.memory.all().iter().copied().collect();
    }
    // Those that the host names are the ones that must not be missed.
    let found = core::mem::take(&mut machine.reserved);
    machine.reserved.extend(board.reserved.all().iter().copied());
    let room = machine.reserved.remaining_capacity();
    machine.reserved.extend(found.into_iter().take(room));
}

fn console(said: &board::Console) -> Option<Console> {
    let kind = match said.kind {
        board::Console::PL011 => ConsoleKind::Pl011,
        board::Console::SBSA => ConsoleKind::Sbsa,
        board::Console::NS16550 => {
            ConsoleKind::Ns16550 { shift: said.shift.min(4) as u8, wide: said.bits == 32 }
        }
        board::Console::CADENCE => ConsoleKind::Cadence,
        board::Console::IMX => ConsoleKind::Imx,
        _ => return None,
    };
    Some(Console { base: said.base, kind })
}

fn apply_psci(said: &board::Psci, machine: &mut Machine) {
    machine.psci = match said.conduit {
        board::Psci::NONE => None,
        // What numbers an old firmware gives its functions only a device tree knows.
        board::Psci::SMC => machine.psci.or(Some(Psci { cpu_on: Psci::CPU_ON })),
        _ => machine.psci,
    };
    if !said.pes().is_empty() {
        machine.pes = said.pes().iter().copied().collect();
    }
}

fn gic(said: &board::Gic) -> Option<Gic> {
    let distributor = said.distributor;
    match said.kind {
        board::Gic::V2 => Some(Gic::V2 { distributor, interface: said.per_pe.base }),
        board::Gic::V3 => {
            Some(Gic::V3 { distributor, redistributors: [said.per_pe].into_iter().collect() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use link::hello::Region;

    use super::*;

    fn region(base: u64) -> Region {
        Region { base, size: 0x1000 }
    }

    fn found() -> Machine {
        Machine {
            memory: [region(0x4000_0000), region(0x8000_0000)].into_iter().collect(),
            reserved: [region(0x4000_0000)].into_iter().collect(),
            console: Some(Console { base: 0x900_0000, kind: ConsoleKind::Pl011 }),
            gic: Some(Gic::V2 { distributor: 0x800_0000, interface: 0x801_0000 }),
            pes: [0, 1].into_iter().collect(),
            psci: Some(Psci { cpu_on: 0x95c1_ba5f }),
            ..Machine::default()
        }
    }

    fn laid_over(board: &Board) -> Machine {
        let mut machine = found();
        apply(board, &mut machine);
        machine
    }

    #[test]
    fn a_board_of_which_nothing_is_said_is_as_it_was_found() {
        assert_eq!(laid_over(&Board::SILENT), found());
    }

    #[test]
    fn what_is_said_takes_the_place_of_what_was_found() {
        let mut board = Board::SILENT;
        board.console =
            board::Console { base: 0x7000, kind: board::Console::NS16550, shift: 2, bits: 32 };
        board.psci = board::Psci { conduit: board::Psci::SMC, count: 2, pes: [0x100, 0x200, 9, 9] };
        board.gic =
            board::Gic { kind: board::Gic::V3, distributor: 0x1000, per_pe: region(0x2000) };
        board.memory.push(region(0)).expect("there is room");
        let machine = laid_over(&board);
        let kind = ConsoleKind::Ns16550 { shift: 2, wide: true };
        assert_eq!(machine.console, Some(Console { base: 0x7000, kind }));
        assert_eq!(machine.psci, Some(Psci { cpu_on: 0x95c1_ba5f }));
        assert_eq!(machine.pes.as_slice(), [0x100, 0x200]);
        let redistributors = [region(0x2000)].into_iter().collect();
        assert_eq!(machine.gic, Some(Gic::V3 { distributor: 0x1000, redistributors }));
        assert_eq!(machine.memory.as_slice(), [region(0)]);
    }

    #[test]
    fn what_is_said_to_be_missing_is_not_used() {
        let mut board = Board::SILENT;
        board.psci.conduit = board::Psci::NONE;
        board.gic.kind = board::Gic::NONE;
        let machine = laid_over(&board);
        assert_eq!((machine.psci, machine.gic), (None, None));
    }

    #[test]
    fn reserved_regions_add_up() {
        let mut board = Board::SILENT;
        board.reserved.push(region(0x5000_0000)).expect("there is room");
        let machine = laid_over(&board);
        assert_eq!(machine.reserved.as_slice(), [region(0x5000_0000), region(0x4000_0000)]);
        // Where there are too many, it is not the host's that are lost.
        let mut machine = Machine { reserved: [region(1); 64].into(), ..Machine::default() };
        apply(&board, &mut machine);
        assert_eq!((machine.reserved.len(), machine.reserved[0]), (64, region(0x5000_0000)));
    }

    #[test]
    fn numbers_without_a_meaning_say_nothing() {
        let mut board = Board::SILENT;
        (board.console.kind, board.psci.conduit, board.gic.kind) = (u32::MAX, 77, 77);
        assert_eq!(laid_over(&board), found());
    }
}
