//! Push to devices: Firebase Cloud Messaging, HTTP v1. An address is a registration token.
//!
//! FCM has no idempotency key: a message whose answer is lost is handed over again, and may show twice, unless it has a topic: then
//! the second takes the place of the first. Our delivery id goes along as data under `countersign_delivery`.

mod account;
mod answer;
mod payload;

use super::client::{Call, Caller, Reply, below};
use super::contract::{Body, Connector, Message, Soon};
use super::guard::Reach;
use super::setting::{Now, Unusable, time_out};
use crate::domain::delivery::Outcome;
use account::Account;
use answer::judge;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Uri};
use payload::write;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of FCM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its name in logs, metrics and timelines.
    #[serde(default = "fcm")]
    pub name: String,
    /// The service account's key file (JSON), as Google gives it.
    pub key_file: PathBuf,
    /// The Firebase project; unset: the one in the key file.
    pub project: Option<String>,
    /// Where its API is; `/v1/projects/…` follows.
    #[serde(default = "google")]
    pub base_url: String,
    /// Where access tokens come from; unset: what the key file says.
    pub token_url: Option<String>,
    /// Time for one hand-over, with the token that it may need, in milliseconds; 1 to 120,000.
    #[serde(default = "ten_seconds")]
    pub timeout_ms: u64,
    /// `http` is allowed: for a stand-in on this host.
    #[serde(default)]
    pub allow_plain: bool,
    /// A PEM file of the only authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// FCM, ready to send.
pub struct Fcm {
    name: String,
    uri: Uri,
    account: Account,
    caller: Caller,
    timeout: Duration,
    now: Now,
}

impl Fcm {
    /// Reads the key file and checks the settings; connects to nothing yet.
    pub fn new(settings: Settings, now: Now) -> Result<Self, Unusable> {
        let complain = |text: String| Unusable(format!("fcm {}: {text}", settings.name));
        let reach = Reach { plain: settings.allow_plain, private: true, literal: true };
        let timeout = time_out(settings.timeout_ms).map_err(complain)?;
        let caller = Caller::new(reach, settings.ca_file.as_deref(), timeout)?;
        let (account, named) = Account::load(&settings.key_file, settings.token_url.as_deref(), reach)?;
        let project = settings.project.clone().or(named).ok_or_else(|| complain("set project: the key file names none".to_owned()))?;
        if project.is_empty() || !project.bytes().all(|it| it.is_ascii_alphanumeric() || b"-:.".contains(&it)) {
            return Err(complain(format!("{project:?} is no project id")));
        }
        let path = format!("/v1/projects/{project}/messages:send");
        let uri = below(&settings.base_url, &path, reach).map_err(|text| complain(format!("base_url: {text}")))?;
        Ok(Self { name: settings.name, uri, account, caller, timeout, now })
    }

    /// Hands over; when the access token is refused though it should hold, once more with another.
    async fn hand_over(&self, body: Vec<u8>) -> Outcome {
        let mut outcome = Outcome::Later { reason: answer::KEY.to_owned(), after: None };
        for _ in 0..2 {
            let bearer = match self.account.bearer(&self.caller, &self.now).await {
                Ok(bearer) => bearer,
                Err(outcome) => return outcome,
            };
            let reply = match self.post(bearer.clone(), body.clone()).await {
                Ok(reply) => reply,
                Err(reason) => return Outcome::Later { reason: reason.to_owned(), after: None },
            };
            outcome = judge(&reply);
            if !answer::blames_token(&reply) {
                break;
            }
            self.account.forget(&bearer).await;
        }
        outcome
    }

    async fn post(&self, bearer: HeaderValue, body: Vec<u8>) -> Result<Reply, &'static str> {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.caller.exchange(Call { method: Method::POST, uri: self.uri.clone(), headers, body }).await
    }
}

impl Connector for Fcm {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Message) -> Soon<'a, Outcome> {
        Box::pin(async move {
            let Body::Push(push) = &message.body else {
                return Outcome::Refused { reason: "FCM sends push messages only".to_owned() };
            };
            let body = match write(message, push, (self.now)()) {
                Ok(body) => body,
                Err(reason) => return Outcome::Refused { reason },
            };
            let sent = tokio::time::timeout(self.timeout, self.hand_over(body)).await;
            sent.unwrap_or_else(|_| Outcome::Later { reason: "timed out".to_owned(), after: None })
        })
    }
}

fn fcm() -> String {
    "fcm".to_owned()
}

fn google() -> String {
    "https://fcm.googleapis.com".to_owned()
}

fn ten_seconds() -> u64 {
    10_000
}
