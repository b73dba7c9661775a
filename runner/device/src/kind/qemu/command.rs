//! QEMU's command line.

use std::iter;

use suite::bounded::Bounded;

use super::description::Qemu;
use crate::description::Transport;

/// What the command line says of the things that QEMU inherits.
pub struct Files<'a> {
    /// Path of the executor's image.
    pub image: &'a str,
    /// Path of the firmware stub.
    pub stub: &'a str,
    /// Path of the guest's RAM, or the number of the console's socket: by the transport.
    pub channel: &'a str,
}

const GIB: u64 = 1 << 30;

/// The arguments that start `qemu` with this `transport`.
pub fn arguments(qemu: &Qemu, transport: &Transport, files: &Files<'_>) -> Vec<String> {
    let Files { image, stub, channel } = files;
    let mut machine = machine(qemu);
    let mut arguments = Vec::new();
    let mut add = |parts: &[&str]| arguments.extend(parts.iter().map(|part| (*part).to_owned()));

    // A reset is the end: the executor resets when it has nothing more to say.
    add(&["-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot"]);
    match transport {
        Transport::Mailbox { .. } => {
            let backend = format!(
                "memory-backend-file,id=ram,size={},mem-path={channel},share=on",
                qemu.memory
            );
            add(&["-object", &backend, "-serial", "none"]);
            machine.push_str(",memory-backend=ram");
        }
        Transport::Uart => {
            let console = format!("socket,id=console,fd={channel}");
            add(&["-chardev", &console]);
            let before = qemu.serial.map_or(0, Bounded::get);
            (0..before).for_each(|_| add(&["-serial", "null"]));
            add(&["-serial", "chardev:console"]);
        }
    }
    add(&["-M", &machine, "-cpu", &qemu.cpu]);
    if qemu.cpus > 1 {
        add(&["-smp", &qemu.cpus.to_string()]);
    }

    match qemu.dimms.iter().map(|dimm| dimm.address.0 + dimm.size.0).max() {
        None => add(&["-m", &qemu.memory.to_string(), "-kernel", image]),
        Some(end) => {
            let slots = qemu.dimms.len();
            let most = end.div_ceil(GIB);
            add(&["-m", &format!("{},slots={slots},maxmem={most}G", qemu.memory)]);
            for (number, dimm) in qemu.dimms.iter().enumerate() {
                let memory = format!("memory-backend-ram,id=dimm{number},size={}", dimm.size);
                let device = format!("pc-dimm,memdev=dimm{number},addr={}", dimm.address);
                add(&["-object", &memory, "-device", &device]);
            }
            let loader = format!("loader,file={image},addr={},force-raw=on", qemu.load_address);
            add(&["-bios", stub, "-device", &loader]);
        }
    }
    let extra: Vec<_> = qemu.args.iter().map(String::as_str).collect();
    add(&extra);
    arguments
}

fn machine(qemu: &Qemu) -> String {
    let options = qemu.machine_options.iter().map(|(name, value)| format!("{name}={value}"));
    iter::once(qemu.machine.clone()).chain(options).collect::<Vec<_>>().join(",")
}

/// The machine's fixed facts in one line.
pub fn shape(qemu: &Qemu) -> String {
    let dimms = qemu.dimms.iter().map(|dimm| format!("{}+{}", dimm.address, dimm.size));
    let cpus = (qemu.cpus > 1).then(|| format!("{} CPUs", qemu.cpus));
    let facts = [machine(qemu), qemu.cpu.clone(), qemu.memory.to_string()];
    facts
        .into_iter()
        .chain(cpus)
        .chain(qemu.args.iter().cloned())
        .chain(dimms)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::description::Description;
    use crate::kind::Start;

    fn line(text: &str) -> String {
        let head = "name: t\nstart: { qemu: { machine: virt, machine-options: { gic-version: '3' }, \
                    cpu: max, memory: 2G";
        let text = format!("{head}{text}");
        let description = Description::from_text(&text, Path::new("t.yaml")).expect("it is whole");
        let Start::Qemu(qemu) = &description.start else { panic!("a machine of QEMU") };
        let files = Files { image: "I", stub: "S", channel: "7" };
        arguments(qemu, &description.transport, &files).join(" ")
    }

    #[test]
    fn a_machine_without_dimms_is_started_as_a_kernel() {
        let line = line(" } }\ntransport: uart");
        assert_eq!(
            line,
            "-nodefaults -display none -monitor none -no-reboot -chardev socket,id=console,fd=7 \
             -serial chardev:console -M virt,gic-version=3 -cpu max -m 2G -kernel I"
        );
    }

    #[test]
    fn a_machine_has_as_many_cpus_as_its_target_says() {
        let line = line(", cpus: 3 } }\ntransport: uart");
        assert!(line.contains(" -cpu max -smp 3 -m 2G "), "{line}");
    }

    #[test]
    fn the_console_is_the_serial_line_that_the_target_names() {
        let line = line(", serial: 2 } }\ntransport: uart");
        let serial =
            "-chardev socket,id=console,fd=7 -serial null -serial null -serial chardev:console";
        assert!(line.contains(serial), "{line}");
    }

    #[test]
    fn a_machine_with_dimms_is_started_through_the_stub() {
        let line = line(
            ", dimms: [{ address: 0x1_5a00_0000, size: 16M }], args: [-d, int] } }\n\
             transport: { mailbox: { address: 0x4800_0000 } }",
        );
        assert_eq!(
            line,
            "-nodefaults -display none -monitor none -no-reboot -object \
             memory-backend-file,id=ram,size=2G,mem-path=7,share=on -serial none \
             -M virt,gic-version=3,memory-backend=ram -cpu max -m 2G,slots=1,maxmem=6G \
             -object memory-backend-ram,id=dimm0,size=16M \
             -device pc-dimm,memdev=dimm0,addr=0x15a000000 \
             -bios S -device loader,file=I,addr=0x40200000,force-raw=on -d int"
        );
    }
}
