//! Stored forms: any bytes are read or refused; what is read is written alike; a sealed value shows every changed byte.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((how, rest)) = bytes.split_first_chunk::<3>() else { return };
    match how[0] % 4 {
        0 => countersign::store::fuzzed::flips(rest, usize::from(u16::from_le_bytes([how[1], how[2]])), how[0]),
        _ => countersign::store::fuzzed::forms(rest),
    }
});
