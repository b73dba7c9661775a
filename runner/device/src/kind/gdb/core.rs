//! The core behind a debugger: halted, read, set going.

use std::time::Duration;

use super::client::Client;
use super::error::GdbError;
use super::packet::{hex, unhex};
use super::registers::{Register, Registers};
use super::stub::{Stub, expect_ok, is_error};

/// How long a stub may take to say that its target is stopped when it is, before it is taken to run.
const RUNS_AFTER: Duration = Duration::from_secs(1);
/// How often a stop is asked for.
const TRIES: u32 = 3;
/// CPSR: the core is in AArch32 state.
const AARCH32: u64 = 1 << 4;
/// Bytes of each register but the last in the packet of all registers, as far as it is the same everywhere.
const REGISTER_BYTES: usize = 8;
/// The number of the last one there: CPSR.
const LAST_IN_ALL: usize = 33;

/// A core that a debugger can halt.
#[derive(Debug)]
pub struct Core {
    stub: Stub,
    registers: Registers,
    /// Whether registers are read and written one by one.
    has_single: bool,
}

impl Core {
    /// Halts the core behind `client`, be it at work or not.
    pub fn attach(client: Client) -> Result<Self, GdbError> {
        let mut stub = Stub::greet(client)?;
        let client = stub.client();
        client.tell(b"?");
        if client.hear(RUNS_AFTER)?.is_none() {
            halt(client, RUNS_AFTER)?;
            // The answer to `?` may come as well, now that it has one.
            while client.hear(Duration::from_millis(50))?.is_some() {}
        }
        let registers = stub.registers()?;
        Ok(Self { stub, registers, has_single: true })
    }

    /// An error unless it is an AArch64 core in AArch64 state.
    pub fn check_state(&mut self) -> Result<(), GdbError> {
        match self.register("cpsr")? {
            cpsr if cpsr & AARCH32 != 0 => Err(GdbError::Aarch32(cpsr)),
            _ => Ok(()),
        }
    }

    /// The way to its memory and to the debugger's own commands.
    pub const fn stub(&mut self) -> &mut Stub {
        &mut self.stub
    }

    /// Reads the register `name`.
    pub fn register(&mut self, name: &str) -> Result<u64, GdbError> {
        let register = self.registers.get(name)?;
        if self.has_single {
            let asked = format!("p{:x}", register.number).into_bytes();
            let answer = self.stub.client().ask(&asked)?;
            if !answer.is_empty() {
                return value(&answer).ok_or_else(|| GdbError::nonsense(&asked, &answer));
            }
            self.has_single = false;
        }
        let all = self.all_registers()?;
        let at = place(register).and_then(|at| all.get(at));
        let digits = at.ok_or_else(|| GdbError::NoRegister(name.to_owned()))?;
        value(digits).ok_or_else(|| GdbError::nonsense(b"g", digits))
    }

    /// Sets the register `name`.
    pub fn set_register(&mut self, name: &str, value: u64) -> Result<(), GdbError> {
        let register = self.registers.get(name)?;
        // Neither more nor less than it has.
        let digits = hex(&value.to_le_bytes()[..register.bytes]);
        let what = format!("set the register {name}");
        if self.has_single {
            let asked = [format!("P{:x}=", register.number).as_bytes(), &digits].concat();
            let answer = self.stub.client().ask(&asked)?;
            if !answer.is_empty() {
                return expect_ok(&what, &asked, &answer);
            }
            self.has_single = false;
        }
        let mut all = self.all_registers()?;
        let at = place(register).and_then(|at| all.get_mut(at));
        at.ok_or_else(|| GdbError::NoRegister(name.to_owned()))?.copy_from_slice(&digits);
        let asked = [b"G", all.as_slice()].concat();
        let answer = self.stub.client().ask(&asked)?;
        expect_ok(&what, &asked, &answer)
    }

    /// The digits of all registers.
    fn all_registers(&mut self) -> Result<Vec<u8>, GdbError> {
        let answer = self.stub.client().ask(b"g")?;
        if answer.is_empty() || is_error(&answer) {
            return Err(GdbError::refused("read registers", b"g", &answer));
        }
        Ok(answer)
    }

    /// Has the core stop before it executes the instruction at `address`; whether the debugger can do that.
    pub fn break_at(&mut self, address: u64) -> Result<bool, GdbError> {
        // A hardware breakpoint, or else one in the code itself.
        for kind in [1, 0] {
            let asked = format!("Z{kind},{address:x},4").into_bytes();
            let answer = self.stub.client().ask(&asked)?;
            match answer.as_slice() {
                b"OK" => return Ok(true),
                b"" => {}
                // No more of that kind, perhaps.
                refusal if kind == 1 && is_error(refusal) => {}
                refusal => return Err(GdbError::refused("set a breakpoint", &asked, refusal)),
            }
        }
        Ok(false)
    }

    /// Sets the core going.
    pub fn go(&mut self) {
        let packet: &[u8] = if self.stub.has_vcont() { b"vCont;c" } else { b"c" };
        self.stub.client().tell(packet);
    }

    /// Whether the core, which was set going, has stopped, if the debugger says so within `patience`.
    pub fn has_stopped(&mut self, patience: Duration) -> Result<bool, GdbError> {
        has_stopped(self.stub.client(), patience)
    }

    /// Halts the core, which was set going; it has `patience` for it.
    pub fn halt(&mut self, patience: Duration) -> Result<(), GdbError> {
        halt(self.stub.client(), patience)
    }
}

fn halt(client: &mut Client, patience: Duration) -> Result<(), GdbError> {
    for _ in 0..TRIES {
        client.interrupt();
        if has_stopped(client, patience)? {
            return Ok(());
        }
    }
    Err(GdbError::NotHalted)
}

fn has_stopped(client: &mut Client, patience: Duration) -> Result<bool, GdbError> {
    const ASKED: &[u8] = b"vCont;c";
    while let Some(packet) = client.hear(patience)? {
        match packet.as_slice() {
            // `S` and a signal, or `T` with more behind it.
            [b'S' | b'T', first, second, ..] if unhex(&[*first, *second]).is_some() => {
                return Ok(true);
            }
            // What a target prints through its debugger.
            [b'O', ..] => {}
            // It has ended, as an emulator does.
            [b'W' | b'X', ..] => return Err(GdbError::Gone(None)),
            refusal if is_error(refusal) => {
                return Err(GdbError::refused("set the core going", ASKED, refusal));
            }
            other => return Err(GdbError::nonsense(ASKED, other)),
        }
    }
    Ok(false)
}

/// The digits of `register` among those of all: the general registers, SP and PC come first, and CPSR behind
/// them.
fn place(register: Register) -> Option<std::ops::Range<usize>> {
    let number = usize::try_from(register.number).ok().filter(|number| *number <= LAST_IN_ALL)?;
    let at = 2 * REGISTER_BYTES * number;
    Some(at..at + 2 * register.bytes)
}

/// A number of up to 8 bytes, the lowest first.
fn value(digits: &[u8]) -> Option<u64> {
    let bytes = unhex(digits).filter(|bytes| (1..=8).contains(&bytes.len()))?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_little_endian_and_whole() {
        assert_eq!(value(b"7856341200000000"), Some(0x1234_5678));
        assert_eq!(value(b"c9030000"), Some(0x3c9));
        for digits in [&b""[..], b"xxxxxxxx", b"123", b"112233445566778899"] {
            assert_eq!(value(digits), None);
        }
        let place = |number, bytes| place(Register { number, bytes });
        assert_eq!((place(32, 8), place(33, 4)), (Some(512..528), Some(528..536)));
        assert_eq!((place(34, 8), place(u64::MAX, 8)), (None, None));
    }
}
