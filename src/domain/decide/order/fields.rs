//! Each field of a request, judged.

use super::{FieldCode, FieldError, LENGTH, NAME_MAX, VALIDITY, VALIDITY_DEFAULT, institution, message_of};
use crate::domain::challenge::Mode;
use crate::domain::code::{CodeKind, CodeShape, Secret};
use crate::domain::contact::{self, Address, AddressError, Channel};
use crate::domain::decide::rules::{PARAMETER_MAX, PARAMETERS_MAX, PARAMETERS_TOTAL_MAX, SMS_TEXT_MAX};
use crate::domain::direct::{Found, Message};
use crate::domain::message::Values;
use crate::domain::publisher::{Lifetime, Publisher};
use crate::domain::request::Asked;
use crate::domain::template::explicit;

/// What was found wrong so far.
pub(super) struct Findings(pub(super) Vec<FieldError>);

impl Findings {
    fn add(&mut self, field: &'static str, code: FieldCode, text: impl Into<String>) {
        self.0.push(FieldError { field, code, text: text.into() });
    }

    pub(super) fn key(&mut self, key: Option<String>) -> Option<String> {
        let key = key?;
        // Its kind stands before it.
        let sent = key.get(2..).unwrap_or_default();
        match sent.len() {
            0 => self.add("Idempotency-Key", FieldCode::Malformed, "An idempotency key has at least one character."),
            1..=NAME_MAX => return Some(key),
            _ => self.add("Idempotency-Key", FieldCode::TooLong, "At most 256 bytes."),
        }
        None
    }

    pub(super) fn place(&mut self, asked: &Asked, publisher: &Publisher) -> (String, String) {
        if !publisher.oob {
            self.add("institution", FieldCode::NotAllowed, "Out-of-band validation is not enabled for this publisher.");
        }
        let institution = asked.institution.clone().or_else(|| institution(publisher).map(|it| it.to_string()));
        match institution.as_deref() {
            None => self.add("institution", FieldCode::Required, "Which institution is it for?"),
            Some(it) if !publisher.institutions.keys().any(|known| known.as_str() == it) => {
                self.add("institution", FieldCode::Unknown, "This publisher serves no such institution.");
            }
            Some(_) => {}
        }
        let product = asked.product.clone().or_else(|| publisher.defaults.consumer_prod.clone());
        let product = product.or_else(|| publisher.products.first().cloned()).unwrap_or_default();
        if !publisher.products.contains(&product) {
            self.add("product", FieldCode::Unknown, "This publisher has no such product.");
        }
        (institution.unwrap_or_default(), product)
    }

    pub(super) fn channel(&mut self, text: Option<&str>) -> Option<Channel> {
        let channel = text.and_then(Channel::parse);
        match (text, channel) {
            (None, _) => self.add("channel", FieldCode::Required, "One of SMS, MAIL, PUSH."),
            (Some(_), None) => self.add("channel", FieldCode::Malformed, "Not one of SMS, MAIL, PUSH."),
            _ => {}
        }
        channel
    }

    pub(super) fn recipient(&mut self, text: Option<&Secret>, channel: Option<Channel>, publisher: &Publisher) -> Option<Address> {
        let Some(text) = text.filter(|it| !it.expose().trim().is_empty()) else {
            self.add("recipient", FieldCode::Required, "Where is the message to go?");
            return None;
        };
        let text = text.expose();
        let read = match channel? {
            Channel::Sms => contact::phone(text, &publisher.countries),
            Channel::Mail => contact::mail(text.trim()),
            Channel::Push => contact::push(text),
        };
        let error = match read {
            Ok(address) => return Some(address),
            Err(error) => error,
        };
        let (code, text) = match error {
            AddressError::NotTenDigits => (FieldCode::Malformed, "Not a phone number."),
            AddressError::NotInPlan => (FieldCode::Malformed, "The numbering plan has no such number."),
            AddressError::Country => (FieldCode::NotAllowed, "This publisher may not send to that country."),
            AddressError::Mail => (FieldCode::Malformed, "Not an e-mail address."),
            AddressError::Push => (FieldCode::Malformed, "Neither a device token nor a push subscription."),
        };
        self.add("recipient", code, text);
        None
    }

    pub(super) fn message(&mut self, asked: &Asked, template: Option<&Found>) -> Message {
        if let Some(named) = &asked.template {
            if asked.text.is_some() {
                self.add("text", FieldCode::Conflict, "Give either a template or a text.");
            }
            if template.is_none() {
                let text = if named.name.is_empty() { "Which template is it?" } else { "There is no such template for this channel." };
                self.add("template", FieldCode::Unknown, text);
            }
        }
        if template.is_some_and(|it| !it.template.shows_code()) {
            self.add("template", FieldCode::Conflict, "The template shows no code: write [(${otpValue})] where it stands.");
        }
        message_of(template)
    }

    pub(super) fn text(&mut self, text: Option<Secret>) -> Option<Secret> {
        let text = text?;
        if text.expose().trim().is_empty() {
            self.add("text", FieldCode::Malformed, "The text is empty; leave it out to have ours sent.");
            return None;
        }
        if text.expose().chars().count() > SMS_TEXT_MAX {
            self.add("text", FieldCode::TooLong, "At most 1,600 characters.");
            return None;
        }
        match explicit(text.expose()) {
            Ok(codes) if codes == [CodeKind::Otp] => return Some(text),
            Ok(codes) if codes.is_empty() => {
                self.add("text", FieldCode::Malformed, "The text shows no code: write <%$otp%> where it stands.")
            }
            Ok(_) | Err(_) => self.add("text", FieldCode::Malformed, "The text may carry no tag but <%$otp%>."),
        }
        None
    }

    // A message that can't be made is refused now, not when it is to be sent.
    pub(super) fn parameters(&mut self, parameters: &[(String, Secret)], (template, shape): (Option<&Found>, CodeShape)) {
        let total: usize = parameters.iter().map(|(_, value)| value.expose().len()).sum();
        if parameters.len() > PARAMETERS_MAX || total > PARAMETERS_TOTAL_MAX {
            self.add("parameters", FieldCode::TooLong, "At most 100 parameters, of 32,000 bytes together.");
        }
        if parameters.iter().any(|(name, value)| name.len() > NAME_MAX || value.expose().len() > PARAMETER_MAX) {
            self.add("parameters", FieldCode::TooLong, "At most 4,000 bytes a parameter, and 256 its name.");
        }
        let Some(found) = template else { return };
        let code = Secret::new("0".repeat(shape.len()));
        if let Err(why) = found.template.render(&Values { code: &code, parameters }) {
            let code = if why.missing.is_empty() { FieldCode::TooLong } else { FieldCode::Required };
            self.add("parameters", code, format!("The template can't be filled in: {why}."));
        }
    }

    pub(super) fn shape(&mut self, length: Option<i64>, alphanumeric: bool) -> CodeShape {
        let length = u8::try_from(length.unwrap_or(LENGTH.into())).ok();
        length.and_then(|it| CodeShape::new(it, alphanumeric)).unwrap_or_else(|| {
            self.add("length", FieldCode::OutOfRange, "A code has 4 to 10 characters.");
            CodeShape::Digits(LENGTH)
        })
    }

    pub(super) fn validity(&mut self, seconds: Option<i64>, lifetime: Lifetime) -> u32 {
        let (min, max) = (lifetime.min.max(VALIDITY.0), lifetime.max.min(VALIDITY.1));
        let Some(seconds) = seconds else { return VALIDITY_DEFAULT.min(max).max(min) };
        u32::try_from(seconds).ok().filter(|it| (min..=max).contains(it)).unwrap_or_else(|| {
            self.add("validity", FieldCode::OutOfRange, format!("{min} to {max} seconds."));
            min
        })
    }

    pub(super) fn attempts(&mut self, attempts: Option<i64>, default: u8) -> u8 {
        let Some(attempts) = attempts else { return default.clamp(1, 10) };
        u8::try_from(attempts).ok().filter(|it| (1..=10).contains(it)).unwrap_or_else(|| {
            self.add("attempts", FieldCode::OutOfRange, "1 to 10.");
            1
        })
    }

    pub(super) fn locale(&mut self, locale: Option<&str>) {
        let is_tag = |it: &str| {
            it.len() <= 35 && it.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
        };
        if locale.is_some_and(|it| !is_tag(it)) {
            self.add("locale", FieldCode::Malformed, "Not a language tag such as en-US.");
        }
    }

    pub(super) fn short(&mut self, field: &'static str, text: Option<&str>) {
        match text.map(str::len) {
            Some(0) => self.add(field, FieldCode::Malformed, "Empty; leave it out instead."),
            Some(len) if len > NAME_MAX => self.add(field, FieldCode::TooLong, "At most 256 bytes."),
            _ => {}
        }
    }

    pub(super) fn mode(&mut self, reply: bool, channel: Option<Channel>) -> Mode {
        if reply && channel.is_some_and(|it| it != Channel::Sms) {
            self.add("reply", FieldCode::Conflict, "Only an SMS can be answered by an SMS.");
        }
        if reply { Mode::TwoWay } else { Mode::OnCall }
    }
}
