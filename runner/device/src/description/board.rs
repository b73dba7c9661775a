//! A board, as a target file has it: what no device tree tells the executor, or tells it wrongly.

use std::borrow::Cow;

use link::board::{self as said, MAX_BOARD_REGIONS};
use link::hello::{MAX_PES, Region};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use suite::bounded::Bounded;

use super::address::Address;
use super::range::Range;

/// What the executor is to know of its board.
///
/// It finds most of it in the device tree that its loader hands over, or in UEFI's tables. What is said here
/// counts more: a console, PSCI, an interrupt controller and RAM take the place of what was found, and
/// reserved regions are added.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Board {
    /// The UART to talk over.
    pub console: Option<Console>,
    /// RAM.
    #[schemars(length(max = 8))]
    pub ram: Regions,
    /// Parts of the RAM that somebody else keeps: firmware, a frame buffer, Secure memory.
    #[schemars(length(max = 8))]
    pub reserved: Regions,
    /// The firmware that starts PEs.
    pub psci: Option<Psci>,
    /// The interrupt controller.
    pub gic: Option<Gic>,
}

/// A UART. Its baud rate is what the firmware has set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Console {
    /// Arm PL011.
    Pl011 {
        /// Where its registers are.
        address: Address,
    },
    /// SBSA generic UART: a PL011 that only its firmware may set up.
    Sbsa {
        /// Where its registers are.
        address: Address,
    },
    /// 16550 or 8250, and its many children.
    #[serde(rename_all = "kebab-case")]
    Ns16550 {
        /// Where its registers are.
        address: Address,
        /// log2 of the distance of two registers in bytes, 0 to 4.
        #[serde(default)]
        register_shift: Option<Bounded<0, 4>>,
        /// The bits of an access to a register: 8 or 32.
        #[serde(default)]
        access_bits: AccessBits,
    },
    /// Cadence UART, as in Zynq and ZynqMP.
    Cadence {
        /// Where its registers are.
        address: Address,
    },
    /// NXP's UART of i.MX.
    Imx {
        /// Where its registers are.
        address: Address,
    },
}

/// How registers of a 16550 are accessed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(try_from = "u64")]
pub enum AccessBits {
    /// Byte by byte.
    #[default]
    Bits8,
    /// In words.
    Bits32,
}

impl TryFrom<u64> for AccessBits {
    type Error = String;

    fn try_from(bits: u64) -> Result<Self, String> {
        match bits {
            8 => Ok(Self::Bits8),
            32 => Ok(Self::Bits32),
            _ => Err(format!("{bits} is no size of accesses: there are 8 and 32")),
        }
    }
}

impl JsonSchema for AccessBits {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AccessBits".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "enum": [8, 32] })
    }
}

/// How firmware is asked to start PEs.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Psci {
    /// Nobody is to be asked: one PE runs.
    None,
    /// By SMC: the affinities of the PEs, as their MPIDR_EL1 has them, or none where the device tree tells.
    Smc(#[schemars(length(max = 4))] Pes),
}

/// An interrupt controller: it ends the executor's waits. Without one the executor waits awake.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Gic {
    /// None that the executor may touch.
    None,
    /// GICv2.
    V2 {
        /// The distributor.
        distributor: Address,
        /// The CPU interface.
        interface: Address,
    },
    /// GICv3 and later.
    V3 {
        /// The distributor.
        distributor: Address,
        /// All redistributors.
        redistributors: Range,
    },
}

/// Some regions, no more than the executor is told.
pub type Regions = Few<Range, MAX_BOARD_REGIONS>;
/// Some PEs, no more than take part in cases.
pub type Pes = Few<u64, MAX_PES>;

/// A list of at most `MOST`.
#[derive(Clone, PartialEq, Eq, Debug, JsonSchema)]
#[schemars(transparent)]
pub struct Few<T, const MOST: usize>(Vec<T>);

impl<T, const MOST: usize> Default for Few<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Vec::deserialize(deserializer)?;
        if list.len() > MOST {
            let found = list.len();
            return Err(de::Error::custom(format!(
                "{found} are too many: there is room for {MOST}"
            )));
        }
        Ok(Self(list))
    }
}

impl Board {
    /// What of it makes no sense.
    pub(super) fn check(&self) -> Result<(), String> {
        let regions = [("RAM", &self.ram), ("reserved region", &self.reserved)];
        for (what, regions) in regions {
            for (at, range) in regions.0.iter().enumerate() {
                let name = format!("board: the {what} at {}", range.address);
                if range.size.0 == 0 || range.end() > 1 << 56 {
                    return Err(format!("{name} must have a size, and end below 2^56"));
                }
                if what == "RAM" && regions.0[..at].iter().any(|other| other.overlaps(range)) {
                    return Err(format!("{name} is there twice"));
                }
            }
        }
        Ok(())
    }

    /// The same as the executor is told.
    pub fn said(&self) -> said::Board {
        said::Board {
            console: self.console.map_or(said::Board::SILENT.console, Console::said),
            psci: self.psci.as_ref().map_or(said::Board::SILENT.psci, Psci::said),
            gic: self.gic.map_or(said::Board::SILENT.gic, Gic::said),
            memory: regions(&self.ram),
            reserved: regions(&self.reserved),
        }
    }
}

impl Console {
    fn said(self) -> said::Console {
        use said::Console as Said;
        let plain = |kind, address: Address| Said { base: address.0, kind, ..Said::default() };
        match self {
            Self::Pl011 { address } => plain(Said::PL011, address),
            Self::Sbsa { address } => plain(Said::SBSA, address),
            Self::Ns16550 { address, register_shift, access_bits } => Said {
                shift: register_shift.map_or(0, Bounded::get) as u16,
                bits: match access_bits {
                    AccessBits::Bits8 => 8,
                    AccessBits::Bits32 => 32,
                },
                ..plain(Said::NS16550, address)
            },
            Self::Cadence { address } => plain(Said::CADENCE, address),
            Self::Imx { address } => plain(Said::IMX, address),
        }
    }
}

impl Psci {
    fn said(&self) -> said::Psci {
        use said::Psci as Said;
        let (conduit, Few(pes)) = match self {
            Self::None => (Said::NONE, &Few::default()),
            Self::Smc(pes) => (Said::SMC, pes),
        };
        let mut said = Said { conduit, count: pes.len() as u64, ..Said::default() };
        said.pes.iter_mut().zip(pes).for_each(|(slot, pe)| *slot = *pe);
        said
    }
}

impl Gic {
    fn said(self) -> said::Gic {
        use said::Gic as Said;
        match self {
            Self::None => Said { kind: Said::NONE, ..Said::default() },
            Self::V2 { distributor, interface } => Said {
                kind: Said::V2,
                distributor: distributor.0,
                per_pe: Region { base: interface.0, size: 0 },
            },
            Self::V3 { distributor, redistributors } => {
                Said { kind: Said::V3, distributor: distributor.0, per_pe: region(&redistributors) }
            }
        }
    }
}

fn regions(list: &Regions) -> said::Regions {
    // There is room: the list is no longer than these.
    list.0.iter().map(region).collect()
}

const fn region(range: &Range) -> Region {
    Region { base: range.address.0, size: range.size.0 }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::description::Description;

    const HEAD: &str = "\
name: small
start: { qemu: { machine: virt, cpu: max, memory: 512M } }
transport: uart
board:
";

    fn board(text: &str) -> Result<said::Board, String> {
        let description = Description::from_text(&format!("{HEAD}{text}"), Path::new("small.yaml"));
        description.map(|description| description.board.said()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_board_is_told_as_it_is_written() {
        let said = board(
            "  console: { ns16550: { address: 0x3f21_5040, register-shift: 2, access-bits: 32 } }
  ram: [{ address: 0, size: 960M }, { address: 0x1_0000_0000, size: 4G }]
  reserved: [{ address: 0, size: 4K }]
  psci: { smc: [0, 0x100] }
  gic: { v3: { distributor: 0x800_0000, redistributors: { address: 0x80a_0000, size: 256K } } }
",
        );
        let said = said.expect("it is whole");
        let console = said::Console { base: 0x3f21_5040, kind: 3, shift: 2, bits: 32 };
        assert_eq!(said.console, console);
        let ram = [Region { base: 0, size: 960 << 20 }, Region { base: 1 << 32, size: 4 << 30 }];
        assert_eq!(said.memory.all(), ram);
        assert_eq!(said.reserved.all(), [Region { base: 0, size: 0x1000 }]);
        assert_eq!((said.psci.conduit, said.psci.pes()), (said::Psci::SMC, &[0, 0x100][..]));
        let per_pe = Region { base: 0x80a_0000, size: 256 << 10 };
        assert_eq!(said.gic, said::Gic { kind: said::Gic::V3, distributor: 0x800_0000, per_pe });
    }

    #[test]
    fn a_board_may_say_that_something_is_missing() {
        let said = board("  psci: none\n  gic: none\n").expect("it is whole");
        assert_eq!((said.psci.conduit, said.gic.kind), (said::Psci::NONE, said::Gic::NONE));
        let silent = said::Board { psci: said::Psci::default(), gic: said::Gic::default(), ..said };
        assert_eq!(silent, said::Board::SILENT);
    }

    #[test]
    fn what_makes_no_sense_is_refused_where_it_stands() {
        let nine = "{ address: 0, size: 4K }, ".repeat(9);
        let refused = [
            ("console: { pl010: { address: 0 } }".to_owned(), "yaml:5:14: unknown name `pl010`"),
            ("console: { pl011: { adress: 0 } }".to_owned(), "yaml:5:23: unknown key `adress`"),
            ("console: { cadence: { address: 0, register-shift: 2 } }".to_owned(), "yaml:5:37:"),
            ("console: { ns16550: { address: 0, register-shift: 5 } }".to_owned(), "from 0 to 4"),
            ("console: { ns16550: { address: 0, access-bits: 16 } }".to_owned(), "yaml:5:50: 16"),
            (format!("reserved: [{nine}]"), "room for 8"),
            ("psci: { smc: [0, 1, 2, 3, 4] }".to_owned(), "room for 4"),
            ("ram: [{ address: 0, size: 0 }]".to_owned(), "must have a size"),
            ("ram: [{ address: 0, size: 1G }, { address: 4K, size: 1G }]".to_owned(), "yaml:5:"),
            ("ram: [{ address: 0, size: 1G }, { address: 4096, size: 1G }]".to_owned(), "twice"),
        ];
        for (text, reason) in refused {
            let message = board(&format!("  {text}\n")).expect_err("it makes no sense");
            assert!(message.contains(reason), "{message}\n{text}");
        }
    }
}
