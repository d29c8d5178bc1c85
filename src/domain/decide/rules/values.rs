//! Phone, text, verification value and options: what a request wants to have done.

use super::fields::Findings;
use super::{OwnValue, SMS_TEXT_MAX, VALUE_MAX};
use crate::domain::challenge::Mode;
use crate::domain::code::{CodeKind, HashKind, Secret};
use crate::domain::contact::{self, Address, AddressError};
use crate::domain::fault::own;
use crate::domain::keyword;
use crate::domain::publisher::Publisher;
use crate::domain::reply::read;
use crate::domain::template::{ExplicitError, explicit};
use base64::Engine as _;

impl Findings {
    pub(super) fn phone(&mut self, text: Option<&str>, publisher: &Publisher) -> Option<Address> {
        let text = text?;
        match contact::phone(text, &publisher.countries) {
            Ok(phone) => return Some(phone),
            Err(AddressError::Country) => self.add(own::DESTINATION, "PhoneNum", "This publisher may not send to that country."),
            Err(AddressError::NotInPlan) => self.add(own::NOT_IN_PLAN, "PhoneNum", "The numbering plan has no such number."),
            Err(_) => self.add(3147, "PhoneNum", "The mobile number must have 10 digits."),
        }
        None
    }

    pub(super) fn sms_text(&mut self, text: Option<Secret>) -> Option<(Secret, Option<CodeKind>)> {
        let text = text.filter(|it| !it.is_empty())?;
        if text.expose().chars().count() > SMS_TEXT_MAX {
            self.add(own::TOO_LONG, "SMSText", "At most 1,600 characters.");
            return None;
        }
        match explicit(text.expose()) {
            Ok(codes) => Some((text, codes.first().copied())),
            Err(errors) => {
                for error in errors {
                    match error {
                        ExplicitError::BothCodes => self.add(3156, "SMSText", "The text may not carry both an OTP and an OTPA tag."),
                        ExplicitError::OtherTag { .. } => self.add(3157, "SMSText", "SMSText may carry no tag but <%$otp%> or <%$otpa%>."),
                        ExplicitError::Malformed(error) => self.add(own::TEMPLATE, "SMSText", &format!("A tag can't be read, {error}")),
                    }
                }
                None
            }
        }
    }

    pub(super) fn own_value(&mut self, value: Option<Secret>, kind: Option<&str>, salt: Option<Secret>) -> Option<OwnValue> {
        let parsed = kind.map(HashKind::parse);
        if let (Some(None), Some(kind)) = (parsed, kind) {
            self.show(2005, "EncryptVerifValType", "Not one of SHA1, SHA256, SHA512.", kind);
        }
        let value = value.filter(|it| !it.expose().trim().is_empty())?;
        if value.expose().len() > VALUE_MAX || salt.as_ref().is_some_and(|it| it.expose().len() > VALUE_MAX) {
            self.add(own::TOO_LONG, "VerifVal", "VerifVal and its salt: at most 256 bytes.");
            return None;
        }
        let hash = match (parsed, &salt) {
            (Some(kind), _) => kind?,
            (None, Some(_)) => HashKind::Sha1,
            (None, None) => {
                if keyword::refused_as_value(value.expose()) || read(value.expose()).denied() {
                    self.add(own::KEYWORD_VALUE, "VerifVal", "A word such as STOP, HELP or NO can't be a verification value.");
                }
                return Some(OwnValue::Plain(value));
            }
        };
        let digest = digest_bytes(value.expose().trim(), hash);
        if digest.is_none() {
            self.add(own::HASH_FORM, "VerifVal", "A hashed VerifVal is the digest in hex or base64.");
        }
        Some(OwnValue::Hashed { kind: hash, digest: digest?, salt: salt.unwrap_or_default() })
    }

    pub(super) fn mode(&mut self, text: Option<&str>) -> Mode {
        match text {
            None | Some("TwoWay") => Mode::TwoWay,
            Some("OneWay") => Mode::OneWay,
            Some(other) => {
                self.show(2005, "OOBModeType", "Not one of TwoWay, OneWay.", other);
                Mode::OneWay
            }
        }
    }

    pub(super) fn seconds(&mut self, text: Option<&str>, publisher: &Publisher) -> u32 {
        let range = publisher.lifetime;
        let Some(text) = text else { return range.default };
        let Ok(seconds) = text.trim().parse::<i64>() else {
            self.show(2017, "OOBExpSec", "Not an integer.", text);
            return range.default;
        };
        match u32::try_from(seconds) {
            Ok(seconds) if (range.min..=range.max).contains(&seconds) => seconds,
            _ => {
                self.show(3160, "OOBExpSec", &format!("Outside {}-{}.", range.min, range.max), text);
                range.default
            }
        }
    }

    pub(super) fn flag(&mut self, text: Option<&str>) -> bool {
        match text {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                self.show(2005, "AlrtTestType", "Not one of true, false.", other);
                false
            }
        }
    }
}

// Hex in either case, or base64, of exactly the digest's length.
fn digest_bytes(text: &str, kind: HashKind) -> Option<Vec<u8>> {
    let hex = (text.len() == kind.len() * 2).then(|| hex::decode(text).ok()).flatten();
    let bytes = hex.or_else(|| base64::engine::general_purpose::STANDARD.decode(text).ok())?;
    (bytes.len() == kind.len()).then_some(bytes)
}
