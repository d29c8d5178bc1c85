//! What the files register, and what changes.

use super::bank::{LIBRARY, OLDER, PASSWORD, PUBLISHER, bank, read};
use countersign::domain::contact::Channel;
use countersign::domain::credential::StoredSecret;
use countersign::domain::quota::{Money, Most, Quotas};
use countersign::registration::{self, files};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

#[test]
fn the_whole_bank_is_read() {
    let bank = read(&bank("publisher.toml", "", ""));
    let publisher = &bank.registry.publishers[&"bank".into()];
    assert_eq!(publisher.institutions[&"011001276".into()], ["2.0", "1.0"]);
    assert_eq!(publisher.defaults.consumer_prod.as_deref(), Some("Online"));
    assert_eq!(publisher.defaults.inst_rt_id.as_deref(), Some("011001276"));
    assert_eq!((publisher.lifetime.min, publisher.lifetime.max, publisher.lifetime.default), (15, 3600, 600));
    let alert = bank.registry.alert(&"bank".into(), "2.0", "Sign-on").expect("deployed");
    assert_eq!(alert.bodies(Channel::Mail).len(), 2);
    assert_eq!(alert.bodies(Channel::Sms).len(), 0);
    assert!(matches!(&bank.credentials[0].secrets[..], [StoredSecret::Generated(it)] if it.expose() == PASSWORD.trim()));
    assert_eq!(bank.recipients[0].key.id, "R1");
    assert_eq!(bank.warnings, []);
}

/// Nothing is limited by quotas that are not there.
#[test]
fn quotas_are_read() {
    let quotas = |text: &str| {
        let mut files = bank("publisher.toml", "", "");
        files[0].1.push_str(text);
        registration::read(&files).map(|it| it.registry.publishers[&"bank".into()].quotas.clone()).map_err(|it| it[0].to_string())
    };
    assert_eq!(quotas(""), Ok(Quotas::default()));
    let all = "[quotas]\nper_address_minute = 1\nper_key_day = 2\nprefix_digits = 9\nper_prefix_day = 3\nper_country_minute = 4\n\
               money_day = 500\nprice = 90\n[quotas.prices]\n\"+1\" = \"8\"\n";
    let expected = Quotas {
        network: Most { minute: 1, day: 0 },
        key: Most { minute: 0, day: 2 },
        prefix: Most { minute: 0, day: 3 },
        prefix_digits: 9,
        country: Most { minute: 4, day: 0 },
        money: Money { day: 500, prices: vec![("+1".into(), 8)], other: 90 },
    };
    assert_eq!(quotas(all), Ok(expected));
    let wrong = |text: &str, expected: &str| {
        let told = quotas(text).unwrap_err();
        assert!(told.contains(expected), "{text}: {told}");
    };
    wrong("[quotas]\nmoney_day = 5\n", "`money_day` needs prices");
    wrong("[quotas]\nprefix_digits = 0\n", "`prefix_digits` must be a whole number from 1 to 14");
    wrong("[quotas]\nper_ip = 1\n", "unknown key `per_ip`");
    for price in ["\"1\" = \"8\"", "\"+1\" = \"-8\"", "\"+\" = \"8\"", "\"+1a\" = \"8\""] {
        wrong(&format!("[quotas]\nmoney_day = 5\n[quotas.prices]\n{price}\n"), "a price is written like");
    }
}

/// Phones beyond ten digits are taken only where the publisher has their country.
#[test]
fn phones_are_judged_by_the_publishers_countries() {
    let check = |countries: &str, phone: &str, expected: &str| {
        let contact = format!("[[recipient.contact]]\nid = \"p\"\nsms = \"{phone}\"\n\n[[recipient.contact]]");
        let mut files = bank("recipients.toml", "[[recipient.contact]]", &contact);
        files[0].1 = files[0].1.replace("products", &format!("countries = [{countries}]\nproducts"));
        let found = match registration::read(&files) {
            Ok(read) => read.recipients[0].contacts[0].address.expose().to_owned(),
            Err(problems) => problems[0].to_string().replace("bank/recipients.toml:", ""),
        };
        assert!(found.starts_with(expected), "{countries} {phone}: {found}");
    };
    check("", "(202) 555-0143", "+12025550143");
    check("", "202-555-01", "10:7: not a phone number; ");
    check("", "000-555-0143", "10:7: no such phone number in the numbering plan; ");
    check("\"GB\"", "+44 20 7946 0018", "+442079460018");
    check("\"GB\"", "+49 30 901820", "10:7: a phone of a country that the publisher may not send to; ");
}

#[test]
fn a_password_can_be_rotated() {
    let more = r#"user = "bank"
password_digest = true
previous_password_file = "old.password"
allow = ["192.0.2.0/24", "::1"]"#;
    let mut files = bank("publisher.toml", "user = \"bank\"", more);
    files.push(("bank/old.password".into(), "an-older-generated-password\n".to_owned()));
    let credential = read(&files).credentials.remove(0);
    let secrets: Vec<_> = credential
        .secrets
        .iter()
        .map(|it| match it {
            StoredSecret::Generated(it) => it.expose(),
            StoredSecret::Argon2(_) => "a hash",
        })
        .collect();
    assert_eq!(secrets, [PASSWORD.trim(), "an-older-generated-password"]);
    let allowed: Vec<_> = credential.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, ["192.0.2.0/24", "::1/128"]);
    assert!(credential.password_digest);
}

#[test]
fn files_are_gathered_with_those_they_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
    for (name, text) in [("publisher.toml", PUBLISHER), ("library.toml", LIBRARY), ("older.toml", OLDER), ("bank.password", PASSWORD)] {
        put(name, text);
    }
    let told = |found: Result<Vec<(PathBuf, String)>, Vec<registration::Problem>>| match found {
        Ok(files) => files.iter().map(|(path, _)| path.strip_prefix(dir.path()).expect("inside").display().to_string()).collect::<Vec<_>>(),
        Err(problems) => problems.iter().map(|it| it.to_string().replace(&dir.path().display().to_string(), "DIR")).collect(),
    };
    let password = dir.path().join("bank.password");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).expect("set");
    let gather = || told(files::gather(&[dir.path().to_owned()]));
    assert_eq!(gather(), ["DIR/bank.password: everybody may read this password file; chmod o-rwx it"]);
    fs::set_permissions(&password, fs::Permissions::from_mode(0o640)).expect("set");
    assert_eq!(gather(), ["library.toml", "older.toml", "publisher.toml", "bank.password"]);
    read(&files::gather(&[dir.path().to_owned()]).expect("gathered"));
    let missing = dir.path().join("nowhere.toml");
    assert_eq!(told(files::gather(&[missing])), ["DIR/nowhere.toml: can't be read: No such file or directory (os error 2)"]);
}

/// What changes is told by field; secrets and addresses are not.
#[test]
fn a_difference_is_told_by_field_and_without_secrets() {
    let check = |(name, old, new): (&str, &str, &str), expected: &[&str]| {
        let (before, after) = (read(&bank(name, "", "")), read(&bank(name, old, new)));
        let told: Vec<_> = registration::diff(&before, &after).iter().map(ToString::to_string).collect();
        assert_eq!(told, expected, "{name}: {old:?} → {new:?}");
    };
    check(("publisher.toml", "", ""), &[]);
    check(
        ("publisher.toml", "products", "attempts = 3\nsms_sender = \"2025550143\"\nproducts"),
        &["~ publisher bank\n    attempts: 5 → 3\n    sms_sender: None → Some(\"******0143\")"],
    );
    check(("bank.password", PASSWORD, "another-generated-password"), &["~ credential bank\n    password: changed"]);
    check(("library.toml", "Your code", "Our code"), &["~ alert bank/2.0 \"Sign-on\"\n    subject: changed"]);
    check(("library.toml", "Text only", "Text"), &["+ alert bank/2.0 \"Text\"", "- alert bank/2.0 \"Text only\""]);
    check(("recipients.toml", "r1@example.com", "r2@example.com"), &["~ recipient bank/011001276/R1\n    contacts: changed"]);
    check(("recipients.toml", "id = \"R1\"", "id = \"R1\"\nactive = false"), &["~ recipient bank/011001276/R1\n    active: true → false"]);
}
