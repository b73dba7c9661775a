//! Run with `scripts/fuzz vectors`, or `cargo +nightly fuzz run --features libfuzzer vectors` from the folder `runner`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    decoders::vectors::decode(data);
});
