//! A message's body, made at hand-over from what was sealed with the challenge (decision 3).

use crate::connect::contract::{Body, Push};
use crate::domain::challenge::{Challenge, Level, Mode, Shape};
use crate::domain::code::{CodeKind, CodeShape, Secret};
use crate::domain::contact::Channel;
use crate::domain::decide::order::Order;
use crate::domain::decide::rules::{Goal, Wish};
use crate::domain::delivery::{Delivery, Purpose};
use crate::domain::direct::{Direct, Message};
use crate::domain::material::Material;
use crate::domain::message::{self, Compiled};
use crate::domain::publisher::{Alert, Publisher, Registry};
use crate::domain::segment;
use crate::domain::smart::Zone;
use crate::domain::template::{Target, Template, Values};
use crate::domain::text as ours;
use crate::domain::time::Timestamp;
use std::time::Duration;

/// What bodies are made from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// Publishers and their alerts.
    pub registry: &'a Registry,
    /// The stored template that the challenge was opened with, where there is one.
    pub template: Option<&'a Compiled>,
}

/// The body of `delivery`. `Err` says why there is none; it names no value.
pub fn body(challenge: &Challenge, delivery: &Delivery, material: &Material, from: Sources<'_>, now: Timestamp) -> Result<Body, String> {
    let registry = from.registry;
    if let Purpose::Answer(text) = &delivery.purpose {
        return Ok(Body::Sms(Secret::new(text.as_str())));
    }
    let publisher = registry.publishers.get(&challenge.publisher).ok_or("the publisher is no longer registered")?;
    let offset = match &challenge.level {
        Level::Native { utc_offset_minutes, .. } => *utc_offset_minutes,
        Level::Explicit { .. } | Level::Direct(_) => None,
    };
    let mut values = values(material, publisher, now);
    values.zone = offset.map_or(publisher.zone, Zone::Offset);
    match &challenge.level {
        Level::Native { alert, version, .. } => {
            let alert = registry.alert(&challenge.publisher, version, alert);
            native(alert.ok_or("the alert's version is no longer registered")?, delivery.channel, &values)
        }
        Level::Explicit { .. } => text(material, Target::Sms, Ours::of(challenge, publisher), &values).map(Body::Sms),
        Level::Direct(it) => {
            let name = &publisher.display_name;
            let said = match (&it.message, from.template) {
                (Message::Template(_), Some(template)) => of_template(template, material)?,
                (Message::Template(which), None) => return Err(format!("version {} of its template is not kept any more", which.version)),
                (Message::Text, _) => {
                    Said { title: None, text: text(material, target(it.channel), Ours::of(challenge, publisher), &values)? }
                }
            };
            Ok(direct(challenge, it, said, name, now))
        }
    }
}

/// In how many parts a body travels, each of which costs an SMS: one, for what is no SMS.
pub fn parts(body: &Body) -> u64 {
    match body {
        Body::Sms(text) => segment::count(text.expose()).segments as u64,
        Body::Mail { .. } | Body::Push(_) => 1,
    }
}

/// The same of what an order will say, before it has a code: any code of its shape makes as many. What can't be rendered is not sent
/// either, and counts as one.
pub fn parts_of_order(order: &Order, template: Option<&Compiled>, publisher: &Publisher, now: Timestamp) -> u64 {
    if order.direct.channel != Channel::Sms {
        return 1;
    }
    let material = Material { otp: Some(sample(order.shape)), otpa: None, text: order.text.clone(), parameters: order.parameters.clone() };
    let (mode, valid) = (order.mode, Duration::from_secs(order.seconds.into()));
    let said = match template {
        Some(template) => of_template(template, &material).map(|it| it.text),
        None => text(
            &material,
            Target::Sms,
            Ours { mode, combined: false, name: &publisher.display_name, valid },
            &values(&material, publisher, now),
        ),
    };
    said.map_or(1, |it| parts(&Body::Sms(it)))
}

/// The same of what a request with a phone number will say.
pub fn parts_of_wish(wish: &Wish, publisher: &Publisher, now: Timestamp) -> u64 {
    let Goal::Explicit { text: own, .. } = &wish.target else { return 1 };
    let [otp, otpa] = [CodeKind::Otp, CodeKind::Otpa].map(|it| Some(sample(it.shape())));
    let material = Material { otp, otpa, text: own.as_ref().map(|it| it.0.clone()), parameters: wish.parameters.clone() };
    let (combined, valid) = (wish.own_value.is_some(), Duration::from_secs(wish.seconds.into()));
    let ours = Ours { mode: wish.mode, combined, name: &publisher.display_name, valid };
    text(&material, Target::Sms, ours, &values(&material, publisher, now)).map_or(1, |it| parts(&Body::Sms(it)))
}

// A code like those that will be drawn.
fn sample(shape: CodeShape) -> Secret {
    Secret::new(char::from(shape.alphabet()[0]).to_string().repeat(shape.len()))
}

fn values<'a>(material: &'a Material, publisher: &Publisher, now: Timestamp) -> Values<'a> {
    Values { otp: material.otp.as_ref(), otpa: material.otpa.as_ref(), parameters: &material.parameters, now, zone: publisher.zone }
}

fn native(alert: &Alert, channel: Channel, values: &Values<'_>) -> Result<Body, String> {
    let part = |template: &Option<Template>| template.as_ref().map(|it| it.render(values)).transpose().map_err(unreadable);
    match channel {
        Channel::Sms => part(&alert.sms)?.map(Body::Sms).ok_or_else(|| "the alert has no SMS body".to_owned()),
        Channel::Mail => {
            let subject = part(&alert.subject)?.unwrap_or_else(|| Secret::new(alert.name.as_str()));
            let (text, html) = (part(&alert.text)?, part(&alert.html)?);
            let said = html.as_ref().filter(|_| text.is_none()).map(|it| message::alternative_of_any(it.expose()));
            Ok(Body::Mail { subject, text: text.or(said), html })
        }
        Channel::Push => Err("an alert has no body for push messages".to_owned()),
    }
}

// What a direct message says, whatever its channel.
struct Said {
    // `None`: the template has none; the publisher's name, which needs no language, stands for it.
    title: Option<Secret>,
    text: Secret,
}

// A template of mail makes HTML, a text of the caller's or ours is plain.
fn direct(challenge: &Challenge, it: &Direct, said: Said, name: &str, now: Timestamp) -> Body {
    let title = said.title.unwrap_or_else(|| Secret::new(name));
    match (it.channel, &it.message) {
        (Channel::Sms, _) => Body::Sms(said.text),
        (Channel::Mail, Message::Text) => Body::Mail { subject: title, text: Some(said.text), html: None },
        (Channel::Mail, Message::Template(_)) => {
            Body::Mail { subject: title, text: Some(message::alternative(said.text.expose())), html: Some(said.text) }
        }
        (Channel::Push, _) => Body::Push(Push {
            title,
            text: said.text,
            data: vec![("challenge".to_owned(), Secret::new(challenge.id.to_string()))],
            ttl: challenge.expires_at.since(now),
            // Of one challenge the last message shows. Without hyphens an id is just as long as a topic may be.
            topic: Some(challenge.id.0.simple().to_string()),
        }),
    }
}

fn of_template(template: &Compiled, material: &Material) -> Result<Said, String> {
    let code = material.code().ok_or("its code is gone")?;
    let made = template.render(&message::Values { code, parameters: &material.parameters }).map_err(|it| it.to_string())?;
    Ok(Said { title: made.subject, text: made.body })
}

const fn target(channel: Channel) -> Target {
    match channel {
        Channel::Sms | Channel::Push => Target::Sms,
        Channel::Mail => Target::Text,
    }
}

// What our own text depends on.
struct Ours<'a> {
    mode: Mode,
    combined: bool,
    name: &'a str,
    valid: Duration,
}

impl<'a> Ours<'a> {
    fn of(challenge: &Challenge, publisher: &'a Publisher) -> Self {
        Self {
            mode: challenge.mode,
            combined: challenge.verifier.as_ref().is_some_and(|it| it.shape == Shape::OtpThen),
            name: &publisher.display_name,
            valid: challenge.expires_at.since(challenge.opened_at),
        }
    }
}

// The publisher's text, or ours; the code stands in either as a tag.
fn text(material: &Material, target: Target, ours: Ours<'_>, values: &Values<'_>) -> Result<Secret, String> {
    let template = match &material.text {
        Some(text) => Template::compile(text.expose(), target),
        None => Template::compile(&ours::challenge(ours.mode, ours.combined, ours.name, ours.valid), target),
    };
    template.map_err(|_| "the text is no template")?.render(values).map_err(unreadable)
}

fn unreadable(names: Vec<String>) -> String {
    format!("parameters are missing or can't be read by their format: {}", names.join(", "))
}
