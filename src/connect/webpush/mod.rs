//! Push to browsers: Web Push (RFC 8030), its payload encrypted for the browser alone (RFC 8291), and signed by our key (RFC 8292).
//!
//! An address is a subscription as a browser's `PushSubscription.toJSON()` gives it: `{"endpoint": …, "keys": {"p256dh": …, "auth": …}}`.
//! Its endpoint comes from outside, so it may not lead into our own network ([`super::guard`]).

pub mod encryption;
pub mod vapid;

use super::client::{Call, Caller, Reply, sensitive, uri};
use super::contract::{Body, Connector, Message, Push, Soon};
use super::guard::Reach;
use super::setting::{Now, Unusable, time_out};
use crate::domain::delivery::Outcome;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use encryption::{PLAIN_MAX, Receiver, encrypt};
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use url::Url;
use vapid::Vapid;

/// Longest subscription, in bytes.
const SUBSCRIPTION_MAX: usize = 4 * 1024;
/// Longest topic (RFC 8030, section 5.4).
const TOPIC_MAX: usize = 32;

/// Settings of Web Push.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its name in logs, metrics and timelines.
    #[serde(default = "webpush")]
    pub name: String,
    /// The file with our private key over P-256: PEM, or the base64url of its 32 bytes. Browsers subscribe with its public half.
    pub key_file: PathBuf,
    /// Whom a push service may turn to: `mailto:…` or `https://…`.
    pub contact: String,
    /// Time for one hand-over, in milliseconds; 1 to 120,000.
    #[serde(default = "ten_seconds")]
    pub timeout_ms: u64,
    /// `http` is allowed: for a stand-in.
    #[serde(default)]
    pub allow_plain: bool,
    /// Endpoints in private networks are allowed, and literal addresses: for a push service of your own.
    #[serde(default)]
    pub allow_private: bool,
    /// A PEM file of the only authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Web Push, ready to send.
pub struct WebPush {
    name: String,
    vapid: Vapid,
    reach: Reach,
    caller: Caller,
    now: Now,
}

impl WebPush {
    /// Reads the key and checks the settings; connects to nothing yet.
    pub fn new(settings: Settings, now: Now) -> Result<Self, Unusable> {
        let complain = |text: String| Unusable(format!("webpush {}: {text}", settings.name));
        let vapid = Vapid::load(&settings.key_file, &settings.contact)?;
        let reach = Reach { plain: settings.allow_plain, private: settings.allow_private, literal: settings.allow_private };
        let timeout = time_out(settings.timeout_ms).map_err(complain)?;
        let caller = Caller::new(reach, settings.ca_file.as_deref(), timeout)?;
        Ok(Self { name: settings.name, vapid, reach, caller, now })
    }

    /// Our public key as browsers want it (`applicationServerKey`): base64url of the uncompressed point.
    pub fn public_key(&self) -> &str {
        self.vapid.public_key()
    }

    fn call(&self, message: &Message, push: &Push) -> Result<Call, String> {
        let (endpoint, receiver) = subscription(message.to.expose())?;
        self.reach.check(&endpoint).map_err(|error| format!("the subscription's endpoint: {error}"))?;
        let sealed = seal(&write(message, push)?, &receiver)?;
        let seconds = (self.now)().millis().div_euclid(1_000);
        let authorization = self.vapid.authorization(&endpoint, seconds).ok_or("the request can't be signed")?;
        let mut headers = HeaderMap::with_capacity(6);
        let (name, value) = sensitive(AUTHORIZATION.as_str(), &authorization).map_err(|error| error.0)?;
        headers.insert(name, value);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(HeaderName::from_static("ttl"), HeaderValue::from(push.ttl.as_secs()));
        headers.insert(HeaderName::from_static("urgency"), HeaderValue::from_static("high"));
        if let Some(topic) = push.topic.as_deref().filter(|it| is_topic(it)) {
            headers.insert(HeaderName::from_static("topic"), HeaderValue::from_str(topic).map_err(|_| "the topic is no header value")?);
        }
        let uri = uri(&endpoint).map_err(|error| error.0)?;
        Ok(Call { method: Method::POST, uri, headers, body: sealed })
    }
}

impl Connector for WebPush {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Message) -> Soon<'a, Outcome> {
        Box::pin(async move {
            let Body::Push(push) = &message.body else {
                return Outcome::Refused { reason: "Web Push sends push messages only".to_owned() };
            };
            let call = match self.call(message, push) {
                Ok(call) => call,
                Err(reason) => return Outcome::Refused { reason },
            };
            match self.caller.exchange(call).await {
                Ok(reply) => judge(&reply),
                Err(reason) => Outcome::Later { reason: reason.to_owned(), after: None },
            }
        })
    }
}

/// 201 takes it (RFC 8030, section 5); some services say 200 or 202. The URL that it gives the message is a capability, so it is not
/// kept. 401 is about our key, thus not the message's fault; 403 is about a subscription that was made for another key.
fn judge(reply: &Reply) -> Outcome {
    let refused = |reason: &str| Outcome::Refused { reason: reason.to_owned() };
    match reply.status {
        200..=202 => Outcome::Accepted { provider_id: None },
        404 | 410 => refused("the subscription is gone"),
        413 => refused("the push service finds the message too large"),
        403 => refused("the subscription was made for another key"),
        400 => refused("the push service refuses the request (400)"),
        status => Outcome::Later { reason: format!("status {status}"), after: reply.retry_after() },
    }
}

/// Where to, and for whom.
fn subscription(text: &str) -> Result<(Url, Receiver), String> {
    #[derive(Deserialize)]
    struct Subscription {
        endpoint: String,
        keys: Keys,
    }
    #[derive(Deserialize)]
    struct Keys {
        p256dh: String,
        auth: String,
    }
    const WRONG: &str = "the address is no push subscription";
    if text.len() > SUBSCRIPTION_MAX {
        return Err(WRONG.to_owned());
    }
    let it: Subscription = serde_json::from_str(text).map_err(|_| WRONG)?;
    let decode = |text: &str| BASE64.decode(text.trim_end_matches('='));
    let key = decode(&it.keys.p256dh).ok().and_then(|it| it.try_into().ok()).ok_or(WRONG)?;
    let secret = decode(&it.keys.auth).ok().and_then(|it| it.try_into().ok()).ok_or(WRONG)?;
    Ok((Url::parse(&it.endpoint).map_err(|_| WRONG)?, Receiver { key, secret }))
}

/// What the page's service worker gets.
fn write(message: &Message, push: &Push) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
    let data: BTreeMap<_, _> = push.data.iter().map(|(name, value)| (name, value.expose())).collect();
    let json = json!({ "id": message.id.to_string(), "title": push.title.expose(), "body": push.text.expose(), "data": data });
    let written = zeroize::Zeroizing::new(json.to_string().into_bytes());
    match written.len() {
        0..=PLAIN_MAX => Ok(written),
        size => Err(format!("the message has {size} bytes, a push message at most {PLAIN_MAX}")),
    }
}

fn seal(plain: &[u8], receiver: &Receiver) -> Result<Vec<u8>, &'static str> {
    let own = PrivateKey::generate(&ECDH_P256).map_err(|_| "no key can be made")?;
    let mut salt = [0; 16];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| "no random bytes can be had")?;
    encrypt(plain, receiver, &own, salt).ok_or("the subscription's key is none over P-256")
}

fn is_topic(text: &str) -> bool {
    (1..=TOPIC_MAX).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
}

fn webpush() -> String {
    "webpush".to_owned()
}

fn ten_seconds() -> u64 {
    10_000
}
