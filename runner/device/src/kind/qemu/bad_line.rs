//! A bad serial line between the host and a console: it harms bytes, and carries so many a second.
//!
//! ```text
//!   Frames ── socket pair ── one thread each way: harm, wait ── socket pair ── QEMU's chardev
//! ```
//!
//! What is harmed depends on the seed, the direction, the number of the boot, and how many bytes went
//! before; on no clock.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;
use suite::bounded::Bounded;

/// What a simulated line does to the bytes between host and console, both ways. The same bytes are
/// harmed in the same way whenever the machine is started for the first, second, .. time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct BadLine {
    /// One byte in so many is flipped, lost, doubled, or gets another before it.
    pub noise_every: Option<Bounded<20, 1_000_000_000>>,
    /// At one byte in so many a burst begins: up to 40 bytes in a row that are harmed.
    pub bursts_every: Option<Bounded<200, 1_000_000_000>>,
    /// How many bytes a second it carries: 11500 on a line of 115200 baud.
    pub bytes_per_second: Option<Bounded<100, 100_000_000>>,
    /// The seed of what is harmed.
    pub seed: u32,
}

/// The most bytes of a burst.
const LONGEST_BURST: u64 = 40;
/// So long a line may be ahead of its rate.
const SLICE: Duration = Duration::from_millis(5);

/// Puts `line` in front of the host's end `far` of a socket pair; returns the end that the host talks to
/// instead. `boot` tells one boot from another.
pub fn relay(line: &BadLine, boot: u64, far: UnixStream) -> io::Result<UnixStream> {
    let (ours, near) = UnixStream::pair()?;
    let rate = line.bytes_per_second.map(|rate| rate.get());
    for (direction, from, to) in
        [(0, near.try_clone()?, far.try_clone()?), (1, far.try_clone()?, near.try_clone()?)]
    {
        let harm = Harm::new(line, 2 * boot + direction);
        thread::Builder::new()
            .name("line".to_owned())
            .spawn(move || carry(from, to, harm, rate))?;
    }
    Ok(ours)
}

/// Carries bytes until one end is gone.
fn carry(mut from: UnixStream, mut to: UnixStream, mut harm: Harm, rate: Option<u64>) {
    let most = rate.map_or(4096, |rate| (rate * SLICE.as_millis() as u64 / 1000).clamp(1, 4096));
    let mut bytes = vec![0; most as usize];
    let mut free = Instant::now();
    let mut out = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        out.clear();
        bytes[..count].iter().for_each(|byte| harm.pass(*byte, &mut out));
        if let Some(rate) = rate {
            // The bytes are there when the last of them has gone over the line.
            free = free.max(Instant::now())
                + Duration::from_nanos(count as u64 * 1_000_000_000 / rate);
            thread::sleep(free.saturating_duration_since(Instant::now()));
        }
        if to.write_all(&out).is_err() {
            break;
        }
    }
    // The other end learns of it; where it is gone itself, it need not.
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// What harms the bytes of one direction.
struct Harm {
    noise: u64,
    bursts: u64,
    /// State of a generator of numbers that look random (SplitMix64).
    state: u64,
    /// Bytes left of a burst.
    burst: u64,
}

impl Harm {
    fn new(line: &BadLine, stream: u64) -> Self {
        let every = |every: Option<u64>| every.unwrap_or(0);
        Self {
            noise: every(line.noise_every.map(|every| every.get())),
            bursts: every(line.bursts_every.map(|every| every.get())),
            state: u64::from(line.seed) << 32 | stream,
            burst: 0,
        }
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.state;
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// True once in `every` times; never where that is 0.
    fn hits(&mut self, every: u64) -> bool {
        every != 0 && self.random().is_multiple_of(every)
    }

    /// Puts into `out` what becomes of `byte`.
    fn pass(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.hits(self.bursts) {
            self.burst = 1 + self.random() % LONGEST_BURST;
        }
        let is_harmed = self.burst > 0 || self.hits(self.noise);
        self.burst = self.burst.saturating_sub(1);
        if !is_harmed {
            return out.push(byte);
        }
        let other = self.random() as u8;
        match self.random() % 4 {
            0 => out.push(byte ^ 1 << (other % 8)),
            1 => {}
            2 => out.extend([byte, byte]),
            _ => out.extend([other, byte]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harmed(line: &BadLine, stream: u64, count: usize) -> Vec<u8> {
        let (mut harm, mut out) = (Harm::new(line, stream), Vec::new());
        (0..count).for_each(|_| harm.pass(7, &mut out));
        out
    }

    #[test]
    fn harm_is_as_frequent_as_asked_and_the_same_again() {
        let noise = BadLine { noise_every: Bounded::new(1000), seed: 1, ..BadLine::default() };
        let bursts = BadLine { bursts_every: Bounded::new(10_000), seed: 1, ..BadLine::default() };
        // A burst is of 20 bytes on average.
        for (line, least, most) in [(noise, 800, 1200), (bursts, 1500, 2500)] {
            let out = harmed(&line, 0, 1_000_000);
            assert_eq!(out, harmed(&line, 0, 1_000_000));
            assert_ne!(out, harmed(&line, 1, 1_000_000));
            // Half of the harm is seen in bytes that are not 7: flips, and most bytes put in.
            let strange = 2 * out.iter().filter(|byte| **byte != 7).count();
            assert!((least..most).contains(&strange), "{strange}");
        }
        assert_eq!(harmed(&BadLine::default(), 0, 1000), [7; 1000]);
    }

    #[test]
    fn bytes_go_both_ways_and_an_end_is_told() {
        let (far, mut console) = UnixStream::pair().expect("a socket pair");
        let line = BadLine { bytes_per_second: Bounded::new(100_000), ..BadLine::default() };
        let mut host = relay(&line, 0, far).expect("a line");
        let mut bytes = [0; 5];
        host.write_all(b"there").expect("it takes that");
        console.read_exact(&mut bytes).expect("it comes");
        assert_eq!(&bytes, b"there");
        console.write_all(b"again").expect("it takes that");
        host.read_exact(&mut bytes).expect("it comes");
        assert_eq!(&bytes, b"again");
        drop(console);
        assert_eq!(host.read(&mut bytes).expect("it ends"), 0);
    }
}
