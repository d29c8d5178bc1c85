//! A file of recipients of one publisher at one institution.

use super::fields::Fields;
use super::problem::{At, Place};
use crate::domain::contact::{self, AddressError, Channel};
use crate::domain::recipient::{Contact, Recipient, RecipientKey, Subscription};
use aws_lc_rs::digest;
use uuid::Uuid;

/// A file of recipients.
pub(super) struct Draft {
    pub publisher: At<String>,
    pub institution: At<String>,
    pub recipients: Vec<Person>,
}

/// A recipient as its file has it.
pub(super) struct Person {
    pub recipient: Recipient,
    pub place: Place,
    /// Places of the subscriptions, in order.
    pub wanted: Vec<Wanted>,
}

/// Where the parts of a subscription stand.
pub(super) struct Wanted {
    pub alert: Place,
    pub contacts: Vec<At<String>>,
}

/// Reads the file; `None` when it doesn't say whose recipients these are (the report says so). `countries` tells where a
/// publisher may send to.
pub(super) fn read(file: Fields<'_, '_>, countries: impl Fn(&str) -> Vec<String>) -> Option<Draft> {
    let head = file.table("recipients")?;
    let (publisher, institution) = (head.required("publisher"), head.required("institution"));
    head.finish();
    let name = |it: &Option<At<String>>| it.as_ref().map_or(String::new(), |it| it.value.clone());
    let key =
        RecipientKey { publisher: name(&publisher).as_str().into(), institution: name(&institution).as_str().into(), id: String::new() };
    let countries = countries(key.publisher.as_str());
    let recipients = file.tables("recipient", 1_000_000).into_iter().filter_map(|it| person(it, &key, &countries)).collect();
    if !file.has("recipient") {
        file.report.wrong(file.place, "no recipient; add [[recipient]] with id = \"…\"");
    }
    file.finish();
    Some(Draft { publisher: publisher?, institution: institution?, recipients })
}

fn person(fields: Fields<'_, '_>, key: &RecipientKey, countries: &[String]) -> Option<Person> {
    let id = fields.required("id");
    let (contacts, ids) = contacts(&fields, countries);
    let (subscriptions, wanted) = subscriptions(&fields, &ids).into_iter().unzip();
    let uid = uid(&fields);
    let (active, name) = (fields.flag("active", true), fields.short("name").map(|it| it.value));
    fields.finish();
    let id = id?;
    let key = RecipientKey { id: id.value, ..key.clone() };
    let uid = uid.unwrap_or_else(|| derived(&key));
    Some(Person { place: id.place, wanted, recipient: Recipient { key, uid, active, name, contacts, subscriptions } })
}

fn uid(fields: &Fields<'_, '_>) -> Option<String> {
    let text = fields.short("uid")?;
    let read = Uuid::try_parse(&text.value).ok();
    if read.is_none() {
        fields.report.wrong(text.place, "`uid` must be a UUID; leave it out to get one that stays the same for this recipient");
    }
    read.map(|it| it.hyphenated().to_string())
}

/// The id of a recipient that has none in its file: the same for the same key, on every machine (UUID version 8, from
/// SHA-256).
fn derived(key: &RecipientKey) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in ["recipient", key.publisher.as_str(), key.institution.as_str(), &key.id] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finish().as_ref()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().hyphenated().to_string()
}

/// The contacts, and the ids of all of them: also of one whose address was refused.
fn contacts(fields: &Fields<'_, '_>, countries: &[String]) -> (Vec<Contact>, Vec<String>) {
    let (mut found, mut ids) = (Vec::new(), Vec::new());
    for it in fields.tables("contact", 100) {
        let id = it.required("id");
        if let Some(id) = id.as_ref().filter(|id| ids.contains(&id.value)) {
            it.report.wrong(id.place, format!("contact \"{}\" is here twice; ids are unique within a recipient", id.value));
        }
        ids.extend(id.as_ref().map(|it| it.value.clone()));
        let address = address(&it, countries);
        let opted_in = it.flag("opted_in", true);
        it.finish();
        if let (Some(id), Some((channel, address))) = (id, address) {
            found.push(Contact { id: id.value, channel, address, opted_in });
        }
    }
    (found, ids)
}

fn address(fields: &Fields<'_, '_>, countries: &[String]) -> Option<(Channel, contact::Address)> {
    let (channel, text, read) = match (fields.short("sms"), fields.short("mail")) {
        (Some(phone), None) => (Channel::Sms, phone.place, contact::phone(&phone.value, countries)),
        (None, Some(mail)) => (Channel::Mail, mail.place, contact::mail(&mail.value)),
        (None, None) if fields.has("sms") || fields.has("mail") => return None,
        _ => {
            fields.report.wrong(fields.place, "a contact has one address: sms = \"202-555-0143\" or mail = \"name@bank.example\"");
            return None;
        }
    };
    match read {
        Ok(address) => Some((channel, address)),
        Err(error) => {
            fields.report.wrong(text, why(error));
            None
        }
    }
}

fn why(error: AddressError) -> &'static str {
    match error {
        AddressError::NotTenDigits => "not a phone number; write ten digits, or +, country and number where the publisher has `countries`",
        AddressError::NotInPlan => "no such phone number in the numbering plan; check area code and exchange",
        AddressError::Country => "a phone of a country that the publisher may not send to; add it to the publisher's `countries`",
        AddressError::Push => "not a device token, nor a push subscription",
        AddressError::Mail => "not an e-mail address; write one like name@bank.example",
    }
}

fn subscriptions(fields: &Fields<'_, '_>, contacts: &[String]) -> Vec<(Subscription, Wanted)> {
    let mut found: Vec<(Subscription, Wanted)> = Vec::new();
    for it in fields.tables("subscription", 1_000) {
        let Some(one) = subscription(it, contacts) else { continue };
        let twice = |(earlier, _): &(Subscription, Wanted)| earlier.alert == one.0.alert && earlier.account == one.0.account;
        if found.iter().any(twice) {
            let message = format!("\"{}\" is subscribed to twice; keep one subscription an alert and account", one.0.alert);
            fields.report.wrong(one.1.alert, message);
        }
        found.push(one);
    }
    found
}

fn subscription(fields: Fields<'_, '_>, contacts: &[String]) -> Option<(Subscription, Wanted)> {
    let alert = fields.required("alert");
    let account = fields.short("account").map(|it| it.value);
    let active = fields.flag("active", true);
    let utc_offset_minutes = offset(&fields);
    let before = fields.report.count();
    let listed = fields.list("contacts");
    if listed.is_empty() && fields.report.count() == before {
        fields.report.wrong(fields.place_of("contacts"), "list the ids of the contacts that get the alert: contacts = [\"…\"]");
    }
    for it in listed.iter().filter(|it| !contacts.contains(&it.value)) {
        let known: Vec<_> = contacts.iter().map(|it| format!("\"{it}\"")).collect();
        fields.report.wrong(it.place, format!("the recipient has no contact \"{}\"; it has {}", it.value, known.join(", ")));
    }
    fields.finish();
    let alert = alert?;
    let contacts = listed.iter().map(|it| it.value.clone()).collect();
    let wanted = Wanted { alert: alert.place, contacts: listed };
    Some((Subscription { account, alert: alert.value, active, utc_offset_minutes, contacts }, wanted))
}

/// `RecipSubUTCOffset`: `-06:00`, `+05:30` or `Z`, within 14 hours, as minutes east.
fn offset(fields: &Fields<'_, '_>) -> Option<i32> {
    let text = fields.short("utc_offset")?;
    let read = minutes_east(&text.value);
    if read.is_none() {
        fields.report.wrong(text.place, "`utc_offset` must look like \"-06:00\", \"+05:30\" or \"Z\", at most 14 hours");
    }
    read
}

fn minutes_east(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let number = |it: &str| (it.len() == 2 && it.bytes().all(|b| b.is_ascii_digit())).then(|| it.parse::<i32>().ok()).flatten();
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 14 * 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_as_minutes_east() {
        let check = |text, expected| assert_eq!(minutes_east(text), expected, "{text}");
        check("Z", Some(0));
        check("-06:00", Some(-360));
        check("+05:30", Some(330));
        check("+14:00", Some(840));
        check("+14:01", None);
        check("+5:30", None);
        check("06:00", None);
        check("-06:60", None);
        check("", None);
        check("é", None);
    }

    #[test]
    fn a_derived_id_depends_on_every_part_of_the_key() {
        let id = |publisher: &str, institution: &str, id: &str| {
            derived(&RecipientKey { publisher: publisher.into(), institution: institution.into(), id: id.into() })
        };
        assert_eq!(id("p", "i", "r"), id("p", "i", "r"));
        assert_ne!(id("p", "i", "r"), id("pi", "", "r"));
        assert_ne!(id("p", "i", "r"), id("p", "i", "s"));
    }
}
