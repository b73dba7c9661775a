//! Machine description: what a device tree says of memory, console, interrupts and PEs, as far as the executor
//! needs it. ACPI ([`crate::acpi`]) and the host ([`crate::board`]) add to it.

use arrayvec::ArrayVec;
use link::hello::{MAX_PES, Region};
use link::surroundings::Text;

use crate::device_tree::{DeviceTree, Node};

/// The most regions of each kind that are kept.
pub const MAX_REGIONS: usize = 64;
/// The most redistributor regions that are kept.
const MAX_REDISTRIBUTORS: usize = 4;

/// What the executor needs to know of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// What it is called.
    pub model: Text<64>,
    /// What its boot loader calls itself.
    pub firmware: Text<64>,
    /// RAM.
    pub memory: ArrayVec<Region, MAX_REGIONS>,
    /// Parts of it that somebody else keeps.
    pub reserved: ArrayVec<Region, MAX_REGIONS>,
    pub console: Option<Console>,
    /// What brings the timer's interrupt.
    pub gic: Option<Gic>,
    /// The affinities of the PEs that PSCI starts, as their MPIDRs have them, as many as may be lent.
    pub pes: ArrayVec<u64, MAX_PES>,
    /// The firmware that starts them.
    pub psci: Option<Psci>,
}

/// Power State Coordination Interface: firmware that starts PEs, called by SMC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Psci {
    /// The number of CPU_ON.
    pub cpu_on: u32,
}

impl Psci {
    /// CPU_ON with 64-bit arguments, since PSCI 0.2.
    pub const CPU_ON: u32 = 0xc400_0003;
}

/// A UART.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Console {
    /// Physical address of its registers.
    pub base: u64,
    pub kind: ConsoleKind,
}

/// The kinds of UART that the executor can drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleKind {
    /// Arm PL011.
    Pl011,
    /// SBSA generic UART: a PL011 of which software has only the data and the flags.
    Sbsa,
    /// 16550 and its many children.
    Ns16550 {
        /// log2 of the distance of two registers in bytes.
        shift: u8,
        /// Whether registers want 32-bit accesses.
        wide: bool,
    },
    /// Cadence UART of Zynq and ZynqMP.
    Cadence,
    /// NXP's UART of i.MX.
    Imx,
}

/// An interrupt controller that the executor can drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gic {
    /// GICv2: distributor and CPU interface in memory.
    V2 {
        distributor: u64,
        /// The CPU interface.
        interface: u64,
    },
    /// GICv3 and later: distributor and redistributors in memory.
    V3 { distributor: u64, redistributors: ArrayVec<Region, MAX_REDISTRIBUTORS> },
}

impl Machine {
    /// What `tree` says.
    pub fn new(tree: &DeviceTree<'_>) -> Self {
        let mut machine = Self::default();
        let mut first_console = None;
        let mut standard_out = None;
        // Depth of /reserved-memory while the walk is below it.
        let mut in_reserved = false;

        machine.reserved.extend(tree.reservations().take(MAX_REGIONS));
        tree.visit(|node| {
            if node.depth == 0 {
                let name = node.text(b"model").or(node.text(b"compatible"));
                machine.model = Text::new(name.unwrap_or_default());
            }
            if node.depth == 1 {
                in_reserved = node.is_named(b"reserved-memory");
                if node.name == b"chosen" {
                    standard_out = node.text(b"stdout-path").or(node.text(b"linux,stdout-path"));
                    machine.firmware = Text::new(node.text(b"u-boot,version").unwrap_or_default());
                }
            }
            if in_reserved && node.depth == 2 {
                keep(&mut machine.reserved, node);
            }
            if node.text(b"device_type") == Some(b"memory") && node.is_enabled() {
                keep(&mut machine.memory, node);
            }
            if first_console.is_none() && node.is_enabled() {
                first_console = console(node);
            }
            if machine.gic.is_none() && node.is_enabled() {
                machine.gic = gic(node);
            }
            if machine.psci.is_none() {
                machine.psci = psci(node);
            }
            let is_cpu = node.text(b"device_type") == Some(b"cpu");
            if is_cpu && node.text(b"enable-method") == Some(b"psci") {
                let room = machine.pes.remaining_capacity();
                machine.pes.extend(node.unit().into_iter().take(room));
            }
        });
        let chosen = standard_out.and_then(|path| console_at(tree, path));
        machine.console = chosen.or(first_console);
        machine
    }
}

fn keep(list: &mut ArrayVec<Region, MAX_REGIONS>, node: &Node<'_, '_>) {
    let room = list.remaining_capacity();
    list.extend(node.regions().filter(|region| region.size > 0).take(room));
}

/// The console that `path` names: a path or an alias, then perhaps a colon and its settings.
fn console_at(tree: &DeviceTree<'_>, path: &[u8]) -> Option<Console> {
    let path = path.split(|&byte| byte == b':').next()?;
    let mut found = None;
    if path.starts_with(b"/") {
        tree.find(path, |node| found = console(node));
    } else {
        let mut alias = None;
        tree.find(b"/aliases", |node| alias = node.text(path));
        tree.find(alias?, |node| found = console(node));
    }
    found
}

fn console(node: &Node<'_, '_>) -> Option<Console> {
    const NS16550: [&[u8]; 4] = [b"ns16550a", b"ns16550", b"ns8250", b"snps,dw-apb-uart"];
    const CADENCE: [&[u8]; 3] = [b"cdns,uart-r1p8", b"cdns,uart-r1p12", b"xlnx,zynqmp-uart"];
    const IMX: [&[u8]; 2] = [b"fsl,imx21-uart", b"fsl,imx6q-uart"];
    let is = |names: &[&[u8]]| names.iter().any(|name| node.is_compatible(name));

    let mut base = node.region(0)?.base;
    let kind = if is(&[b"arm,pl011"]) {
        ConsoleKind::Pl011
    } else if is(&[b"arm,sbsa-uart"]) {
        ConsoleKind::Sbsa
    } else if is(&[b"brcm,bcm2835-aux-uart"]) {
        // Its node says nothing of how its registers lie.
        ConsoleKind::Ns16550 { shift: 2, wide: true }
    } else if is(&NS16550) {
        base += u64::from(node.number(b"reg-offset").unwrap_or(0));
        // Beyond 16 bytes a register it is no such thing.
        let shift = node.number(b"reg-shift").unwrap_or(0).min(4) as u8;
        ConsoleKind::Ns16550 { shift, wide: node.number(b"reg-io-width") == Some(4) }
    } else if is(&CADENCE) {
        ConsoleKind::Cadence
    } else if is(&IMX) {
        ConsoleKind::Imx
    } else {
        return None;
    };
    Some(Console { base, kind })
}

fn gic(node: &Node<'_, '_>) -> Option<Gic> {
    const V2: [&[u8]; 4] =
        [b"arm,cortex-a15-gic", b"arm,gic-400", b"arm,cortex-a9-gic", b"arm,cortex-a7-gic"];
    if node.is_compatible(b"arm,gic-v3") {
        let count = node.number(b"#redistributor-regions").unwrap_or(1) as usize;
        let regions = node.regions().skip(1).take(count.min(MAX_REDISTRIBUTORS));
        Some(Gic::V3 { distributor: node.region(0)?.base, redistributors: regions.collect() })
    } else if V2.iter().any(|name| node.is_compatible(name)) {
        Some(Gic::V2 { distributor: node.region(0)?.base, interface: node.region(1)?.base })
    } else {
        None
    }
}

fn psci(node: &Node<'_, '_>) -> Option<Psci> {
    let cpu_on = if node.is_compatible(b"arm,psci-0.2") || node.is_compatible(b"arm,psci-1.0") {
        Psci::CPU_ON
    } else if node.is_compatible(b"arm,psci") {
        node.number(b"cpu_on")?
    } else {
        return None;
    };
    // HVC at EL2 ends at EL2: firmware that is called so is below who speaks.
    (node.text(b"method")? == b"smc").then_some(Psci { cpu_on })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use crate::device_tree::tests::Writer;

    fn board(standard_out: &str) -> Vec<u8> {
        let uart = |at: u32, status: &'static str| {
            move |node: Writer| {
                node.text("compatible", "arm,pl011\0arm,primecell")
                    .text("status", status)
                    .words("reg", &[0, at, 0, 0x1000])
            }
        };
        let reserved = |node: Writer| {
            node.words("#address-cells", &[2])
                .words("#size-cells", &[2])
                .bytes("ranges", &[])
                .node("tee@50000000", |tee| tee.words("reg", &[0, 0x5000_0000, 0, 0x10_0000]))
        };
        let memory = |node: Writer| {
            node.text("device_type", "memory")
                .words("reg", &[0, 0x4000_0000, 1, 0, 8, 0, 0, 0x1000])
        };
        let gic = |node: Writer| {
            node.text("compatible", "arm,gic-v3")
                .words("reg", &[0, 0x800_0000, 0, 0x1_0000, 0, 0x80a_0000, 0, 0xf6_0000])
        };
        let debug = |node: Writer| {
            node.text("compatible", "snps,dw-apb-uart")
                .words("reg-shift", &[2])
                .words("reg-io-width", &[4])
                .words("reg", &[0, 0x700_0000, 0, 0x100])
        };
        let cpu = |affinity: u32, method: &'static str| {
            move |node: Writer| {
                node.text("device_type", "cpu")
                    .text("enable-method", method)
                    .words("reg", &[0, affinity])
            }
        };
        let cpus = |node: Writer| {
            node.words("#address-cells", &[2])
                .words("#size-cells", &[0])
                .node("cpu@0", cpu(0, "psci"))
                .node("cpu@1", cpu(1, "spin-table"))
                .node("cpu@100", cpu(0x100, "psci"))
        };
        let psci = |node: Writer| {
            node.text("compatible", "arm,psci-1.0\0arm,psci-0.2\0arm,psci").text("method", "smc")
        };
        Writer::default()
            .node("", |root| {
                root.words("#address-cells", &[2])
                    .words("#size-cells", &[2])
                    .text("model", "A board")
                    .node("aliases", |node| node.text("serial1", "/serial@7000000"))
                    .node("chosen", |node| {
                        node.text("stdout-path", standard_out).text("u-boot,version", "2025.01")
                    })
                    .node("pl011@9040000", uart(0x904_0000, "disabled"))
                    .node("pl011@9000000", uart(0x900_0000, "okay"))
                    .node("serial@7000000", debug)
                    .node("memory@40000000", memory)
                    .node("reserved-memory", reserved)
                    .node("intc@8000000", gic)
                    .node("cpus", cpus)
                    .node("psci", psci)
            })
            .finish(&[(0x4800_0000, 0x1000)])
    }

    fn machine(standard_out: &str) -> Machine {
        let bytes = board(standard_out);
        Machine::new(&DeviceTree::from_bytes(&bytes).expect("sound"))
    }

    #[test]
    fn machine_and_boot_loader_have_names() {
        let machine = machine("");
        assert_eq!(machine.model, Text::new(b"A board"));
        assert_eq!(machine.firmware, Text::new(b"2025.01"));
    }

    #[test]
    fn memory_and_reservations_are_found() {
        let machine = machine("");
        let memory = [
            Region { base: 0x4000_0000, size: 0x1_0000_0000 },
            Region { base: 0x8_0000_0000, size: 0x1000 },
        ];
        assert_eq!(machine.memory.as_slice(), memory);
        let reserved = [
            Region { base: 0x4800_0000, size: 0x1000 },
            Region { base: 0x5000_0000, size: 0x10_0000 },
        ];
        assert_eq!(machine.reserved.as_slice(), reserved);
    }

    #[test]
    fn the_console_is_the_chosen_one_or_else_the_first_enabled_one() {
        let pl011 = Console { base: 0x900_0000, kind: ConsoleKind::Pl011 };
        let kind = ConsoleKind::Ns16550 { shift: 2, wide: true };
        let debug = Console { base: 0x700_0000, kind };
        assert_eq!(machine("").console, Some(pl011));
        assert_eq!(machine("/pl011@9000000").console, Some(pl011));
        assert_eq!(machine("/nothing@1").console, Some(pl011));
        assert_eq!(machine("/serial@7000000:115200n8").console, Some(debug));
        assert_eq!(machine("serial1:115200n8").console, Some(debug));
        assert_eq!(machine("serial2").console, Some(pl011));
    }

    #[test]
    fn each_kind_of_uart_is_known_by_its_name() {
        let wide = |shift| ConsoleKind::Ns16550 { shift, wide: true };
        let kinds = [
            ("arm,pl011\0arm,primecell", 0, ConsoleKind::Pl011),
            ("arm,sbsa-uart", 0, ConsoleKind::Sbsa),
            ("snps,dw-apb-uart\0ns16550a", 0x40, wide(3)),
            ("ns16550", 0x40, wide(3)),
            ("brcm,bcm2835-aux-uart", 0, wide(2)),
            ("xlnx,zynqmp-uart\0cdns,uart-r1p12", 0, ConsoleKind::Cadence),
            ("fsl,imx8mp-uart\0fsl,imx6q-uart", 0, ConsoleKind::Imx),
        ];
        for (compatible, offset, kind) in kinds {
            let uart = |node: Writer| {
                node.text("compatible", compatible)
                    .words("reg-shift", &[3])
                    .words("reg-io-width", &[4])
                    .words("reg-offset", &[0x40])
                    .words("reg", &[0, 0x3000, 0, 0x1000])
            };
            let root = |node: Writer| {
                node.words("#address-cells", &[2]).words("#size-cells", &[2]).node("uart", uart)
            };
            let bytes = Writer::default().node("", root).finish(&[]);
            let found = Machine::new(&DeviceTree::from_bytes(&bytes).expect("sound")).console;
            assert_eq!(found, Some(Console { base: 0x3000 + offset, kind }), "{compatible}");
        }
    }

    #[test]
    fn the_pes_that_psci_starts_are_found() {
        let machine = machine("");
        assert_eq!(machine.pes.as_slice(), [0, 0x100]);
        assert_eq!(machine.psci, Some(Psci { cpu_on: 0xc400_0003 }));
    }

    #[test]
    fn the_interrupt_controller_is_found() {
        let redistributors = [Region { base: 0x80a_0000, size: 0xf6_0000 }].into_iter().collect();
        assert_eq!(machine("").gic, Some(Gic::V3 { distributor: 0x800_0000, redistributors }));
    }
}
