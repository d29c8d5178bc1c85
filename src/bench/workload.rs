//! What a run asks for, request by request, and what counts as an answer.

use super::client::{Answer, Failure};
use super::envelope::{Auth, Caller, Envelope, PHONES_EACH, Values};
use super::phones;
use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::{SecondsFormat, TimeDelta, Utc};
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};
use url::Url;

/// How long the times in an envelope are used: well below what a server takes as fresh.
const FRESH: Duration = Duration::from_secs(1);

/// Requests of one run. Each has a phone or a recipient, and a correlation id, of its own.
pub struct Workload {
    envelopes: Vec<(Vec<u8>, Envelope)>,
    recipients: u32,
    run: String,
    next: Cell<u64>,
    moment: RefCell<Moment>,
}

struct Moment {
    read: Instant,
    created: String,
    expires: String,
}

impl Workload {
    /// Requests to `url`, of these envelopes in turn, for `recipients` registered ones.
    pub fn new(url: &Url, caller: &Caller, envelopes: Vec<Envelope>, recipients: u32) -> Result<Self> {
        ensure!(!envelopes.is_empty(), "no use case is chosen; --cases takes numbers from 1 to 8");
        let host = url.host_str().context("--url has no host")?;
        let port = url.port_or_known_default().context("--url has no port")?;
        let basic = match caller.auth {
            Auth::Token => String::new(),
            Auth::Basic => {
                format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{}:{}", caller.user, caller.password)))
            }
        };
        let head = |envelope: &Envelope| {
            format!(
                "POST {} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: countersign-bench\r\nContent-Type: text/xml; charset=utf-8\r\n\
                 SOAPAction: \"http://jackhenry.com/ws/OOBValidate\"\r\n{basic}Content-Length: {}\r\n\r\n",
                url.path(),
                envelope.sample().len()
            )
            .into_bytes()
        };
        let envelopes = envelopes.into_iter().map(|it| (head(&it), it)).collect();
        let run = format!("{}-", hex::encode(rand::random::<[u8; 8]>()));
        Ok(Self { envelopes, recipients: recipients.max(1), run, next: Cell::new(0), moment: RefCell::new(Moment::now()) })
    }

    /// Writes the next request into `bytes`, and gives its number.
    pub fn next(&self, bytes: &mut Vec<u8>) -> u64 {
        let index = self.next.replace(self.next.get() + 1);
        self.write(index, bytes);
        index
    }

    /// Requests written so far.
    pub fn written(&self) -> u64 {
        self.next.get()
    }

    /// How many envelopes there are, in turn.
    pub fn kinds(&self) -> usize {
        self.envelopes.len()
    }

    /// The use case of request `index`: 1 to 8, or 0 for one from a file.
    pub fn case(&self, index: u64) -> u8 {
        self.envelopes[self.turn(index)].1.case
    }

    /// Number of the phone that answers request `index`: in the order in which recipients' phones are registered.
    pub fn handset(&self, index: u64) -> u32 {
        let first = self.recipient(index, self.turn(index)) * PHONES_EACH;
        match self.case(index) {
            3 => first,
            4 => first + 2,
            5 => first + 3,
            _ => self.phone(index),
        }
    }

    /// Recipients, and how often each was asked for by one use case so far.
    pub fn reuse(&self) -> (u32, f64) {
        (self.recipients, self.written() as f64 / self.envelopes.len() as f64 / f64::from(self.recipients))
    }

    /// Bytes of an envelope, on average.
    pub fn envelope_bytes(&self) -> usize {
        self.envelopes.iter().map(|it| it.1.sample().len()).sum::<usize>() / self.envelopes.len()
    }

    fn write(&self, index: u64, bytes: &mut Vec<u8>) {
        let mut moment = self.moment.borrow_mut();
        if moment.read.elapsed() > FRESH {
            *moment = Moment::now();
        }
        let turn = self.turn(index);
        let (head, envelope) = &self.envelopes[turn];
        let values = Values {
            index,
            recipient: self.recipient(index, turn),
            phone: self.phone(index),
            run: &self.run,
            created: &moment.created,
            expires: &moment.expires,
        };
        bytes.clear();
        bytes.extend_from_slice(head);
        envelope.fill(&values, bytes);
    }

    fn turn(&self, index: u64) -> usize {
        usize::try_from(index % self.envelopes.len() as u64).unwrap_or_default()
    }

    // Each use case begins with another recipient, so that nobody is asked for twice at a time.
    fn recipient(&self, index: u64, turn: usize) -> u32 {
        let (count, all) = (self.envelopes.len() as u64, u64::from(self.recipients));
        let offset = turn as u64 * all / count;
        u32::try_from((index / count + offset) % all).unwrap_or_default()
    }

    // Not one of those that recipients have.
    fn phone(&self, index: u64) -> u32 {
        let taken = self.recipients * PHONES_EACH;
        taken + u32::try_from(index % u64::from(phones::COUNT - taken)).unwrap_or_default()
    }
}

impl Moment {
    fn now() -> Self {
        let text = |it: chrono::DateTime<Utc>| it.to_rfc3339_opts(SecondsFormat::Secs, true);
        let now = Utc::now();
        Self { read: Instant::now(), created: text(now), expires: text(now + TimeDelta::minutes(5)) }
    }
}

/// `None` when the answer acknowledges the request; else what kind of failure it is.
pub fn failure(answer: &Result<Answer<'_>, Failure>) -> Option<String> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return Some(failure.to_string()),
    };
    let text = std::str::from_utf8(answer.body).unwrap_or_default();
    if answer.status == 200 && text.contains("RsStat>Success<") {
        return None;
    }
    let codes: Vec<_> = text.split("ErrCode>").skip(1).step_by(2).filter_map(|it| it.split('<').next()).collect();
    let told = match codes.is_empty() {
        true => element(text, "faultstring").map_or("no acknowledgement".to_owned(), |it| format!("fault \"{}\"", short(it))),
        false => format!("fault {}", short(&codes.join(", "))),
    };
    Some(format!("status {}, {told}", answer.status))
}

/// The text of the first element of this name, whatever its prefix.
pub fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let at = xml.match_indices(name).find(|(at, _)| xml[at + name.len()..].starts_with('>') && !closes(&xml[..*at]))?.0;
    xml[at + name.len() + 1..].split('<').next()
}

fn closes(before: &str) -> bool {
    before.rsplit('<').next().is_none_or(|it| it.starts_with('/') || it.contains(['>', ' ']))
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn requests_have_people_of_their_own() {
        let caller = Caller { user: "bench".into(), password: "p".into(), auth: Auth::Basic };
        let envelopes = (1..=8).map(|it| Envelope::case(it, &caller)).collect();
        let work = Workload::new(&"http://127.0.0.1:80/x".parse().unwrap(), &caller, envelopes, 100).unwrap();
        let (mut seen, mut bytes) = (HashSet::new(), Vec::new());
        for expected in 0..800 {
            let index = work.next(&mut bytes);
            let text = String::from_utf8(bytes.clone()).unwrap();
            let who = element(&text, "ConsmRecipId").or(element(&text, "PhoneNum")).unwrap().to_owned();
            assert!(index == expected && seen.insert((work.case(index), who)), "{index}");
            assert!(seen.insert((0, element(&text, "BusCorrelId").unwrap().to_owned())));
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head} but {}", body.len());
        }
        assert!((work.reuse().1 - 1.0).abs() < 0.01);
    }

    #[test]
    fn only_a_success_acknowledges() {
        let check = |status, body: &str, expected: Option<&str>| {
            assert_eq!(failure(&Ok(Answer { status, body: body.as_bytes() })).as_deref(), expected, "{body}");
        };
        check(200, "<r:RsStat>Success</r:RsStat>", None);
        check(500, "<RsStat>Success</RsStat>", Some("status 500, no acknowledgement"));
        check(200, "<RsStat>Fail</RsStat>", Some("status 200, no acknowledgement"));
        check(200, "", Some("status 200, no acknowledgement"));
        check(500, "<faultstring>Access is denied.</faultstring>", Some("status 500, fault \"Access is denied.\""));
        check(
            500,
            "<faultstring>x</faultstring><ErrCode>3154</ErrCode><ErrCat/><ErrCode>3160</ErrCode>",
            Some("status 500, fault 3154, 3160"),
        );
        assert_eq!(failure(&Err(Failure::Closed)).as_deref(), Some("connection closed"));
    }

    #[test]
    fn elements_are_found_with_any_prefix() {
        let check = |xml: &str, expected| assert_eq!(element(xml, "OTP"), expected, "{xml}");
        check("<a><OTP>1</OTP></a>", Some("1"));
        check("<a><t:OTP>1</t:OTP></a>", Some("1"));
        check("<a><Name>OTP</Name></a>", None);
        check("<a></OTP>", None);
    }
}
