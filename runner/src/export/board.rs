//! The board that an exported case is for: its RAM, its UART, and the QEMU command that makes it.

use device::Description;
use device::description::Dimm;
use device::kind::Start;
use device::kind::qemu::Qemu;
use link::board::Console;

use super::{NotExported, hex};

/// The PL011 of QEMU's `virt`.
const VIRT_UART: u64 = 0x0900_0000;
/// Where the program lies behind the start of RAM, and what it may take up: a boot loader's device tree is in front.
const PROGRAM: std::ops::Range<u64> = 0x20_0000..0x30_0000;
const GIB: u64 = 1 << 30;

/// What a program finds around itself, as the target of its case has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Board {
    /// The target's name.
    pub name: String,
    /// `-M` of QEMU, where it is QEMU that makes the board.
    pub machine: Option<String>,
    /// `-cpu`.
    pub cpu: String,
    /// The further arguments, with `case.elf` for the program.
    pub arguments: String,
    /// Whether it is entered at EL3.
    pub is_el3: bool,
    uart: u64,
    /// First address and size of each piece of RAM, the main one first.
    ram: Vec<(u64, u64)>,
}

impl Board {
    /// That of the target that is described so, with as much RAM as has to do with `used`: first addresses.
    pub fn new(description: &Description, used: &[u64]) -> Result<Self, NotExported> {
        let said = description.board.said();
        let is_pl011 = matches!(said.console.kind, Console::PL011 | Console::SBSA);
        let console = is_pl011.then_some(said.console.base);
        let is_el3 = description.monitor;
        let name = description.name.clone();
        let Start::Qemu(qemu) = &description.start else {
            let uart = console.ok_or_else(|| NotExported::Console(name.clone()))?;
            let ram = said.memory.all().iter().map(|region| (region.base, region.size)).collect();
            let (machine, cpu, arguments) = (None, String::new(), String::new());
            return Ok(Self { name, machine, cpu, arguments, is_el3, uart, ram });
        };
        let uart = console.or((qemu.machine == "virt").then_some(VIRT_UART));
        let uart = uart.ok_or_else(|| NotExported::Console(name.clone()))?;
        let is_used =
            |dimm: &&Dimm| used.iter().any(|pa| pa.wrapping_sub(dimm.address.0) < dimm.size.0);
        let dimms: Vec<&Dimm> = qemu.dimms.iter().filter(is_used).collect();
        let mut ram = vec![(qemu.ram.0, qemu.memory.0)];
        ram.extend(dimms.iter().map(|dimm| (dimm.address.0, dimm.size.0)));
        Ok(Self {
            name,
            machine: Some(machine(qemu)),
            cpu: qemu.cpu.clone(),
            arguments: arguments(qemu, &dimms, is_el3),
            is_el3,
            uart,
            ram,
        })
    }

    /// Whether there is RAM from `first` to `end` that the program itself does not take up.
    pub fn has(&self, first: u64, end: u64) -> bool {
        let is_there = |(base, size): &(u64, u64)| *base <= first && end - base <= *size;
        let load = self.load_address();
        let is_program = first < load + (PROGRAM.end - PROGRAM.start) && end > load;
        self.ram.iter().any(is_there) && !is_program
    }

    fn load_address(&self) -> u64 {
        self.ram.first().map_or(0, |(base, _)| *base) + PROGRAM.start
    }

    pub fn load(&self) -> String {
        hex(self.load_address())
    }

    pub fn uart(&self) -> String {
        hex(self.uart)
    }

    pub const fn is_qemu(&self) -> bool {
        self.machine.is_some()
    }

    /// The QEMU command, as it is typed.
    pub fn command(&self) -> String {
        let machine = self.machine.as_deref().unwrap_or_default();
        format!("qemu-system-aarch64 -M {machine} -cpu {} {}", self.cpu, self.arguments)
    }

    /// The machine, for a Makefile.
    pub fn machine(&self) -> &str {
        self.machine.as_deref().unwrap_or_default()
    }
}

fn machine(qemu: &Qemu) -> String {
    let options = qemu.machine_options.iter().map(|(name, value)| format!(",{name}={value}"));
    qemu.machine.clone() + &options.collect::<String>()
}

/// The arguments of QEMU behind `-M` and `-cpu`.
fn arguments(qemu: &Qemu, dimms: &[&Dimm], is_el3: bool) -> String {
    let mut parts = Vec::new();
    if qemu.cpus > 1 {
        parts.push(format!("-smp {}", qemu.cpus));
    }
    let memory = qemu.memory;
    match dimms.iter().map(|dimm| dimm.address.0 + dimm.size.0).max() {
        None => parts.push(format!("-m {memory}")),
        Some(end) => {
            parts.push(format!("-m {memory},slots={},maxmem={}G", dimms.len(), end.div_ceil(GIB)));
        }
    }
    for (number, dimm) in dimms.iter().enumerate() {
        parts.push(format!(
            "-object memory-backend-ram,id=dimm{number},size={} -device pc-dimm,memdev=dimm{number},addr={}",
            dimm.size, dimm.address
        ));
    }
    parts.extend(qemu.args.iter().cloned());
    parts.push("-nodefaults -display none -monitor none -no-reboot".to_owned());
    // At EL3 there is no firmware to turn the machine off: semihosting ends QEMU.
    if is_el3 {
        parts.push("-semihosting-config enable=on,target=native".to_owned());
    }
    let before = qemu.serial.map_or(0, |number| number.get());
    parts.extend((0..before).map(|_| "-serial null".to_owned()));
    parts.push("-serial stdio".to_owned());
    // QEMU plugs DIMMs where there is firmware alone. That is never executed: the loader sets the PC.
    parts.push(match dimms {
        [] => "-kernel case.elf".to_owned(),
        _ => "-bios case.elf -device loader,file=case.elf,cpu-num=0".to_owned(),
    });
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn description(text: &str) -> Description {
        let text = format!("name: t\ntransport: uart\n{text}");
        Description::from_text(&text, Path::new("t.yaml")).unwrap()
    }

    #[test]
    fn the_command_is_that_of_the_target() {
        let text = "start: { qemu: { machine: virt, machine-options: { virtualization: 'on' }, cpu: 'max,lpa2=off', \
                    cpus: 3, memory: 2G, dimms: [{ address: 0x1_5a00_0000, size: 16M }, { address: 0x3_a500_0000, \
                    size: 16M }] } }";
        let board = Board::new(&description(text), &[0x1_5a00_4000]).unwrap();
        assert_eq!(
            board.command(),
            "qemu-system-aarch64 -M virt,virtualization=on -cpu max,lpa2=off -smp 3 -m 2G,slots=1,maxmem=6G \
             -object memory-backend-ram,id=dimm0,size=16M -device pc-dimm,memdev=dimm0,addr=0x15a000000 -nodefaults \
             -display none -monitor none -no-reboot -serial stdio -bios case.elf -device \
             loader,file=case.elf,cpu-num=0"
        );
        assert!(board.has(0x1_5a00_4000, 0x1_5a00_5000) && board.has(0x5000_0000, 0x5001_0000));
        assert!(!board.has(0x3_a500_0000, 0x3_a500_1000), "a DIMM that is not plugged");
        assert!(!board.has(0x4020_0000, 0x4020_1000), "the program is there");
        assert!(!board.has(0xbfff_f000, 0xc000_1000));
    }

    #[test]
    fn a_machine_of_el3_ends_by_semihosting_and_one_without_dimms_takes_a_kernel() {
        let text = "start: { qemu: { machine: virt, machine-options: { secure: 'on' }, cpu: cortex-a53, memory: 1G } }\n\
                    monitor: true";
        let command = Board::new(&description(text), &[]).unwrap().command();
        assert!(command.contains(" -M virt,secure=on -cpu cortex-a53 -m 1G "), "{command}");
        assert!(
            command.contains(" -semihosting-config ") && command.ends_with(" -kernel case.elf")
        );
    }

    #[test]
    fn a_machine_whose_console_is_no_pl011_is_refused() {
        let qemu = "start: { qemu: { machine: imx8mp-evk, cpu: cortex-a53, memory: 1G } }";
        let refused = Err(NotExported::Console("t".to_owned()));
        assert_eq!(Board::new(&description(qemu), &[]), refused);
        let imx = format!("{qemu}\nboard: {{ console: {{ imx: {{ address: 0x3089_0000 }} }} }}");
        assert_eq!(Board::new(&description(&imx), &[]), refused);
        let pl011 =
            format!("{qemu}\nboard: {{ console: {{ pl011: {{ address: 0x3f20_1000 }} }} }}");
        assert_eq!(Board::new(&description(&pl011), &[]).unwrap().uart(), "0x3f201000");
    }
}
