//! Run with `scripts/fuzz case`, or `cargo +nightly fuzz run --features libfuzzer case` from the folder `runner`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    decoders::case::decode(data);
});
