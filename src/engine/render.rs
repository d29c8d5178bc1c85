//! A message's body, made at hand-over from what was sealed with the challenge (decision 3).

use crate::connect::contract::Body;
use crate::domain::challenge::{Challenge, Level, Shape};
use crate::domain::code::Secret;
use crate::domain::contact::Channel;
use crate::domain::delivery::{Delivery, Purpose};
use crate::domain::material::Material;
use crate::domain::publisher::{Alert, Registry};
use crate::domain::smart::Zone;
use crate::domain::template::{Target, Template, Values};
use crate::domain::text;
use crate::domain::time::Timestamp;

/// The body of `delivery`. `Err` says why there is none; it names no value.
pub fn body(challenge: &Challenge, delivery: &Delivery, material: &Material, registry: &Registry, now: Timestamp) -> Result<Body, String> {
    if let Purpose::Answer(text) = &delivery.purpose {
        return Ok(Body::Sms(Secret::new(text.as_str())));
    }
    let publisher = registry.publishers.get(&challenge.publisher).ok_or("the publisher is no longer registered")?;
    let offset = match &challenge.level {
        Level::Native { utc_offset_minutes, .. } => *utc_offset_minutes,
        Level::Explicit { .. } => None,
    };
    let values = Values {
        otp: material.otp.as_ref(),
        otpa: material.otpa.as_ref(),
        parameters: &material.parameters,
        now,
        zone: offset.map_or(publisher.zone, Zone::Offset),
    };
    match &challenge.level {
        Level::Native { alert, version, .. } => {
            let alert = registry.alert(&challenge.publisher, version, alert);
            native(alert.ok_or("the alert's version is no longer registered")?, delivery.channel, &values)
        }
        Level::Explicit { .. } => explicit(challenge, material, &publisher.display_name, &values).map(Body::Sms),
    }
}

fn native(alert: &Alert, channel: Channel, values: &Values<'_>) -> Result<Body, String> {
    let part = |template: &Option<Template>| template.as_ref().map(|it| it.render(values)).transpose().map_err(unreadable);
    match channel {
        Channel::Sms => part(&alert.sms)?.map(Body::Sms).ok_or_else(|| "the alert has no SMS body".to_owned()),
        Channel::Mail => Ok(Body::Mail {
            subject: part(&alert.subject)?.unwrap_or_else(|| Secret::new(alert.name.as_str())),
            text: part(&alert.text)?,
            html: part(&alert.html)?,
        }),
    }
}

// The publisher's text, or ours; the code stands in either as a tag.
fn explicit(challenge: &Challenge, material: &Material, name: &str, values: &Values<'_>) -> Result<Secret, String> {
    let template = match &material.text {
        Some(text) => Template::compile(text.expose(), Target::Sms),
        None => {
            let combined = challenge.verifier.as_ref().is_some_and(|it| it.shape == Shape::OtpThen);
            let valid = challenge.expires_at.since(challenge.opened_at);
            Template::compile(&text::challenge(challenge.mode, combined, name, valid), Target::Sms)
        }
    };
    template.map_err(|_| "the text is no template")?.render(values).map_err(unreadable)
}

fn unreadable(names: Vec<String>) -> String {
    format!("parameters are missing or can't be read by their format: {}", names.join(", "))
}
