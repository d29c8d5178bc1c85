//! A target with a fault in it, which `fuzz/run --self-test` must find and report: else a crash could go unnoticed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(!bytes.starts_with(b"<a>"), "the planted fault");
});
