//! JSON webhooks: CloudEvents, signed by Standard Webhooks.

use super::client::{Call, Caller, Reply, sensitive, uri};
use super::cloudevent::{self, BATCH, ONE};
use super::contract::{Pushed, Sink, Soon};
use super::guard::Reach;
use super::setting::{Now, Unusable, time_out};
use super::signature::Signer;
use crate::domain::feed::FeedEvent;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use serde::Deserialize;
use std::path::PathBuf;
use url::Url;

/// Most events in one request of [`Batch::Array`].
const BATCH_MAX: usize = 100;

/// Settings of a webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its name in logs, metrics and delivery lists.
    pub name: String,
    /// Where to.
    pub url: String,
    /// The file with the secret: `whsec_` and base64 of 24 to 64 bytes.
    pub secret_file: PathBuf,
    /// The file with the secret before, while it is being rotated: both sign.
    pub previous_secret_file: Option<PathBuf>,
    /// One request an event, or several events as an array.
    #[serde(default)]
    pub batch: Batch,
    /// CloudEvents' `source`.
    #[serde(default = "countersign")]
    pub source: String,
    /// Time for one request, in milliseconds; 1 to 120,000.
    #[serde(default = "ten_seconds")]
    pub timeout_ms: u64,
    /// `http` is allowed.
    #[serde(default)]
    pub allow_plain: bool,
    /// Private, loopback and link-local addresses are allowed, and literal addresses.
    #[serde(default)]
    pub allow_private: bool,
    /// A PEM file of the only authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// How events are put into requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Batch {
    /// One request an event: each has its own `webhook-id`, the event's.
    #[default]
    Each,
    /// A JSON array of at most 100; its `webhook-id` is made of the first and last event's.
    Array,
}

/// A subscriber's webhook, ready to push.
pub struct Webhook {
    name: String,
    uri: Uri,
    signer: Signer,
    batch: Batch,
    source: String,
    caller: Caller,
    now: Now,
}

impl Webhook {
    /// Reads secrets and checks the settings.
    pub fn new(settings: Settings, now: Now) -> Result<Self, Unusable> {
        let complain = |text: String| Unusable(format!("webhook {}: {text}", settings.name));
        let url = Url::parse(&settings.url).map_err(|error| complain(format!("url: {error}")))?;
        let reach = Reach { plain: settings.allow_plain, private: settings.allow_private, literal: settings.allow_private };
        reach.check(&url).map_err(|error| complain(error.to_string()))?;
        let uri = uri(&url).map_err(|error| complain(error.0))?;
        let timeout = time_out(settings.timeout_ms).map_err(complain)?;
        let signer = Signer::load(&settings.secret_file, settings.previous_secret_file.as_deref())?;
        let caller = Caller::new(reach, settings.ca_file.as_deref(), timeout)?;
        Ok(Self { name: settings.name, uri, signer, batch: settings.batch, source: settings.source, caller, now })
    }

    async fn post(&self, id: &str, kind: &'static str, body: Vec<u8>) -> Pushed {
        let seconds = (self.now)().millis().div_euclid(1_000);
        let signed = self.signer.sign(id, seconds, &body);
        let headers = match headers(id, seconds, &signed, kind) {
            Ok(headers) => headers,
            Err(Unusable(reason)) => return Pushed::Later(reason),
        };
        match self.caller.exchange(Call { method: Method::POST, uri: self.uri.clone(), headers, body }).await {
            Ok(reply) => judge(&reply),
            Err(reason) => Pushed::Later(reason.to_owned()),
        }
    }

    async fn push_chunk(&self, events: &[FeedEvent]) -> Pushed {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Pushed::Taken;
        };
        let (id, kind, body) = match self.batch {
            Batch::Each => (first.id.to_string(), ONE, cloudevent::one(first, &self.source)),
            Batch::Array => (format!("{}_{}_{}", first.id, last.id, events.len()), BATCH, cloudevent::batch(events, &self.source)),
        };
        self.post(&id, kind, body).await
    }
}

impl Sink for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn in_one(&self) -> usize {
        match self.batch {
            Batch::Each => 1,
            Batch::Array => BATCH_MAX,
        }
    }

    /// Stops at the first request that is not taken: what came before it is pushed again with the batch (at-least-once).
    fn push<'a>(&'a self, events: &'a [FeedEvent]) -> Soon<'a, Pushed> {
        Box::pin(async move {
            for chunk in events.chunks(self.in_one()) {
                match self.push_chunk(chunk).await {
                    Pushed::Taken => {}
                    stopped => return stopped,
                }
            }
            Pushed::Taken
        })
    }
}

/// 2xx takes; a few 4xx are about this batch, whatever else may pass: time-outs, throttles, redirects, and trouble with our own
/// credentials, settings or the address.
fn judge(reply: &Reply) -> Pushed {
    let status = reply.status;
    match status {
        200..=299 => Pushed::Taken,
        300..=399 => Pushed::Later(format!("status {status}: redirects are not followed, set the final URL")),
        400 | 409 | 413 | 422 => Pushed::Refused(format!("status {status}")),
        _ => Pushed::Later(format!("status {status}")),
    }
}

fn headers(id: &str, seconds: i64, signed: &str, kind: &'static str) -> Result<HeaderMap, Unusable> {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(HeaderName::from_static("webhook-timestamp"), HeaderValue::from(seconds));
    for (name, value) in [("webhook-id", id), ("webhook-signature", signed)] {
        let (name, value) = sensitive(name, value)?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn countersign() -> String {
    "/countersign".to_owned()
}

fn ten_seconds() -> u64 {
    10_000
}
