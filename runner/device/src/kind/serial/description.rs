//! A board on a serial line, as a target file has it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::step::Step;
use super::text;
use crate::description::{Address, Transport};

/// A board whose console is a serial line, and the recipe that starts the executor on it.
///
/// The recipe's commands are run by `/bin/sh` with the rights of whoever runs Hypwalk: run only
/// target files that you trust.
///
/// Texts of the recipe may name `{image}`, a file with the executor's flat image, which is a Linux `Image` and an
/// application of UEFI at once; `{image-size}` in bytes; `{esp}`, a file with a FAT image of 16 MB from which UEFI
/// starts it; `{load-address}`; and `{port}`, the path of the tty. The files are there as long as Hypwalk runs. Braces
/// after a `$` are left to the shell or the boot loader.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Serial {
    /// What the board's console is connected to. It is opened before the first step; one that is not there yet
    /// is waited for by the first step that needs it, since some adapters get their power from the board.
    pub port: Port,
    /// QEMU in the place of a board: it is started before the first step, and ended with the session.
    #[serde(default)]
    pub emulator: Option<Emulator>,
    /// How many of its PEs take part in cases, 1 to 4.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 4))]
    pub cpus: u8,
    /// Where the recipe puts the executor's image: what `{load-address}` stands for. A multiple of 64 KB.
    #[serde(default)]
    pub load_address: Option<Address>,
    /// What starts the executor, from whatever state the board is in: it is also what is done with a board
    /// that died or hangs. So it begins with the power switch or the reset button.
    #[serde(default)]
    pub boot: Vec<Step>,
    /// There is no recipe: somebody has started the executor, and it waits to be asked.
    #[serde(default)]
    pub already_running: bool,
    /// How often the recipe is tried before the campaign ends, where the board has been up before. The
    /// first time it is tried once.
    #[serde(default = "three")]
    #[schemars(range(min = 1))]
    pub attempts: u32,
    /// Words that the board says when it starts, and only then, such as `U-Boot SPL`: where they come in the middle
    /// of cases it has reset, which is then known before `silent-seconds` are over.
    #[serde(default)]
    pub reset_sign: Option<String>,
}

/// What a board's console is connected to.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Port {
    /// A serial port of this host: 8 bits, no parity, 1 stop bit, no flow control.
    Tty(Tty),
    /// A Unix socket on which a program offers the console.
    Socket(PathBuf),
    /// `HOST:PORT`, where a terminal server offers the console as it is, with no telnet in between.
    Tcp(String),
    /// A pseudo-terminal that is made for the session: `{port}` is its path, for an emulator or a bridge to open.
    Pty,
}

/// A serial port of this host.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tty {
    /// Its path; those in `/dev/serial/by-id` stay when other adapters come and go.
    pub path: PathBuf,
    /// Bits a second.
    #[serde(default = "usual_baud")]
    pub baud: u32,
}

/// QEMU in the place of a board.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Emulator {
    /// Its arguments. The board's console is `{port}`: `-chardev serial,id=console,path={port}`.
    pub args: Vec<String>,
}

const fn one() -> u8 {
    1
}

const fn three() -> u32 {
    3
}

const fn usual_baud() -> u32 {
    115_200
}

/// What the executor wants its address to be a multiple of.
const LOAD_ALIGNMENT: u64 = 0x1_0000;

impl Serial {
    /// Whether its parts fit together, and to `transport`.
    pub(super) fn fits(&self, transport: &Transport) -> Result<(), String> {
        match (self.boot.is_empty(), self.already_running) {
            (false, true) => {
                return Err("boot: a board that is `already-running` takes no recipe".to_owned());
            }
            (true, false) if self.emulator.is_none() => {
                return Err("boot: the recipe has no steps: say what starts the board, or \
                            `already-running: true` where somebody has started the executor"
                    .to_owned());
            }
            _ => {}
        }
        if self.attempts == 0 {
            return Err("attempts: 0 would never start the board".to_owned());
        }
        if self.reset_sign.as_deref() == Some("") {
            return Err("reset-sign: it must be words that the board says".to_owned());
        }
        if let Some(address) = self.load_address
            && !address.0.is_multiple_of(LOAD_ALIGNMENT)
        {
            return Err(format!("load-address: {address} is not a multiple of 64 KB"));
        }
        if let Port::Tty(Tty { baud: 0, .. }) = self.port {
            return Err("port: 0 is no baud rate".to_owned());
        }
        if matches!(transport, Transport::Mailbox { .. }) {
            return Err(
                "transport: nobody shares memory with a board on a serial line: it talks over \
                        its `uart`"
                    .to_owned(),
            );
        }
        self.variables().try_for_each(|name| self.check_variable(name))
    }

    /// Whether the variable `name` stands for something.
    fn check_variable(&self, name: &str) -> Result<(), String> {
        let known = ["image", "image-size", "esp", "load-address", "port"];
        if !known.contains(&name) {
            return Err(format!(
                "boot: {{{name}}} is none of {{{}}}; braces that are meant as they are get a \
                 blank inside",
                known.join("}, {")
            ));
        }
        if name == "load-address" && self.load_address.is_none() {
            return Err("boot: it names {load-address}, and there is no load-address".to_owned());
        }
        if name == "port" && !matches!(self.port, Port::Tty(_) | Port::Pty) {
            return Err("boot: it names {port}, and the port has no path".to_owned());
        }
        Ok(())
    }

    /// Whether its recipe names the variable `name`.
    pub fn names(&self, name: &str) -> bool {
        self.variables().any(|variable| variable == name)
    }

    fn variables(&self) -> impl Iterator<Item = &str> {
        let arguments = self.emulator.iter().flat_map(|emulator| &emulator.args);
        let texts = arguments.map(String::as_str).chain(self.boot.iter().flat_map(Step::texts));
        texts.flat_map(text::variables)
    }
}
