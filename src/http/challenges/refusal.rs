//! Why a request is refused: problems (RFC 9457) whose types stay, with what a bot can say where a person is concerned.

use super::answer::outcome_name;
use super::fields::Wrong;
use super::say::{Voice, spoken_to};
use crate::domain::event::Act;
use crate::domain::limit::Limit;
use crate::domain::time::Timestamp;
use crate::domain::told::Refusal;
use crate::engine::Trouble;
use crate::http::problem::Problem;
use axum::http::{HeaderMap, StatusCode};

/// The body is no JSON object, or a header is not as it must be.
pub(super) const MALFORMED: &str = "urn:countersign:problem:request-malformed";
/// Fields break rules.
const INVALID: &str = "urn:countersign:problem:request-invalid";
/// The body is of another type than JSON, or compressed.
pub(super) const MEDIA_TYPE: &str = "urn:countersign:problem:media-type";
/// The body is too large.
pub(super) const TOO_LARGE: &str = "urn:countersign:problem:request-too-large";
const UNKNOWN: &str = "urn:countersign:problem:challenge-unknown";
const ENDED: &str = "urn:countersign:problem:challenge-ended";
const KEY_REUSED: &str = "urn:countersign:problem:idempotency-key-reused";
const OPTED_OUT: &str = "urn:countersign:problem:opted-out";
const LIMIT: &str = "urn:countersign:problem:limit-reached";
const TOO_SOON: &str = "urn:countersign:problem:resend-too-soon";
const TOO_MANY: &str = "urn:countersign:problem:resend-limit";
const BUSY: &str = "urn:countersign:problem:busy";

/// 400: it can't be read.
pub(super) fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail).typed(MALFORMED)
}

/// 422: all fields that break rules. What is wrong with the recipient alone, a person can set right.
pub(super) fn invalid(wrong: &[Wrong], voice: Voice, channel: Option<&str>) -> Problem {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "Fields are not as they must be: see errors.").typed(INVALID);
    let key = match channel {
        Some("SMS") => "recipient.sms",
        Some("MAIL") => "recipient.mail",
        Some("PUSH") => "recipient.push",
        _ => "trouble",
    };
    let key = if wrong.iter().all(|it| it.field == "recipient") { key } else { "trouble" };
    problem.with("errors", wrong).with("say", voice.says(key))
}

/// The same, as the caller wants to be spoken to.
pub(super) fn refuse(wrong: &[Wrong], headers: &HeaderMap) -> Problem {
    invalid(wrong, spoken_to(headers), None)
}

/// 404: there is none, it is another's, or the caller may not see it. One answer for all of these.
pub(super) fn unknown(voice: Voice) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no such challenge.").typed(UNKNOWN).with("say", voice.says("unknown"))
}

/// 409: it is over.
pub(super) fn ended(outcome: Act, voice: Voice) -> Problem {
    let name = outcome_name(outcome);
    let detail = format!("The challenge has ended before: {name}.");
    Problem::new(StatusCode::CONFLICT, detail).typed(ENDED).with("state", name).with("say", voice.says(name))
}

/// Why no message is sent.
pub(super) fn refused(why: Refusal, voice: Voice, now: Timestamp) -> Problem {
    match why {
        Refusal::KeyReused => {
            let detail = "The Idempotency-Key was used with another request. Use a new key for a new request.";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).typed(KEY_REUSED).with("say", voice.says("trouble"))
        }
        Refusal::OptedOut => {
            let detail = "The recipient opted out of this publisher's messages.";
            Problem::new(StatusCode::CONFLICT, detail).typed(OPTED_OUT).with("say", voice.says("opted-out"))
        }
        Refusal::Limit(limit) => limited(limit, voice, now),
    }
}

/// 429: another message may go out later.
pub(super) fn too_soon(until: Timestamp, voice: Voice, now: Timestamp) -> Problem {
    let wait = until.since(now);
    let say = voice.with("too-soon", &[("wait", &voice.wait(wait))]);
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "The last message went out a moment ago.").typed(TOO_SOON);
    problem.after(wait).with("reason", "resend-gap").with("say", say)
}

/// 409: no further message may go out.
pub(super) fn too_many(voice: Voice) -> Problem {
    let detail = "The challenge has had all messages, or codes, that it may have. Open a new one.";
    Problem::new(StatusCode::CONFLICT, detail).typed(TOO_MANY).with("say", voice.says("resend-limit"))
}

/// 500 or 503.
pub(super) fn trouble(trouble: Trouble, voice: Voice) -> Problem {
    let problem = match trouble {
        Trouble::Busy { retry_after } => Problem::busy(retry_after).typed(BUSY),
        Trouble::Failed | Trouble::Cursor => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Our own trouble; x-correlation-id tells our logs which.")
        }
    };
    problem.with("say", voice.says("trouble"))
}

// 429. Without a time to come again, a person must act first.
fn limited(limit: Limit, voice: Voice, now: Timestamp) -> Problem {
    let (reason, detail) = match limit {
        Limit::Failures { .. } => ("failures", "Too many failed answers of this recipient."),
        Limit::Messages { .. } => ("messages", "Too many messages to this recipient."),
        Limit::Open { .. } => ("open", "Too many open challenges of this recipient."),
        Limit::Rate => ("rate", "Too many challenges a second of this publisher."),
        Limit::Network { .. } => ("network", "Too many messages that your address asked for."),
        Limit::Key { .. } => ("key", "Too many messages that this API key asked for."),
        Limit::Prefix { .. } => ("prefix", "Too many messages to numbers that begin like this one."),
        Limit::Country { .. } => ("country", "Too many messages to this calling code."),
        Limit::Money { .. } => ("money", "The publisher's money for today is spent."),
        Limit::Day { .. } => ("day", "The publisher's challenges for today are used up."),
    };
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).typed(LIMIT).with("reason", reason);
    let Some(wait) = limit.until(now).map(|it| it.since(now)) else { return problem.with("say", voice.says("blocked")) };
    let key = if let Limit::Failures { .. } = limit { "blocked.until" } else { "limit" };
    problem.after(wait).with("say", voice.with(key, &[("wait", &voice.wait(wait))]))
}
