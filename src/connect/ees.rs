//! SOAP push to a subscriber of the Enterprise Event System: `EESEventAdd` (contract `events.md`, SOAP push).

use super::client::{Call, Caller, Reply, sensitive, uri};
use super::contract::{Pushed, Sink, Soon};
use super::guard::Reach;
use super::setting::{Basic, Now, Unusable, time_out};
use crate::domain::feed::FeedEvent;
use crate::soap::{EES_ACTION, EesAnswer, EesPush, Stamp};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// How long a message's Timestamp holds (contract `events.md`, SOAP push).
const HOLDS: Duration = Duration::from_secs(5 * 60);
/// Events in a call at most.
const CALL_MAX: usize = 50;

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
    /// `ConsumerProd` of the header, and `EventProd`: the product that speaks.
    #[serde(default = "ens")]
    pub product: String,
    /// `AuditWsId`: where it speaks from.
    #[serde(default = "countersign")]
    pub audit_ws_id: String,
    /// `AuditUsrId`
    pub audit_usr_id: Option<String>,
    /// `ProdEnv`, where the subscriber expects one.
    pub environment: Option<String>,
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

/// A subscriber, ready to push.
pub struct EesSink {
    settings: Settings,
    uri: Uri,
    headers: HeaderMap,
    caller: Caller,
    now: Now,
}

impl EesSink {
    /// Reads secrets and checks the settings.
    pub fn new(settings: Settings, now: Now) -> Result<Self, Unusable> {
        let complain = |text: String| Unusable(format!("EES subscriber {}: {text}", settings.name));
        let url = Url::parse(&settings.url).map_err(|error| complain(format!("url: {error}")))?;
        let reach = Reach { plain: settings.allow_plain, private: settings.allow_private, literal: settings.allow_address };
        reach.check(&url).map_err(|error| complain(error.to_string()))?;
        let uri = uri(&url).map_err(|error| complain(error.0))?;
        let timeout = time_out(settings.timeout_ms).map_err(complain)?;
        let caller = Caller::new(reach, settings.ca_file.as_deref(), timeout)?;
        Ok(Self { uri, headers: headers(&settings.basic)?, settings, caller, now })
    }

    /// The envelope. Its tracking id is the first event's, so that a repeated push is told as one.
    fn write(&self, events: &[FeedEvent]) -> Vec<u8> {
        let created = (self.now)();
        let tracking_id = events.first().map(|it| it.id.to_string()).unwrap_or_default();
        let push = EesPush {
            audit_usr_id: self.settings.audit_usr_id.as_deref(),
            audit_ws_id: &self.settings.audit_ws_id,
            product: &self.settings.product,
            tracking_id: &tracking_id,
            environment: self.settings.environment.as_deref(),
            stamp: Stamp { created, expires: created.plus(HOLDS) },
            events,
        };
        push.write()
    }

    /// Only a fault about the content refuses. Trouble with our credentials, the address or the subscriber itself may pass, and must
    /// not park whatever comes by meanwhile.
    fn judge(&self, reply: &Reply) -> Pushed {
        let content_type = reply.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        // A fault comes with 500 (SOAP 1.1, section 6.2; 400 for a sender's, SOAP 1.2 part 2, table 20), but not from everybody.
        match (reply.status, EesAnswer::read(&reply.body, content_type)) {
            (200..=299 | 400 | 500, EesAnswer::Fault { code, text }) if is_content(&code, &text) => Pushed::Refused(shown("fault", &text)),
            (status, EesAnswer::Fault { code, text }) => Pushed::Later(shown(&format!("status {status}, fault {code}"), &text)),
            (200..=299, EesAnswer::Acknowledged { odd }) => {
                if let Some(odd) = odd {
                    tracing::info!(sink = self.settings.name, odd, "an acknowledgement differs from the contract");
                }
                Pushed::Taken
            }
            (200..=299, EesAnswer::Unreadable(_)) => Pushed::Later("the answer is no SOAP envelope".to_owned()),
            (status, _) => Pushed::Later(format!("status {status}")),
        }
    }
}

impl Sink for EesSink {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn in_one(&self) -> usize {
        CALL_MAX
    }

    /// Stops at the first call that is not acknowledged: what came before it is pushed again with the batch (at-least-once).
    fn push<'a>(&'a self, events: &'a [FeedEvent]) -> Soon<'a, Pushed> {
        Box::pin(async move {
            for events in events.chunks(CALL_MAX) {
                let call = Call { method: Method::POST, uri: self.uri.clone(), headers: self.headers.clone(), body: self.write(events) };
                let pushed = match self.caller.exchange(call).await {
                    Ok(reply) => self.judge(&reply),
                    Err(reason) => Pushed::Later(reason.to_owned()),
                };
                if pushed != Pushed::Taken {
                    return pushed;
                }
            }
            Pushed::Taken
        })
    }
}

/// Whether a fault is about the message: `Client` (SOAP 1.1, section 4.4.1), `Sender` in SOAP 1.2. Dotted codes refine. Neither
/// `Client.Authentication` nor codes of their own (`wsse:FailedAuthentication`, `wsa:DestinationUnreachable`) are, nor is an action
/// that the endpoint doesn't know: some stacks blame that on the client, but the address is wrong.
fn is_content(code: &str, text: &str) -> bool {
    let local = code.rsplit_once(':').map_or(code, |(_, local)| local);
    let mut parts = local.split('.');
    matches!(parts.next(), Some("Client" | "Sender"))
        && !parts.any(|it| it.starts_with("Auth"))
        && !text.to_ascii_lowercase().contains("soapaction")
}

fn headers(basic: &Basic) -> Result<HeaderMap, Unusable> {
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    // Quoted on the wire (SOAP 1.1, section 6.1.1).
    let action = format!("\"{EES_ACTION}\"");
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

fn ens() -> String {
    "ENS".to_owned()
}

fn countersign() -> String {
    "countersign".to_owned()
}

fn thirty_seconds() -> u64 {
    30_000
}
