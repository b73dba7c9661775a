//! An emulated machine, as a target file has it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use suite::bounded::Bounded;

use super::bad_line::BadLine;
use crate::description::{Address, Dimm, Size, Transport};

/// A machine that QEMU emulates.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Qemu {
    /// The machine type, such as `virt`.
    pub machine: String,
    /// Options of the machine: `gic-version`, `secure`, `virtualization` and so on.
    #[serde(default)]
    pub machine_options: BTreeMap<String, String>,
    /// The CPU model with its properties, as `-cpu` takes it.
    pub cpu: String,
    /// How many CPUs it has, 1 to 4: all of them take part in cases.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 4))]
    pub cpus: u8,
    /// Size of the main RAM.
    pub memory: Size,
    /// Where the main RAM begins: 1 GB on `virt`.
    #[serde(default = "virt_ram")]
    pub ram: Address,
    /// Where the executor's image is loaded, on a machine with DIMMs.
    #[serde(default = "virt_load")]
    pub load_address: Address,
    /// Which of the machine's serial lines is the console, where it talks over one: 0 is the first.
    #[serde(default)]
    pub serial: Option<Bounded<0, 7>>,
    /// A bad line between host and console, to see what becomes of messages on it.
    #[serde(default)]
    pub line: Option<BadLine>,
    /// RAM plugged at further addresses. A machine with DIMMs is started through a stub in its
    /// firmware flash, since QEMU refuses `-kernel` with them.
    #[serde(default)]
    pub dimms: Vec<Dimm>,
    /// Further arguments, as they are.
    #[serde(default)]
    pub args: Vec<String>,
}

const fn one() -> u8 {
    1
}

fn virt_ram() -> Address {
    Address(0x4000_0000)
}

fn virt_load() -> Address {
    Address(0x4020_0000)
}

/// What QEMU wants the address of a DIMM to be a multiple of.
const DIMM_ALIGNMENT: u64 = 2 << 20;

impl Qemu {
    /// Whether its parts fit together, and to `transport`.
    pub(super) fn fits(&self, transport: &Transport) -> Result<(), String> {
        if let Some(dimm) = self.dimms.iter().find(|dimm| !is_aligned(dimm)) {
            let at = dimm.address;
            return Err(format!(
                "the DIMM at {at} must be at a multiple of 2 MB: QEMU refuses others"
            ));
        }
        if self.line.is_some() && *transport != Transport::Uart {
            return Err("line: there is one only with `transport: uart`".to_owned());
        }
        Ok(())
    }
}

const fn is_aligned(dimm: &Dimm) -> bool {
    dimm.address.0.is_multiple_of(DIMM_ALIGNMENT)
}
