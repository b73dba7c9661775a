//! YMODEM: sending a file over the console, as U-Boot's `loady` takes it.
//!
//! ```text
//!   host                                          board
//!                                          <───── 'C'    (again and again: it is ready)
//!   SOH 00 ff  "name\0size\0..", 128 bytes  ────>
//!                                          <───── ACK    ('C' follows, and is not waited for)
//!   STX 01 fe  1024 bytes                   ────>
//!                                          <───── ACK, or NAK: again
//!   ..
//!   EOT                                     ────>
//!                                          <───── ACK, or NAK: again
//!                                          <───── 'C'    (what is the next file?)
//!   SOH 00 ff  128 zeros: none              ────>
//!                                          <───── ACK
//! ```
//!
//! Each block ends with the CRC-16 of its bytes (polynomial 0x1021, from 0), high byte first. The document is
//! Chuck Forsberg's "XMODEM/YMODEM Protocol Reference" of 1988.

use std::time::{Duration, Instant};

use crc::{CRC_16_XMODEM, Crc};

use super::console::{ConsoleLine, Lost};

const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

const SOH: u8 = 0x01;
const STX: u8 = 0x02;
const EOT: u8 = 0x04;
const ACK: u8 = 0x06;
const NAK: u8 = 0x15;
const CAN: u8 = 0x18;
/// Fills the last block.
const PAD: u8 = 0x1a;
/// The receiver wants blocks with a CRC.
const READY: u8 = b'C';

/// How often a block is sent before that is given up.
const MOST_TRIES: usize = 10;
/// How long an answer may take before the block is sent again.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before the null block at the end the receiver asks for it, if it does at all.
const SHORT: Duration = Duration::from_secs(1);

/// A file that could not be sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TransferFault {
    /// The receiver never asked for the file.
    #[error("the board never asked for the file (by `C`): does it run `loady`?")]
    NotAsked,
    /// The receiver gave up.
    #[error("the board cancelled the transfer at byte {0}: was it told an address in its RAM?")]
    Cancelled(usize),
    /// A block does not get through.
    #[error("byte {at} did not get through: the board {}", if *refused { "finds it damaged each time" } else { "does not answer" })]
    Stuck {
        /// Its offset in the file.
        at: usize,
        /// Whether it was answered.
        refused: bool,
    },
    /// There was too little time.
    #[error("the time was over at byte {0}")]
    Late(usize),
    /// The line ended.
    #[error("the line was lost at byte {0}")]
    Lost(usize),
}

/// Sends `file` under the name `name`, by `until`.
pub fn send(
    line: &mut ConsoleLine,
    name: &str,
    file: &[u8],
    until: Instant,
) -> Result<(), TransferFault> {
    let mut sender = Sender { line, until, at: 0 };
    sender.wait_until_asked()?;
    let mut first = format!("{name}\0{}\0", file.len()).into_bytes();
    first.resize(128, 0);
    sender.block(SOH, 0, &first)?;
    let mut number = 0u8;
    for part in file.chunks(1024) {
        number = number.wrapping_add(1);
        let mut block = part.to_vec();
        block.resize(1024, PAD);
        sender.block(STX, number, &block)?;
        sender.at += part.len();
    }
    sender.exchange(&[EOT])?;
    // Some want to be told that there is no further file, and some have had enough.
    if sender.answer(SHORT, |byte| byte == READY)?.is_some() {
        sender.block(SOH, 0, &[0; 128])?;
    }
    Ok(())
}

struct Sender<'a> {
    line: &'a mut ConsoleLine,
    until: Instant,
    /// How much of the file is through.
    at: usize,
}

impl Sender<'_> {
    /// Waits for a `C` that nothing follows: there may be one in what the boot loader says before.
    fn wait_until_asked(&mut self) -> Result<(), TransferFault> {
        loop {
            let unread = self.line.unread(0, self.until).map_err(|Lost| TransferFault::Lost(0))?;
            let (asked, count) = (unread.last() == Some(&READY), unread.len());
            if count == 0 {
                return Err(TransferFault::NotAsked);
            }
            self.line.consume(count);
            let quiet = Instant::now() + Duration::from_millis(50);
            let more = self
                .line
                .unread(0, quiet.min(self.until))
                .map_err(|Lost| TransferFault::Lost(0))?;
            if asked && more.iter().all(|byte| *byte == READY) {
                return Ok(());
            }
        }
    }

    /// Sends block `number`, and sees it through.
    fn block(&mut self, start: u8, number: u8, bytes: &[u8]) -> Result<(), TransferFault> {
        let crc = CRC.checksum(bytes).to_be_bytes();
        self.exchange(&[&[start, number, !number], bytes, &crc].concat())
    }

    /// Sends `bytes` until they are acknowledged.
    fn exchange(&mut self, bytes: &[u8]) -> Result<(), TransferFault> {
        let mut refused = false;
        for _ in 0..MOST_TRIES {
            match self.line.type_in(bytes, self.until) {
                Ok(true) => {}
                Ok(false) => return Err(TransferFault::Late(self.at)),
                Err(Lost) => return Err(TransferFault::Lost(self.at)),
            }
            // A `C` may still be on its way, from before the first block.
            match self.answer(PATIENCE, |byte| [ACK, NAK].contains(&byte))? {
                Some(ACK) => return Ok(()),
                answer => refused = answer.is_some(),
            }
            if Instant::now() >= self.until {
                return Err(TransferFault::Late(self.at));
            }
        }
        Err(TransferFault::Stuck { at: self.at, refused })
    }

    /// The first byte that is `wanted`, if it comes within `patience`. Two `CAN` in a row end it all.
    fn answer(
        &mut self,
        patience: Duration,
        wanted: impl Fn(u8) -> bool,
    ) -> Result<Option<u8>, TransferFault> {
        let until = self.until.min(Instant::now() + patience);
        let mut cancelled = false;
        loop {
            let unread = self.line.unread(0, until).map_err(|Lost| TransferFault::Lost(self.at))?;
            let Some(&byte) = unread.first() else { return Ok(None) };
            self.line.consume(1);
            if byte == CAN && cancelled {
                return Err(TransferFault::Cancelled(self.at));
            }
            cancelled = byte == CAN;
            if wanted(byte) {
                return Ok(Some(byte));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::thread;

    use super::*;

    fn pair() -> (UnixStream, ConsoleLine) {
        let (theirs, ours) = UnixStream::pair().expect("a socket pair");
        ours.set_nonblocking(true).expect("it can be set up");
        (theirs, ConsoleLine::new(Box::new(ours), Arc::default()))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// A receiver that answers the blocks, counted from 0, as `answer` says; it keeps those that it
    /// acknowledges.
    fn receiver(mut port: UnixStream, answer: impl Fn(usize) -> u8) -> Vec<u8> {
        port.write_all(b"## Copy to RAM at C..\r\nC").expect("somebody listens");
        let mut kept = Vec::new();
        for count in 0.. {
            let mut start = [0];
            if port.read_exact(&mut start).is_err() {
                return kept;
            }
            let answer = answer(count);
            let size = match start[0] {
                SOH => 128,
                STX => 1024,
                EOT => {
                    port.write_all(&[answer, READY]).expect("somebody listens");
                    continue;
                }
                other => panic!("{other:#x} begins no block"),
            };
            let mut block = vec![0; 2 + size + 2];
            port.read_exact(&mut block).expect("a whole block");
            assert_eq!(block[0], !block[1]);
            let bytes = &block[2..2 + size];
            assert_eq!(CRC.checksum(bytes).to_be_bytes(), block[2 + size..]);
            if answer == ACK {
                kept.extend(&block[2..2 + size]);
            }
            let answer = if answer == CAN { vec![CAN, CAN] } else { vec![answer] };
            // The sender may have given up.
            let _ = port.write_all(&answer);
        }
        kept
    }

    fn sent(
        file: &[u8],
        answer: impl Fn(usize) -> u8 + Send,
    ) -> (Result<(), TransferFault>, Vec<u8>) {
        let (theirs, mut line) = pair();
        thread::scope(|scope| {
            let receiver = scope.spawn(|| receiver(theirs, answer));
            let sent = send(&mut line, "image", file, soon());
            drop(line);
            (sent, receiver.join().expect("all blocks are sound"))
        })
    }

    #[test]
    fn the_crc_is_that_of_the_protocol() {
        assert_eq!(CRC.checksum(b"123456789"), 0x31c3);
    }

    #[test]
    fn a_file_comes_through_and_refused_blocks_are_sent_again() {
        let file: Vec<u8> = (0..300_001u32).map(|at| (at * 7 % 251) as u8).collect();
        let refuse = |count: usize| if count % 100 == 99 { NAK } else { ACK };
        let (result, kept) = sent(&file, refuse);
        assert_eq!(result, Ok(()));
        assert_eq!(&kept[..14], b"image\x00300001\0\0");
        assert_eq!(&kept[128..128 + file.len()], file);
        assert_eq!(kept.len(), 128 + file.len().next_multiple_of(1024) + 128);
    }

    #[test]
    fn a_receiver_that_gives_up_or_never_begins_is_told() {
        let (result, _) = sent(&[1; 5000], |count| if count == 3 { CAN } else { ACK });
        assert_eq!(result, Err(TransferFault::Cancelled(2048)));
        let (result, _) = sent(&[1; 5000], |count| if count >= 2 { NAK } else { ACK });
        assert_eq!(result, Err(TransferFault::Stuck { at: 1024, refused: true }));
        let (mut theirs, mut line) = pair();
        theirs.write_all(b"Unknown command 'loady'\r\n=> ").expect("somebody listens");
        let at_once = Instant::now() + Duration::from_millis(100);
        assert_eq!(send(&mut line, "image", &[0; 10], at_once), Err(TransferFault::NotAsked));
        drop(theirs);
        assert_eq!(send(&mut line, "image", &[0; 10], soon()), Err(TransferFault::Lost(0)));
    }
}
