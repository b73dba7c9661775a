//! Run with `scripts/fuzz mailbox`, or `cargo +nightly fuzz run --features libfuzzer mailbox` from the folder `runner`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    decoders::mailbox::decode(data);
});
