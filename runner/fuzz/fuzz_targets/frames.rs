//! Run with `scripts/fuzz frames`, or `cargo +nightly fuzz run --features libfuzzer frames` from the folder `runner`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    decoders::frames::decode(data);
});
