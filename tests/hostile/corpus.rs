//! The corpus in `fixtures/hostile`: how its files are written (docs/proof.md, "Hostile input").

use super::http_stand::IMS;
use serde::Deserialize;
use std::path::Path;

const FOLDER: &str = "fixtures/hostile";

/// What is sent, and what must come back.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Case {
    /// The file. `.xml`: a document that is posted; `.http`: all that goes over the wire.
    pub file: String,
    pub about: String,
    /// `Content-Type`; unset: SOAP 1.1 in UTF-8.
    pub media: Option<String>,
    /// `SOAPAction`.
    pub action: Option<String>,
    /// Turned into this before it is sent: `utf-16le`, `utf-16be`, `utf-32le`.
    pub encoding: Option<String>,
    /// With a byte order mark.
    pub mark: bool,
    /// Without Basic.
    pub basic: Option<bool>,
    /// `engine`: the reader lets it in, and the rules refuse it; for a whole server only.
    pub by: Option<String>,
    /// Status of each answer; none: the connection is closed without one.
    pub answers: Vec<u16>,
    /// The fault's code, in the last answer.
    pub fault: Option<String>,
    /// Each `ErrCode`.
    pub codes: Vec<String>,
    /// Stands in the last answer.
    pub says: Option<String>,
    /// Stands in no answer, in any case of letters.
    pub never: Option<String>,
    /// Phones of the challenges that are opened; none unless it says so.
    pub phones: Vec<String>,
    /// Texts of the replies that are judged.
    pub replies: Vec<String>,
}

/// What is written to the connection, in order.
#[derive(Debug, PartialEq)]
pub enum Step {
    Send(Vec<u8>),
    /// A byte at a time, with pauses.
    Dribble(Vec<u8>),
    /// Closed for writing.
    Half,
}

/// Who the requests come from.
#[derive(Clone)]
pub struct Caller {
    pub user: &'static str,
    pub password: &'static str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    case: Vec<Case>,
}

/// All cases. Fails for a file that no case names, and for a case without its file.
pub fn cases() -> Vec<Case> {
    let index: Index = toml::from_str(&std::fs::read_to_string(format!("{FOLDER}/cases.toml")).unwrap()).unwrap();
    let named: Vec<&str> = index.case.iter().map(|it| it.file.as_str()).collect();
    for entry in std::fs::read_dir(FOLDER).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let count = named.iter().filter(|it| **it == name).count();
        assert!(count == 1 || name == "cases.toml" && count == 0, "{name} is named {count} times in cases.toml");
    }
    assert!(named.iter().all(|it| Path::new(FOLDER).join(it).exists()), "a case has no file");
    index.case
}

impl Case {
    /// What to write.
    pub fn steps(&self, caller: &Caller) -> Vec<Step> {
        let source = std::fs::read(format!("{FOLDER}/{}", self.file)).unwrap();
        // Bytes as characters of their number: expansion works on text, and no byte is lost.
        let source: String = source.into_iter().map(char::from).collect();
        if self.file.ends_with(".xml") {
            return vec![Step::Send(self.post(&bytes(&expand(&source, caller)), caller))];
        }
        let text = expand(&source.replace('\n', ""), caller);
        let (mut steps, mut rest) = (Vec::new(), text.as_str());
        let mut slow = false;
        loop {
            let at = ["{{slow}}", "{{half}}"].into_iter().filter_map(|mark| Some((rest.find(mark)?, mark))).min();
            let part = unescape(&rest[..at.map_or(rest.len(), |it| it.0)]);
            if !part.is_empty() {
                steps.push(if slow { Step::Dribble(part) } else { Step::Send(part) });
            }
            let Some((at, mark)) = at else { return steps };
            slow |= mark == "{{slow}}";
            steps.extend((mark == "{{half}}").then_some(Step::Half));
            rest = &rest[at + mark.len()..];
        }
    }

    fn post(&self, document: &[u8], caller: &Caller) -> Vec<u8> {
        let body = self.encode(document);
        let basic = if self.basic == Some(false) { String::new() } else { authorization(caller) };
        let media = self.media.as_deref().unwrap_or("text/xml; charset=utf-8");
        let action = self.action.as_ref().map(|it| format!("SOAPAction: {it}\r\n")).unwrap_or_default();
        let head = format!("POST {IMS} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: {media}\r\n{action}{basic}");
        [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat()
    }

    fn encode(&self, document: &[u8]) -> Vec<u8> {
        let text = || String::from_utf8(document.to_vec()).unwrap();
        let mark = if self.mark { "\u{FEFF}" } else { "" };
        let wide = |unit: fn(u16) -> [u8; 2]| format!("{mark}{}", text()).encode_utf16().flat_map(unit).collect();
        match self.encoding.as_deref() {
            None => document.to_vec(),
            Some("utf-16le") => wide(u16::to_le_bytes),
            Some("utf-16be") => wide(u16::to_be_bytes),
            Some("utf-32le") => format!("{mark}{}", text()).chars().flat_map(|it| u32::from(it).to_le_bytes()).collect(),
            Some(other) => panic!("{other}"),
        }
    }
}

/// An explicit request, on one line.
pub fn envelope() -> String {
    super::http_stand::envelope("").replace("</PhoneNum>", "</PhoneNum><SMSText>Your code is &lt;%$otp%&gt;.</SMSText>")
}

pub fn authorization(caller: &Caller) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{}:{}", caller.user, caller.password)))
}

/// A whole request that is kept alive.
pub fn request(headers: &str, body: &str) -> String {
    format!("POST {IMS} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn ping() -> String {
    let body = "<PingRq xmlns=\"http://jackhenry.com/jxchange/TPG/2008\">a</PingRq>";
    format!("<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{body}</s:Body></s:Envelope>")
}

// Innermost first: `{{3*x}}` is xxx, with § as the number of each; other words are parts of requests.
fn expand(text: &str, caller: &Caller) -> String {
    let mut text = text.to_owned();
    let mut from = text.len();
    while let Some(start) = text[..from].rfind("{{") {
        let end = start + text[start..].find("}}").expect("what is opened is closed");
        let inner = &text[start + 2..end];
        let expanded = match inner.split_once('*') {
            Some((count, what)) if count.bytes().all(|it| it.is_ascii_digit()) => {
                let count: usize = count.parse().unwrap();
                Some((0..count).map(|n| what.replace("\u{c2}\u{a7}", &n.to_string())).collect())
            }
            _ => word(inner, &text[end + 2..], caller),
        };
        if let Some(expanded) = expanded {
            text.replace_range(start..end + 2, &expanded);
        }
        from = start;
    }
    text
}

fn word(word: &str, rest: &str, caller: &Caller) -> Option<String> {
    let escaped = |text: String| text.replace("\r\n", "\\r\\n");
    Some(match word {
        "ims" => IMS.to_owned(),
        "user" => caller.user.to_owned(),
        "password" => caller.password.to_owned(),
        "basic" => escaped(authorization(caller)),
        "gateway" => escaped(authorization(&Caller { user: "gw", password: "gateway-secret" })),
        "envelope" => envelope(),
        "ping" => escaped(request("", &ping())),
        "order" => escaped(request(&authorization(caller), &envelope())),
        "rest" => format!("Content-Length: {}\\r\\n\\r\\n", unescape(rest).len()),
        "slow" | "half" => return None,
        other => panic!("{other} is no word of the corpus"),
    })
}

fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|it| u8::try_from(u32::from(it)).unwrap()).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let (raw, mut out) = (bytes(text), Vec::new());
    let mut rest = raw.as_slice();
    while let [first, after @ ..] = rest {
        let (byte, used) = match (first, after) {
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b'0', ..]) => (0, 2),
            (b'\\', [b'x', high, low, ..]) => (u8::from_str_radix(&format!("{}{}", char::from(*high), char::from(*low)), 16).unwrap(), 4),
            (b'\\', _) => panic!("an unknown escape"),
            (byte, _) => (*byte, 1),
        };
        out.push(byte);
        rest = &rest[used..];
    }
    out
}

#[test]
fn files_are_written_as_documented() {
    let caller = Caller { user: "u", password: "p" };
    assert_eq!(expand("a{{2*b§{{2*c}}}}{{ims}}", &caller).replace('\u{c2}', ""), format!("ab§ccb§cc{IMS}"));
    let bytes: String = "{{2*b§}}".bytes().map(char::from).collect();
    assert_eq!(expand(&bytes, &caller), "b0b1");
    assert_eq!(expand("{{rest}}a\\r\\x00{{3*b}}", &caller), "Content-Length: 6\\r\\n\\r\\na\\r\\x00bbb");
    assert_eq!(unescape("a\\r\\n\\0\\xff"), b"a\r\n\0\xff");
}
