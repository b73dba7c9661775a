//! A machine that QEMU emulates, as a target file has it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::address::Address;
use super::line::Line;
use super::range::Range;
use super::size::Size;
use suite::bounded::Bounded;

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
    pub line: Option<Line>,
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

/// RAM plugged at an address of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dimm {
    /// First physical address; QEMU wants a multiple of 2 MB.
    pub address: Address,
    /// Size.
    pub size: Size,
    /// How much of it, from its start, is an arena.
    #[serde(default)]
    pub arena: Size,
}

impl Dimm {
    /// The part of it that is an arena.
    pub const fn arena(&self) -> Range {
        Range { address: self.address, size: self.arena }
    }
}
