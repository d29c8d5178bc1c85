//! Mail through SendGrid's v3 mail-send API, or whatever speaks it.
//!
//! SendGrid has no idempotency key: a message whose answer is lost is handed over again, and may arrive twice. The ids of the
//! challenge and the delivery go along as custom arguments, so that its event webhook tells which delivery an event is about
//! ([`crate::dialect::sendgrid`]). Tracking is off: a link that is rewritten may carry a code to others, and a picture tells who reads it.

use super::client::{Call, Caller, Reply, below, graphic, sensitive};
use super::contract::{Body, Connector, Message, Soon};
use super::guard::Reach;
use super::setting::{Now, Unusable, load_secret, time_out};
use crate::dialect::sendgrid::{CHALLENGE, DELIVERY, EventWebhook};
use crate::domain::delivery::Outcome;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Uri};
use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Longest category, in characters (SendGrid, mail send, `categories`).
const CATEGORY_MAX: usize = 255;
/// Longest name of a field that a refusal tells.
const FIELD_MAX: usize = 64;

/// Settings of SendGrid.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its name in logs, metrics and timelines.
    #[serde(default = "sendgrid")]
    pub name: String,
    /// Where its API is; `/v3/mail/send` follows. For accounts in the EU: `https://api.eu.sendgrid.com`.
    #[serde(default = "world")]
    pub base_url: String,
    /// The file with the API key; the permission "Mail Send" is enough.
    pub api_key_file: PathBuf,
    /// The mailbox of messages that name none: `Bank <alerts@bank.example>`. SendGrid must know it as a sender.
    pub from: String,
    /// Where answers go, when not to the sender.
    pub reply_to: Option<String>,
    /// Under which all are counted in SendGrid's statistics; no personal data.
    pub category: Option<String>,
    /// The verification key of its event webhook, as it shows it: events are then taken at `/inbound/receipts/{name}`. It is public.
    pub webhook_key: Option<String>,
    /// Time for one hand-over, in milliseconds; 1 to 120,000.
    #[serde(default = "ten_seconds")]
    pub timeout_ms: u64,
    /// `http` is allowed: for a stand-in on this host.
    #[serde(default)]
    pub allow_plain: bool,
    /// A PEM file of the only authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// Its event webhook, where one is set up.
    pub fn webhook(&self) -> Result<Option<EventWebhook>, Unusable> {
        let complain = |text: &str| Unusable(format!("sendgrid {}: webhook_key {text}", self.name));
        self.webhook_key.as_deref().map(EventWebhook::new).transpose().map_err(complain)
    }
}

/// SendGrid, ready to send.
pub struct SendGrid {
    name: String,
    uri: Uri,
    headers: HeaderMap,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    category: Option<String>,
    caller: Caller,
    now: Now,
}

impl SendGrid {
    /// Reads the key and checks the settings; connects to nothing yet.
    pub fn new(settings: Settings, now: Now) -> Result<Self, Unusable> {
        let complain = |text: String| Unusable(format!("sendgrid {}: {text}", settings.name));
        let reach = Reach { plain: settings.allow_plain, private: true, literal: true };
        let uri = below(&settings.base_url, "/v3/mail/send", reach).map_err(|text| complain(format!("base_url: {text}")))?;
        let mailbox = |what: &str, text: &str| text.parse().map_err(|error| complain(format!("{what} is no mailbox: {error}")));
        let from = mailbox("from", &settings.from)?;
        let reply_to = settings.reply_to.as_deref().map(|it| mailbox("reply_to", it)).transpose()?;
        if settings.category.as_ref().is_some_and(|it| it.is_empty() || it.chars().count() > CATEGORY_MAX) {
            return Err(complain(format!("category must have 1 to {CATEGORY_MAX} characters")));
        }
        let timeout = time_out(settings.timeout_ms).map_err(complain)?;
        let caller = Caller::new(reach, settings.ca_file.as_deref(), timeout)?;
        let key = load_secret(&settings.api_key_file)?;
        let bearer = zeroize::Zeroizing::new(format!("Bearer {}", key.expose()));
        let (name, value) = sensitive(AUTHORIZATION.as_str(), &bearer).map_err(|error| complain(error.0))?;
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(name, value);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { name: settings.name, uri, headers, from, reply_to, category: settings.category, caller, now })
    }

    /// The request's body. Header injection is impossible: mailboxes are parsed, and JSON has no headers but those written here.
    fn write(&self, message: &Message) -> Result<Vec<u8>, &'static str> {
        let Body::Mail { subject, text, html } = &message.body else {
            return Err("SendGrid sends mail only");
        };
        let own: Option<Mailbox> = message.from.as_deref().map(str::parse).transpose().map_err(|_| "the sender is no mailbox")?;
        let to: lettre::Address = message.to.expose().parse().map_err(|_| "the address is no mailbox")?;
        if subject.expose().chars().any(char::is_control) {
            return Err("the subject is more than one line");
        }
        // In this order, or SendGrid refuses them; an empty one it refuses as well.
        let parts = [("text/plain", text), ("text/html", html)];
        let parts = parts.into_iter().filter_map(|(kind, it)| it.as_ref().filter(|it| !it.is_empty()).map(|it| (kind, it)));
        let content: Vec<_> = parts.map(|(kind, value)| Part { kind, value: value.expose() }).collect();
        if content.is_empty() {
            return Err("the mail has no body");
        }
        let arguments = Arguments { challenge: message.about.to_string(), delivery: message.id.to_string() };
        let mail = Mail {
            personalizations: [Personalization { to: [Person { email: to.as_ref(), name: None }], custom_args: arguments }],
            from: Person::of(own.as_ref().unwrap_or(&self.from)),
            reply_to: self.reply_to.as_ref().map(Person::of),
            subject: subject.expose(),
            content,
            categories: self.category.as_ref().map(|it| [it.as_str()]),
            headers: Headers { auto_submitted: "auto-generated" },
            tracking_settings: Tracking::default(),
        };
        serde_json::to_vec(&mail).map_err(|_| "the mail can't be written as JSON")
    }

    /// 202 takes it. 400 and 413 are about the mail, and so is 403 where it blames the sender; other refusals are about our key or
    /// account and may pass: the mail is not at fault.
    fn judge(&self, reply: &Reply) -> Outcome {
        let status = reply.status;
        let refused = matches!(status, 400 | 403 | 413).then(|| field(reply));
        match (status, refused.flatten()) {
            (202, _) => Outcome::Accepted { provider_id: reply.id_in("x-message-id") },
            (400 | 413, Some(field)) => Outcome::Refused { reason: format!("status {status}, field {field}") },
            (400 | 413, None) => Outcome::Refused { reason: format!("status {status}") },
            (403, Some(field)) if field == "from" => {
                Outcome::Refused { reason: "status 403: the sender is not verified with SendGrid".to_owned() }
            }
            (401 | 403, _) => later(format!("SendGrid refuses our key or account ({status})"), None),
            (429, _) => later("status 429".to_owned(), self.pause(reply)),
            _ => later(format!("status {status}"), reply.retry_after()),
        }
    }

    /// What a throttled sender is to wait: `Retry-After`, or until the moment in `X-RateLimit-Reset`.
    fn pause(&self, reply: &Reply) -> Option<Duration> {
        let reset = || reply.headers.get("x-ratelimit-reset")?.to_str().ok()?.trim().parse().ok();
        reply.retry_after().or_else(|| reset().map(|seconds| reply.wait_until(seconds, (self.now)())))
    }
}

impl Connector for SendGrid {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Message) -> Soon<'a, Outcome> {
        Box::pin(async move {
            let body = match self.write(message) {
                Ok(body) => body,
                Err(reason) => return Outcome::Refused { reason: reason.to_owned() },
            };
            let call = Call { method: Method::POST, uri: self.uri.clone(), headers: self.headers.clone(), body };
            match self.caller.exchange(call).await {
                Ok(reply) => self.judge(&reply),
                Err(reason) => later(reason.to_owned(), None),
            }
        })
    }
}

/// The first field that an answer blames. Its message may hold an address, so that stays unread.
fn field(reply: &Reply) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        errors: Vec<Blamed>,
    }
    #[derive(Deserialize)]
    struct Blamed {
        field: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(&reply.body).ok()?;
    let named = answer.errors.into_iter().find_map(|it| it.field)?;
    let plain = named.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-[]".contains(&it));
    plain.then(|| graphic(&named, FIELD_MAX)).filter(|it| !it.is_empty())
}

fn later(reason: String, after: Option<Duration>) -> Outcome {
    Outcome::Later { reason, after }
}

#[derive(Serialize)]
struct Mail<'a> {
    personalizations: [Personalization<'a>; 1],
    from: Person<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Person<'a>>,
    subject: &'a str,
    content: Vec<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    categories: Option<[&'a str; 1]>,
    headers: Headers,
    tracking_settings: Tracking,
}

#[derive(Serialize)]
struct Personalization<'a> {
    to: [Person<'a>; 1],
    custom_args: Arguments,
}

#[derive(Serialize)]
struct Person<'a> {
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

impl<'a> Person<'a> {
    fn of(mailbox: &'a Mailbox) -> Self {
        Self { email: mailbox.email.as_ref(), name: mailbox.name.as_deref() }
    }
}

struct Arguments {
    challenge: String,
    delivery: String,
}

impl Serialize for Arguments {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map([(CHALLENGE, &self.challenge), (DELIVERY, &self.delivery)])
    }
}

#[derive(Serialize)]
struct Part<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    value: &'a str,
}

/// So that vacation responders stay silent (RFC 3834).
#[derive(Serialize)]
struct Headers {
    #[serde(rename = "Auto-Submitted")]
    auto_submitted: &'static str,
}

/// All off, whatever the account has as its default.
#[derive(Default, Serialize)]
struct Tracking {
    click_tracking: Clicks,
    open_tracking: Off,
    subscription_tracking: Off,
    ganalytics: Off,
}

#[derive(Default, Serialize)]
struct Clicks {
    enable: bool,
    enable_text: bool,
}

#[derive(Default, Serialize)]
struct Off {
    enable: bool,
}

fn sendgrid() -> String {
    "sendgrid".to_owned()
}

fn world() -> String {
    "https://api.sendgrid.com".to_owned()
}

fn ten_seconds() -> u64 {
    10_000
}
