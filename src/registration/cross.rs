//! Whether the parts of a registration fit each other.

use super::problem::{At, Place, Report};
use super::recipients::{Draft as Recipients, Person, Wanted};
use super::{Drafts, library, publisher};
use crate::domain::contact::Channel;
use crate::domain::id::InstitutionId;
use crate::domain::recipient::Subscription;
use std::collections::{HashMap, HashSet};

/// Reports whatever refers to nothing, or is there twice.
pub(super) fn check(drafts: &Drafts, report: &Report<'_>) {
    let house = House::of(drafts, report);
    users(drafts, report);
    for it in &drafts.publishers {
        versions(it, &house, report);
    }
    for it in &drafts.libraries {
        deployed(it, &house, report);
    }
    let mut seen = HashSet::new();
    for it in &drafts.recipients {
        recipients(it, &house, report, &mut seen);
    }
}

/// Publishers and libraries by name.
struct House<'a> {
    publishers: HashMap<&'a str, &'a publisher::Draft>,
    libraries: HashMap<(&'a str, &'a str), &'a library::Draft>,
}

impl<'a> House<'a> {
    fn of(drafts: &'a Drafts, report: &Report<'_>) -> Self {
        let mut house = Self { publishers: HashMap::new(), libraries: HashMap::new() };
        for it in &drafts.publishers {
            if house.publishers.insert(&it.id.value, it).is_some() {
                report.wrong(it.id.place, format!("publisher `{}` is registered twice; ids are unique", it.id.value));
            }
        }
        for it in &drafts.libraries {
            if house.libraries.insert((&it.publisher.value, &it.version.value), it).is_some() {
                let message = format!("version `{}` of `{}`'s library is here twice; keep one file", it.version.value, it.publisher.value);
                report.wrong(it.version.place, message);
            }
        }
        house
    }

    /// The publisher of this name, or a report.
    fn publisher(&self, id: &At<String>, report: &Report<'_>) -> Option<&'a publisher::Draft> {
        let found = self.publishers.get(id.value.as_str()).copied();
        if found.is_none() {
            let mut known: Vec<_> = self.publishers.keys().copied().collect();
            known.sort_unstable();
            report.wrong(id.place, format!("no publisher `{}` is registered; known: {}", id.value, known.join(", ")));
        }
        found
    }

    /// The alert in the newest of these versions that has it.
    fn alert(&self, publisher: &str, versions: &[String], name: &str) -> Option<&'a library::Entry> {
        let libraries = versions.iter().filter_map(|version| self.libraries.get(&(publisher, version.as_str())));
        libraries.flat_map(|it| &it.alerts).find(|it| it.alert.name == name)
    }
}

fn users(drafts: &Drafts, report: &Report<'_>) {
    let mut seen = HashMap::new();
    for it in drafts.publishers.iter().flat_map(|it| &it.credentials) {
        if let Some(earlier) = seen.insert(it.value.user.as_str(), &it.value.publisher) {
            report.wrong(it.place, format!("user `{}` already proves publisher `{earlier}`; a user proves one", it.value.user));
        }
    }
}

fn versions(publisher: &publisher::Draft, house: &House<'_>, report: &Report<'_>) {
    let mut seen = HashSet::new();
    for (institution, version) in &publisher.versions {
        if !house.libraries.contains_key(&(publisher.id.value.as_str(), version.value.as_str())) {
            let message =
                format!("no library has version `{}` of `{}`; add its file, or take the version out", version.value, publisher.id.value);
            report.wrong(version.place, message);
        }
        if !seen.insert((institution, &version.value)) {
            report.wrong(
                version.place,
                format!("version `{}` is listed twice for {institution}; list each once, newest first", version.value),
            );
        }
    }
}

fn deployed(library: &library::Draft, house: &House<'_>, report: &Report<'_>) {
    let Some(publisher) = house.publisher(&library.publisher, report) else { return };
    if !publisher.versions.iter().any(|(_, it)| it.value == library.version.value) {
        let message =
            format!("version `{}` is deployed at no institution; list it in an [[institution]]'s versions", library.version.value);
        report.doubt(library.version.place, message);
    }
}

fn recipients(draft: &Recipients, house: &House<'_>, report: &Report<'_>, seen: &mut HashSet<(String, String, String)>) {
    for it in &draft.recipients {
        let id = &it.recipient.key.id;
        if !seen.insert((draft.publisher.value.clone(), draft.institution.value.clone(), id.clone())) {
            report.wrong(it.place, format!("recipient `{id}` is here twice; ids are unique for a publisher and institution"));
        }
    }
    let Some(publisher) = house.publisher(&draft.publisher, report) else { return };
    let institution = InstitutionId::from(draft.institution.value.as_str());
    let Some(versions) = publisher.publisher.institutions.get(&institution) else {
        let known: Vec<_> = publisher.publisher.institutions.keys().map(InstitutionId::as_str).collect();
        let message =
            format!("publisher `{}` does not serve institution `{institution}`; it serves {}", publisher.id.value, known.join(", "));
        return report.wrong(draft.institution.place, message);
    };
    for person in &draft.recipients {
        for (subscription, wanted) in person.recipient.subscriptions.iter().zip(&person.wanted) {
            match house.alert(&publisher.id.value, versions, &subscription.alert) {
                Some(alert) => bodies(person, wanted, alert, report),
                None => report.wrong(wanted.alert, unknown(subscription, versions)),
            }
        }
    }
}

fn unknown(subscription: &Subscription, versions: &[String]) -> String {
    format!("no deployed library has an alert \"{}\"; deployed here: {}", subscription.alert, versions.join(", "))
}

fn bodies(person: &Person, wanted: &Wanted, entry: &library::Entry, report: &Report<'_>) {
    let lacks = |place: Place, what: &str| {
        report.wrong(place, format!("alert \"{}\" has no {what} body for this contact; add one to it", entry.alert.name))
    };
    for it in &wanted.contacts {
        match person.recipient.contact(&it.value).map(|it| it.channel) {
            Some(channel) if entry.channels.contains(&channel) => {}
            Some(Channel::Sms) => lacks(it.place, "sms"),
            Some(Channel::Mail) => lacks(it.place, "text or html"),
            // A registered contact is a phone or a mail address.
            Some(Channel::Push) => lacks(it.place, "push"),
            None => {}
        }
    }
}
