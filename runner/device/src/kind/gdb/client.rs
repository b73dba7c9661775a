//! Questions and answers: packets that are sent, acknowledged where need be, and answered in time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::error::GdbError;
use super::packet::{Decoder, INTERRUPT, Item, encode, shown};
use super::socket::Socket;

/// So many damaged packets in a row are no accident.
const MOST_DAMAGED: u32 = 5;

/// The runner's end of the protocol.
#[derive(Debug)]
pub struct Client {
    stream: Socket,
    decoder: Decoder,
    /// Bytes that were read and not yet looked at.
    input: VecDeque<u8>,
    /// Bytes that wait to be written.
    output: VecDeque<u8>,
    /// Whether packets are acknowledged.
    has_acks: bool,
    /// The last packet, to be sent again where it came damaged.
    last: Vec<u8>,
    damaged: u32,
    patience: Duration,
}

impl Client {
    /// Speaks over `stream`, and waits for `patience` for each answer.
    pub fn new(stream: Socket, patience: Duration) -> Self {
        let (input, output, last) = Default::default();
        let decoder = Decoder::default();
        Self { stream, decoder, input, output, has_acks: true, last, damaged: 0, patience }
    }

    /// From here on nobody acknowledges packets: both sides have agreed on it.
    pub fn drop_acks(&mut self) {
        self.has_acks = false;
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, payload: &[u8]) -> Result<Vec<u8>, GdbError> {
        self.tell(payload);
        self.answer(payload)
    }

    /// Asks all `payloads` and waits for their answers: where nobody acknowledges, all are on their way
    /// before the first answer is waited for.
    pub fn ask_all(&mut self, payloads: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, GdbError> {
        if self.has_acks {
            return payloads.iter().map(|payload| self.ask(payload)).collect();
        }
        payloads.iter().for_each(|payload| self.tell(payload));
        payloads.iter().map(|payload| self.answer(payload)).collect()
    }

    /// Sends a packet.
    pub fn tell(&mut self, payload: &[u8]) {
        self.last = encode(payload);
        self.output.extend(&self.last);
    }

    /// The answer to `asked`.
    pub fn answer(&mut self, asked: &[u8]) -> Result<Vec<u8>, GdbError> {
        let silent = || GdbError::Silent { asked: shown(asked), patience: self.patience };
        let silent = silent();
        self.hear(self.patience)?.ok_or(silent)
    }

    /// Has a target that runs stop.
    pub fn interrupt(&mut self) {
        self.output.push_back(INTERRUPT);
    }

    /// The next packet, if one comes within `patience`. What the runner has to say is sent meanwhile.
    pub fn hear(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, GdbError> {
        let deadline = Instant::now() + patience;
        loop {
            while let Some(byte) = self.input.pop_front() {
                match self.decoder.take(byte) {
                    Some(Item::Packet(payload)) => {
                        self.damaged = 0;
                        self.acknowledge(b'+');
                        self.write();
                        return Ok(Some(payload));
                    }
                    Some(Item::Damaged) => {
                        self.count_damaged()?;
                        self.acknowledge(b'-');
                    }
                    Some(Item::Nack) if self.has_acks => {
                        self.count_damaged()?;
                        self.output.extend(&self.last);
                    }
                    Some(Item::Ack | Item::Nack | Item::Notification(_)) | None => {}
                }
            }
            self.write();
            if self.read()? {
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.wait(left);
        }
    }

    /// Waits for something to come, for at most `pause`.
    pub fn wait(&self, pause: Duration) {
        self.stream.wait(!self.output.is_empty(), pause);
    }

    fn acknowledge(&mut self, how: u8) {
        if self.has_acks {
            self.output.push_back(how);
        }
    }

    fn count_damaged(&mut self) -> Result<(), GdbError> {
        self.damaged += 1;
        // Without acknowledgements nobody sends anything again.
        if self.damaged >= MOST_DAMAGED || !self.has_acks {
            return Err(GdbError::Damaged(self.damaged));
        }
        Ok(())
    }

    /// Writes as much as goes at once.
    fn write(&mut self) {
        while !self.output.is_empty() {
            match self.stream.write(self.output.as_slices().0) {
                Ok(Some(count)) => drop(self.output.drain(..count)),
                Ok(None) => break,
                // What it said before it went is still to be read.
                Err(_) => self.output.clear(),
            }
        }
    }

    /// Reads what is here, if anything is.
    fn read(&mut self) -> Result<bool, GdbError> {
        let mut bytes = [0; 8192];
        match self.stream.read(&mut bytes) {
            Ok(Some(0)) => Err(GdbError::Gone(None)),
            Ok(Some(count)) => {
                self.input.extend(&bytes[..count]);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) => Err(GdbError::Gone(Some(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::thread::{self, JoinHandle};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(200);

    /// A client, and a stub that says `answers`, each when `$` has come so many times.
    fn with_stub(answers: &'static [&'static [u8]]) -> (Client, JoinHandle<Vec<u8>>) {
        let (mut theirs, ours) = UnixStream::pair().expect("a pair of sockets");
        let stub = thread::spawn(move || {
            let mut heard = Vec::new();
            let mut bytes = [0; 1];
            let mut answers = answers.iter();
            while let Ok(1) = theirs.read(&mut bytes) {
                heard.push(bytes[0]);
                // A packet ends with two digits.
                let ends = heard.len() >= 3 && heard[heard.len() - 3] == b'#';
                if ends || bytes[0] == b'-' {
                    match answers.next() {
                        Some(answer) => theirs.write_all(answer).expect("the client is there"),
                        None => break,
                    }
                }
            }
            heard
        });
        let stream = Socket::new(ours).expect("it can be set up");
        (Client::new(stream, PATIENCE), stub)
    }

    fn heard(client: Client, stub: JoinHandle<Vec<u8>>) -> String {
        drop(client);
        String::from_utf8_lossy(&stub.join().expect("the stub ends")).into_owned()
    }

    #[test]
    fn packets_are_acknowledged_until_nobody_wants_it() {
        let (mut client, stub) = with_stub(&[b"+$one#42", b"+$OK#9a", b"$two#5a"]);
        assert_eq!(client.ask(b"a").expect("it answers"), b"one");
        client.drop_acks();
        assert_eq!(client.ask(b"b").expect("it answers"), b"OK");
        assert_eq!(client.ask(b"c").expect("it answers"), b"two");
        assert_eq!(heard(client, stub), "$a#61+$b#62$c#63");
    }

    #[test]
    fn damaged_packets_are_sent_again_both_ways() {
        let (mut client, stub) = with_stub(&[b"-", b"+$one#00", b"$one#42"]);
        assert_eq!(client.ask(b"a").expect("it answers"), b"one");
        assert_eq!(heard(client, stub), "$a#61$a#61-+");
    }

    #[test]
    fn a_line_that_damages_everything_is_an_error() {
        let (mut client, stub) = with_stub(&[b"+$one#00" as &[u8]; 9]);
        let error = client.ask(b"a").expect_err("nothing comes whole");
        assert!(matches!(error, GdbError::Damaged(MOST_DAMAGED)), "{error}");
        drop((client, stub));
        let (mut client, stub) = with_stub(&[b"$one#00"]);
        client.drop_acks();
        let error = client.ask(b"a").expect_err("nobody sends it again");
        assert!(matches!(error, GdbError::Damaged(1)), "{error}");
        drop((client, stub));
    }

    #[test]
    fn answers_to_many_questions_come_in_order() {
        let (mut client, stub) = with_stub(&[b"$1#31", b"", b"%Stop:T05#99$2#32$3#33"]);
        client.drop_acks();
        let asked = [b"a".to_vec(), b"b".to_vec(), b"c".to_vec()];
        assert_eq!(client.ask_all(&asked).expect("it answers"), [b"1", b"2", b"3"]);
        assert_eq!(heard(client, stub), "$a#61$b#62$c#63");
    }

    #[test]
    fn silence_noise_and_an_end_are_told_apart() {
        let (mut client, _stub) = with_stub(&[b""]);
        let error = client.ask(b"a").expect_err("it says nothing");
        assert!(matches!(&error, GdbError::Silent { asked, .. } if asked == "a"), "{error}");
        let (mut client, _stub) = with_stub(&[b"a boot loader talks here $"]);
        let error = client.ask(b"a").expect_err("it says nothing that counts");
        assert!(matches!(error, GdbError::Silent { .. }), "{error}");
        let (mut client, _stub) = with_stub(&[]);
        let error = client.ask(b"a").expect_err("it is gone");
        assert!(matches!(error, GdbError::Gone(_)), "{error}");
    }
}
