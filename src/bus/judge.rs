//! What a record comes to: the engine is asked, and its answer put into the contract's words.

use super::answer::{generated, validated};
use super::ask::{self, Malformed};
use super::identity;
use super::record::{Flow, Record};
use crate::domain::decide::order::FieldError;
use crate::domain::id::{InstitutionId, PublisherId};
use crate::domain::limit::Limit;
use crate::domain::request::{Asked, Origin};
use crate::domain::time::Timestamp;
use crate::domain::told::{Checked, Refusal};
use crate::engine::direct::{BusSlot, Creation};
use crate::engine::{Engine, Trouble};
use crate::vault::Vault;
use std::sync::Arc;
use std::time::Duration;

/// How often our own trouble is met before it is answered as such.
const TROUBLES: u32 = 5;

/// What settings add to each request.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Whose requests they are.
    pub publisher: PublisherId,
    /// Where; `None`: the publisher's default or only institution.
    pub institution: Option<String>,
    /// Characters of a code.
    pub length: u8,
    /// A code has letters, too.
    pub alphanumeric: bool,
    /// Seconds for which an answer counts.
    pub validity: u32,
    /// Wrong answers at which a code fails; `None`: the publisher's setting.
    pub attempts: Option<u8>,
    /// Records that were produced longer ago are not carried out.
    pub max_age: Duration,
}

/// What a record comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Judged {
    /// This is answered.
    Answer {
        /// The value.
        body: Vec<u8>,
        /// In one word, for metrics.
        outcome: &'static str,
    },
    /// It is no request, and names nobody to answer: a dead letter, for this reason.
    Dead(String),
    /// Not now: it is to be judged again.
    Later {
        /// After this long, at least.
        after: Duration,
        /// It was our own trouble.
        trouble: bool,
    },
}

/// Judges records for one publisher.
pub struct Judge {
    engine: Arc<Engine>,
    vault: Arc<Vault>,
    terms: Terms,
    cluster: String,
}

impl Judge {
    /// Over an engine; `cluster` is the id of the cluster that the records come from.
    pub fn new(engine: Arc<Engine>, vault: Arc<Vault>, terms: Terms, cluster: String) -> Self {
        Self { engine, vault, terms, cluster }
    }

    /// The time, as the engine sees it.
    pub fn now(&self) -> Timestamp {
        self.engine.now()
    }

    /// Judges a record; `troubles` counts how often ours kept us from it so far.
    pub async fn judge(&self, record: &Record, troubles: u32) -> Judged {
        match record.flow {
            Flow::Generate => self.generate(record, troubles).await,
            Flow::Validate => self.validate(record, troubles).await,
        }
    }

    /// What is answered when judging it failed by a fault of ours.
    pub fn failed(record: &Record) -> Judged {
        let echo = match record.flow {
            Flow::Generate => ask::generate(record).map(|it| it.echo),
            Flow::Validate => ask::validate(record).map(|it| it.echo),
        };
        match echo {
            Ok(echo) => answer(record.flow, &echo, OURS),
            Err(malformed) => refuse(record.flow, malformed),
        }
    }

    async fn generate(&self, record: &Record, troubles: u32) -> Judged {
        let it = match ask::generate(record) {
            Ok(it) => it,
            Err(malformed) => return refuse(record.flow, malformed),
        };
        if self.is_old(record) {
            return answer(record.flow, &it.echo, OLD);
        }
        let error = match self.engine.create(self.origin(record), self.complete(it.asked, record)).await {
            Ok(Creation::Opened { .. }) => return Judged::Answer { body: generated(&it.echo, None), outcome: "sent" },
            Ok(Creation::Invalid(errors)) => sentence(&errors),
            // A queue can wait for the next second.
            Ok(Creation::Refused(Refusal::Limit(Limit::Rate))) => {
                return Judged::Later { after: Duration::from_secs(1), trouble: false };
            }
            Ok(Creation::Refused(refusal)) => words(refusal).to_owned(),
            Err(trouble) => match later(trouble, troubles) {
                Some(later) => return later,
                None => return answer(record.flow, &it.echo, OURS),
            },
        };
        Judged::Answer { body: generated(&it.echo, Some(&error)), outcome: "not_sent" }
    }

    async fn validate(&self, record: &Record, troubles: u32) -> Judged {
        let it = match ask::validate(record) {
            Ok(it) => it,
            Err(malformed) => return refuse(record.flow, malformed),
        };
        if self.is_old(record) {
            return answer(record.flow, &it.echo, OLD);
        }
        let institution = self.terms.institution.as_deref().map(InstitutionId::from);
        let slot = BusSlot { institution, client: it.client, channel: it.channel };
        let key = identity::of(&*self.vault, &self.cluster, record);
        match self.engine.verify_slot(self.origin(record), slot, it.typed, Some(key)).await {
            Ok(checked) => {
                let (judged, outcome) = verdict(checked);
                Judged::Answer { body: validated(&it.echo, judged), outcome }
            }
            Err(trouble) => later(trouble, troubles).unwrap_or_else(|| answer(record.flow, &it.echo, OURS)),
        }
    }

    fn complete(&self, asked: Asked, record: &Record) -> Asked {
        Asked {
            institution: self.terms.institution.clone(),
            length: Some(self.terms.length.into()),
            alphanumeric: Some(self.terms.alphanumeric),
            validity: Some(self.terms.validity.into()),
            attempts: self.terms.attempts.map(Into::into),
            key: Some(identity::of(&*self.vault, &self.cluster, record)),
            ..asked
        }
    }

    fn origin(&self, record: &Record) -> Origin {
        Origin::new(self.terms.publisher.clone(), record.received_at)
    }

    fn is_old(&self, record: &Record) -> bool {
        record.produced_at.is_some_and(|it| record.received_at.since(Timestamp::from_millis(it)) > self.terms.max_age)
    }
}

const OLD: &str = "The request was produced too long ago, and was not carried out.";
const OURS: &str = "The request could not be carried out for a reason of ours.";

fn refuse(flow: Flow, Malformed { echo, why }: Malformed) -> Judged {
    if echo.process.is_some() { answer(flow, &echo, &why) } else { Judged::Dead(why) }
}

fn answer(flow: Flow, echo: &ask::Echo, error: &str) -> Judged {
    match flow {
        Flow::Generate => Judged::Answer { body: generated(echo, Some(error)), outcome: "not_sent" },
        Flow::Validate => Judged::Answer { body: validated(echo, Err(error)), outcome: "not_judged" },
    }
}

fn later(trouble: Trouble, troubles: u32) -> Option<Judged> {
    match trouble {
        Trouble::Busy { retry_after } => Some(Judged::Later { after: retry_after, trouble: false }),
        Trouble::Failed | Trouble::Cursor if troubles < TROUBLES => {
            Some(Judged::Later { after: Duration::from_millis(200) * 2u32.pow(troubles), trouble: true })
        }
        Trouble::Failed | Trouble::Cursor => None,
    }
}

fn sentence(errors: &[FieldError]) -> String {
    errors.iter().map(|it| format!("{}: {}", bus_name(it.field), it.text)).collect::<Vec<_>>().join(" ")
}

// As the bus calls the field.
fn bus_name(field: &str) -> &str {
    match field {
        "template" => "templateName",
        "locale" => "language",
        "parameters" => "contentParams",
        other => other,
    }
}

const fn words(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::KeyReused => "The message id was used before with another request.",
        Refusal::OptedOut => "The recipient opted out of these messages.",
        Refusal::Limit(Limit::Failures { .. }) => "Too many failed answers of this recipient or client.",
        Refusal::Limit(Limit::Messages { .. }) => "Too many messages to this recipient.",
        Refusal::Limit(Limit::Open { .. }) => "Too many open codes of this recipient.",
        Refusal::Limit(Limit::Day { .. } | Limit::Money { .. }) => "The limit of requests for this day is reached.",
        Refusal::Limit(Limit::Prefix { .. } | Limit::Country { .. }) => "Too many messages to numbers like this one.",
        // Of those that come later without an answer of their own.
        Refusal::Limit(_) => "A limit is reached.",
    }
}

// A code is valid once, until it expires, for at most the allowed attempts: that it isn't any more is a judgement, too. Of an ended
// one the place is free, as if none had been sent.
const fn verdict(checked: Checked) -> (Result<bool, &'static str>, &'static str) {
    match checked {
        Checked::Verified => (Ok(true), "valid"),
        Checked::Wrong { .. } | Checked::Failed | Checked::Expired | Checked::Used | Checked::Superseded | Checked::Cancelled => {
            (Ok(false), "invalid")
        }
        Checked::Unknown => (Ok(false), "unknown"),
        Checked::Blocked { .. } => (Err("Too many failed answers: this answer was not judged."), "not_judged"),
    }
}
