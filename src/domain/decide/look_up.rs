//! Look-ups of `OOBValidate` (decision 20, third stage): what the registration and the store say of a request.

use super::Facts;
use super::rules::{Goal, Wish};
use crate::domain::challenge::Mode;
use crate::domain::code::{CodeKind, Secret};
use crate::domain::contact::{Address, Channel};
use crate::domain::fault::{Violation, own};
use crate::domain::publisher::{Alert, Publisher};
use crate::domain::recipient::{Contact, Recipient, Subscription};
use crate::domain::smart::Zone;
use crate::domain::template::Values;
use std::sync::Arc;

/// What the look-ups found: everything that opening needs, and nothing that could still be refused for the request's sake.
pub struct Found<'a> {
    /// The publisher's registration.
    pub publisher: &'a Publisher,
    /// Where the messages go.
    pub places: Vec<Place>,
    /// The code to draw, if any body shows one.
    pub code: Option<CodeKind>,
    /// The alert and the recipient, at the native level.
    pub native: Option<Native<'a>>,
}

/// The native level's findings.
pub struct Native<'a> {
    /// The alert, in the version that will be rendered.
    pub alert: &'a Arc<Alert>,
    /// Whom it is for.
    pub recipient: &'a Recipient,
    /// The subscription it goes by.
    pub subscription: &'a Subscription,
}

/// One place that a message goes to.
pub struct Place {
    /// SMS or mail.
    pub channel: Channel,
    /// Where to.
    pub address: Address,
    /// RecipConId.
    pub contact: Option<String>,
}

/// Looks everything up; the violations come in schema order.
pub fn look_up<'a>(facts: &'a Facts<'_>, wish: &Wish) -> Result<Found<'a>, Vec<Violation>> {
    let publisher = facts
        .registry
        .publishers
        .get(&wish.origin.publisher)
        .ok_or_else(|| vec![Violation::new(3155, "AlrtName", "Out-of-band validation is not enabled for this publisher.")])?;
    let version = standing(publisher, wish)?;
    match &wish.target {
        Goal::Explicit { phone, text } => {
            // Without a text of the publisher's, we write one, with a code of ours in it (contract, behaviour 4).
            let code = text.as_ref().map_or(Some(CodeKind::Otp), |(_, code)| *code);
            let place = Place { channel: Channel::Sms, address: phone.clone(), contact: None };
            opted_in(facts, publisher, std::slice::from_ref(&place))?;
            Ok(Found { publisher, places: vec![place], code, native: None })
        }
        Goal::Native { alert, account, contacts, .. } => {
            let alerts = version.and_then(|it| facts.registry.alerts(&publisher.id, it)).ok_or_else(|| vec![no_library()])?;
            let alert = alerts.get(alert).ok_or_else(|| {
                vec![
                    Violation::new(3121, "AlrtName", "The alert name is not in this publisher's library at this institution.")
                        .with_value(alert),
                ]
            })?;
            let native = native(facts, alert, account.as_deref())?;
            let places = places(facts, publisher, &native, contacts)?;
            let code = bodies(&native, &places, publisher, wish)?;
            Ok(Found { publisher, places, code, native: Some(native) })
        }
    }
}

fn no_library() -> Violation {
    Violation::new(3126, "InstRtId", "The institution has no deployed library for this publisher.")
}

// What the registration says of publisher, institution, product, name and version. Gives the library's version.
fn standing<'a>(publisher: &'a Publisher, wish: &Wish) -> Result<Option<&'a str>, Vec<Violation>> {
    let mut found = Vec::new();
    if !publisher.oob {
        found.push(Violation::new(3155, "AlrtName", "Out-of-band validation is not enabled for this publisher."));
    }
    if let Some(name) = &wish.consumer_name
        && !publisher.consumer_names.is_empty()
        && !publisher.consumer_names.contains(name)
    {
        found.push(Violation::new(2505, "ValidConsmName", "Access denied: unknown ValidConsmName.").with_value(name));
    }
    let versions = publisher.institutions.get(&wish.institution);
    if versions.is_none() {
        let text = "Access denied: the institution is not served for this publisher.";
        found.push(Violation::new(2505, "InstRtId", text).with_value(wish.institution.as_str()));
    }
    if !publisher.products.contains(&wish.product) {
        let text = "Access denied: the product is not registered for this publisher.";
        found.push(Violation::new(2505, "ConsumerProd", text).with_value(&wish.product));
    }
    let deployed: &[String] = versions.map_or(&[], Vec::as_slice);
    let version = match &wish.version {
        None => deployed.first().map(String::as_str),
        Some(asked) => {
            let version = deployed.iter().find(|it| *it == asked).map(String::as_str);
            if version.is_none() && versions.is_some() {
                let text = "PubVer is not valid for this institution and publisher.";
                found.push(Violation::new(3124, "PubVer", text).with_value(asked));
            }
            version
        }
    };
    if found.is_empty() { Ok(version) } else { Err(found) }
}

fn native<'a>(facts: &'a Facts<'_>, alert: &'a Arc<Alert>, account: Option<&str>) -> Result<Native<'a>, Vec<Violation>> {
    let unknown = || vec![Violation::new(own::RECIPIENT_UNKNOWN, "ConsmRecipId", "The recipient is not known here for this publisher.")];
    let recipient = &facts.view.recipient.as_ref().ok_or_else(unknown)?.value;
    if !recipient.active {
        return Err(vec![Violation::new(own::INACTIVE, "ConsmRecipId", "The recipient is inactive.")]);
    }
    match recipient.subscription(&alert.name, account) {
        Some(subscription) if subscription.active => Ok(Native { alert, recipient, subscription }),
        Some(_) => Err(vec![Violation::new(own::INACTIVE, "AlrtName", "The recipient's subscription to this alert is inactive.")]),
        None => Err(vec![Violation::new(own::CONTACT_UNKNOWN, "AlrtName", "The recipient has no subscription to this alert.")]),
    }
}

// The chosen contacts, or all of the subscription. Of all, those that opted out are left out, unless that leaves none.
fn places(facts: &Facts<'_>, publisher: &Publisher, native: &Native<'_>, chosen: &[String]) -> Result<Vec<Place>, Vec<Violation>> {
    let subscribed = &native.subscription.contacts;
    let mut found = Vec::new();
    let wanted = if chosen.is_empty() { subscribed } else { chosen };
    let mut contacts: Vec<&Contact> = Vec::new();
    for id in wanted {
        match native.recipient.contact(id).filter(|_| subscribed.contains(id)) {
            Some(contact) => contacts.push(contact),
            None => {
                let text = "The contact id is not the recipient's, or not subscribed to this alert.";
                found.push(Violation::new(own::CONTACT_UNKNOWN, "RecipConId", text).with_value(id));
            }
        }
    }
    if !found.is_empty() {
        return Err(found);
    }
    let (inside, outside): (Vec<&Contact>, Vec<&Contact>) =
        contacts.into_iter().partition(|it| it.opted_in && !opted_out(facts, publisher, &it.address));
    if inside.is_empty() || (!chosen.is_empty() && !outside.is_empty()) {
        let refuse = |it: &Contact| Violation::new(own::OPTED_OUT, "RecipConId", "The contact has opted out.").with_value(&it.id);
        let none = || Violation::new(own::CONTACT_UNKNOWN, "RecipConId", "The subscription has no contact.");
        return Err(if outside.is_empty() { vec![none()] } else { outside.into_iter().map(refuse).collect() });
    }
    Ok(inside.into_iter().map(|it| Place { channel: it.channel, address: it.address.clone(), contact: Some(it.id.clone()) }).collect())
}

fn opted_in(facts: &Facts<'_>, publisher: &Publisher, places: &[Place]) -> Result<(), Vec<Violation>> {
    match places.iter().any(|it| opted_out(facts, publisher, &it.address)) {
        true => Err(vec![Violation::new(own::OPTED_OUT, "PhoneNum", "The number has opted out of this publisher's messages.")]),
        false => Ok(()),
    }
}

fn opted_out(facts: &Facts<'_>, publisher: &Publisher, address: &Address) -> bool {
    facts.view.addresses.iter().any(|it| it.address == *address && it.opt_outs.contains(&publisher.id))
}

// That every body can be rendered, and which code it shows.
fn bodies(native: &Native<'_>, places: &[Place], publisher: &Publisher, wish: &Wish) -> Result<Option<CodeKind>, Vec<Violation>> {
    let mut found: Vec<Violation> = Vec::new();
    let (mut otp, mut otpa) = (false, false);
    // Stand-ins: the code is not drawn yet, and rendering is only to see whether every parameter can be read.
    let (digits, letters) = (Secret::new("000000"), Secret::new("AAAAA"));
    let zone = zone(native.subscription, publisher);
    let values = Values { otp: Some(&digits), otpa: Some(&letters), parameters: &wish.parameters, now: wish.origin.received_at, zone };
    let mut channels: Vec<Channel> = places.iter().map(|it| it.channel).collect();
    channels.sort_unstable();
    channels.dedup();
    for channel in channels {
        let templates = native.alert.bodies(channel);
        if templates.is_empty() {
            let name = match channel {
                Channel::Sms => "SMS",
                Channel::Mail => "e-mail",
                Channel::Push => "push",
            };
            found.push(Violation::new(own::NO_BODY, "AlrtName", format!("The alert has no {name} body, which a chosen contact needs.")));
        }
        for template in templates {
            otp |= template.shows(CodeKind::Otp);
            otpa |= template.shows(CodeKind::Otpa);
            for name in template.check(&values).err().unwrap_or_default() {
                let violation = Violation::new(
                    own::PARAMETER_MISSING,
                    "AlrtDataInfoRec",
                    "The alert needs this parameter; it is missing or not readable by its format.",
                )
                .with_value(&name);
                if !found.contains(&violation) {
                    found.push(violation);
                }
            }
        }
    }
    if otp && otpa {
        found.push(Violation::new(3156, "AlrtName", "The text may not carry both an OTP and an OTPA tag."));
    }
    if wish.mode == Mode::TwoWay && !otp && !otpa && wish.own_value.is_none() {
        found.push(Violation::new(3158, "VerifVal", "Two-way validation needs an OTP tag in the alert's body, or a VerifVal."));
    }
    let code = if otp { Some(CodeKind::Otp) } else { otpa.then_some(CodeKind::Otpa) };
    if found.is_empty() { Ok(code) } else { Err(found) }
}

/// Where the recipient's times are local to.
pub fn zone(subscription: &Subscription, publisher: &Publisher) -> Zone {
    subscription.utc_offset_minutes.map_or(publisher.zone, Zone::Offset)
}
