//! SendGrid's event webhook: batches of JSON events, signed by ECDSA over P-256, read as [`Receipt`]s.
//!
//! Events may come twice, late and in any order. Those that say nothing of a message's arrival (opened, clicked, unsubscribed) are
//! left out. The text of a bounce often holds the address, so it stays unread; of its status only digits and dots are kept.

mod events;

use super::proof::Denied;
use super::raw::RawInbound;
use crate::domain::receipt::Receipt;
use crate::domain::time::Timestamp;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::prelude::{BASE64_STANDARD, Engine as _};

/// The custom argument that holds the challenge's id; SendGrid gives it back in each event of the message.
pub const CHALLENGE: &str = "countersign_challenge";
/// The same for the delivery's id.
pub const DELIVERY: &str = "countersign_delivery";
/// Largest batch, in bytes: SendGrid sends at most 768 kB.
pub const BODY_MAX: usize = 1024 * 1024;
/// Most events of a batch.
pub const EVENTS_MAX: usize = 10_000;
/// How old a signature may be, in milliseconds: SendGrid repeats for a day what was not taken. A repeat does no harm.
const BEHIND_MS: i64 = 25 * 3_600 * 1_000;
/// How far into the future a signature's time may be, in milliseconds: clocks differ.
const AHEAD_MS: i64 = 5 * 60 * 1_000;

/// Why a request is no batch of events. Shows no content.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unread {
    /// Not posted (405).
    #[error("use POST")]
    Method,
    /// Not JSON (415).
    #[error("the body must be application/json")]
    MediaType,
    /// Too large (413).
    #[error("the body has more than 1 MiB")]
    TooLarge,
    /// Not what it should be (400).
    #[error("the body is no JSON array of at most 10,000 events")]
    Malformed,
}

impl Unread {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::MediaType => 415,
            Self::TooLarge => 413,
            Self::Malformed => 400,
        }
    }
}

/// The webhook, ready to verify and read.
#[derive(Clone, Debug)]
pub struct EventWebhook(ParsedPublicKey);

impl EventWebhook {
    /// With the verification key as SendGrid shows it: base64 of a SubjectPublicKeyInfo. It is public. An error says what to do.
    pub fn new(key: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "must be the webhook's verification key as SendGrid shows it: base64 of a key over P-256";
        let bytes = BASE64_STANDARD.decode(key.trim()).map_err(|_| WRONG)?;
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bytes).map(Self).map_err(|_| WRONG)
    }

    /// Whether SendGrid signed it (over timestamp and raw body), lately.
    pub fn verify(&self, request: &RawInbound<'_>, now: Timestamp) -> Result<(), Denied> {
        let stamp = request.header("x-twilio-email-event-webhook-timestamp").filter(|it| it.len() <= 20).ok_or(Denied::Missing)?;
        let given = request.header("x-twilio-email-event-webhook-signature").filter(|it| it.len() <= 256).ok_or(Denied::Missing)?;
        let given = BASE64_STANDARD.decode(given).map_err(|_| Denied::Missing)?;
        let seconds: i64 = stamp.parse().map_err(|_| Denied::Missing)?;
        if request.body.len() > BODY_MAX {
            return Err(Denied::Mismatch);
        }
        let signed = [stamp.as_bytes(), request.body].concat();
        self.0.verify_sig(&signed, &given).map_err(|_| Denied::Mismatch)?;
        let age = now.millis().saturating_sub(seconds.saturating_mul(1_000));
        if (-AHEAD_MS..=BEHIND_MS).contains(&age) { Ok(()) } else { Err(Denied::Stale) }
    }

    /// The receipts of a batch, in its order. Says nothing of who sent it: [`Self::verify`] does.
    pub fn read(&self, request: &RawInbound<'_>) -> Result<Vec<Receipt>, Unread> {
        if request.method != "POST" {
            return Err(Unread::Method);
        }
        if !request.media_type().eq_ignore_ascii_case("application/json") {
            return Err(Unread::MediaType);
        }
        events::read(request.body)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
    const STAMP: &str = "x-twilio-email-event-webhook-timestamp";
    /// The example that SendGrid's own libraries are tested with.
    const KEY: &str =
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";
    const SIGNED: &str = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=";
    pub const BODY: &str = "[{\"email\":\"hello@world.com\",\"event\":\"dropped\",\"reason\":\"Bounced Address\",\
        \"sg_event_id\":\"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA\",\
        \"sg_message_id\":\"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0\",\
        \"smtp-id\":\"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>\",\"timestamp\":1600112492}]\r\n";

    fn webhook(key: &str) -> Result<EventWebhook, &'static str> {
        EventWebhook::new(key)
    }

    fn request<'a>(headers: &'a [(&'a str, &'a str)], body: &'a [u8]) -> RawInbound<'a> {
        RawInbound { method: "POST", target: "/inbound/receipts/sendgrid", headers, body, peer: [127, 0, 0, 1].into() }
    }

    #[test]
    fn the_published_example_is_verified_and_nothing_else() {
        let check = |headers: &[(&str, &str)], body: &str, now: i64, expected: Result<(), Denied>| {
            let request = request(headers, body.as_bytes());
            assert_eq!(webhook(KEY).unwrap().verify(&request, Timestamp::from_millis(now)), expected, "{headers:?} {now}");
        };
        let now = 1_600_112_502_000;
        let both = [(SIGNATURE, SIGNED), (STAMP, "1600112502")];
        check(&both, BODY, now, Ok(()));
        check(&both, BODY, now + 90_000_000, Ok(()));
        check(&both, BODY, now + 90_000_001, Err(Denied::Stale));
        check(&both, BODY, now - 300_000, Ok(()));
        check(&both, BODY, now - 300_001, Err(Denied::Stale));
        check(&both, BODY.trim_end(), now, Err(Denied::Mismatch));
        check(&both, &BODY.replace("dropped", "delivered"), now, Err(Denied::Mismatch));
        check(&[(SIGNATURE, SIGNED), (STAMP, "1600112503")], BODY, now, Err(Denied::Mismatch));
        check(&[(SIGNATURE, SIGNED), (STAMP, "yesterday")], BODY, now, Err(Denied::Missing));
        check(&[(SIGNATURE, "AAAA"), (STAMP, "1600112502")], BODY, now, Err(Denied::Mismatch));
        check(&[(SIGNATURE, "***"), (STAMP, "1600112502")], BODY, now, Err(Denied::Missing));
        check(&[(STAMP, "1600112502")], BODY, now, Err(Denied::Missing));
        check(&[(SIGNATURE, SIGNED), (SIGNATURE, SIGNED), (STAMP, "1600112502")], BODY, now, Err(Denied::Missing));
        let big = " ".repeat(BODY_MAX + 1);
        check(&both, &big, now, Err(Denied::Mismatch));
    }

    #[test]
    fn another_key_does_not_verify_and_no_key_is_refused() {
        let other =
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA==";
        let headers = [(SIGNATURE, SIGNED), (STAMP, "1600112502")];
        let denied = webhook(other).unwrap().verify(&request(&headers, BODY.as_bytes()), Timestamp::from_millis(1_600_112_502_000));
        assert_eq!(denied, Err(Denied::Mismatch));
        for key in ["", "AAAA", "***", &KEY[..80]] {
            assert!(webhook(key).is_err_and(|it| it.contains("P-256")), "{key}");
        }
    }

    #[test]
    fn only_posted_json_is_read() {
        let json = [("content-type", "application/json; charset=utf-8")];
        let webhook = webhook(KEY).unwrap();
        assert_eq!(webhook.read(&request(&json, b"[]")), Ok(vec![]));
        assert_eq!(webhook.read(&RawInbound { method: "GET", ..request(&json, b"[]") }), Err(Unread::Method));
        assert_eq!(webhook.read(&request(&[("content-type", "text/plain")], b"[]")), Err(Unread::MediaType));
    }

    proptest! {
        #[test]
        fn nobody_gets_in_by_chance(body in any::<Vec<u8>>(), text in "\\PC{0,80}") {
            let headers = [(SIGNATURE, text.as_str()), (STAMP, "1600112502")];
            prop_assert!(webhook(KEY).unwrap().verify(&request(&headers, &body), Timestamp::from_millis(1_600_112_502_000)).is_err());
        }
    }
}
