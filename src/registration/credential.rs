//! The credentials in a publisher's file (decision 4).

use super::beside;
use super::fields::Fields;
use super::problem::{At, Place};
use crate::domain::code::Secret;
use crate::domain::credential::{Credential, StoredSecret};
use argon2::password_hash::phc::PasswordHash;
use ipnet::IpNet;
use std::net::IpAddr;

/// Shortest generated secret: 128 bits in base64.
const SHORTEST: usize = 22;
/// Longest secret, in bytes.
const LONGEST: usize = 1024;
/// Most memory that checking one password may take, in KiB (argon2's `m`).
const MOST_MEMORY: u32 = 262_144;

/// Reads every `[[credential]]`.
pub(super) fn read(file: &Fields<'_, '_>, publisher: &str) -> Vec<At<Credential>> {
    if !file.has("credential") {
        file.report.wrong(file.place, "no credential; add [[credential]] with user = \"…\" and password_file or password_argon2");
    }
    file.tables("credential", 50).into_iter().filter_map(|it| one(it, publisher)).collect()
}

fn one(fields: Fields<'_, '_>, publisher: &str) -> Option<At<Credential>> {
    let user = fields.required("user");
    let digest = fields.flag("password_digest", false);
    let current = secret(&fields, "password_file", "password_argon2");
    if current.is_none() && !fields.has("password_file") && !fields.has("password_argon2") {
        fields.report.wrong(fields.place, "no password; add password_file (a generated one) or password_argon2 (the hash of a person's)");
    }
    let previous = secret(&fields, "previous_password_file", "previous_password_argon2");
    let secrets: Vec<_> = [current, previous].into_iter().flatten().collect();
    if digest && secrets.iter().any(|it| matches!(it, StoredSecret::Argon2(_))) {
        let message = "`password_digest` needs the clear password; use password_file, or turn it off";
        fields.report.wrong(fields.place_of("password_digest"), message);
    }
    let allow = fields.list("allow").iter().filter_map(|it| network(&fields, it)).collect();
    let place = user.as_ref().map_or(fields.place, |it| it.place);
    fields.finish();
    Some(At { value: Credential { user: user?.value, publisher: publisher.into(), secrets, allow, password_digest: digest }, place })
}

fn network(fields: &Fields<'_, '_>, text: &At<String>) -> Option<IpNet> {
    let read = text.value.parse::<IpNet>().ok().or_else(|| text.value.parse::<IpAddr>().ok().map(IpNet::from));
    if read.is_none() {
        fields.report.wrong(text.place, format!("`{}` is no network; write one like 192.0.2.0/24 or 2001:db8::/32", text.value));
    }
    read
}

fn secret(fields: &Fields<'_, '_>, in_file: &'static str, hashed: &'static str) -> Option<StoredSecret> {
    let (file, hash) = (fields.short(in_file), fields.short(hashed));
    match (file, hash) {
        (Some(path), None) => generated(fields, &path),
        (None, Some(hash)) => argon2id(fields, hash),
        (Some(_), Some(hash)) => {
            fields.report.wrong(hash.place, format!("both {in_file} and {hashed} are given; keep one"));
            None
        }
        (None, None) => None,
    }
}

fn generated(fields: &Fields<'_, '_>, path: &At<String>) -> Option<StoredSecret> {
    let text = named_file(fields, path)?.0.trim();
    if !(SHORTEST..=LONGEST).contains(&text.len()) || text.chars().any(|it| it.is_control() || it.is_whitespace()) {
        let message = format!(
            "the password in the file must be one line of {SHORTEST} to {LONGEST} characters without spaces, generated (128 bits or more); \
             give a person's password as password_argon2"
        );
        fields.report.wrong(path.place, message);
        return None;
    }
    Some(StoredSecret::Generated(Secret::new(text)))
}

fn argon2id(fields: &Fields<'_, '_>, hash: At<String>) -> Option<StoredSecret> {
    match cost(&hash.value) {
        Some(params) if params.m_cost() <= MOST_MEMORY && params.t_cost() <= 16 && params.p_cost() <= 16 => {
            Some(StoredSecret::Argon2(hash.value))
        }
        Some(_) => {
            fields.report.wrong(hash.place, format!("the hash costs too much to check; at most m={MOST_MEMORY},t=16,p=16"));
            None
        }
        None => {
            fields.report.wrong(hash.place, "not an argon2id hash; it looks like $argon2id$v=19$m=19456,t=2,p=1$salt$hash");
            None
        }
    }
}

/// The parameters of an argon2id hash with salt and output; `None` when it is no such hash.
fn cost(text: &str) -> Option<argon2::Params> {
    let hash = PasswordHash::new(text).ok()?;
    let whole = hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some();
    whole.then(|| argon2::Params::try_from(&hash).ok()).flatten()
}

/// Text and index of the file that `path` names; reported when it was not read.
pub(super) fn named_file<'i>(fields: &Fields<'_, 'i>, path: &At<String>) -> Option<(&'i str, Place)> {
    let files = fields.report.files();
    let wanted = beside(&files[path.place.file].0, &path.value);
    let found = files.iter().position(|(it, _)| *it == wanted);
    if found.is_none() {
        fields.report.wrong(path.place, format!("{} was not read; is it there and readable?", wanted.display()));
    }
    found.map(|file| (files[file].1.as_str(), Place { file, offset: 0 }))
}
