//! What is answered, as JSON (contract `dialog-flow.md`).

use super::say::{Say, Voice};
use crate::domain::assurance::{Finding, Standing};
use crate::domain::challenge::State;
use crate::domain::code::Secret;
use crate::domain::contact::Channel as Way;
use crate::domain::event::Act;
use crate::domain::summary::{Step, Summary};
use crate::domain::time::Timestamp;
use crate::domain::told::Checked;
use crate::engine::direct::Looked;
use crate::http::problem::Problem;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Says that nothing was done now: the answer is the first one's.
static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Bytes of an answer, mostly less: growing would copy it.
const USUAL: usize = 1024;

/// A challenge as its publisher may see it: no text, no whole address.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Challenge {
    /// Its id.
    #[schema(format = "uuid")]
    pub id: String,
    /// `open`, or how it ended: `verified`, `failed`, `expired`, `superseded`, `cancelled`.
    #[schema(value_type = StateName)]
    pub state: &'static str,
    /// When it ended; null while it is open.
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// Where it is for.
    pub institution: String,
    /// For which product.
    pub product: String,
    /// How its message travels; null when it has none.
    #[schema(value_type = Option<super::form::Channel>)]
    pub channel: Option<&'static str>,
    /// Where to, masked.
    #[schema(example = "******0143")]
    pub to: Option<String>,
    /// When it was opened (ISO 8601, UTC).
    #[schema(format = DateTime)]
    pub opened_at: String,
    /// From this moment on no answer counts.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// Answers that may still be wrong; 0 once it has ended.
    pub attempts_left: u8,
    /// Wrong answers at which it fails.
    pub attempts_allowed: u8,
    /// Messages that were accepted for sending.
    pub messages: u32,
    /// An answer by SMS reaches it, too.
    pub reply: bool,
    /// The caller's language tag.
    pub locale: Option<String>,
    /// What the caller knows it by.
    pub reference: Option<String>,
    /// The code; only when `returnCode` was asked for by a caller that may see codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// What happened to it, oldest first; not in the answers that open it or send its message again,
    /// and only for callers that may read it (scope `read`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub timeline: Option<Vec<Event>>,
    /// Which clauses of the standards it met; where `timeline` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub assurance: Option<Vec<Clause>>,
    /// What a bot can say.
    pub say: Say,
}

/// How a challenge stands.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "the document's list; the words are made here")]
pub(in crate::http) enum StateName {
    /// An answer is awaited.
    Open,
    /// The right answer came.
    Verified,
    /// Attempts ran out, or the person said that it wasn't them.
    Failed,
    /// No right answer came in time.
    Expired,
    /// A newer challenge took its place.
    Superseded,
    /// The publisher or the recipient ended it.
    Cancelled,
}

/// One thing that happened to a challenge.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Event {
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// What, as `ENSActCode` names it: `MsgAccepted`, `MsgSent`, `MsgDelivered`, `OOBVerified` and so on.
    pub act: &'static str,
    /// One English sentence, without a code or a whole address.
    pub says: String,
    /// Which message it is about; null: none.
    #[schema(format = "uuid")]
    pub message: Option<String>,
}

/// One clause of a standard.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Clause {
    /// The standard.
    pub source: &'static str,
    /// The clause's number.
    pub clause: &'static str,
    /// `met`, `missed`, or `not-applicable`.
    pub standing: &'static str,
    /// What decided it, in a few words.
    pub why: &'static str,
}

/// What became of an answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Judged {
    /// What became of it.
    #[schema(value_type = ResultName)]
    pub result: &'static str,
    /// Answers that may still be wrong; 0 unless the result is `wrong`.
    pub attempts_left: u8,
    /// With `blocked`: not before this moment. Null: not before a person unlocks it.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// What a bot can say.
    pub say: Say,
}

/// What became of an answer.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "the document's list; the words are made here")]
pub(in crate::http) enum ResultName {
    /// It was right.
    Verified,
    /// It was wrong; there are attempts left.
    Wrong,
    /// It came too late.
    Expired,
    /// No attempts are left.
    Failed,
    /// The challenge was verified before: a code counts once.
    Used,
    /// A newer challenge took its place.
    Superseded,
    /// The publisher or the recipient ended it.
    Cancelled,
    /// Not judged: too many failures.
    Blocked,
    /// There is no such challenge that this caller may see.
    Unknown,
}

/// An answer that shows `it`, as JSON. (axum's own has little room at first, and grows.)
pub(super) fn written(status: StatusCode, it: &impl Serialize) -> Response {
    let mut bytes = Vec::with_capacity(USUAL);
    if let Err(cause) = serde_json::to_writer(&mut bytes, it) {
        tracing::error!(%cause, "an answer can't be written");
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The answer can't be shown; what was asked for may be done.")
            .into_response();
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Says whether nothing was done now.
pub(super) fn mark(response: &mut Response, repeated: bool) {
    if repeated {
        response.headers_mut().insert(&REPLAYED, HeaderValue::from_static("true"));
    }
}

impl Challenge {
    /// How it stands.
    pub(super) fn new(it: Summary, say: Say) -> Self {
        let ended = match it.state {
            State::Open => None,
            State::Ended { at, .. } => Some(at.to_string()),
        };
        Self {
            id: it.id.to_string(),
            state: state(it.state),
            ended_at: ended,
            institution: it.institution.to_string(),
            product: it.product,
            channel: it.channel.map(channel),
            to: it.to,
            opened_at: it.opened_at.to_string(),
            expires_at: it.expires_at.to_string(),
            attempts_left: it.attempts_left,
            attempts_allowed: it.attempts_allowed,
            messages: it.messages,
            reply: it.replies,
            locale: it.locale,
            reference: it.reference,
            code: None,
            timeline: None,
            assurance: None,
            say,
        }
    }

    /// The same, with its code.
    pub(super) fn showing(self, code: Option<Secret>) -> Self {
        Self { code: code.map(|it| it.expose().to_owned()), ..self }
    }

    /// The same, without what happened to it.
    pub(super) fn brief(self) -> Self {
        Self { timeline: None, assurance: None, ..self }
    }

    /// The whole of it.
    pub(super) fn whole(it: Looked, voice: Voice, now: Timestamp) -> Self {
        let say = standing(&it.summary, voice, now);
        let timeline = it.timeline.into_iter().map(Event::from).collect();
        let assurance = it.assurance.into_iter().map(Clause::from).collect();
        Self { timeline: Some(timeline), assurance: Some(assurance), ..Self::new(it.summary, say) }
    }
}

impl Judged {
    pub(super) fn new(checked: Checked, voice: Voice, now: Timestamp) -> Self {
        let (result, say) = match checked {
            Checked::Verified => ("verified", voice.says("verified")),
            Checked::Wrong { left } => ("wrong", voice.counted("wrong", left.into())),
            Checked::Failed => ("failed", voice.says("failed")),
            Checked::Expired => ("expired", voice.says("expired")),
            Checked::Used => ("used", voice.says("used")),
            Checked::Superseded => ("superseded", voice.says("superseded")),
            Checked::Cancelled => ("cancelled", voice.says("cancelled")),
            Checked::Blocked { until: None } => ("blocked", voice.says("blocked")),
            Checked::Blocked { until: Some(at) } => ("blocked", voice.with("blocked.until", &[("wait", &voice.wait(at.since(now)))])),
            Checked::Unknown => ("unknown", voice.says("unknown")),
        };
        let attempts_left = if let Checked::Wrong { left } = checked { left } else { 0 };
        let until = if let Checked::Blocked { until } = checked { until.map(|it| it.to_string()) } else { None };
        Self { result, attempts_left, until, say }
    }
}

/// What a bot says when the message of a new challenge is on its way.
pub(super) fn sent(it: &Summary, voice: Voice, now: Timestamp) -> Say {
    if it.state != State::Open {
        return standing(it, voice, now);
    }
    let key = match it.channel {
        Some(Way::Mail) => "sent.mail",
        Some(Way::Push) => "sent.push",
        Some(Way::Sms) | None => "sent.sms",
    };
    spoken(key, it, voice, now)
}

/// A sentence that may tell where a message went, and for how long an answer counts.
pub(super) fn spoken(key: &'static str, it: &Summary, voice: Voice, now: Timestamp) -> Say {
    voice.with(key, &[("to", it.to.as_deref().unwrap_or_default()), ("valid", &voice.within(it.expires_at.since(now)))])
}

/// How a challenge stands, as a bot says it.
pub(super) fn standing(it: &Summary, voice: Voice, now: Timestamp) -> Say {
    match it.state {
        State::Open => spoken("waiting", it, voice, now),
        ended => voice.says(state(ended)),
    }
}

/// The name of a state.
pub(super) fn state(it: State) -> &'static str {
    match it {
        State::Open => "open",
        State::Ended { outcome, .. } => outcome_name(outcome),
    }
}

/// The name of an outcome.
pub(super) fn outcome_name(it: Act) -> &'static str {
    match it {
        Act::Verified => "verified",
        Act::Failed => "failed",
        Act::Superseded => "superseded",
        Act::Cancelled => "cancelled",
        _ => "expired",
    }
}

fn channel(it: Way) -> &'static str {
    match it {
        Way::Sms => "SMS",
        Way::Mail => "MAIL",
        Way::Push => "PUSH",
    }
}

impl From<Step> for Event {
    fn from(it: Step) -> Self {
        Self { at: it.at.to_string(), act: it.act.code(), says: it.says, message: it.message.map(|it| it.to_string()) }
    }
}

impl From<Finding> for Clause {
    fn from(it: Finding) -> Self {
        let standing = match it.standing {
            Standing::Met => "met",
            Standing::Missed => "missed",
            Standing::NotApplicable => "not-applicable",
        };
        Self { source: it.source, clause: it.clause, standing, why: it.why }
    }
}
