//! Whether the parts of a target file fit together.

use link::hello::MAX_PES;

use super::{Description, Range, Size, Transport};

/// What a mailbox's address is a multiple of.
const MAILBOX_ALIGNMENT: u64 = 0x1000;

impl Description {
    /// What does not fit, and what would.
    pub(super) fn check(&self) -> Result<(), String> {
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || !self.name.chars().all(good) {
            return Err(format!("name: {:?} must be of letters, digits, '-', '_', '.'", self.name));
        }
        self.board.check()?;
        if !(1..=MAX_PES).contains(&usize::from(self.pes())) {
            return Err(format!("cpus: {} is not one of 1 to {MAX_PES}", self.pes()));
        }
        self.start.kind().check(&self.transport)?;
        self.check_memory()?;
        let lent = self.check_arenas()?;
        self.check_mailbox(&lent)
    }

    /// RAM and void ranges have a size, and lie apart.
    fn check_memory(&self) -> Result<(), String> {
        let ram = self.start.kind().main_ram().map(|ram| ("the main RAM".to_owned(), ram));
        let mut taken = Vec::from_iter(ram);
        for dimm in self.dimms() {
            let name = format!("the DIMM at {}", dimm.address);
            if dimm.arena > dimm.size {
                return Err(format!("{name} is smaller than its arena of {}", dimm.arena));
            }
            taken.push((name, dimm.range()));
        }
        let void = self.void.iter();
        taken.extend(void.map(|void| (format!("the void range at {}", void.address), *void)));
        for (at, (name, range)) in taken.iter().enumerate() {
            range.check(name)?;
            if let Some((other, _)) = taken[..at].iter().find(|(_, one)| range.overlaps(one)) {
                return Err(format!("{name} overlaps {other}"));
            }
        }
        Ok(())
    }

    /// What the file lends to cases: arenas and scratch arenas, with their names. They lie apart.
    fn check_arenas(&self) -> Result<Vec<(&'static str, Range)>, String> {
        let dimm_arenas = self.dimms().iter().map(|dimm| ("DIMM's arena", dimm.arena()));
        let arenas = self.arenas.iter().map(|arena| ("arena", *arena));
        let scratch = self.scratch().map(|arena| ("scratch arena", arena));
        let lent: Vec<_> = dimm_arenas.chain(arenas).chain(scratch).collect();
        for (at, (what, range)) in lent.iter().enumerate().skip(self.dimms().len()) {
            let name = format!("the {what} at {}", range.address);
            range.check(&name)?;
            if lent[..at].iter().any(|(_, earlier)| range.overlaps(earlier)) {
                return Err(format!("{name} overlaps another arena"));
            }
        }
        match self.carve {
            Some(carve) if !carve.size.0.is_power_of_two() => {
                Err(format!("carve: the size {} must be a power of two", carve.size))
            }
            _ => Ok(lent),
        }
    }

    /// The mailbox, if there is one, lies in the main RAM, and in nothing that is `lent` to cases.
    fn check_mailbox(&self, lent: &[(&str, Range)]) -> Result<(), String> {
        let Transport::Mailbox { address } = self.transport else { return Ok(()) };
        let mailbox = Range { address, size: Size(link::mailbox::BYTES as u64) };
        if !address.0.is_multiple_of(MAILBOX_ALIGNMENT) {
            return Err(format!("the mailbox address {address} must be a multiple of 4 KB"));
        }
        if let Some(ram) = self.start.kind().main_ram()
            && !ram.contains(&mailbox)
        {
            return Err(format!(
                "the mailbox at {address} does not lie in the main RAM, {ram} (it takes {:#x})",
                mailbox.size.0
            ));
        }
        match lent.iter().find(|(_, range)| range.overlaps(&mailbox)) {
            Some((what, range)) => {
                Err(format!("the mailbox overlaps the {what} at {}", range.address))
            }
            None => Ok(()),
        }
    }
}
