//! Both ends of a stream, in memory, with a bad line between them.

extern crate std;

use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use zerocopy::IntoBytes;

use super::segment::{MOST_ON_LINE, PAYLOAD, Segment, SegmentKind, send_beacon, send_epitaph};
use super::{Answerer, Asker, Event, Heard, Parts};
use crate::message::{Head, MessageKind};
use crate::{MAX_MESSAGE, VERSION, frame};

/// A generator of numbers that look random (SplitMix64).
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// True once in `per` times; never where that is 0.
    fn hits(&mut self, per: u64) -> bool {
        per != 0 && self.roll().is_multiple_of(per)
    }
}

/// What a line does to bytes.
#[derive(Clone, Copy, Debug)]
struct Harm {
    /// One byte in so many is flipped, lost, doubled, or gets another before it.
    noise: u64,
    /// At one byte in so many a burst begins, in which all are damaged or lost.
    burst: u64,
    /// It eats XON and XOFF, and puts some in.
    flow_control: bool,
    /// What goes to the target comes back to the host.
    echo: bool,
}

const CLEAN: Harm = Harm { noise: 0, burst: 0, flow_control: false, echo: false };

/// One direction of a line.
struct Line {
    harm: Harm,
    dice: Dice,
    /// Bytes left of a burst.
    burst: u64,
    bytes: VecDeque<u8>,
}

impl Line {
    fn new(harm: Harm, seed: u64) -> Self {
        Self { harm, dice: Dice(seed), burst: 0, bytes: VecDeque::new() }
    }

    fn carry(&mut self, sent: &[u8]) {
        for &byte in sent {
            let (harm, dice) = (self.harm, &mut self.dice);
            if harm.flow_control {
                if dice.hits(50) {
                    self.bytes.push_back(if dice.hits(2) { 0x11 } else { 0x13 });
                }
                if [0x11, 0x13].contains(&byte) {
                    continue;
                }
            }
            if dice.hits(harm.burst) {
                self.burst = 1 + dice.roll() % 40;
            }
            let is_burst = self.burst > 0;
            self.burst = self.burst.saturating_sub(1);
            let any = dice.roll() as u8;
            match dice.roll() % 4 {
                _ if !is_burst && !dice.hits(harm.noise) => self.bytes.push_back(byte),
                0 => self.bytes.push_back(byte ^ any),
                1 => {}
                2 => self.bytes.extend([byte, byte]),
                _ => self.bytes.extend([any, byte]),
            }
        }
    }
}

/// A target that answers each request with a message that can be foretold.
struct Target {
    answerer: Answerer<Vec<u8>>,
    response: Vec<u8>,
    /// The requests that were executed, but for those that open a session.
    executed: Vec<Vec<u8>>,
    opened: usize,
}

impl Target {
    fn new() -> Self {
        let answerer = Answerer::new(vec![0; MAX_MESSAGE]);
        Self { answerer, response: Vec::new(), executed: Vec::new(), opened: 0 }
    }

    fn take(&mut self, byte: u8) -> Vec<u8> {
        let mut out = Vec::new();
        match self.answerer.take(byte) {
            Heard::Nothing => {}
            Heard::Turn(turn) => {
                self.answerer.send(&turn, &self.response, |byte| out.push(byte));
            }
            Heard::Request => {
                let request = self.answerer.request().to_vec();
                self.response = answer(&request);
                match request == open() {
                    true => self.opened += 1,
                    false => self.executed.push(request),
                }
                self.answerer.answered();
                self.answerer.respond(&self.response, |byte| out.push(byte));
            }
        }
        out
    }
}

fn open() -> Vec<u8> {
    Head::new(MessageKind::Open, 0, 0).as_bytes().to_vec()
}

/// What a target answers to `request`.
fn answer(request: &[u8]) -> Vec<u8> {
    let words = 1 + request.iter().map(|byte| usize::from(*byte)).sum::<usize>() % 700;
    let bytes = request.iter().cycle().take(8 * words);
    bytes.enumerate().map(|(at, byte)| byte ^ at as u8).collect()
}

/// What hosts ask: sizes differ, and so do the bytes.
fn request(number: usize, dice: &mut Dice) -> Vec<u8> {
    let words = 1 + dice.roll() % if number.is_multiple_of(9) { 800 } else { 60 };
    let mut request: Vec<u8> = (0..8 * words).map(|_| (dice.roll() % 9) as u8 * 17).collect();
    request[..8].copy_from_slice(&(number as u64).to_le_bytes());
    request
}

/// A host, a target, and the line between them.
struct World {
    asker: Asker<Vec<u8>>,
    target: Target,
    there: Line,
    back: Line,
    dice: Dice,
    /// How often the host takes the turn before it would have to: once in so many bytes, and half as often
    /// each time until it is answered.
    haste: u64,
    doublings: u32,
    turns_taken: usize,
}

impl World {
    fn new(harm: Harm, seed: u64) -> Self {
        let buffer = || vec![0; MAX_MESSAGE];
        let mut dice = Dice(seed);
        let session = dice.roll() as u32 | 1;
        let back = Harm { echo: false, ..harm };
        Self {
            asker: Asker::new(session, buffer(), buffer()),
            target: Target::new(),
            there: Line::new(harm, dice.roll()),
            back: Line::new(back, dice.roll()),
            dice,
            haste: 0,
            doublings: 0,
            turns_taken: 0,
        }
    }

    /// Another host comes to the same target; what is on the line stays there.
    fn another_host(&mut self) {
        let buffer = || vec![0; MAX_MESSAGE];
        self.asker = Asker::new(self.dice.roll() as u32 | 1, buffer(), buffer());
    }

    fn host_says(&mut self, bytes: &[u8]) {
        if self.there.harm.echo {
            self.back.carry(bytes);
        }
        self.there.carry(bytes);
    }

    fn ask(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.asker.request(message, |byte| out.push(byte));
        self.doublings = 0;
        self.host_says(&out);
        self.until_answered().expect("the target lives")
    }

    /// Lets bytes go to and fro until the host has its response, or something else than that.
    fn until_answered(&mut self) -> Result<Vec<u8>, Event> {
        loop {
            // The line has bytes both ways now and then: either side may be the faster one.
            let target_first = self.dice.hits(2);
            let mut out = Vec::new();
            let is_quiet = self.there.bytes.is_empty() && self.back.bytes.is_empty();
            if is_quiet || self.dice.hits(self.haste << self.doublings) {
                self.doublings += u32::from(self.doublings < 10);
                self.turns_taken += 1;
                assert!(self.turns_taken < 100_000, "the line is dead");
                self.asker.overdue(|byte| out.push(byte));
            } else if target_first {
                if let Some(byte) = self.there.bytes.pop_front() {
                    let said = self.target.take(byte);
                    self.back.carry(&said);
                }
            } else if let Some(byte) = self.back.bytes.pop_front() {
                match self.asker.take(byte, |byte| out.push(byte)) {
                    Event::Nothing | Event::Sign => {}
                    Event::Response => return Ok(self.asker.response().to_vec()),
                    other => return Err(other),
                }
                if !out.is_empty() {
                    self.doublings = 0;
                }
            }
            if !out.is_empty() {
                self.host_says(&out);
            }
        }
    }

    /// A whole campaign: each request is executed once, in order, and answered by its own response.
    fn campaign(&mut self, requests: usize) {
        assert_eq!(self.until_answered().expect("the target lives"), answer(&open()));
        let before = self.target.executed.len();
        let mut asked = Vec::new();
        for number in 0..requests {
            let message = request(number, &mut self.dice);
            assert!(self.ask(&message) == answer(&message), "request {number}");
            asked.push(message);
        }
        assert!(self.target.executed[before..] == asked, "each once, and in order");
    }
}

fn harm() -> impl Strategy<Value = Harm> {
    let noise = prop_oneof![Just(0), Just(1000), 30u64..3000];
    let burst = prop_oneof![Just(0), 200u64..5000];
    (noise, burst, any::<bool>(), any::<bool>())
        .prop_map(|(noise, burst, flow_control, echo)| Harm { noise, burst, flow_control, echo })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_message_arrives_once_and_whole(
        seed in any::<u64>(),
        harm in harm(),
        haste in prop_oneof![Just(0), 300u64..5000],
    ) {
        let mut world = World::new(harm, seed);
        world.haste = haste;
        world.campaign(12);
        prop_assert_eq!(world.target.opened, 1);
    }

    #[test]
    fn another_host_is_answered_anew(seed in any::<u64>(), harm in harm(), left in 0usize..3) {
        let mut world = World::new(harm, seed);
        world.campaign(3);
        // The first host leaves with a request on its way, and perhaps a part of the response.
        let mut out = Vec::new();
        let message = request(9, &mut world.dice);
        world.asker.request(&message, |byte| out.push(byte));
        world.host_says(&out);
        for _ in 0..left * 100 {
            if let Some(byte) = world.there.bytes.pop_front() {
                let said = world.target.take(byte);
                world.back.carry(&said);
            }
        }
        let executed = world.target.executed.len();
        world.another_host();
        world.target.executed.truncate(executed);
        prop_assert_eq!(world.until_answered().expect("it lives"), answer(&open()));
        let executed = world.target.executed.len();
        let message = request(0, &mut world.dice);
        prop_assert!(world.ask(&message) == answer(&message));
        prop_assert!(world.target.executed[executed..] == [message]);
    }

    #[test]
    fn a_reset_is_told_and_no_answer_is_taken_for_another(
        seed in any::<u64>(),
        harm in harm(),
        bytes in 0usize..400,
    ) {
        let mut world = World::new(harm, seed);
        world.campaign(2);
        let message = request(9, &mut world.dice);
        let mut out = Vec::new();
        world.asker.request(&message, |byte| out.push(byte));
        world.host_says(&out);
        for _ in 0..bytes {
            if let Some(byte) = world.there.bytes.pop_front() {
                let said = world.target.take(byte);
                world.back.carry(&said);
            }
        }
        world.target = Target::new();
        match world.until_answered() {
            // All of it was on the line before the reset.
            Ok(response) => prop_assert!(response == answer(&message)),
            Err(event) => prop_assert_eq!(event, Event::Reset),
        }
        prop_assert!(world.target.executed.is_empty(), "nothing is executed without a session");
    }

    #[test]
    fn any_bytes_are_survived(stream in prop::collection::vec(any::<u8>(), 0..4000)) {
        let mut asker = Asker::new(7, vec![0; MAX_MESSAGE], vec![0; MAX_MESSAGE]);
        let mut target = Target::new();
        for &byte in &stream {
            asker.take(byte, |_| {});
            target.take(byte);
        }
        prop_assert!(target.executed.is_empty());
    }

    #[test]
    fn any_segments_are_survived(
        segments in prop::collection::vec(
            (0usize..8, any::<u8>(), 0u32..3, 0u32..3, 0u16..600, 0u16..9000,
             prop::collection::vec(any::<u8>(), 0..=PAYLOAD)),
            0..100,
        ),
    ) {
        let kinds = [
            SegmentKind::Request, SegmentKind::RequestLast, SegmentKind::Ask, SegmentKind::Response, SegmentKind::ResponseLast,
            SegmentKind::Need, SegmentKind::Beacon, SegmentKind::Epitaph,
        ];
        let mut asker = Asker::new(1, vec![0; MAX_MESSAGE], vec![0; MAX_MESSAGE]);
        let mut target = Target::new();
        for (kind, turn, session, number, index, words, payload) in &segments {
            let segment = Segment {
                kind: kinds[*kind], turn: *turn, session: *session, number: *number, index: *index,
                words: *words, payload,
            };
            let mut bytes = Vec::new();
            segment.send(|byte| bytes.push(byte));
            for byte in bytes {
                target.take(byte);
                asker.take(byte, |_| {});
                asker.overdue(|_| {});
            }
        }
    }

    #[test]
    fn parts_are_told_and_understood(indices in prop::collection::vec(0u16..512, 0..40)) {
        let mut assembly = super::assembly::Assembly::new(vec![0; MAX_MESSAGE]);
        for &index in &indices {
            let payload = &[1; PAYLOAD];
            let (kind, words) = (SegmentKind::Request, (MAX_MESSAGE / 8) as u16);
            assembly.add(&Segment { kind, turn: 0, session: 1, number: 0, index, words, payload });
        }
        let told = Parts::from_payload(assembly.has().as_payload());
        for index in 0..512 {
            prop_assert_eq!(told.contains(usize::from(index)), indices.contains(&index));
        }
    }
}

#[test]
fn the_largest_message_comes_through() {
    let noisy = Harm { noise: 300, burst: 2000, ..CLEAN };
    for harm in [CLEAN, noisy] {
        let mut world = World::new(harm, 1);
        world.campaign(0);
        let mut message: Vec<u8> = (0..MAX_MESSAGE).map(|at| (at / 8) as u8).collect();
        message[0] = 0xff;
        assert!(world.ask(&message) == answer(&message));
        assert!(world.target.executed == [message]);
    }
}

#[test]
fn a_clean_line_carries_nothing_twice() {
    let mut world = World::new(CLEAN, 7);
    world.campaign(50);
    assert_eq!((world.asker.sent_again(), world.asker.damaged()), (0, 0));
    // Nobody waits for a Beacon here: the host opens the session by itself.
    assert_eq!(world.turns_taken, 1);
}

#[test]
fn turns_do_not_multiply() {
    // The host asks again at each byte that it hears, and no byte is lost.
    let mut world = World::new(CLEAN, 7);
    world.campaign(0);
    let message = request(9, &mut world.dice);
    let mut out = Vec::new();
    world.asker.request(&message, |byte| out.push(byte));
    for _ in 0..100 {
        world.asker.overdue(|byte| out.push(byte));
    }
    world.host_says(&out);
    let mut said = 0;
    while let Some(byte) = world.there.bytes.pop_front() {
        let bytes = world.target.take(byte);
        said += bytes.len();
        world.back.carry(&bytes);
    }
    let mut answered = Vec::new();
    while let Some(byte) = world.back.bytes.pop_front() {
        world.asker.take(byte, |byte| answered.push(byte));
    }
    assert!(answered.is_empty(), "{} bytes were said to {said}", answered.len());
    assert!(world.asker.response() == answer(&message));
}

#[test]
fn a_beacon_opens_a_session_at_once_and_resets_a_later_one() {
    let mut world = World::new(CLEAN, 7);
    let mut beacon = Vec::new();
    send_beacon(|byte| beacon.push(byte));
    let chatter = b"U-Boot 2025.01\r\nHit any key to stop autoboot: \0\xff";
    world.back.carry(&[&chatter[..], &beacon].concat());
    world.campaign(1);
    assert_eq!((world.turns_taken, world.asker.damaged()), (0, 0));

    let mut out = Vec::new();
    world.asker.request(&request(2, &mut world.dice), |byte| out.push(byte));
    world.back.carry(&beacon);
    assert_eq!(world.until_answered(), Err(Event::Reset));
}

#[test]
fn executors_of_other_versions_are_told() {
    let buffer = || vec![0; MAX_MESSAGE];
    let hear = |bytes: &[u8]| {
        let mut asker = Asker::new(7, buffer(), buffer());
        bytes.iter().map(|byte| asker.take(*byte, |_| {})).find(|event| *event != Event::Nothing)
    };
    // As `link` 4 sent its Hello, beyond 254 bytes of it that are not zero.
    for version in [1u32, 4] {
        let body: Vec<u8> =
            version.to_le_bytes().into_iter().chain((0..420).map(|at| at as u8)).collect();
        let message = [Head::new(MessageKind::Hello, 424, 0).as_bytes(), &body].concat();
        let mut stream = b"noise\0".to_vec();
        old_frame(&message, &mut stream);
        assert_eq!(hear(&stream), Some(Event::Version(version)));
    }
    let next = VERSION + 1;
    let payload = &next.to_le_bytes();
    let (session, number, index, words) = (0, 0, 0, 0);
    let beacon =
        Segment { kind: SegmentKind::Beacon, turn: 0, session, number, index, words, payload };
    let mut stream = Vec::new();
    beacon.send(|byte| stream.push(byte));
    assert_eq!(hear(&stream), Some(Event::Version(next)));
}

/// A frame as `link` 4 made them: COBS, and no escapes.
fn old_frame(message: &[u8], stream: &mut Vec<u8>) {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(message).to_le_bytes();
    let bytes = [message, &crc].concat();
    let mut blocks = bytes.split(|byte| *byte == 0);
    let mut rest = blocks.next();
    while let Some(block) = rest {
        let (now, later) = block.split_at(block.len().min(254));
        stream.push(now.len() as u8 + 1);
        stream.extend(now);
        rest = if now.len() == 254 { Some(later) } else { blocks.next() };
    }
    stream.push(0);
}

#[test]
fn an_epitaph_is_heard_in_and_before_a_session_and_not_of_another() {
    let mut message = Head::new(MessageKind::Epitaph, 32, 0).as_bytes().to_vec();
    message.extend([9; 32]);
    for (session, is_heard) in [(0, true), (7, true), (8, false)] {
        let mut asker = Asker::new(7, vec![0; MAX_MESSAGE], vec![0; MAX_MESSAGE]);
        let mut stream = Vec::new();
        send_epitaph(session, &message, |byte| stream.push(byte));
        // One of them is enough.
        stream.drain(..20);
        let mut events = stream.iter().map(|byte| asker.take(*byte, |_| {}));
        let event = events.find(|event| *event != Event::Nothing);
        drop(events);
        assert_eq!(event, is_heard.then_some(Event::Epitaph(message.len())), "session {session}");
        assert!(!is_heard || asker.last_words(message.len()) == message);
    }
}

#[test]
fn a_segment_is_as_long_as_it_says() {
    let payload = &[0x11; PAYLOAD];
    let session = 0x1111_1111;
    let (turn, number, index, words) = (0x11, session, 0x1111, 0x1111);
    let segment =
        Segment { kind: SegmentKind::Request, turn, session, number, index, words, payload };
    let mut bytes = Vec::new();
    frame::begin(|byte| bytes.push(byte));
    segment.send(|byte| bytes.push(byte));
    assert!(bytes.len() <= MOST_ON_LINE, "{}", bytes.len());
}
