//! The dialects of gateways: how an SMS from a handset comes in, how the gateway proves itself, what it gets as an answer.
//!
//! [`sendgrid`] reads what a mail service reports of its messages later.
//!
//! Pure: request in, [`Sms`] or an error out (decisions 23 and 27). The caller proves first ([`Dialect::verify`]), then reads
//! ([`Dialect::read`]), commits, and only then answers ([`Dialect::acknowledge`]).

pub mod acknowledge;
pub mod charset;
pub mod field;
pub mod mapping;
pub mod network;
pub mod phone;
pub mod proof;
pub mod raw;
pub mod sendgrid;

use crate::domain::code::Secret;
use crate::domain::request::Sms;
use crate::domain::time::Timestamp;
use acknowledge::{Acknowledge, Acknowledgement};
use mapping::{BadInput, Mapping, Source};
use network::Networks;
use proof::{Denied, Proof};
use raw::RawInbound;
use serde::Deserialize;
use std::path::PathBuf;

/// Settings of one gateway's inbound side.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The gateway's name: part of its URL, and of each message's identity.
    pub name: String,
    /// A gateway that many know; or unset, and `mapping` says it all.
    pub preset: Option<Preset>,
    /// Where the fields are; instead of the preset's.
    pub mapping: Option<Mapping>,
    /// What it gets as an answer; instead of the preset's.
    pub answer: Option<Acknowledge>,
    /// How it proves itself.
    pub proof: Proof,
    /// Networks it may come from, as `10.0.0.0/8`; empty: any (not with `proof = "networks"`).
    #[serde(default)]
    pub networks: Vec<String>,
    /// The file with the secret of the proof. Read by who builds the dialect.
    pub secret_file: Option<PathBuf>,
    /// The file with the secret before, while it is being rotated: either proves.
    pub previous_secret_file: Option<PathBuf>,
}

/// Gateways that many know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Kannel's `get-url`: `…?from=%p&to=%P&text=%b&id=%I&charset=%C`; set `omit-empty = true`, so that our empty answer sends nothing.
    Kannel,
    /// Twilio's form, answered with empty TwiML.
    Twilio,
    /// The handset page: Twilio's form.
    Sandbox,
    /// A JSON object with `from`, `to`, `text` and `id`.
    Json,
}

/// One gateway's inbound side, ready to read.
#[derive(Clone, Debug)]
pub struct Dialect {
    name: String,
    mapping: Mapping,
    answer: Acknowledge,
    proof: Proof,
    networks: Networks,
}

impl Dialect {
    /// Checks the settings. An error says what to do.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let complain = |text: &str| format!("inbound gateway {}: {text}", settings.name);
        let (mapping, answer) = match settings.preset {
            Some(Preset::Kannel) => (Some(Mapping::kannel()), Acknowledge::Empty),
            Some(Preset::Twilio) => (Some(Mapping::twilio()), Acknowledge::Twiml),
            Some(Preset::Sandbox) => (Some(Mapping::sandbox()), Acknowledge::Twiml),
            Some(Preset::Json) => (Some(Mapping::json()), Acknowledge::Json),
            None => (None, Acknowledge::Empty),
        };
        let mapping = settings.mapping.or(mapping).ok_or_else(|| complain("set preset or mapping"))?;
        mapping.check().map_err(|text| complain(&text))?;
        let networks = Networks::parse(&settings.networks).map_err(|text| complain(&text))?;
        settings.proof.check(&networks, settings.secret_file.is_some()).map_err(complain)?;
        if settings.previous_secret_file.is_some() && settings.secret_file.is_none() {
            return Err(complain("previous_secret_file needs secret_file"));
        }
        Ok(Self { name: settings.name, mapping, answer: settings.answer.unwrap_or(answer), proof: settings.proof, networks })
    }

    /// The gateway's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the request is the gateway's. `secrets`: the current one, and while rotating the one before.
    pub fn verify(&self, request: &RawInbound<'_>, secrets: &[Secret], now: Timestamp) -> Result<(), Denied> {
        if !self.networks.allow(request.peer) {
            return Err(Denied::Network);
        }
        let signed = if self.mapping.source == Source::Query { request.query().as_bytes() } else { request.body };
        self.proof.verify(request, signed, secrets, now)
    }

    /// Reads the message. Says nothing of whether the sender may send it: [`Self::verify`] does.
    pub fn read(&self, request: &RawInbound<'_>, received_at: Timestamp) -> Result<Sms, BadInput> {
        let read = self.mapping.read(request)?;
        Ok(Sms { gateway: self.name.clone(), provider_id: read.id, from: read.from, to: read.to, text: read.text, received_at })
    }

    /// What the gateway gets, once the message is safe.
    pub fn acknowledge(&self) -> Acknowledgement {
        self.answer.acknowledgement()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(toml: &str) -> Result<Dialect, String> {
        Dialect::new(toml::from_str(toml).map_err(|error| error.to_string())?)
    }

    #[test]
    fn settings_that_prove_nothing_are_refused() {
        let check = |toml: &str, expected: Option<&str>| {
            let error = dialect(&format!("name = 'g'\n{toml}")).err();
            assert_eq!(error.is_some(), expected.is_some(), "{toml}: {error:?}");
            assert!(error.unwrap_or_default().contains(expected.unwrap_or_default()), "{toml}");
        };
        let twilio = "preset = 'twilio'\nproof = { twilio = { public_url = 'https://b.example/in' } }\n";
        check(&format!("{twilio}secret_file = 's'"), None);
        check(twilio, Some("secret_file"));
        check("preset = 'kannel'\nproof = 'networks'", Some("networks"));
        check("preset = 'kannel'\nproof = 'networks'\nnetworks = ['10.0.0.0/8', '::1/128']", None);
        check("preset = 'kannel'\nproof = 'networks'\nnetworks = ['10.0.0.0']", None);
        check("preset = 'kannel'\nproof = 'networks'\nnetworks = ['ten']", Some("ten"));
        check("proof = { basic = { user = 'u' } }\nsecret_file = 's'", Some("mapping"));
        check("preset = 'json'\nproof = { basic = { user = 'u' } }\nsecret_file = 's'\nmore = 1", Some("more"));
        check(
            "mapping = { source = 'json', from = 'a', text = '/b' }\nproof = { basic = { user = 'u' } }\nsecret_file = 's'",
            Some("slash"),
        );
    }

    #[test]
    fn a_message_is_proved_read_and_answered() {
        let dialect = dialect("name = 'tw'\npreset = 'sandbox'\nproof = { basic = { user = 'gw' } }\nsecret_file = 's'").unwrap();
        let headers = [("authorization", "Basic Z3c6cHc="), ("content-type", "application/x-www-form-urlencoded")];
        let request = RawInbound {
            method: "POST",
            target: "/in/tw",
            headers: &headers,
            body: b"From=%2B12025550123&To=28849&Body=123456&MessageSid=SM1",
            peer: "127.0.0.1".parse().unwrap(),
        };
        let now = Timestamp::from_millis(5);
        assert_eq!(dialect.verify(&request, &[Secret::new("old"), Secret::new("pw")], now), Ok(()));
        assert_eq!(dialect.verify(&request, &[Secret::new("no")], now), Err(Denied::Mismatch));
        let sms = dialect.read(&request, now).unwrap();
        assert_eq!((sms.gateway.as_str(), sms.from.expose(), sms.text.expose()), ("tw", "+12025550123", "123456"));
        assert_eq!((sms.provider_id.as_deref(), sms.to.as_ref().map(|it| it.expose())), (Some("SM1"), Some("28849")));
        assert_eq!(dialect.acknowledge().status, 200);
    }
}
