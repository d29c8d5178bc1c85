//! The file of one publisher.

use super::credential;
use super::fields::Fields;
use super::problem::At;
use crate::domain::budget::BudgetRule;
use crate::domain::contact::{self, Address};
use crate::domain::credential::Credential;
use crate::domain::event::Act;
use crate::domain::id::InstitutionId;
use crate::domain::publisher::{Defaults, Lifetime, Limits, Publisher, Required};
use crate::domain::quota::{Money, Most, Quotas};
use crate::domain::smart::Zone;
use std::collections::BTreeMap;
use std::str::FromStr;

/// A publisher as its file has it.
pub(super) struct Draft {
    pub publisher: Publisher,
    pub id: At<String>,
    /// Each deployed version, with its place.
    pub versions: Vec<(InstitutionId, At<String>)>,
    pub credentials: Vec<At<Credential>>,
}

/// Longest lifetime that a publisher may be set to allow: a day, in seconds.
const LONGEST: u64 = 86_400;
/// Largest quota, and largest amount of money.
const MOST: u64 = 1_000_000_000;
const MOST_MONEY: u64 = 1_000_000_000_000;

/// Reads the file; `None` when it has no readable id (the report says so).
pub(super) fn read(file: Fields<'_, '_>) -> Option<Draft> {
    let head = file.table("publisher")?;
    let id = head.required("id");
    let versions = institutions(&file);
    let name = id.as_ref().map_or("", |it| &it.value);
    let mut publisher = publisher(&head, &file, name);
    for (institution, version) in &versions {
        publisher.institutions.entry(institution.clone()).or_default().extend(version.iter().map(|it| it.value.clone()));
    }
    let credentials = credential::read(&file, name);
    publisher.defaults = defaults(&file, &publisher);
    head.finish();
    file.finish();
    let versions = versions.into_iter().flat_map(|(at, all)| all.into_iter().map(move |it| (at.clone(), it))).collect();
    Some(Draft { publisher, id: id?, versions, credentials })
}

fn publisher(head: &Fields<'_, '_>, file: &Fields<'_, '_>, id: &str) -> Publisher {
    let countries = countries(head);
    Publisher {
        id: id.into(),
        oob: head.flag("oob", true),
        institutions: BTreeMap::new(),
        products: at_least_one(head, "products"),
        consumer_names: values(head.list("consumer_names")),
        defaults: Defaults::default(),
        require: require(head),
        lifetime: lifetime(file),
        attempts: head.number("attempts", 1..=10, 5),
        supersede: head.flag("supersede", true),
        zone: zone(head),
        sms_sender: sms_sender(head, &countries),
        countries,
        mail_sender: mail_sender(head),
        display_name: head.required("display_name").map(|it| it.value).unwrap_or_default(),
        help_text: head.short("help_text").map(|it| it.value),
        answer_replies: head.flag("answer_replies", false),
        answers_per_session: head.number("answers_per_session", 0..=20, 5),
        whole_contact: head.flag("whole_contact", false),
        act_names: act_names(file),
        limits: limits(file),
        quotas: quotas(file),
        budget: budget(file),
    }
}

fn institutions(file: &Fields<'_, '_>) -> Vec<(InstitutionId, Vec<At<String>>)> {
    let mut found: Vec<(InstitutionId, Vec<At<String>>)> = Vec::new();
    for fields in file.tables("institution", 10_000) {
        if let Some(id) = fields.required("id") {
            let key = InstitutionId::from(id.value.as_str());
            if found.iter().any(|(it, _)| *it == key) {
                file.report.wrong(id.place, format!("institution `{key}` is here twice; keep one, with all its versions"));
            }
            found.push((key, fields.list("versions")));
        }
        fields.finish();
    }
    if found.is_empty() && !file.has("institution") {
        file.report.wrong(file.place, "no institution; add [[institution]] with id = \"…\" and versions = [\"…\"]");
    }
    found
}

/// The first product and the only institution are defaults by themselves, unless the registration demands the field.
fn defaults(file: &Fields<'_, '_>, publisher: &Publisher) -> Defaults {
    let demanded = |it| publisher.require.contains(&it);
    let first_product = publisher.products.first().filter(|_| !demanded(Required::ConsumerProd)).cloned();
    let only_institution = match publisher.institutions.keys().collect::<Vec<_>>()[..] {
        [only] if !demanded(Required::InstRtId) => Some(only.to_string()),
        _ => None,
    };
    let given = file.table("defaults");
    let get = |key, known: &[String], what| {
        let text = given.as_ref()?.short(key)?;
        if !known.contains(&text.value) {
            file.report.wrong(text.place, format!("`{key}` must be one of {what}: {}", known.join(", ")));
        }
        Some(text.value)
    };
    let institutions: Vec<_> = publisher.institutions.keys().map(ToString::to_string).collect();
    let defaults = Defaults {
        consumer_prod: get("consumer_prod", &publisher.products, "the products").or(first_product),
        inst_rt_id: get("inst_rt_id", &institutions, "the institutions").or(only_institution),
        valid_consm_name: get("valid_consm_name", &publisher.consumer_names, "the consumer_names"),
        valid_consm_prod: get("valid_consm_prod", &publisher.products, "the products"),
    };
    given.into_iter().for_each(Fields::finish);
    defaults
}

fn at_least_one(head: &Fields<'_, '_>, key: &'static str) -> Vec<String> {
    let before = head.report.count();
    let found = values(head.list(key));
    if found.is_empty() && head.report.count() == before {
        head.report.wrong(head.place_of(key), format!("`{key}` must name at least one: {key} = [\"…\"]"));
    }
    found
}

fn values(list: Vec<At<String>>) -> Vec<String> {
    list.into_iter().map(|it| it.value).collect()
}

fn require(head: &Fields<'_, '_>) -> Vec<Required> {
    let read = |it: At<String>| match it.value.as_str() {
        "ConsumerProd" => Some(Required::ConsumerProd),
        "InstRtId" => Some(Required::InstRtId),
        "ValidConsmName" => Some(Required::ValidConsmName),
        "BusCorrelId" => Some(Required::BusCorrelId),
        other => {
            let message = format!("`require` can't demand `{other}`; it can demand ConsumerProd, InstRtId, ValidConsmName, BusCorrelId");
            head.report.wrong(it.place, message);
            None
        }
    };
    head.list("require").into_iter().filter_map(read).collect()
}

fn countries(head: &Fields<'_, '_>) -> Vec<String> {
    let list = head.list("countries");
    for it in &list {
        if it.value.len() != 2 || !it.value.bytes().all(|b| b.is_ascii_uppercase()) {
            head.report.wrong(it.place, "`countries` holds ISO 3166 codes of two capital letters, like \"CA\"");
        }
    }
    values(list)
}

fn zone(head: &Fields<'_, '_>) -> Zone {
    let Some(text) = head.short("zone") else { return Zone::Named(chrono_tz::UTC) };
    let zone = chrono_tz::Tz::from_str(&text.value);
    if zone.is_err() {
        head.report.wrong(text.place, format!("`{}` is no IANA time zone; write one like \"America/Chicago\"", text.value));
    }
    Zone::Named(zone.unwrap_or(chrono_tz::UTC))
}

fn sms_sender(head: &Fields<'_, '_>, countries: &[String]) -> Option<Address> {
    let text = head.short("sms_sender")?;
    let short_code = (5..=6).contains(&text.value.len()) && text.value.bytes().all(|it| it.is_ascii_digit());
    let read = if short_code { Ok(Address::canonical(&text.value)) } else { contact::phone(&text.value, countries) };
    if read.is_err() {
        head.report.wrong(text.place, "`sms_sender` must be a phone number that exists, or a short code of 5 or 6 digits");
    }
    read.ok()
}

fn mail_sender(head: &Fields<'_, '_>) -> Option<String> {
    let text = head.short("mail_sender")?;
    let address = match text.value.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => &text.value,
    };
    if contact::mail(address).is_err() {
        head.report.wrong(text.place, "`mail_sender` must be a mailbox: \"alerts@bank.example\" or \"The Bank <alerts@bank.example>\"");
    }
    Some(text.value)
}

fn act_names(file: &Fields<'_, '_>) -> BTreeMap<Act, String> {
    let mut names = BTreeMap::new();
    for (code, name) in file.table("act_names").map(Fields::pairs).unwrap_or_default() {
        match Act::parse(&code.value) {
            Some(act) => drop(names.insert(act, name.value)),
            None => {
                let known: Vec<_> = Act::ALL.iter().map(|it| it.code()).collect();
                file.report.wrong(code.place, format!("unknown act `{}`; known: {}", code.value, known.join(", ")));
            }
        }
    }
    names
}

fn lifetime(file: &Fields<'_, '_>) -> Lifetime {
    let base = Lifetime::default();
    let Some(fields) = file.table("lifetime") else { return base };
    let read = Lifetime {
        min: fields.number("min", 1..=LONGEST, base.min),
        max: fields.number("max", 1..=LONGEST, base.max),
        default: fields.number("default", 1..=LONGEST, base.default),
    };
    if !(read.min <= read.default && read.default <= read.max) {
        file.report.wrong(fields.place, format!("min {} ≤ default {} ≤ max {} must hold (seconds)", read.min, read.default, read.max));
    }
    fields.finish();
    read
}

fn quotas(file: &Fields<'_, '_>) -> Quotas {
    let Some(fields) = file.table("quotas") else { return Quotas::default() };
    let most = |minute, day| Most { minute: fields.number(minute, 0..=MOST, 0), day: fields.number(day, 0..=MOST, 0) };
    let read = Quotas {
        network: most("per_address_minute", "per_address_day"),
        key: most("per_key_minute", "per_key_day"),
        prefix: most("per_prefix_minute", "per_prefix_day"),
        prefix_digits: fields.number("prefix_digits", 1..=14, 8),
        country: most("per_country_minute", "per_country_day"),
        money: Money {
            day: fields.number("money_day", 0..=MOST_MONEY, 0),
            other: fields.number("price", 0..=MOST_MONEY, 0),
            prices: prices(&fields),
        },
    };
    if read.money.day > 0 && read.money.other == 0 && !fields.has("prices") {
        file.report.wrong(fields.place, "`money_day` needs prices: `price`, or [quotas.prices]");
    }
    fields.finish();
    read
}

fn prices(fields: &Fields<'_, '_>) -> Vec<(String, u64)> {
    let pairs = fields.table("prices").map(Fields::pairs).unwrap_or_default();
    let read = pairs.into_iter().filter_map(|(prefix, price)| {
        let digits = prefix.value.strip_prefix('+').unwrap_or_default();
        let amount = price.value.parse::<u64>().ok().filter(|it| *it <= MOST_MONEY);
        let found = amount.filter(|_| (1..=15).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit()));
        if found.is_none() {
            fields.report.wrong(prefix.place, "a price is written like \"+44\" = \"5\": how numbers begin, and a whole number");
        }
        Some((prefix.value, found?))
    });
    read.collect()
}

fn limits(file: &Fields<'_, '_>) -> Limits {
    let base = Limits::default();
    let Some(fields) = file.table("limits") else { return base };
    let read = Limits {
        per_phone_ten_minutes: fields.number("per_phone_ten_minutes", 1..=1_000, base.per_phone_ten_minutes),
        per_phone_day: fields.number("per_phone_day", 1..=10_000, base.per_phone_day),
        open_per_phone: fields.number("open_per_phone", 1..=5, base.open_per_phone),
        per_second: fields.number("per_second", 1..=100_000, base.per_second),
        per_day: fields.number("per_day", 1..=1_000_000_000, base.per_day),
    };
    fields.finish();
    read
}

fn budget(file: &Fields<'_, '_>) -> BudgetRule {
    let base = BudgetRule::default();
    let Some(fields) = file.table("budget") else { return base };
    let read = BudgetRule {
        daily: fields.number("daily", 1..=1_000, base.daily),
        consecutive: fields.number("consecutive", 1..=100, base.consecutive),
    };
    fields.finish();
    read
}
