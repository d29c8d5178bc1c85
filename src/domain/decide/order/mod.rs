//! Field rules of a challenge that is asked for over REST or Kafka: what can be said of it from its publisher's settings alone. All
//! that is wrong is told at once, each with a stable code and the name of its JSON field.

mod fields;

use super::rules::payload::canonical;
use crate::domain::budget::BudgetKey;
use crate::domain::challenge::{Mode, RepeatKey, Slot, SlotSubject};
use crate::domain::code::{CodeShape, Secret};
use crate::domain::contact::Channel;
use crate::domain::direct::{Direct, Found, Message};
use crate::domain::id::InstitutionId;
use crate::domain::keyring::Keyring;
use crate::domain::publisher::Publisher;
use crate::domain::recipient::RecipientKey;
use crate::domain::request::{Asked, Origin};
use crate::domain::snapshot::Query;
use fields::Findings;

/// Characters of a code where the caller says nothing.
pub const LENGTH: u8 = 6;
/// Shortest and longest time in seconds for which an answer may count.
pub const VALIDITY: (u32, u32) = (15, 3_600);
/// Seconds for which an answer counts where the caller says nothing.
pub const VALIDITY_DEFAULT: u32 = 300;
/// Bytes that a name, a reference or an idempotency key may have.
pub const NAME_MAX: usize = 256;

/// A request whose field rules hold. Holding one proves it: [`check`] is the only maker.
#[derive(Debug)]
#[non_exhaustive]
pub struct Order {
    /// Who asks, and since when.
    pub origin: Origin,
    /// Where.
    pub institution: InstitutionId,
    /// For which product.
    pub product: String,
    /// Whom it goes to, and what the caller said along with it.
    pub direct: Direct,
    /// The caller's text; `None`: ours, or a template's.
    pub text: Option<Secret>,
    /// Values for the template.
    pub parameters: Vec<(String, Secret)>,
    /// What the code looks like.
    pub shape: CodeShape,
    /// For how long an answer counts.
    pub seconds: u32,
    /// Wrong answers at which it fails.
    pub attempts: u8,
    /// Whether an SMS answers it, too.
    pub mode: Mode,
    /// Everything but the hand-over to a carrier.
    pub test: bool,
    /// The idempotency key and the payload's MAC.
    pub repeat: Option<RepeatKey>,
}

impl Order {
    /// What must be read to decide it.
    pub fn query(&self) -> Query {
        let key =
            |id: &String| RecipientKey { publisher: self.origin.publisher.clone(), institution: self.institution.clone(), id: id.clone() };
        Query::Open {
            publisher: self.origin.publisher.clone(),
            institution: self.institution.clone(),
            repeat: self.repeat.as_ref().map(|it| it.key.clone()),
            recipient: self.direct.client.as_ref().map(key),
            phone: Some(self.direct.address.clone()),
            slot: self.slot(),
            now: self.origin.received_at,
        }
    }

    /// Whose failures count against it.
    pub fn concerns(&self, key: &BudgetKey) -> bool {
        match key {
            BudgetKey::Address(_, address) => *address == self.direct.address,
            BudgetKey::Recipient(..) => true,
        }
    }

    /// The place that it takes (decision 16; contract `otp-bus.md`).
    pub fn slot(&self) -> Slot {
        Slot {
            publisher: self.origin.publisher.clone(),
            institution: self.institution.clone(),
            subject: SlotSubject::of(&self.direct, &self.product),
        }
    }
}

/// One rule that a request breaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldError {
    /// The JSON field.
    pub field: &'static str,
    /// Which kind of rule.
    pub code: FieldCode,
    /// One English sentence; never a value of the request.
    pub text: String,
}

/// Kinds of rules, by stable names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldCode {
    /// It must be there.
    Required,
    /// It can't be read.
    Malformed,
    /// It is outside its range.
    OutOfRange,
    /// It is too long, or there are too many.
    TooLong,
    /// There is no such thing for this publisher.
    Unknown,
    /// The publisher may not.
    NotAllowed,
    /// It contradicts another field.
    Conflict,
}

impl FieldCode {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Malformed => "malformed",
            Self::OutOfRange => "out-of-range",
            Self::TooLong => "too-long",
            Self::Unknown => "unknown",
            Self::NotAllowed => "not-allowed",
            Self::Conflict => "conflict",
        }
    }
}

/// Judges all field rules at once; the errors come in the order of [`Asked`]. `template` is what the request's template was found to
/// be; `None` where it names none, or none that there is.
pub fn check(
    origin: Origin,
    mut asked: Asked,
    (publisher, keyring): (&Publisher, &dyn Keyring),
    template: Option<&Found>,
) -> Result<Order, Vec<FieldError>> {
    let mut found = Findings(Vec::new());
    let repeat = found.key(asked.key.take()).map(|key| RepeatKey { key, payload: keyring.payload_tag(&fields_of(&asked)) });
    let (institution, product) = found.place(&asked, publisher);
    let channel = found.channel(asked.channel.as_deref());
    let address = found.recipient(asked.recipient.as_ref(), channel, publisher);
    let message = found.message(&asked, template);
    let text = found.text(asked.text.take());
    let shape = found.shape(asked.length, asked.alphanumeric.unwrap_or(false));
    found.parameters(&asked.parameters, (template, shape));
    let seconds = found.validity(asked.validity, publisher.lifetime);
    let attempts = found.attempts(asked.attempts, publisher.attempts);
    found.locale(asked.locale.as_deref());
    found.short("reference", asked.reference.as_deref());
    found.short("clientId", asked.client.as_deref());
    let mode = found.mode(asked.reply.unwrap_or(false), channel);
    match (channel, address, found.0.is_empty()) {
        (Some(channel), Some(address), true) => Ok(Order {
            origin,
            institution: InstitutionId::from(institution.as_str()),
            product,
            direct: Direct { channel, address, message, locale: asked.locale, reference: asked.reference, client: asked.client },
            text,
            parameters: asked.parameters,
            shape,
            seconds,
            attempts,
            mode,
            test: asked.test.unwrap_or(false),
            repeat,
        }),
        _ => Err(found.0),
    }
}

// What makes two requests the same (decision 1).
fn fields_of(asked: &Asked) -> crate::domain::code::Wiped {
    let number = |it: Option<i64>| it.map(|it| it.to_string());
    let flag = |it: Option<bool>| it.map(|it| it.to_string());
    let plain = [number(asked.length), flag(asked.alphanumeric), number(asked.validity), number(asked.attempts)];
    let flags = [flag(asked.reply), flag(asked.test)];
    canonical(|put| {
        for text in [&asked.institution, &asked.product, &asked.channel, &asked.locale, &asked.reference, &asked.client] {
            put(text.as_deref());
        }
        for secret in [&asked.recipient, &asked.text] {
            put(secret.as_ref().map(Secret::expose));
        }
        put(asked.template.as_ref().map(|it| it.name.as_str()));
        put(asked.template.as_ref().and_then(|it| it.language.as_deref()));
        plain.iter().chain(&flags).for_each(|it| put(it.as_deref()));
        for (name, value) in &asked.parameters {
            put(Some(name));
            put(Some(value.expose()));
        }
    })
}

/// Where a publisher's requests are for when they don't say: its default institution, or its only one.
pub fn institution(publisher: &Publisher) -> Option<InstitutionId> {
    let only = || publisher.institutions.keys().next().filter(|_| publisher.institutions.len() == 1).cloned();
    publisher.defaults.inst_rt_id.as_deref().map(InstitutionId::from).or_else(only)
}

/// The channel of a template that a request names: what it must be looked up for; `None` where it can't be read.
pub fn kind_of(asked: &Asked) -> Option<Channel> {
    asked.channel.as_deref().and_then(Channel::parse)
}

fn message_of(template: Option<&Found>) -> Message {
    template.map_or(Message::Text, |it| Message::Template(it.which.clone()))
}
