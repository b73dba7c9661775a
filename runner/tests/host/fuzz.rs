//! Decoders of untrusted bytes, fed with the corpus of the fuzz targets and with what damage makes of
//! it. It is what any compiler can do; `scripts/fuzz` goes on from there, guided by coverage.
//!
//! After a change of what is decoded, the corpus is made anew by
//!
//! ```console
//! $ SEEDS=overwrite cargo test -p runner --test host fuzz
//! ```

#[path = "../../fuzz/src/lib.rs"]
mod decoders;
mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Damaged inputs a target.
const INPUTS: u64 = 2_000;

/// Inputs are not made larger than this.
const MOST_BYTES: usize = 8 << 10;

/// Replays the corpus of `target`, then damages it. A failing input is left in a file.
fn survives(target: &str, decode: fn(&[u8]) -> bool) {
    if std::env::var_os("SEEDS").is_some_and(|what| what == "overwrite") {
        seeds::overwrite(target);
    }
    let seeds = seeds::read(target);
    for (name, bytes) in &seeds {
        let again = "make the corpus anew: SEEDS=overwrite cargo test -p runner --test host fuzz";
        assert!(fed(target, decode, bytes), "{name} is refused, and shows nothing; {again}");
    }
    let seeds: Vec<&[u8]> = seeds.iter().map(|(_, bytes)| &bytes[..]).collect();
    let mut random = Random(0);
    let accepted = (0..INPUTS).filter(|_| fed(target, decode, &damaged(&seeds, &mut random)));
    assert!(accepted.count() > 0, "damage leaves nothing that is decoded");
}

fn fed(target: &str, decode: fn(&[u8]) -> bool, bytes: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| decode(bytes))).unwrap_or_else(|_| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}"));
        std::fs::write(&file, bytes).expect("a file for the input");
        panic!("{target} does not survive the {} bytes in {}", bytes.len(), file.display());
    })
}

#[test]
fn a_mailbox_survives_its_target() {
    survives("mailbox", decoders::mailbox::decode);
}

#[test]
fn frames_survive_any_stream() {
    survives("frames", decoders::frames::decode);
}

#[test]
fn the_runner_survives_its_debugger() {
    survives("gdb", decoders::gdb::decode);
}

#[test]
fn a_case_survives_any_words() {
    survives("case", decoders::case::decode);
}

#[test]
fn records_survive_any_disk() {
    survives("records", decoders::records::decode);
}

#[test]
fn vectors_survive_any_file() {
    survives("vectors", decoders::vectors::decode);
}

#[test]
fn suites_survive_any_text() {
    survives("suites", decoders::suites::decode);
}

/// SplitMix64: the same inputs on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Bytes that mean something to somebody.
const MARKS: &[u8] = b" \n0123456789-+:,.{}[]\"'#&*!|>%@`x\0\xff";

/// A seed with a few things changed.
fn damaged(seeds: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(32)).min(bytes.len());
        match random.below(8) {
            _ if bytes.is_empty() => bytes.push(random.next() as u8),
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes[at] = MARKS[random.below(MARKS.len())],
            3 => drop(bytes.drain(at..end)),
            4 => {
                let copy = bytes[at..end].to_vec();
                let place = random.below(bytes.len());
                bytes.splice(place..place, copy);
            }
            5 => bytes.truncate(at),
            6 => {
                let words = [0, 1, u64::MAX, 1 << 63, 1 << 32, u64::from(u32::MAX), random.next()];
                let word = words[random.below(words.len())].to_le_bytes();
                let whole = at & !7;
                bytes.iter_mut().skip(whole).zip(word).for_each(|(byte, new)| *byte = new);
            }
            _ => {
                let other = seeds[random.below(seeds.len())];
                bytes.truncate(at);
                bytes.extend(&other[random.below(other.len())..]);
            }
        }
    }
    bytes.truncate(MOST_BYTES);
    bytes
}
