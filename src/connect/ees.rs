//! SOAP push to a subscriber of the Enterprise Event System: `EESEventAdd` (contract `events.md`, SOAP push).
//!
//! The envelope's codec is handed in, so that this file knows only HTTP.

use super::client::{Call, Caller, Reply, sensitive};
use super::contract::{Pushed, Sink, Soon};
use super::guard::Reach;
use super::setting::{Basic, Now, Unusable};
use crate::domain::event::FeedEvent;
use crate::domain::time::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// The operation's SOAPAction; quoted on the wire (SOAP 1.1, section 6.1.1).
pub const ACTION: &str = "http://jackhenry.com/ws/EESEventAdd";

/// Settings of an EES subscriber.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its name in logs, metrics and delivery lists.
    pub name: String,
    /// Where to: https and a domain name.
    pub url: String,
    /// User and password; never anonymous.
    pub basic: Basic,
    /// Time for one request, in milliseconds; 1 to 120,000.
    #[serde(default = "thirty_seconds")]
    pub timeout_ms: u64,
    /// `http` is allowed.
    #[serde(default)]
    pub allow_plain: bool,
    /// Private, loopback and link-local addresses are allowed.
    #[serde(default)]
    pub allow_private: bool,
    /// A literal address is allowed, not only a domain name.
    #[serde(default)]
    pub allow_address: bool,
    /// A PEM file of the only authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// What an answer's envelope says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// An envelope without a fault.
    Acknowledged,
    /// A fault.
    Fault {
        /// Its code is `Server`: the subscriber's own trouble, which may pass (SOAP 1.1, section 4.4.1).
        server: bool,
        /// `faultstring`, or what there is of it.
        text: String,
    },
    /// Not an envelope.
    Unreadable,
}

/// Writes the request's envelope; the time is for its Timestamp and header.
pub type Encode = Box<dyn Fn(&[FeedEvent], Timestamp) -> String + Send + Sync>;
/// Reads the answer's envelope.
pub type ReadAnswer = Box<dyn Fn(&[u8]) -> Told + Send + Sync>;

/// The envelope's codec.
pub struct Codec {
    /// Writes the request.
    pub encode: Encode,
    /// Reads the answer.
    pub read_answer: ReadAnswer,
}

/// A subscriber, ready to push.
pub struct EesSink {
    name: String,
    url: Url,
    headers: HeaderMap,
    codec: Codec,
    caller: Caller,
    now: Now,
}

impl EesSink {
    /// Reads secrets and checks the settings.
    pub fn new(settings: Settings, codec: Codec, now: Now) -> Result<Self, Unusable> {
        let complain = |text: String| Unusable(format!("EES subscriber {}: {text}", settings.name));
        let url = Url::parse(&settings.url).map_err(|error| complain(format!("url: {error}")))?;
        let reach = Reach { plain: settings.allow_plain, private: settings.allow_private, literal: settings.allow_address };
        reach.check(&url).map_err(|error| complain(error.to_string()))?;
        if !(1..=120_000).contains(&settings.timeout_ms) {
            return Err(complain("timeout_ms must be 1 to 120000".to_owned()));
        }
        let caller = Caller::new(reach, settings.ca_file.as_deref(), Duration::from_millis(settings.timeout_ms))?;
        Ok(Self { name: settings.name, url, headers: headers(&settings.basic)?, codec, caller, now })
    }

    fn judge(&self, reply: &Reply) -> Pushed {
        // A fault comes with 500 (SOAP 1.1, section 6.2), but not from everybody.
        match (reply.status, (self.codec.read_answer)(&reply.body)) {
            (_, Told::Fault { server: false, text }) => Pushed::Refused(shown("fault", &text)),
            (_, Told::Fault { server: true, text }) => Pushed::Later(shown("server fault", &text)),
            (200..=299, Told::Acknowledged) => Pushed::Taken,
            (200..=299, Told::Unreadable) => Pushed::Later("the answer is no SOAP envelope".to_owned()),
            (status, _) => Pushed::Later(format!("status {status}")),
        }
    }
}

impl Sink for EesSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn push<'a>(&'a self, events: &'a [FeedEvent]) -> Soon<'a, Pushed> {
        Box::pin(async move {
            if events.is_empty() {
                return Pushed::Taken;
            }
            let body = (self.codec.encode)(events, (self.now)()).into_bytes();
            let call = Call { method: Method::POST, url: self.url.clone(), headers: self.headers.clone(), body };
            match self.caller.exchange(call).await {
                Ok(reply) => self.judge(&reply),
                Err(reason) => Pushed::Later(reason.to_owned()),
            }
        })
    }
}

fn headers(basic: &Basic) -> Result<HeaderMap, Unusable> {
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    let action = format!("\"{ACTION}\"");
    headers.insert(HeaderName::from_static("soapaction"), HeaderValue::from_str(&action).expect("the action is a URL"));
    let (name, value) = sensitive(AUTHORIZATION.as_str(), basic.header()?.expose())?;
    headers.insert(name, value);
    Ok(headers)
}

/// A peer's words, fit for a log line: one line, cut.
fn shown(what: &str, text: &str) -> String {
    let text: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(200).collect();
    format!("{what}: {}", text.trim())
}

fn thirty_seconds() -> u64 {
    30_000
}
