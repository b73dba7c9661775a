//! The host's end of a byte stream, and a target at the other.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use link::frame;
use link::stream::segment::{send_beacon, send_epitaph};
use link::stream::{Answerer, Heard};

use super::*;

/// What a target says to the bytes of a host.
struct Target {
    answerer: Answerer<Vec<u8>>,
    response: Vec<u8>,
}

impl Target {
    fn new() -> Self {
        Self { answerer: Answerer::new(vec![0; MAX_MESSAGE]), response: Vec::new() }
    }

    /// Takes a byte; `answer` makes of a request the response.
    fn take(&mut self, byte: u8, answer: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let mut out = Vec::new();
        match self.answerer.take(byte) {
            Heard::Nothing => {}
            Heard::Turn(turn) => {
                self.answerer.send(&turn, &self.response, |byte| out.push(byte));
            }
            Heard::Request => {
                self.response = answer(self.answerer.request());
                self.answerer.answered();
                self.answerer.respond(&self.response, |byte| out.push(byte));
            }
        }
        out
    }
}

fn pair() -> (UnixStream, Frames) {
    let (theirs, ours) = UnixStream::pair().expect("a socket pair");
    (theirs, Frames::new(ours).expect("it can be set up"))
}

/// The same message back, as observations.
fn echo(request: &[u8]) -> Vec<u8> {
    let (_, body) = request.split_at(Head::BYTES);
    let sequence = u64::from_le_bytes(*request[8..].first_chunk().expect("a head"));
    let head = Head::new(MessageKind::Observations, body.len() as u32, sequence);
    [head.as_bytes(), body].concat()
}

/// Answers with [`echo`] until the host is gone. The first `lost` bytes of the host's never arrive.
fn serve(mut stream: UnixStream, lost: usize) {
    let mut target = Target::new();
    let mut bytes = [0; 4096];
    let mut count = 0;
    while let Ok(1..) = stream.read(&mut bytes[..1]).inspect(|read| count += read) {
        if count > lost {
            let said = target.take(bytes[0], echo);
            // It fails where the host has gone.
            let _ = stream.write_all(&said);
        }
    }
}

fn taken(frames: &mut Frames) -> Result<Head, Fault> {
    loop {
        if let Some(head) = frames.take()? {
            return Ok(head);
        }
        frames.sleep(Duration::from_millis(1));
    }
}

#[test]
fn messages_go_there_and_back() {
    let (theirs, mut frames) = pair();
    let target = std::thread::spawn(move || serve(theirs, 0));
    let open = taken(&mut frames).expect("it answers");
    assert_eq!((open.kind(), open.sequence), (Some(MessageKind::Observations), 0));
    for (sequence, size) in [(70, 0), (71, 1), (72, 3000), (73, MAX_MESSAGE - Head::BYTES)] {
        let byte = sequence as u8;
        assert!(frames.send(MessageKind::Case, sequence, &mut |body| {
            body[..size].fill(byte);
            Some(size)
        }));
        assert_eq!(taken(&mut frames).expect("it answers").sequence, sequence);
        let mut expected = vec![byte; size];
        expected.resize(size.next_multiple_of(8), 0);
        assert!(frames.body() == expected, "message {sequence}");
    }
    assert!(!frames.send(MessageKind::Case, 20, &mut |_| None));
    drop(frames);
    target.join().expect("it ends with the host");
}

#[test]
fn what_is_lost_is_asked_for_again() {
    let (theirs, mut frames) = pair();
    let target = std::thread::spawn(move || serve(theirs, 20));
    taken(&mut frames).expect("it answers");
    drop(frames);
    target.join().expect("it ends with the host");
}

#[test]
fn a_target_is_found_in_what_its_firmware_says() {
    let (mut theirs, mut frames) = pair();
    let mut beacon = b"U-Boot 2025.01\r\n\0\xff\0".to_vec();
    send_beacon(|byte| beacon.push(byte));
    theirs.write_all(&beacon).expect("it takes that");
    let target = std::thread::spawn(move || serve(theirs, 0));
    taken(&mut frames).expect("it answers");
    assert_eq!(frames.wear(), Wear::default());
    drop(frames);
    target.join().expect("it ends with the host");
}

/// What the host makes of `stream` behind the response that opens the session.
fn behind_the_hello(stream: &[u8]) -> Result<Head, Fault> {
    let (mut theirs, mut frames) = pair();
    let opened = std::thread::spawn(move || {
        let mut target = Target::new();
        let mut byte = [0];
        while target.response.is_empty() {
            theirs.read_exact(&mut byte).expect("the host speaks");
            theirs.write_all(&target.take(byte[0], echo)).expect("the host listens");
        }
        (theirs, target)
    });
    taken(&mut frames)?;
    let (mut theirs, _) = opened.join().expect("it is open");
    theirs.write_all(stream).expect("it takes that");
    frames.send(MessageKind::Case, 1, &mut |_| Some(0));
    taken(&mut frames)
}

#[test]
fn a_reset_and_last_words_are_told() {
    let mut stream = b"DDR init".to_vec();
    send_beacon(|byte| stream.push(byte));
    assert_eq!(behind_the_hello(&stream), Err(Fault::Reset));

    let head = Head::new(MessageKind::Epitaph, 0, 0);
    let mut stream = Vec::new();
    send_epitaph(0, head.as_bytes(), |byte| stream.push(byte));
    assert_eq!(behind_the_hello(&stream), Ok(head));
    let mut stream = Vec::new();
    send_epitaph(0, &[7; 24], |byte| stream.push(byte));
    let told = behind_the_hello(&stream);
    assert!(matches!(&told, Err(Fault::Garbage(what)) if what.contains("24 bytes")), "{told:?}");
}

#[test]
fn an_old_executor_is_called_one() {
    let (mut theirs, mut frames) = pair();
    // Version 4 said its Hello as one frame, head and body: 0x04 stands for the version.
    let message = [&[1, 0, 0, 0, 8, 0, 0, 0], &[0; 8], &[4, 0, 0, 0, 2, 0, 0, 0][..]].concat();
    frame::send(&[&message], |byte| theirs.write_all(&[byte]).expect("it takes that"));
    assert_eq!(taken(&mut frames), Err(Fault::Version(4)));
}

#[test]
fn endless_noise_is_babble() {
    let (mut theirs, mut frames) = pair();
    let writer = std::thread::spawn(move || {
        let noise = vec![b'x'; MOST_NOISE + 100_000];
        // It fails where the reader has had enough.
        let _ = theirs.write_all(&noise);
    });
    let babble = taken(&mut frames);
    assert!(matches!(&babble, Err(Fault::Garbage(what)) if what.contains("sense")), "{babble:?}");
    drop(frames);
    writer.join().expect("it gives up");
}

#[test]
fn what_is_said_to_the_dead_is_no_progress() {
    let (mut theirs, mut frames) = pair();
    let before = frames.progress();
    // A dead board that echoes: the host asks twice.
    let mut bytes = [0; 100];
    for _ in 0..2 {
        let mut count = 0;
        while count < 20 {
            assert_eq!(frames.take(), Ok(None));
            frames.sleep(Duration::from_millis(1));
            theirs.set_nonblocking(true).expect("it can be set up");
            count += theirs.read(&mut bytes).unwrap_or(0);
        }
        theirs.write_all(&bytes[..count]).expect("it takes that");
    }
    assert_eq!(frames.take(), Ok(None));
    assert_eq!(frames.progress(), before);
    // A board that boots says more than that.
    theirs.write_all(&[b'x'; CHATTER]).expect("it takes that");
    while frames.progress() == before {
        assert_eq!(frames.take(), Ok(None));
        frames.sleep(Duration::from_millis(1));
    }
}

#[test]
fn marks_are_heard_in_what_is_said_before_the_first_segment() {
    let (mut theirs, mut frames) = pair();
    let mut hear = |text: &[u8], wanted| {
        theirs.write_all(text).expect("the host listens");
        // What was written is there at once, and comes in pieces.
        for _ in 0..100 {
            assert!(matches!(frames.take(), Ok(None)));
        }
        assert_eq!(frames.mark(), wanted);
    };
    hear(b"U-Boot 2025.01\r\nStarting kernel ...\r\n# hypwalk at console\r\n", Some(Mark::Console));
    hear(&[b'x'; 4096], Some(Mark::Console));
    hear(b"# hypwalk at mmu\r\n# hypwalk at", Some(Mark::Mmu));
    hear(b" hello\r\n", Some(Mark::Hello));
}
