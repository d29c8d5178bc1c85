//! What is asked over REST and Kafka: the engine's side of it, with answers as plain data. All of it goes the way of every other
//! request, [`Engine::carry_out`].

use super::quotas::Counted;
use super::{Engine, Trouble, render};
use crate::domain::answer::Answer;
use crate::domain::assurance::{Finding, verdict};
use crate::domain::challenge::{Challenge, Slot, SlotSubject, call_key};
use crate::domain::code::Secret;
use crate::domain::contact::Channel;
use crate::domain::decide::Request;
use crate::domain::decide::order::{self, FieldError};
use crate::domain::delivery::Purpose;
use crate::domain::direct::{Direct, Found, Message, TemplateRef, kind_of};
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::message::{Compiled, Language};
use crate::domain::publisher::Publisher;
use crate::domain::request::{Asked, Close, Ending, Origin, Pace, Policy, Resend, Verify};
use crate::domain::snapshot::{Query, View};
use crate::domain::summary::{Step, Summary, timeline};
use crate::domain::told::{Checked, Closed, Created, Refusal, Resent};
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

/// What came of [`Engine::create`].
#[derive(Clone, Debug)]
pub enum Creation {
    /// It is open, and its message is durably accepted for sending.
    Opened {
        /// How it stands.
        summary: Box<Summary>,
        /// The code, for whoever may see it; `None` when the session of a repeated request has ended.
        code: Option<Secret>,
        /// The request was seen before: nothing was sent now.
        repeated: bool,
    },
    /// Fields break rules: all that do.
    Invalid(Vec<FieldError>),
    /// The answer is no, and nothing was sent.
    Refused(Refusal),
}

/// A challenge as its publisher may see it.
#[derive(Clone, Debug)]
pub struct Looked {
    /// How it stands.
    pub summary: Summary,
    /// What happened to it, oldest first.
    pub timeline: Vec<Step>,
    /// Which clauses of the standards it met.
    pub assurance: Vec<Finding>,
}

/// Who calls, about which challenge, and by which key the call is known when it is repeated.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls, and since when.
    pub origin: Origin,
    /// About which challenge.
    pub id: AggregateId,
    /// The `Idempotency-Key`, if there is one; at most 256 bytes of it count.
    pub key: Option<String>,
}

/// The slot of the bus: whose code it is (contract `otp-bus.md`).
#[derive(Clone, Debug)]
pub struct BusSlot {
    /// Where; `None`: the publisher's default or only institution.
    pub institution: Option<InstitutionId>,
    /// `clientId`
    pub client: String,
    /// `channel`
    pub channel: Channel,
}

impl Engine {
    /// Judges and opens a challenge that was asked for over REST or Kafka. A repeated request gets its first answer.
    pub async fn create(&self, origin: Origin, asked: Asked) -> Result<Creation, Trouble> {
        let registry = self.registry();
        let Some(publisher) = registry.publishers.get(&origin.publisher) else { return Err(unregistered(&origin.publisher)) };
        let template = self.template(publisher, &asked).await?;
        let order = match order::check(origin, asked, (publisher, &*self.parts.vault), template.as_ref()) {
            Ok(order) => order,
            Err(errors) => return Ok(Creation::Invalid(errors)),
        };
        let this_second = self.rates.asked(&publisher.id, publisher.limits.per_second, self.now());
        // With everything else about the same address.
        let _turn = self.turns.wait(&order.direct.address).await;
        let query = order.query();
        let counted = match order.test {
            true => Counted::default(),
            false => {
                let parts = || render::parts_of_order(&order, template.as_ref().map(|it| &*it.template), publisher, self.now());
                self.count(publisher, &order.origin, (order.direct.channel, &order.direct.address), parts).await?
            }
        };
        let request = Request::Create(Box::new(order));
        let asked = self.carry_out(&query, &request, |view| {
            view.publisher_this_second = this_second;
            view.quota = counted.full;
        });
        let answer = asked.await;
        self.settle(counted, matches!(answer, Ok(Answer::Created(Created::Opened { .. })) | Err(_)));
        match answer? {
            Answer::Created(Created::Opened { summary, code }) => Ok(Creation::Opened { summary, code: Some(code), repeated: false }),
            Answer::Created(Created::Repeated { id, material }) => {
                let summary = self.looked_up(id).await?.map(|it| Summary::of(&it, self.now())).ok_or(Trouble::Failed)?;
                let code = material.and_then(|sealed| self.open_material(id, &sealed)).and_then(|it| it.code().cloned());
                Ok(Creation::Opened { summary: Box::new(summary), code, repeated: true })
            }
            Answer::Created(Created::Refused(refusal)) => Ok(Creation::Refused(refusal)),
            other => Err(astray("create", &other)),
        }
    }

    /// The field rules that a request breaks. Opens nothing, and counts nothing.
    pub async fn breaches(&self, origin: Origin, asked: Asked) -> Result<Vec<FieldError>, Trouble> {
        let registry = self.registry();
        let Some(publisher) = registry.publishers.get(&origin.publisher) else { return Err(unregistered(&origin.publisher)) };
        let template = self.template(publisher, &asked).await?;
        Ok(order::check(origin, asked, (publisher, &*self.parts.vault), template.as_ref()).err().unwrap_or_default())
    }

    /// Judges an answer to a challenge. A call that is repeated under its key gets its first answer, and costs nothing.
    pub async fn verify(&self, call: Call, typed: Secret) -> Result<Checked, Trouble> {
        self.verify_and_tell(call, typed).await.map(|it| it.0)
    }

    /// The same, and the challenge's language tag, where its publisher asks and gave one.
    pub async fn verify_and_tell(&self, call: Call, typed: Secret) -> Result<(Checked, Option<String>), Trouble> {
        let key = call.remembered();
        let query = Query::Call { id: call.id, key: key.clone(), again: None };
        let _turn = self.turns.wait(call.id).await;
        let request = Verify { publisher: call.origin.publisher, typed, key, received_at: call.origin.received_at };
        let (publisher, locale) = (request.publisher.clone(), OnceLock::new());
        let own = |view: &View| {
            let found = view.one.as_ref()?.value.challenge().filter(|it| it.publisher == publisher)?;
            found.level.direct()?.locale.clone()
        };
        let answer = self.carry_out(&query, &Request::Verify(request), |view| drop(locale.set(own(view)))).await?;
        Ok((checked(answer)?, locale.into_inner().flatten()))
    }

    /// Judges an answer to the newest code of a client (contract `otp-bus.md`). `key` tells this call from every other of the
    /// publisher.
    pub async fn verify_slot(&self, origin: Origin, slot: BusSlot, typed: Secret, key: Option<String>) -> Result<Checked, Trouble> {
        let registry = self.registry();
        let Some(publisher) = registry.publishers.get(&origin.publisher) else { return Err(unregistered(&origin.publisher)) };
        let Some(slot) = slot.of(publisher) else { return Ok(Checked::Unknown) };
        let key = key.map(|it| call_key(&origin.publisher, &[&it]));
        let _turn = self.turns.wait(&slot).await;
        let query = Query::Slot { slot, key: key.clone() };
        let request = Verify { publisher: origin.publisher, typed, key, received_at: origin.received_at };
        self.check(&query, request).await
    }

    /// Sends a challenge's message again.
    pub async fn resend(&self, call: Call, policy: Policy, pace: Pace) -> Result<Resent, Trouble> {
        // Where it went says what must be read with it. That never changes.
        let Some(challenge) = self.looked_up(call.id).await?.filter(|it| it.publisher == call.origin.publisher) else {
            return Ok(Resent::Unknown);
        };
        let Some(direct) = challenge.level.direct() else { return Ok(Resent::Unknown) };
        let key = call.remembered();
        let query = Query::Call { id: call.id, key: key.clone(), again: Some((direct.address.clone(), self.now())) };
        let wish = Resend { publisher: call.origin.publisher.clone(), policy, pace, key, received_at: call.origin.received_at };
        let _turn = self.turns.wait(&direct.address).await;
        let registry = self.registry();
        let counted = match registry.publishers.get(&challenge.publisher).filter(|_| !challenge.test) {
            Some(publisher) => {
                // Only what it costs depends on it.
                let is_priced = publisher.quotas.money.price(direct.channel, &direct.address) > 0;
                let template = if is_priced { self.template_of(&challenge).await? } else { None };
                let from = render::Sources { registry: &registry, template: template.as_deref() };
                let parts = || self.parts_again(&challenge, from);
                self.count(publisher, &call.origin, (direct.channel, &direct.address), parts).await?
            }
            None => Counted::default(),
        };
        let answer = self
            .carry_out(&query, &Request::Resend(wish), |view| {
                view.quota = counted.full;
                if policy == Policy::SameCode {
                    return;
                }
                let sealed = view.one.as_ref().and_then(|it| it.value.challenge()?.material.as_ref());
                view.material = sealed.and_then(|it| self.open_material(call.id, it));
            })
            .await;
        self.settle(counted, matches!(answer, Ok(Answer::Resent(Resent::Sent { .. })) | Err(_)));
        match answer? {
            Answer::Resent(resent) => Ok(resent),
            other => Err(astray("resend", &other)),
        }
    }

    /// Ends a challenge that is of no use any more.
    pub async fn cancel(&self, call: Call) -> Result<Closed, Trouble> {
        self.close(call, Ending::Cancelled).await
    }

    /// Tells the outcome of an answer that the publisher verified itself (decision 13).
    pub async fn outcome(&self, call: Call, verified: bool) -> Result<Closed, Trouble> {
        self.close(call, if verified { Ending::Verified } else { Ending::Failed }).await
    }

    /// A challenge of this publisher, also long after it ended; `None`: there is none that it may see.
    pub async fn look(&self, publisher: &PublisherId, id: AggregateId) -> Result<Option<Looked>, Trouble> {
        let found = self.looked_up(id).await?.filter(|it| it.publisher == *publisher);
        Ok(found.map(|it| Looked { summary: Summary::of(&it, self.now()), timeline: timeline(&it), assurance: verdict(&it) }))
    }

    /// The stored template that a challenge was opened with, in the version of then; `None` where there is none.
    pub(super) async fn template_of(&self, challenge: &Challenge) -> Result<Option<Arc<Compiled>>, Trouble> {
        let Some(Direct { message: Message::Template(which), .. }) = challenge.level.direct() else { return Ok(None) };
        self.templates.compiled(&challenge.publisher, &which.key(), which.version).await
    }

    // In how many parts a challenge's message travels when it is sent again; a new code is as long as the old one.
    fn parts_again(&self, challenge: &Challenge, from: render::Sources<'_>) -> u64 {
        let material = challenge.material.as_ref().and_then(|it| self.open_material(challenge.id, it)).unwrap_or_default();
        let message = challenge.deliveries.iter().find(|it| it.purpose == Purpose::Challenge);
        let body = message.and_then(|it| render::body(challenge, it, &material, from, self.now()).ok());
        body.map_or(1, |it| render::parts(&it))
    }

    async fn check(&self, query: &Query, request: Verify) -> Result<Checked, Trouble> {
        checked(self.carry_out(query, &Request::Verify(request), |_| {}).await?)
    }

    async fn close(&self, call: Call, ending: Ending) -> Result<Closed, Trouble> {
        let _turn = self.turns.wait(call.id).await;
        let wish = Close { publisher: call.origin.publisher, ending, received_at: call.origin.received_at };
        match self.carry_out(&Query::One(call.id), &Request::Close(wish), |_| {}).await? {
            Answer::Closed(closed) => Ok(closed),
            other => Err(astray("close", &other)),
        }
    }

    async fn looked_up(&self, id: AggregateId) -> Result<Option<Challenge>, Trouble> {
        Ok(self.store().find(id).await?.and_then(|it| it.value.into_challenge()))
    }

    /// What a request's template is: the one of its name for its channel and language, in its newest version.
    async fn template(&self, publisher: &Publisher, asked: &Asked) -> Result<Option<Found>, Trouble> {
        let (Some(named), Some(channel)) = (&asked.template, order::kind_of(asked)) else { return Ok(None) };
        let language = named.language.as_deref().or(asked.locale.as_deref()).and_then(Language::parse);
        let chosen = self.templates.resolve(&publisher.id, &named.name, kind_of(channel), language.as_ref()).await?;
        Ok(chosen.map(|it| Found { which: TemplateRef::of(&it.key, it.version), template: it.template }))
    }
}

impl Call {
    // By the challenge, too: one key for calls about two is not one call.
    fn remembered(&self) -> Option<String> {
        let key = self.key.as_deref()?;
        let end = key.floor_char_boundary(order::NAME_MAX);
        let mut id = Uuid::encode_buffer();
        Some(call_key(&self.origin.publisher, &[self.id.0.hyphenated().encode_lower(&mut id), "/", &key[..end]]))
    }
}

impl BusSlot {
    fn of(self, publisher: &Publisher) -> Option<Slot> {
        let institution = self.institution.or_else(|| order::institution(publisher))?;
        let subject = SlotSubject::Client { client: self.client, channel: self.channel };
        Some(Slot { publisher: publisher.id.clone(), institution, subject })
    }
}

fn unregistered(publisher: &PublisherId) -> Trouble {
    tracing::error!(%publisher, "an authenticated publisher is not registered");
    Trouble::Failed
}

fn checked(answer: Answer) -> Result<Checked, Trouble> {
    match answer {
        Answer::Checked(checked) => Ok(checked),
        other => Err(astray("verify", &other)),
    }
}

// A decision answers its own kind of request; another answer is our mistake.
fn astray(what: &str, answer: &Answer) -> Trouble {
    tracing::error!(what, ?answer, "a decision answered another request");
    Trouble::Failed
}
