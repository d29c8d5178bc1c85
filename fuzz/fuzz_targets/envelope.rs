//! SOAP messages: any bytes are read or refused within the limits, and whatever is answered is XML that we read ourselves.
#![no_main]

use countersign::domain::code::Secret;
use countersign::domain::id::AggregateId;
use countersign::domain::time::Timestamp;
use countersign::soap::xml::{Node, Reader};
use countersign::soap::{self, Call, EesAnswer, Fault, Malformed, Opened, Operation, Stamp, Version};

const MEDIA: [Option<&str>; 8] = [
    None,
    Some("text/xml; charset=utf-8"),
    Some("application/soap+xml; charset=utf-8; action=\"http://jackhenry.com/ws/OOBValidate\""),
    Some("text/xml; charset=utf-16"),
    Some("text/xml; charset=iso-8859-1"),
    Some("application/xml"),
    Some("text/xml"),
    Some("application/soap+xml; charset=\"utf-16le\""),
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((how, document)) = bytes.split_first() else { return };
    let media = MEDIA[usize::from(how & 7)];
    let read = soap::read(document, media, None);
    match &read {
        Ok(call) => answered(call),
        Err(malformed) => refused(malformed, document),
    }
    if let (true, Ok(text)) = (how & 7 == 0, std::str::from_utf8(document)) {
        alike(&read, text);
    }
    let _ = EesAnswer::read(document, media);
});

// What we answer is well-formed, whatever was sent; an echo comes back as it was.
fn answered(call: &Call) {
    let stamp = call.is_stamped().then(|| Stamp { created: Timestamp::default(), expires: Timestamp::default() });
    match &call.operation {
        Operation::Ping { root, text } => {
            let answer = soap::pong(call.version, *root, text, stamp);
            let echoed = texts(&answer);
            assert!(stamp.is_some() || echoed == *text, "the echo differs");
        }
        Operation::OobValidate { root, request } => {
            let header = request.header.clone().unwrap_or_default();
            let otp = Secret::new("123456");
            let opened = Opened {
                version: call.version,
                root: *root,
                header: &header,
                tracking_id: "t",
                id: AggregateId(uuid::Uuid::nil()),
                otp: Some(&otp),
                stamp,
            };
            texts(&opened.write());
            let (_, fault) = soap::write_fault(call.version, &Fault::Violations { header: Some(&header), list: &[] }, stamp);
            texts(&fault);
            assert!(request.data.len() <= 10_000 && header.audit_usr_id.is_none_or(|it| it.trim() == it));
        }
    }
}

// A fault is well-formed in both versions, and quotes nothing but the name of an element.
fn refused(malformed: &Malformed, document: &[u8]) {
    for version in [Version::V11, Version::V12] {
        texts(&soap::write_fault(version, &Fault::Malformed(malformed), None).1);
    }
    assert!(malformed.position.is_none_or(|it| it.offset <= document.len() * 2 && it.line > 0 && it.column > 0));
}

// The same characters in UTF-16 are read the same.
fn alike(read: &Result<Call, Malformed>, text: &str) {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let wide: Vec<u8> = std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    // What names its own encoding, or looks like UTF-16 without a mark, is not read as UTF-8.
    let telling = ["<?xml", "<\0", "\0<"].iter().any(|it| text.starts_with(it));
    if wide.len() > soap::MAX_BYTES || telling {
        return;
    }
    assert_eq!(format!("{:?}", soap::read(&wide, None, None)), format!("{read:?}"), "UTF-16 is read otherwise");
}

fn texts(document: &[u8]) -> String {
    let text = std::str::from_utf8(document).expect("what we write is UTF-8");
    let (mut reader, mut all) = (Reader::new(text), String::new());
    loop {
        match reader.node().expect("what we write is XML") {
            Node::Text(text) => all.push_str(&text),
            Node::Eof => return all,
            Node::Open(_) | Node::Close => {}
        }
    }
}
