//! What a registration changes, told for people: no secret, and no whole address.

use super::Registered;
use crate::domain::contact::Address;
use crate::domain::credential::{Credential, StoredSecret};
use crate::domain::publisher::{Alert, Publisher, Registry};
use crate::domain::recipient::{Recipient, RecipientKey};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How something changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Kind {
    /// It comes.
    Added,
    /// It becomes different.
    Changed,
    /// It goes.
    Removed,
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// How.
    pub kind: Kind,
    /// What: `publisher demo`, `alert demo/1.0 "Sign-on"`, `recipient demo/011001276/MERCHANT89785`, `credential demo`.
    pub what: String,
    /// For a changed thing, each field: `attempts: 5 → 3`.
    pub fields: Vec<String>,
}

/// `+`, `~` or `-`, what, and one indented line a field.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.kind {
            Kind::Added => '+',
            Kind::Changed => '~',
            Kind::Removed => '-',
        };
        write!(f, "{sign} {}", self.what)?;
        self.fields.iter().try_for_each(|it| write!(f, "\n    {it}"))
    }
}

/// Everything that `new` changes of `old`: publishers, credentials, alerts, recipients, each in the order of names.
pub fn diff(old: &Registered, new: &Registered) -> Vec<Change> {
    let mut changes = diff_registry(&old.registry, &new.registry);
    changes.extend(compare(&by_user(&old.credentials), &by_user(&new.credentials), |it| format!("credential {it}"), credential));
    changes.extend(diff_recipients(&old.recipients, &new.recipients));
    changes
}

/// The part of [`diff`] that is about publishers and alerts.
pub fn diff_registry(old: &Registry, new: &Registry) -> Vec<Change> {
    let mut changes = compare(&by_id(old), &by_id(new), |it| format!("publisher {it}"), publisher);
    let name = |(publisher, version, name): &(&str, &str, &str)| format!("alert {publisher}/{version} \"{name}\"");
    changes.extend(compare(&by_name(old), &by_name(new), name, alert));
    changes
}

/// The part of [`diff`] that is about recipients.
pub fn diff_recipients(old: &[Recipient], new: &[Recipient]) -> Vec<Change> {
    let name = |it: &&RecipientKey| format!("recipient {}/{}/{}", it.publisher, it.institution, it.id);
    compare(&by_key(old), &by_key(new), name, recipient)
}

fn compare<K: Ord, T: ?Sized>(
    old: &BTreeMap<K, &T>,
    new: &BTreeMap<K, &T>,
    what: impl Fn(&K) -> String,
    fields: impl Fn(&T, &T) -> Vec<String>,
) -> Vec<Change> {
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let change = |key: &K| match (old.get(key), new.get(key)) {
        (None, _) => Some(Change { kind: Kind::Added, what: what(key), fields: Vec::new() }),
        (_, None) => Some(Change { kind: Kind::Removed, what: what(key), fields: Vec::new() }),
        (Some(old), Some(new)) => {
            let fields = fields(old, new);
            (!fields.is_empty()).then(|| Change { kind: Kind::Changed, what: what(key), fields })
        }
    };
    keys.into_iter().filter_map(change).collect()
}

fn by_id(registry: &Registry) -> BTreeMap<&str, &Publisher> {
    registry.publishers.iter().map(|(id, it)| (id.as_str(), &**it)).collect()
}

fn by_name(registry: &Registry) -> BTreeMap<(&str, &str, &str), &Alert> {
    let library = registry.libraries.iter();
    library
        .flat_map(|((id, version), alerts)| alerts.iter().map(move |(name, it)| ((id.as_str(), version.as_str(), name.as_str()), &**it)))
        .collect()
}

fn by_key(recipients: &[Recipient]) -> BTreeMap<&RecipientKey, &Recipient> {
    recipients.iter().map(|it| (&it.key, it)).collect()
}

fn by_user(credentials: &[Credential]) -> BTreeMap<&str, &Credential> {
    credentials.iter().map(|it| (it.user.as_str(), it)).collect()
}

/// Collects the fields that differ.
#[derive(Default)]
struct Fields(Vec<String>);

impl Fields {
    fn shown<T: PartialEq + fmt::Debug>(&mut self, name: &str, old: &T, new: &T) {
        if old != new {
            self.0.push(format!("{name}: {old:?} → {new:?}"));
        }
    }

    fn hidden<T: PartialEq>(&mut self, name: &str, old: &T, new: &T) {
        if old != new {
            self.0.push(format!("{name}: changed"));
        }
    }
}

fn publisher(old: &Publisher, new: &Publisher) -> Vec<String> {
    let mut fields = Fields::default();
    macro_rules! shown { ($($name:ident)*) => { $(fields.shown(stringify!($name), &old.$name, &new.$name);)* } }
    shown!(oob institutions products consumer_names defaults require lifetime attempts supersede zone countries);
    fields.shown("sms_sender", &old.sms_sender.as_ref().map(Address::masked), &new.sms_sender.as_ref().map(Address::masked));
    shown!(mail_sender display_name help_text answer_replies answers_per_session whole_contact act_names limits quotas budget);
    fields.0
}

fn alert(old: &Alert, new: &Alert) -> Vec<String> {
    let mut fields = Fields::default();
    macro_rules! hidden { ($($name:ident)*) => { $(fields.hidden(stringify!($name), &old.$name, &new.$name);)* } }
    hidden!(sms subject text html);
    fields.0
}

fn credential(old: &Credential, new: &Credential) -> Vec<String> {
    let mut fields = Fields::default();
    fields.shown("publisher", &old.publisher, &new.publisher);
    fields.shown("allow", &old.allow, &new.allow);
    fields.shown("password_digest", &old.password_digest, &new.password_digest);
    let same = old.secrets.len() == new.secrets.len() && old.secrets.iter().zip(&new.secrets).all(|(old, new)| same_secret(old, new));
    fields.hidden("password", &true, &same);
    fields.0
}

fn same_secret(old: &StoredSecret, new: &StoredSecret) -> bool {
    match (old, new) {
        (StoredSecret::Argon2(old), StoredSecret::Argon2(new)) => old == new,
        (StoredSecret::Generated(old), StoredSecret::Generated(new)) => old == new,
        _ => false,
    }
}

fn recipient(old: &Recipient, new: &Recipient) -> Vec<String> {
    let mut fields = Fields::default();
    fields.shown("uid", &old.uid, &new.uid);
    fields.shown("active", &old.active, &new.active);
    fields.hidden("name", &old.name, &new.name);
    let contacts = |it: &Recipient| {
        let one = |it: &crate::domain::recipient::Contact| (it.id.clone(), it.channel, it.address.masked(), it.opted_in);
        it.contacts.iter().map(one).collect::<Vec<_>>()
    };
    match contacts(old) == contacts(new) {
        true => fields.hidden("contacts", &old.contacts, &new.contacts),
        false => fields.shown("contacts", &contacts(old), &contacts(new)),
    }
    fields.shown("subscriptions", &old.subscriptions, &new.subscriptions);
    fields.0
}
