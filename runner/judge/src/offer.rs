//! What a target offers to cases: whether it can do what one asks, before it is sent.

use case::abilities::Abilities;
use case::control::hcr;
use case::probe::{El, Operation, Probe};
use case::{CaseRef, Flags};
use link::hello::Hello;

use crate::verdict::Lack;

/// `HCR_EL2.RW`.
const HCR_RW: u64 = 1 << 31;

/// What a target offers to cases.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    abilities: Abilities,
    /// How many PEs there are.
    pes: u64,
}

impl Offer {
    /// That of the target that said `hello`.
    pub fn new(hello: &Hello) -> Self {
        // Without a map of their own other PEs do not take part.
        let pes = if hello.own_map.is_on() { hello.pes } else { 1 };
        Self { abilities: hello.abilities(), pes }
    }

    /// What `case` wants done that can't be done; `None` where the target has to be asked.
    pub fn lacks(&self, case: CaseRef<'_>) -> Option<Lack> {
        let (flags, registers) = (case.flags(), &case.header.registers);
        let is_switched = flags.0 & (Flags::WORLD_SWITCH | Flags::MONITOR) != 0;
        let has_guests = flags.has(Flags::GUEST);
        if flags.has(Flags::MONITOR) && !self.abilities.monitor {
            return Some(Lack::Monitor);
        }
        if is_switched && registers.hcr_el2 & hcr::E2H != 0 && !self.abilities.vhe {
            return Some(Lack::Vhe);
        }
        if is_switched && has_guests {
            return Some(Lack::SwitchedGuests);
        }
        let lack =
            case.probes.iter().find_map(|probe| self.lack_of(probe, has_guests, is_switched));
        let is_aarch32 = has_guests && registers.hcr_el2 & HCR_RW == 0;
        lack.or_else(|| is_aarch32.then_some(Lack::AArch32))
    }

    fn lack_of(&self, probe: &Probe, has_guests: bool, is_switched: bool) -> Option<Lack> {
        let operation = probe.operation()?;
        let is_own = probe.el() == Some(El::El2);
        let is_of_el2 = matches!(operation, Operation::AtS1e2r | Operation::AtS1e2w);
        let is_mobile = !is_own || operation.is_step() || operation.is_at() && !is_of_el2;
        Some(if operation.is_step() && is_switched {
            Lack::SwitchedSteps
        } else if operation.is_step() && !is_own {
            Lack::GuestStep
        } else if !is_own && !has_guests {
            Lack::GuestFlag
        } else if u64::from(probe.pe) >= self.pes {
            Lack::Pes
        } else if probe.pe != 0 && !(has_guests && is_mobile) {
            Lack::SecondaryPe
        } else if operation.is_tlbi() && !self.has_tlbi(operation, probe) {
            Lack::TlbiForm
        } else if !is_own && probe.has(Probe::PAN) && !self.abilities.pan {
            Lack::Pan
        } else {
            return None;
        })
    }

    /// Whether the PE has this form of TLB maintenance.
    fn has_tlbi(&self, operation: Operation, probe: &Probe) -> bool {
        let is_range = operation as u8 >= Operation::TlbiRvae1 as u8;
        let has_domain =
            match (probe.has(Probe::INNER_SHAREABLE), probe.has(Probe::OUTER_SHAREABLE)) {
                (true, true) => false,
                (false, true) => self.abilities.tlbi_os,
                (_, false) => true,
            };
        has_domain
            && (!is_range || self.abilities.tlbi_range)
            && (!probe.has(Probe::NXS) || self.abilities.xs)
    }
}

#[cfg(test)]
mod tests {
    use case::Case;
    use case::abilities::Ids;
    use case::registers::Registers;

    use super::*;

    const LOAD: Probe = Probe::new(Operation::Load, 0x1000);
    const AT: Probe = Probe::new(Operation::AtS12e1r, 0x1000);
    const TLBI: Probe = Probe::new(Operation::TlbiVmalle1, 0);

    fn lack(pes: u64, flags: u64, hcr_el2: u64, probe: Probe) -> Option<Lack> {
        let mut case = Case::new(Registers { hcr_el2, ..Registers::default() });
        case.set_flags(Flags(flags));
        case.push_probe(probe).unwrap();
        let offer = Offer { abilities: Abilities::new(&Ids::default()), pes };
        offer.lacks(case.as_ref())
    }

    #[test]
    fn what_a_case_lacks_is_known_before_it_is_sent() {
        let (guest, switch) = (Flags::GUEST, Flags::WORLD_SWITCH);
        let range = Probe::new(Operation::TlbiRvae1, 0);
        for (pes, flags, hcr_el2, probe, wanted) in [
            (1, 0, 0, AT, None),
            (1, guest, HCR_RW, LOAD.by(El::El1), None),
            (2, guest, HCR_RW, LOAD.by(El::El1).on(1), None),
            (2, guest, HCR_RW, TLBI.on(1).with(Probe::INNER_SHAREABLE), None),
            (1, guest, HCR_RW, LOAD.by(El::El1).on(1), Some(Lack::Pes)),
            (1, Flags::MONITOR, 0, AT, Some(Lack::Monitor)),
            (1, switch, hcr::E2H, LOAD, Some(Lack::Vhe)),
            (1, 0, HCR_RW, LOAD.by(El::El1), Some(Lack::GuestFlag)),
            (1, switch | guest, HCR_RW, LOAD, Some(Lack::SwitchedGuests)),
            (1, switch, 0, TLBI, Some(Lack::SwitchedSteps)),
            (1, guest, HCR_RW, TLBI.by(El::El1), Some(Lack::GuestStep)),
            (2, 0, 0, AT.on(1), Some(Lack::SecondaryPe)),
            (2, guest, HCR_RW, LOAD.on(1), Some(Lack::SecondaryPe)),
            (1, 0, 0, range, Some(Lack::TlbiForm)),
            (1, 0, 0, TLBI.with(Probe::OUTER_SHAREABLE), Some(Lack::TlbiForm)),
            (1, 0, 0, TLBI.with(Probe::NXS), Some(Lack::TlbiForm)),
            (1, guest, 0, LOAD.by(El::El1), Some(Lack::AArch32)),
            (1, guest, HCR_RW, LOAD.by(El::El1).with(Probe::PAN), Some(Lack::Pan)),
        ] {
            assert_eq!(lack(pes, flags, hcr_el2, probe), wanted, "{probe:?} {flags:#x} {pes}");
        }
    }
}
