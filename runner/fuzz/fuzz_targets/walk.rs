//! Run with `scripts/fuzz walk`, or `cargo +nightly fuzz run --features libfuzzer walk` from the folder `runner`.
#![no_main]

#[path = "../../../golden/tests/walker/world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let numbers: Vec<u64> = data
        .chunks_exact(8)
        .map(|bytes| bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
        .collect();
    world::World::new(&numbers).exercise();
});
