//! What a debugger can do for us, core or no core: its features, memory, monitor commands.

use super::client::Client;
use super::error::GdbError;
use super::packet::{hex, unhex};
use super::registers::Registers;

/// The packet size of a stub that says none, and the least that is believed.
const LEAST_PACKET: usize = 400;
/// More in one packet gains nothing.
const MOST_PACKET: usize = 64 << 10;
/// What stands around the data of a memory packet, at most.
const AROUND: usize = 32;
/// A description in more pieces than this has no end.
const MOST_PIECES: usize = 4096;

/// A debugger that answers.
#[derive(Debug)]
pub struct Stub {
    client: Client,
    /// Bytes in a packet, as it goes over the stream.
    packet: usize,
    /// Whether it describes the machine.
    describes: bool,
    /// Whether it takes memory in binary.
    is_binary: bool,
    /// Whether it sets cores going by `vCont`.
    has_vcont: bool,
}

/// A piece of memory that is to be read.
pub type Piece = (u64, usize);

impl Stub {
    /// Agrees with the stub behind `client` on how to talk.
    pub fn greet(mut client: Client) -> Result<Self, GdbError> {
        let asked = b"qSupported:swbreak+;hwbreak+;vContSupported+;xmlRegisters=aarch64";
        let answer = client.ask(asked)?;
        let said = String::from_utf8_lossy(&answer).into_owned();
        let features: Vec<&str> = said.split(';').collect();
        let packet = features.iter().find_map(|feature| {
            usize::from_str_radix(feature.strip_prefix("PacketSize=")?, 16).ok()
        });
        let packet = packet.unwrap_or(LEAST_PACKET).clamp(LEAST_PACKET, MOST_PACKET);
        if features.contains(&"QStartNoAckMode+") && client.ask(b"QStartNoAckMode")? == b"OK" {
            client.drop_acks();
        }
        let describes = features.contains(&"qXfer:features:read+");
        let has_vcont = client.ask(b"vCont?")?.starts_with(b"vCont;c");
        // QEMU takes addresses for virtual ones, and a core that was stopped in a guest sees the guest's.
        if client.ask(b"qqemu.PhyMemMode")? == b"0" {
            client.ask(b"Qqemu.PhyMemMode:1")?;
        }
        Ok(Self { client, packet, describes, is_binary: false, has_vcont })
    }

    /// The numbers of the core's registers; an error where it is no AArch64 core.
    pub fn registers(&mut self) -> Result<Registers, GdbError> {
        if !self.describes {
            return Ok(Registers::default());
        }
        Registers::read(|file| self.description(file))
    }

    /// A file of the description, which comes in pieces.
    fn description(&mut self, file: &str) -> Result<String, GdbError> {
        let mut text = Vec::new();
        for _ in 0..MOST_PIECES {
            let (at, most) = (text.len(), self.packet - AROUND);
            let asked = format!("qXfer:features:read:{file}:{at:x},{most:x}");
            let answer = self.client.ask(asked.as_bytes())?;
            match answer.split_first() {
                Some((b'm', piece)) if !piece.is_empty() => text.extend(piece),
                Some((b'l', piece)) => {
                    text.extend(piece);
                    break;
                }
                _ => return Err(GdbError::refused("describe it", asked.as_bytes(), &answer)),
            }
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Finds out whether it takes memory in binary; `address` is in RAM.
    pub fn try_binary(&mut self, address: u64) -> Result<(), GdbError> {
        self.is_binary = self.client.ask(format!("X{address:x},0:").as_bytes())? == b"OK";
        Ok(())
    }

    /// Has the debugger carry out one of its own commands; returns what it says.
    pub fn monitor(&mut self, command: &str) -> Result<String, GdbError> {
        let asked = [&b"qRcmd,"[..], &hex(command.as_bytes())].concat();
        self.client.tell(&asked);
        let mut said = Vec::new();
        loop {
            let answer = self.client.answer(&asked)?;
            match answer.as_slice() {
                b"OK" => break,
                [b'O', digits @ ..] if let Some(text) = unhex(digits) => said.extend(text),
                // The last words may come without an O.
                digits if !digits.is_empty() && !is_error(digits) => match unhex(digits) {
                    Some(text) => {
                        said.extend(text);
                        break;
                    }
                    None => return Err(GdbError::nonsense(&asked, digits)),
                },
                refusal => {
                    let what = format!("carry out the monitor command {command:?}");
                    let heard = String::from_utf8_lossy(&said).trim().to_owned();
                    let what = if heard.is_empty() { what } else { format!("{what} ({heard})") };
                    return Err(GdbError::refused(what, &asked, refusal));
                }
            }
        }
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// Reads the pieces of memory, at once where it can.
    pub fn read(&mut self, pieces: &[Piece]) -> Result<Vec<Vec<u8>>, GdbError> {
        let mut memory: Vec<Vec<u8>> =
            pieces.iter().map(|(_, bytes)| Vec::with_capacity(*bytes)).collect();
        // A stub may answer with less than it was asked for.
        loop {
            let mut asked = Vec::new();
            for (number, &(address, bytes)) in pieces.iter().enumerate() {
                let most = ((self.packet - AROUND) / 2) & !7;
                let mut at = memory[number].len();
                while at < bytes {
                    let count = most.min(bytes - at);
                    let from = address.wrapping_add(at as u64);
                    asked.push((number, at, count, format!("m{from:x},{count:x}").into_bytes()));
                    at += count;
                }
            }
            if asked.is_empty() {
                return Ok(memory);
            }
            let packets: Vec<_> = asked.iter().map(|(.., packet)| packet.clone()).collect();
            let answers = self.client.ask_all(&packets)?;
            for ((number, at, count, packet), answer) in asked.iter().zip(&answers) {
                if answer.is_empty() || is_error(answer) {
                    return Err(GdbError::refused("read memory", packet, answer));
                }
                let bytes = unhex(answer).filter(|bytes| bytes.len() <= *count);
                let Some(bytes) = bytes else { return Err(GdbError::nonsense(packet, answer)) };
                // What comes behind a short piece is asked for again.
                if memory[*number].len() == *at {
                    memory[*number].extend(bytes);
                }
            }
        }
    }

    /// Writes the pieces of memory, in their order.
    pub fn write(&mut self, pieces: &[(u64, &[u8])]) -> Result<(), GdbError> {
        let mut packets = Vec::new();
        // Each byte takes two digits, or is escaped at worst.
        let most = ((self.packet - AROUND) / 2) & !7;
        for (address, bytes) in pieces {
            let mut at = *address;
            for chunk in bytes.chunks(most) {
                let (kind, data) =
                    if self.is_binary { ('X', chunk.to_vec()) } else { ('M', hex(chunk)) };
                let head = format!("{kind}{at:x},{:x}:", chunk.len());
                packets.push([head.as_bytes(), &data].concat());
                at = at.wrapping_add(chunk.len() as u64);
            }
        }
        let answers = self.client.ask_all(&packets)?;
        for (packet, answer) in packets.iter().zip(&answers) {
            expect_ok("write memory", packet, answer)?;
        }
        Ok(())
    }

    /// Whether it sets cores going by `vCont`.
    pub const fn has_vcont(&self) -> bool {
        self.has_vcont
    }

    /// The way to ask it for anything else.
    pub const fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// Whether `answer` says that something went wrong: `E` and two digits, or `E.` and words.
pub fn is_error(answer: &[u8]) -> bool {
    answer.first() == Some(&b'E') && (answer.len() == 3 || answer.get(1) == Some(&b'.'))
}

/// An error unless the stub says that it has done `what`.
pub fn expect_ok(what: &str, asked: &[u8], answer: &[u8]) -> Result<(), GdbError> {
    if answer == b"OK" { Ok(()) } else { Err(GdbError::refused(what, asked, answer)) }
}
