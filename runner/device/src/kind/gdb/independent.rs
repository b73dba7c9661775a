//! The core behind a stub that somebody else wrote: gdbstub, with a pretended AArch64 core.

use std::convert::Infallible;
use std::io;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gdbstub::common::Signal;
use gdbstub::conn::ConnectionExt;
use gdbstub::stub::run_blocking::{BlockingEventLoop, Event, WaitForStopReasonError};
use gdbstub::stub::{GdbStub, SingleThreadStopReason};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::singlethread::{
    SingleThreadBase, SingleThreadResume, SingleThreadResumeOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps,
};
use gdbstub::target::{Target, TargetError, TargetResult};
use gdbstub_arch::aarch64::AArch64;
use gdbstub_arch::aarch64::reg::AArch64CoreRegs;

use super::client::Client;
use super::core::Core;
use super::socket::Socket;

/// Where the core has memory.
const BASE: u64 = 0x4000_0000;
const BYTES: usize = 0x1_0000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A core whose instructions do nothing but to go on to the next.
struct Idler {
    registers: AArch64CoreRegs,
    memory: Vec<u8>,
    breakpoints: Vec<u64>,
}

impl Idler {
    fn range(&self, start: u64, bytes: usize) -> Option<std::ops::Range<usize>> {
        let start = usize::try_from(start.checked_sub(BASE)?).ok()?;
        (start + bytes <= self.memory.len()).then_some(start..start + bytes)
    }
}

impl Target for Idler {
    type Arch = AArch64;
    type Error = Infallible;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Self::Error> {
        BaseOps::SingleThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn guard_rail_implicit_sw_breakpoints(&self) -> bool {
        true
    }
}

impl SingleThreadBase for Idler {
    fn read_registers(&mut self, registers: &mut AArch64CoreRegs) -> TargetResult<(), Self> {
        registers.clone_from(&self.registers);
        Ok(())
    }

    fn write_registers(&mut self, registers: &AArch64CoreRegs) -> TargetResult<(), Self> {
        self.registers.clone_from(registers);
        Ok(())
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8]) -> TargetResult<usize, Self> {
        let range = self.range(start, data.len()).ok_or(TargetError::NonFatal)?;
        data.copy_from_slice(&self.memory[range]);
        Ok(data.len())
    }

    fn write_addrs(&mut self, start: u64, data: &[u8]) -> TargetResult<(), Self> {
        let range = self.range(start, data.len()).ok_or(TargetError::NonFatal)?;
        self.memory[range].copy_from_slice(data);
        Ok(())
    }

    fn support_resume(&mut self) -> Option<SingleThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadResume for Idler {
    fn resume(&mut self, _signal: Option<Signal>) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl Breakpoints for Idler {
    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }
}

impl HwBreakpoint for Idler {
    fn add_hw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        self.breakpoints.push(address);
        Ok(true)
    }

    fn remove_hw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        self.breakpoints.retain(|one| *one != address);
        Ok(true)
    }
}

/// How the core runs: an instruction at a time, until a breakpoint or a word of the client.
enum Loop {}

impl BlockingEventLoop for Loop {
    type Target = Idler;
    type Connection = UnixStream;
    type StopReason = SingleThreadStopReason<u64>;

    fn wait_for_stop_reason(
        idler: &mut Idler,
        connection: &mut UnixStream,
    ) -> Result<Event<Self::StopReason>, WaitForStopReasonError<Infallible, io::Error>> {
        loop {
            if connection.peek().map_err(WaitForStopReasonError::Connection)?.is_some() {
                let byte = ConnectionExt::read(connection);
                return byte.map(Event::IncomingData).map_err(WaitForStopReasonError::Connection);
            }
            if idler.breakpoints.contains(&idler.registers.pc) {
                return Ok(Event::TargetStopped(SingleThreadStopReason::HwBreak(())));
            }
            idler.registers.pc += 4;
            thread::sleep(Duration::from_micros(10));
        }
    }

    fn on_interrupt(_idler: &mut Idler) -> Result<Option<Self::StopReason>, Infallible> {
        Ok(Some(SingleThreadStopReason::Signal(Signal::SIGINT)))
    }
}

/// The core as our client has it, and the thread in which its stub lives until the connection ends.
fn attached() -> (Core, JoinHandle<Idler>) {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let stub = thread::spawn(move || {
        let registers = AArch64CoreRegs { pc: BASE, cpsr: 0x3c9, ..AArch64CoreRegs::default() };
        let mut idler = Idler { registers, memory: vec![0; BYTES], breakpoints: Vec::new() };
        // It fails as soon as the client is gone.
        let _ = GdbStub::new(theirs).run_blocking::<Loop>(&mut idler);
        idler
    });
    let stream = Socket::new(ours).expect("it can be set up");
    (Core::attach(Client::new(stream, PATIENCE)).expect("it is a core"), stub)
}

#[test]
fn memory_of_an_independent_stub_is_read_and_written() {
    let (mut core, stub) = attached();
    core.check_state().expect("it is in AArch64 state");
    let memory = core.stub();
    memory.try_binary(BASE).expect("it answers");
    // Bytes that packets escape are among them, and more than one packet takes.
    let bytes: Vec<u8> = (0..5000u32).map(|at| (at * 7 % 256) as u8).collect();
    memory.write(&[(BASE + 3, &bytes), (BASE + 0x8000, b"}*#$")]).expect("it is RAM");
    let pieces = [(BASE + 0x8000, 4), (BASE + 3, bytes.len())];
    let read = memory.read(&pieces).expect("it is RAM");
    assert_eq!(read[0], b"}*#$");
    assert!(read[1] == bytes);
    memory.read(&[(BASE + BYTES as u64, 8)]).expect_err("there is no memory");
    drop(core);
    let idler = stub.join().expect("the stub ends with the connection");
    assert!(idler.memory[3..][..bytes.len()] == bytes);
}

#[test]
fn registers_of_an_independent_stub_are_read_and_written() {
    let (mut core, stub) = attached();
    assert_eq!(core.register("cpsr").expect("it has one"), 0x3c9);
    for (name, value) in [("x0", 1 << 63 | 7), ("x30", 0x1234), ("pc", BASE + 0x100)] {
        core.set_register(name, value).expect("it has one");
        assert_eq!(core.register(name).expect("it has one"), value, "{name}");
    }
    assert_eq!(core.register("x1").expect("it has one"), 0, "the others stay");
    core.register("x31").expect_err("there is none");
    drop(core);
    let registers = stub.join().expect("the stub ends with the connection").registers;
    assert_eq!((registers.x[0], registers.x[30]), (1 << 63 | 7, 0x1234));
    assert_eq!((registers.pc, registers.cpsr), (BASE + 0x100, 0x3c9));
}

#[test]
fn an_independent_stub_runs_to_a_breakpoint_and_is_halted() {
    let (mut core, _stub) = attached();
    assert!(core.break_at(BASE + 0x40).expect("it answers"));
    core.go();
    assert!(core.has_stopped(PATIENCE).expect("it answers"));
    assert_eq!(core.register("pc").expect("it has one"), BASE + 0x40);
    // Behind the breakpoint nothing stops it but a halt.
    core.set_register("pc", BASE + 0x44).expect("it has one");
    core.go();
    assert!(!core.has_stopped(Duration::from_millis(50)).expect("it answers"));
    core.halt(PATIENCE).expect("it halts");
    assert!(core.register("pc").expect("it has one") > BASE + 0x44);
}
