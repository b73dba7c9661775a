//! Run with `scripts/fuzz gdb`, or `cargo +nightly fuzz run --features libfuzzer gdb` from the folder `runner`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    decoders::gdb::decode(data);
});
