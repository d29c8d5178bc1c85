//! What gateways bring: any request is proved, read and judged without harm, and nobody proves itself by chance.
#![no_main]

use countersign::dialect::Dialect;
use countersign::dialect::mapping::{ID_MAX, TEXT_MAX};
use countersign::dialect::raw::RawInbound;
use countersign::domain::challenge::Shape;
use countersign::domain::code::Secret;
use countersign::domain::reply::{Candidate, canonical, read};
use countersign::domain::time::Timestamp;
use std::sync::LazyLock;

const SHAPES: [Shape; 6] = [Shape::Digits(4), Shape::Digits(6), Shape::Otpa, Shape::Free, Shape::OtpThen, Shape::OtpaThen];
const NOW: Timestamp = Timestamp::from_millis(1_795_294_800_000);

// Every preset and mapping, and every proof; whether the proof is one that can't be had by chance.
static DIALECTS: LazyLock<Vec<(Dialect, bool)>> = LazyLock::new(|| {
    let mappings = [
        "preset = 'kannel'",
        "preset = 'twilio'",
        "preset = 'sandbox'",
        "preset = 'json'",
        "mapping = { source = 'form', from = 'f', text = 't', charset = 'windows-1252', charset_field = 'c' }",
        "mapping = { source = 'json', from = '/m/0/f', to = '/m/0/to', text = '/m/0/t', id = '/id', id_optional = true }",
        "mapping = { source = 'query', from = 'f', text = 't', charset = 'ucs-2' }",
    ];
    let proofs = [
        "proof = 'networks'\nnetworks = ['127.0.0.0/8']",
        "proof = { twilio = { public_url = 'https://b.example/in' } }\nsecret_file = 's'",
        "proof = { basic = { user = 'gw' } }\nsecret_file = 's'",
        "proof = { hmac = { header = 'x-s', prefix = 'sha256=' } }\nsecret_file = 's'",
        "proof = { hmac = { header = 'x-s', algorithm = 'sha1', encoding = 'base64', timestamp_header = 'x-t' } }\nsecret_file = 's'",
    ];
    let all = mappings.iter().flat_map(|mapping| proofs.iter().map(move |proof| format!("name = 'g'\n{mapping}\n{proof}")));
    all.map(|it| {
        let settings = toml::from_str(&it).expect("the settings are well-formed");
        (Dialect::new(settings).expect("the settings make sense"), !it.contains("proof = 'networks'"))
    })
    .collect()
});

// The first byte chooses the dialect; then the request as on the wire: method, target, headers, an empty line, the body.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((how, wire)) = bytes.split_first() else { return };
    let end = wire.windows(2).position(|it| it == b"\n\n").unwrap_or(wire.len());
    let Ok(head) = std::str::from_utf8(&wire[..end]) else { return };
    let body = wire.get(end + 2..).unwrap_or_default();
    let mut lines = head.lines();
    let (method, target) = lines.next().unwrap_or_default().split_once(' ').unwrap_or(("POST", "/"));
    let headers: Vec<(&str, &str)> = lines.filter_map(|it| it.split_once(':')).collect();
    let raw = RawInbound { method, target, headers: &headers, body, peer: [127, 0, 0, 1].into() };
    let (dialect, is_secret) = &DIALECTS[usize::from(*how) % DIALECTS.len()];
    let proved = dialect.verify(&raw, &[Secret::new("Zr0W6cJ4c1mUuS9oHqk3xg"), Secret::new("")], NOW);
    assert!(proved.is_err() || !is_secret, "somebody proved itself by chance");
    match dialect.read(&raw, NOW) {
        Ok(sms) => {
            assert!(sms.text.expose().chars().count() <= TEXT_MAX);
            assert!(sms.provider_id.is_none_or(|it| !it.is_empty() && it.len() <= ID_MAX));
            let digits = sms.from.expose().strip_prefix('+').unwrap_or(sms.from.expose());
            assert!((3..=15).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit()), "the handset is no number");
            reply(sms.text.expose());
        }
        Err(bad) => assert!(matches!(bad.status(), 400 | 405 | 413 | 415) && bad.to_string().len() < 200),
    }
    reply(&String::from_utf8_lossy(body));
});

fn reply(text: &str) {
    let reading = read(text);
    for shape in SHAPES {
        let Candidate::One(code) = reading.candidate(shape) else { continue };
        let code = code.expose();
        assert!(!reading.denied() && reading.keyword().is_none(), "a refusal that is an answer");
        assert!(!code.is_empty() && !code.contains(char::is_whitespace), "{shape:?}: a candidate with white space, or none");
        if let Shape::Digits(n) = shape {
            assert!(code.len() == usize::from(n) && code.bytes().all(|it| it.is_ascii_digit()), "{shape:?}: no such number");
        }
        assert!(canonical(code).expose() == code, "{shape:?}: a candidate that is not in its plain form");
    }
}
