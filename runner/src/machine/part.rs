//! Which core a PE is.

use std::fmt;

/// Who made a PE, and which of his it is: `MIDR_EL1` (DDI 0487, D23.2).
///
/// ```text
///   31         24 23     20 19          16 15        4 3        0
///  | Implementer | Variant | Architecture |  PartNum  | Revision |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    midr_el1: u64,
}

/// Implementers, by number.
const IMPLEMENTERS: [(u64, &str); 13] = [
    (0x00, "software"),
    (0x41, "Arm"),
    (0x42, "Broadcom"),
    (0x43, "Cavium"),
    (0x46, "Fujitsu"),
    (0x48, "HiSilicon"),
    (0x4e, "NVIDIA"),
    (0x50, "Applied Micro"),
    (0x51, "Qualcomm"),
    (0x56, "Marvell"),
    (0x61, "Apple"),
    (0x6d, "Microsoft"),
    (0xc0, "Ampere"),
];

/// Arm's own parts, by number.
const ARM_PARTS: [(u64, &str); 30] = [
    (0xd02, "Cortex-A34"),
    (0xd03, "Cortex-A53"),
    (0xd04, "Cortex-A35"),
    (0xd05, "Cortex-A55"),
    (0xd06, "Cortex-A65"),
    (0xd07, "Cortex-A57"),
    (0xd08, "Cortex-A72"),
    (0xd09, "Cortex-A73"),
    (0xd0a, "Cortex-A75"),
    (0xd0b, "Cortex-A76"),
    (0xd0c, "Neoverse N1"),
    (0xd0d, "Cortex-A77"),
    (0xd40, "Neoverse V1"),
    (0xd41, "Cortex-A78"),
    (0xd42, "Cortex-A78AE"),
    (0xd44, "Cortex-X1"),
    (0xd46, "Cortex-A510"),
    (0xd47, "Cortex-A710"),
    (0xd48, "Cortex-X2"),
    (0xd49, "Neoverse N2"),
    (0xd4a, "Neoverse E1"),
    (0xd4d, "Cortex-A715"),
    (0xd4e, "Cortex-X3"),
    (0xd4f, "Neoverse V2"),
    (0xd80, "Cortex-A520"),
    (0xd81, "Cortex-A720"),
    (0xd82, "Cortex-X4"),
    (0xd84, "Neoverse V3"),
    (0xd85, "Cortex-X925"),
    (0xd8e, "Neoverse N3"),
];

const ARM: u64 = 0x41;

impl Part {
    /// The part whose `MIDR_EL1` has this value.
    pub const fn new(midr_el1: u64) -> Self {
        Self { midr_el1 }
    }

    const fn implementer(self) -> u64 {
        self.midr_el1 >> 24 & 0xff
    }

    const fn number(self) -> u64 {
        self.midr_el1 >> 4 & 0xfff
    }
}

fn named(names: &[(u64, &'static str)], number: u64) -> Option<&'static str> {
    names.iter().find(|(other, _)| *other == number).map(|(_, name)| *name)
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (variant, revision) = (self.midr_el1 >> 20 & 0xf, self.midr_el1 & 0xf);
        match named(&IMPLEMENTERS, self.implementer()) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "implementer {:#04x}", self.implementer())?,
        }
        match named(&ARM_PARTS, self.number()).filter(|_| self.implementer() == ARM) {
            Some(name) => write!(f, " {name}")?,
            None => write!(f, " part {:#05x}", self.number())?,
        }
        write!(f, " r{variant}p{revision}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_where_they_are_known() {
        let told = |midr_el1| Part::new(midr_el1).to_string();
        assert_eq!(told(0x410f_d034), "Arm Cortex-A53 r0p4");
        assert_eq!(told(0x413f_d0c1), "Arm Neoverse N1 r3p1");
        assert_eq!(told(0x000f_0510), "software part 0x051 r0p0");
        assert_eq!(told(0x7712_d030), "implementer 0x77 part 0xd03 r1p0");
    }
}
