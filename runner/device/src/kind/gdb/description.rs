//! A machine behind a debugger, as a target file has it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::description::{Address, Transport};

/// A machine behind a debugger that speaks the GDB remote protocol: QEMU's stub, OpenOCD, a JTAG probe.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Gdb {
    /// Where the debugger listens: `host:port`, or the path of a Unix socket, which has a `/`. Left
    /// out: it speaks on the standard input and output of `command`.
    #[serde(default)]
    pub address: Option<String>,
    /// A shell command that is the debugger, or the machine with its debugger: started for each session
    /// and ended with it. In it `$QEMU` is the emulator that `--qemu` names, and a machine whose
    /// command says so counts as emulated.
    #[serde(default)]
    pub command: Option<String>,
    /// The debugger's own commands that reset the machine and halt it, such as OpenOCD's `reset halt`, in
    /// order, before each session.
    #[serde(default)]
    pub reset: Vec<String>,
    /// Where the executor's image is loaded and entered: RAM that is set up by then, at a multiple of 64 KB.
    pub load_address: Address,
    /// What X0 is when the image is entered: the address of the device tree, or 0 for none.
    #[serde(default)]
    pub device_tree: Address,
    /// What further registers are then, by the debugger's names, such as `cpsr: 0x3c9` for EL2.
    #[serde(default)]
    pub registers: BTreeMap<String, u64>,
    /// Where a second debugger listens, one that reaches memory beside the core while it runs, such as
    /// OpenOCD's `mem_ap` target. Left out: memory is reached while the core is halted.
    #[serde(default)]
    pub bus: Option<String>,
    /// Whether what debuggers see of memory is what lies behind the core's caches: the executor then
    /// cleans what it writes to the mailbox and forgets what it has read of it.
    #[serde(default)]
    pub behind_caches: bool,
}

impl Gdb {
    /// Whether the command starts an emulator that `--qemu` names.
    pub fn is_emulated(&self) -> bool {
        self.command.as_ref().is_some_and(|command| command.contains("$QEMU"))
    }

    /// Whether its parts fit together, and to `transport`.
    pub(super) fn fits(&self, transport: &Transport) -> Result<(), String> {
        if self.address.is_none() && self.command.is_none() {
            return Err(
                "gdb: it needs an address to connect to, a command to start, or both".into()
            );
        }
        let addresses = [("address", &self.address), ("bus", &self.bus)];
        for (key, address) in addresses {
            let Some(address) = address else { continue };
            let is_path = address.contains('/');
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if !is_path && port.is_none() {
                return Err(format!(
                    "{key}: {address:?} is neither host:port, such as localhost:3333, nor the path \
                     of a socket, such as ./gdb.sock"
                ));
            }
        }
        if self.command.is_none() && self.reset.is_empty() {
            return Err(
                "gdb: it needs `reset`, the debugger's commands that reset the machine and \
                        halt it (OpenOCD: [reset halt]), or a command that starts the machine anew"
                    .into(),
            );
        }
        if !self.load_address.0.is_multiple_of(0x1_0000) {
            let address = self.load_address;
            return Err(format!("the load address {address} must be a multiple of 64 KB"));
        }
        if *transport == Transport::Uart {
            return Err("a debugger reaches no console: transport must be a mailbox".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::description::Description;
    use crate::kind::Start;

    const BOARD: &str = "name: board\nstart:\n  gdb:\n    address: localhost:3333\n    \
                         reset: [reset halt]\n    load-address: 0x8_0000\n\
                         transport: { mailbox: { address: 0x100_0000 } }\n";

    fn parse(text: &str) -> Result<Description, String> {
        let description = Description::from_text(text, Path::new("board.yaml"));
        description.map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let description = parse(BOARD).expect("it is whole");
        assert_eq!((description.pes(), description.dimms().len()), (1, 0));
        let Start::Gdb(gdb) = description.start else { panic!("it is behind a debugger") };
        assert!(gdb.command.is_none() && gdb.bus.is_none() && !gdb.behind_caches);
        assert_eq!(gdb.device_tree.0, 0);
        assert!(!gdb.is_emulated());
    }

    #[test]
    fn parts_that_do_not_fit_are_told_apart() {
        let refused = [
            ("    address: localhost:3333\n", "", "an address to connect to, a command"),
            ("localhost:3333", "localhost", "neither host:port"),
            ("localhost:3333", "localhost:99999", "neither host:port"),
            ("localhost:3333", "localhost:3333\n    bus: there", "bus: \"there\" is neither"),
            ("    reset: [reset halt]\n", "", "it needs `reset`"),
            ("0x8_0000", "0x8_1000", "64 KB"),
            ("{ mailbox: { address: 0x100_0000 } }", "uart", "reaches no console"),
            ("0x100_0000", "0x100_0010", "4 KB"),
        ];
        for (from, to, reason) in refused {
            assert!(BOARD.contains(from), "{from}");
            let message = parse(&BOARD.replace(from, to)).expect_err("it makes no sense");
            assert!(message.contains(reason), "{message}");
        }
        let emulated = BOARD.replace("    address: localhost:3333\n", "    command: $QEMU -S\n");
        let description = parse(&emulated).expect("its command's pipe is the way");
        let Start::Gdb(gdb) = description.start else { panic!("it is behind a debugger") };
        assert!(gdb.is_emulated());
    }
}
