//! Run with `scripts/fuzz suites`, or `cargo +nightly fuzz run --features libfuzzer suites` from the folder `runner`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    decoders::suites::decode(data);
});
