//! Run with `scripts/fuzz records`, or `cargo +nightly fuzz run --features libfuzzer records` from the folder `runner`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    decoders::records::decode(data);
});
