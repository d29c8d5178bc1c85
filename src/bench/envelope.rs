//! What is sent: envelopes with places for a phone, a recipient and an id, filled without reading them again.

use super::phones;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;

/// Bytes that every built-in envelope is made up to.
pub const SIZE: usize = 1_900;
/// Largest envelope file, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// Phones that a registered recipient has.
pub const PHONES_EACH: u32 = 4;
/// Recipients at most; the phones after theirs are for explicit requests.
pub const MOST_RECIPIENTS: u32 = 100_000;

/// The eight published use cases (contract), each as the body of the `OOBValidate` element after its header.
const CASES: [&str; 8] = [
    include_str!("mix/case1.xml"),
    include_str!("mix/case2.xml"),
    include_str!("mix/case3.xml"),
    include_str!("mix/case4.xml"),
    include_str!("mix/case5.xml"),
    include_str!("mix/case6.xml"),
    include_str!("mix/case7.xml"),
    include_str!("mix/case8.xml"),
];
/// What stands around them.
const FRAME: &str = include_str!("mix/frame.xml");
/// The header of a caller that proves itself by a UsernameToken.
const SECURITY: &str = include_str!("mix/security.xml");

/// How a caller proves itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Auth {
    /// A UsernameToken and a Timestamp in the SOAP header (OASIS WSS 1.0).
    Token,
    /// HTTP Basic.
    Basic,
}

/// Who calls.
pub struct Caller {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// Where they stand.
    pub auth: Auth,
}

/// What differs from request to request.
pub struct Values<'a> {
    /// Number of the request.
    pub index: u64,
    /// Number of the recipient that a native request is for.
    pub recipient: u32,
    /// Number of the phone that an explicit request is for.
    pub phone: u32,
    /// A text that no other run has: before the number, it is the correlation id.
    pub run: &'a str,
    /// Now, as xsd:dateTime.
    pub created: &'a str,
    /// Five minutes later.
    pub expires: &'a str,
}

enum Part {
    Text(Vec<u8>),
    Phone,
    Recipient,
    Correlation,
    Created,
    Expires,
}

/// An envelope, taken apart at its places.
pub struct Envelope {
    /// Its use case, 1 to 8; 0: from a file.
    pub case: u8,
    parts: Vec<Part>,
}

impl Envelope {
    /// A built-in use case, 1 to 8.
    pub fn case(number: u8, caller: &Caller) -> Self {
        let security = if caller.auth == Auth::Token { SECURITY.trim_end() } else { "" };
        let body = CASES[usize::from(number - 1)].trim_end();
        let text = FRAME.trim_end().replace("{security}", security).replace("{body}", body).replace("{user}", &escaped(&caller.user));
        let text = text.replace("{password}", &escaped(&caller.password));
        let bare = Self::parse(number, &text.replace("{memo}", ""));
        let memo: String = "Reference for the teller's journal; it is of no concern to the recipient. "
            .chars()
            .cycle()
            .take(SIZE.saturating_sub(bare.sample().len()))
            .collect();
        Self::parse(number, &text.replace("{memo}", &memo))
    }

    /// Reads an envelope file. `{phone}`, `{recipient}`, `{correlation}`, `{created}` and `{expires}` may stand in it.
    pub fn from_file(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).with_context(|| format!("--envelope {}", path.display()))?.len();
        ensure!(size <= LARGEST, "--envelope {}: larger than {LARGEST} bytes", path.display());
        let text = std::fs::read_to_string(path).with_context(|| format!("--envelope {}", path.display()))?;
        if !text.contains("{phone}") && !text.contains("{recipient}") {
            bail!(
                "--envelope {}: put {{phone}} or {{recipient}} where each request's own goes, else one phone gets them all",
                path.display()
            );
        }
        Ok(Self::parse(0, &text))
    }

    /// Appends the envelope with these values.
    pub fn fill(&self, values: &Values<'_>, into: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => into.extend_from_slice(text),
                Part::Phone => into.extend_from_slice(&phones::digits(values.phone)),
                Part::Recipient => {
                    into.push(b'R');
                    digits(u64::from(values.recipient), 6, into);
                }
                Part::Correlation => {
                    into.extend_from_slice(values.run.as_bytes());
                    digits(values.index, 12, into);
                }
                Part::Created => into.extend_from_slice(values.created.as_bytes()),
                Part::Expires => into.extend_from_slice(values.expires.as_bytes()),
            }
        }
    }

    /// The envelope with values of the usual length.
    pub fn sample(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (run, now) = ("0123456789abcdef-", "2026-01-01T00:00:00Z");
        self.fill(&Values { index: 0, recipient: 0, phone: 0, run, created: now, expires: now }, &mut bytes);
        bytes
    }

    fn parse(case: u8, text: &str) -> Self {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((at, name, part)) = next(rest) {
            parts.push(Part::Text(rest.as_bytes()[..at].to_vec()));
            parts.push(part);
            rest = &rest[at + name.len()..];
        }
        parts.push(Part::Text(rest.as_bytes().to_vec()));
        Self { case, parts }
    }
}

/// The name of recipient `index`.
pub fn recipient(index: u32) -> String {
    format!("R{index:06}")
}

fn next(text: &str) -> Option<(usize, &'static str, Part)> {
    let names = [
        ("{phone}", Part::Phone),
        ("{recipient}", Part::Recipient),
        ("{correlation}", Part::Correlation),
        ("{created}", Part::Created),
        ("{expires}", Part::Expires),
    ];
    names.into_iter().filter_map(|(name, part)| Some((text.find(name)?, name, part))).min_by_key(|it| it.0)
}

fn digits(value: u64, places: u32, into: &mut Vec<u8>) {
    let digit = |place| b'0' + u8::try_from(value / 10_u64.pow(place) % 10).expect("a digit is below ten");
    into.extend((0..places).rev().map(digit));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap;

    #[test]
    fn every_case_is_a_request_of_the_right_size() {
        for auth in [Auth::Token, Auth::Basic] {
            let caller = Caller { user: "bench".into(), password: "0123456789abcdefghijklmnopqrstuv".into(), auth };
            for number in 1..=8 {
                let bytes = Envelope::case(number, &caller).sample();
                assert!((SIZE..SIZE + 60).contains(&bytes.len()), "case {number}, {auth:?}: {} bytes", bytes.len());
                let call = soap::read(&bytes, Some("text/xml; charset=utf-8"), None).unwrap_or_else(|it| panic!("case {number}: {it:?}"));
                assert!(matches!(call.operation, soap::Operation::OobValidate { .. }));
                assert_eq!(call.security.is_some_and(|it| it.token.is_some()), auth == Auth::Token);
            }
        }
    }

    #[test]
    fn places_are_filled_in_any_order() {
        let envelope = Envelope::parse(0, "<a>{correlation}</a>{phone}{phone}<b>{recipient}{created}{x}{expires}");
        let mut bytes = Vec::new();
        envelope.fill(&Values { index: 7, recipient: 12, phone: 143, run: "r-", created: "C", expires: "E" }, &mut bytes);
        assert_eq!(String::from_utf8(bytes).unwrap(), "<a>r-000000000007</a>20155501432015550143<b>R000012C{x}E");
        assert_eq!(recipient(12), "R000012");
    }
}
