//! Debuggers for tests: a real QEMU behind a stub with other habits than its own, and a port to the bus.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use device::kind::gdb::packet::{Decoder, INTERRUPT, Item, encode, hex, unhex};

use crate::common::targets;

/// What a stub does with a packet in QEMU's place.
pub enum Habit {
    /// What QEMU does.
    Own,
    /// It answers this.
    Say(Vec<u8>),
    /// It has QEMU do these instead, and gives the last answer.
    Instead(Vec<Vec<u8>>),
    /// It says nothing.
    Silent,
    /// It answers these bytes, which are no packet.
    Raw(Vec<u8>),
    /// It closes the connection.
    HangUp,
}

impl Habit {
    pub fn say(text: &str) -> Self {
        Self::Say(text.as_bytes().to_vec())
    }
}

/// From a packet's payload to what becomes of it.
pub type Habits = Box<dyn FnMut(&[u8]) -> Habit + Send>;

/// A stub at an address of its own; it serves one connection after the other.
pub struct Debugger {
    pub address: String,
    is_over: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Debugger {
    /// A stub with these habits, at the Unix socket `path` or else at a port of this host, in front of a
    /// halted QEMU that has the RAM `ram`, or RAM of its own.
    pub fn of_qemu(path: Option<PathBuf>, ram: Option<&File>, mut habits: Habits) -> Self {
        let mut qemu = Qemu::start(ram);
        Self::serve(path, move |stream, is_over| {
            Front::new(stream).serve(&mut qemu, &mut habits, is_over);
        })
    }

    /// A stub that reads and writes the RAM `ram`, which begins at `base`, and does nothing else.
    pub fn of_bus(ram: File, base: u64) -> Self {
        let mut bus = Bus { ram, base };
        Self::serve(None, move |stream, is_over| {
            Front::new(stream).serve(&mut bus, &mut |_: &[u8]| Habit::Own, is_over);
        })
    }

    fn serve(
        path: Option<PathBuf>,
        mut serve: impl FnMut(Box<dyn Stream>, &AtomicBool) + Send + 'static,
    ) -> Self {
        let (address, listener) = Listener::new(path);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let serving = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Some(stream) => serve(stream, &over),
                    None => thread::sleep(Duration::from_millis(1)),
                }
            }
        });
        Self { address, is_over, serving: Some(serving) }
    }
}

impl Drop for Debugger {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let served = self.serving.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(served, Some(Ok(()))), "the stub has served");
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Where a stub listens.
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// How long a stub looks at one of its ends before it looks at the other.
const A_MOMENT: Option<Duration> = Some(Duration::from_millis(1));

impl Listener {
    fn new(path: Option<PathBuf>) -> (String, Self) {
        if let Some(path) = path {
            let listener = UnixListener::bind(&path).expect("the path is free");
            listener.set_nonblocking(true).expect("a socket");
            return (path.display().to_string(), Self::Unix(listener));
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a socket");
        (listener.local_addr().expect("it is bound").to_string(), Self::Tcp(listener))
    }

    /// The next connection, if there is one.
    fn accept(&self) -> Option<Box<dyn Stream>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().ok()?;
                stream.set_nonblocking(false).expect("a socket");
                stream.set_read_timeout(A_MOMENT).expect("a socket");
                stream.set_nodelay(true).expect("a socket");
                Some(Box::new(stream))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().ok()?;
                stream.set_nonblocking(false).expect("a socket");
                stream.set_read_timeout(A_MOMENT).expect("a socket");
                Some(Box::new(stream))
            }
        }
    }
}

/// What is behind a stub.
trait Behind {
    /// What becomes of a packet: its answer, if there is one now.
    fn answer(&mut self, packet: &[u8]) -> Option<Vec<u8>>;
    /// What it says without being asked.
    fn unasked(&mut self) -> Option<Vec<u8>>;
    /// It is to stop.
    fn interrupt(&mut self);
}

/// A stub's end of a connection.
struct Front {
    stream: Box<dyn Stream>,
    /// What was read and not yet looked at.
    input: VecDeque<u8>,
    decoder: Decoder,
    in_packet: bool,
    has_acks: bool,
}

/// What came from the other end.
enum Heard {
    Nothing,
    Interrupt,
    Packet(Vec<u8>),
    End,
}

impl Front {
    fn new(stream: Box<dyn Stream>) -> Self {
        let (input, decoder) = Default::default();
        Self { stream, input, decoder, in_packet: false, has_acks: true }
    }

    fn serve(
        &mut self,
        behind: &mut dyn Behind,
        habits: &mut dyn FnMut(&[u8]) -> Habit,
        is_over: &AtomicBool,
    ) {
        while !is_over.load(Ordering::Relaxed) {
            if let Some(said) = behind.unasked() {
                self.say(&said);
            }
            let packet = match self.hear() {
                Heard::Nothing => continue,
                Heard::End => return,
                Heard::Interrupt => {
                    behind.interrupt();
                    continue;
                }
                Heard::Packet(packet) => packet,
            };
            let answer = match habits(&packet) {
                Habit::Own => behind.answer(&packet),
                Habit::Say(answer) => Some(answer),
                Habit::Instead(packets) => {
                    packets.iter().filter_map(|packet| behind.answer(packet)).last()
                }
                Habit::Silent => None,
                Habit::Raw(bytes) => {
                    // The other end may have had enough.
                    let _ = self.stream.write_all(&bytes);
                    None
                }
                Habit::HangUp => return,
            };
            if let Some(answer) = answer {
                self.say(&answer);
            }
            // From the next packet on.
            self.has_acks &= packet != b"QStartNoAckMode";
        }
    }

    fn say(&mut self, payload: &[u8]) {
        // The other end may be gone, which the next look tells.
        let _ = self.stream.write_all(&encode(payload));
    }

    fn hear(&mut self) -> Heard {
        loop {
            let Some(byte) = self.input.pop_front() else {
                let mut bytes = [0; 4096];
                match self.stream.read(&mut bytes) {
                    Ok(0) => return Heard::End,
                    Ok(count) => self.input.extend(&bytes[..count]),
                    Err(error) if is_later(&error) => return Heard::Nothing,
                    Err(_) => return Heard::End,
                }
                continue;
            };
            if byte == INTERRUPT && !self.in_packet {
                return Heard::Interrupt;
            }
            self.in_packet |= byte == b'$';
            if let Some(item) = self.decoder.take(byte) {
                self.in_packet = false;
                if let Item::Packet(payload) = item {
                    if self.has_acks {
                        let _ = self.stream.write_all(b"+");
                    }
                    return Heard::Packet(payload);
                }
            }
        }
    }
}

fn is_later(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// A QEMU whose own stub speaks on a pipe.
struct Qemu {
    process: Child,
    stream: UnixStream,
    input: VecDeque<u8>,
    decoder: Decoder,
    /// It was set going, and has not said yet that it stopped.
    is_running: bool,
}

impl Qemu {
    fn start(ram: Option<&File>) -> Self {
        let (stream, theirs) = UnixStream::pair().expect("a pair of sockets");
        stream.set_read_timeout(A_MOMENT).expect("a socket");
        let theirs = OwnedFd::from(theirs);
        let mut machine = "virt,virtualization=on,gic-version=3".to_owned();
        let mut command = Command::new(targets::program());
        if let Some(ram) = ram {
            use std::os::fd::AsRawFd;
            let path = format!("/proc/{}/fd/{}", std::process::id(), ram.as_raw_fd());
            let backend = format!("memory-backend-file,id=ram,size=2G,mem-path={path},share=on");
            command.args(["-object", &backend]);
            machine.push_str(",memory-backend=ram");
        }
        command
            .args(["-M", &machine, "-cpu", "max", "-m", "2G", "-nodefaults", "-display", "none"])
            .args(["-monitor", "none", "-serial", "none", "-S", "-gdb", "stdio"])
            .stdin(theirs.try_clone().expect("a socket"))
            .stdout(theirs)
            .stderr(Stdio::null());
        let process = command.spawn().expect("QEMU can be run");
        let (input, decoder) = Default::default();
        Self { process, stream, input, decoder, is_running: false }
    }

    /// The next packet, if one comes soon.
    fn hear(&mut self) -> Option<Vec<u8>> {
        loop {
            while let Some(byte) = self.input.pop_front() {
                if let Some(Item::Packet(payload)) = self.decoder.take(byte) {
                    self.stream.write_all(b"+").expect("QEMU is there");
                    return Some(payload);
                }
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(count) if count > 0 => self.input.extend(&bytes[..count]),
                _ => return None,
            }
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Behind for Qemu {
    fn answer(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        self.stream.write_all(&encode(packet)).ok()?;
        if packet == b"c" || packet.starts_with(b"vCont;c") {
            self.is_running = true;
            return None;
        }
        // All others are answered, as long as it lives.
        (0..100_000).find_map(|_| self.hear())
    }

    fn unasked(&mut self) -> Option<Vec<u8>> {
        let said = if self.is_running { self.hear() } else { None };
        self.is_running &= said.is_none();
        said
    }

    fn interrupt(&mut self) {
        self.stream.write_all(&[INTERRUPT]).expect("QEMU is there");
    }
}

/// RAM as a port to the bus has it.
struct Bus {
    ram: File,
    base: u64,
}

impl Behind for Bus {
    fn answer(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let (kind, rest) = packet.split_first()?;
        let text = String::from_utf8_lossy(rest).into_owned();
        let (place, digits) = text.split_once(':').unwrap_or((&text, ""));
        let Some((address, count)) = place.split_once(',') else { return Some(Vec::new()) };
        let parsed = [address, count].map(|number| u64::from_str_radix(number, 16));
        let ([b'm' | b'M', ..], [Ok(address), Ok(count)]) = (packet, parsed) else {
            return Some(Vec::new());
        };
        let offset = address - self.base;
        if *kind == b'M' {
            let bytes = unhex(digits.as_bytes()).expect("digits");
            assert_eq!(bytes.len() as u64, count);
            self.ram.write_all_at(&bytes, offset).expect("it is RAM");
            return Some(b"OK".to_vec());
        }
        let mut bytes = vec![0; count as usize];
        self.ram.read_exact_at(&mut bytes, offset).expect("it is RAM");
        Some(hex(&bytes))
    }

    fn unasked(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn interrupt(&mut self) {}
}
