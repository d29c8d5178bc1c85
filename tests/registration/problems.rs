//! Every problem at its line and column, whatever is in the files.

use super::bank::{PASSWORD, bank, problems};
use countersign::demo::registration::files as demo;
use countersign::registration;
use proptest::prelude::*;
use std::path::PathBuf;

#[test]
fn every_problem_is_told_at_its_place() {
    let check = |(name, old, new): (&str, &str, &str), expected: &[&str]| {
        assert_eq!(problems(&bank(name, old, new)), expected, "{name}: {old:?} → {new:?}");
    };
    let one = |edit, expected: &str| check(edit, &[expected]);
    // TOML itself: what refers to the file is not judged then.
    one(
        ("library.toml", "version = \"2.0\"", "version = "),
        "bank/library.toml:3:11: not TOML: string values must be quoted, expected literal string",
    );
    one(
        ("library.toml", "[library]", "[labrary]"),
        "bank/library.toml:1:1: the file registers nothing; begin it with [publisher], [library] or [recipients]",
    );
    one(
        ("library.toml", "[library]", "[publisher]\n[library]"),
        "bank/library.toml:1:1: one file registers one thing; split [publisher] and [library] over several files",
    );
    // keys and types
    check(
        ("publisher.toml", "products", "prodcuts"),
        &[
            "bank/publisher.toml:1:1: `products` must name at least one: products = [\"…\"]",
            "bank/publisher.toml:4:1: unknown key `prodcuts`; known here: id, countries, oob, products, consumer_names, require, attempts, supersede, zone, sms_sender, mail_sender, display_name, help_text, answer_replies, answers_per_session, whole_contact",
        ],
    );
    one(("publisher.toml", "[\"Online\"]", "[]"), "bank/publisher.toml:4:12: `products` must name at least one: products = [\"…\"]");
    one(("publisher.toml", "[\"Online\"]", "\"Online\""), "bank/publisher.toml:4:12: `products` must be a list of texts: [\"…\", \"…\"]");
    one(
        ("publisher.toml", "[\"Online\"]", "[\"Online\", 3]"),
        "bank/publisher.toml:4:23: `products` must be a list of texts: [\"…\", \"…\"]",
    );
    one(
        ("publisher.toml", "display_name = \"The Bank\"\n", ""),
        "bank/publisher.toml:1:1: `display_name` is missing; add display_name = \"…\"",
    );
    one(
        ("publisher.toml", "\"The Bank\"", "\"\""),
        "bank/publisher.toml:3:16: `display_name` must be a text of 1 to 200 characters on one line",
    );
    one(
        ("publisher.toml", "products", "attempts = 11\nproducts"),
        "bank/publisher.toml:4:12: `attempts` must be a whole number from 1 to 10",
    );
    one(
        ("publisher.toml", "products", "attempts = 0\nproducts"),
        "bank/publisher.toml:4:12: `attempts` must be a whole number from 1 to 10",
    );
    one(("publisher.toml", "products", "supersede = \"yes\"\nproducts"), "bank/publisher.toml:4:13: `supersede` must be true or false");
    // a publisher's fields
    one(
        ("publisher.toml", "products", "zone = \"Chicago\"\nproducts"),
        "bank/publisher.toml:4:8: `Chicago` is no IANA time zone; write one like \"America/Chicago\"",
    );
    one(
        ("publisher.toml", "products", "require = [\"InstEnv\"]\nproducts"),
        "bank/publisher.toml:4:12: `require` can't demand `InstEnv`; it can demand ConsumerProd, InstRtId, ValidConsmName, BusCorrelId",
    );
    one(
        ("publisher.toml", "products", "countries = [\"ca\"]\nproducts"),
        "bank/publisher.toml:4:14: `countries` holds ISO 3166 codes of two capital letters, like \"CA\"",
    );
    one(
        ("publisher.toml", "products", "sms_sender = \"123\"\nproducts"),
        "bank/publisher.toml:4:14: `sms_sender` must be a phone number that exists, or a short code of 5 or 6 digits",
    );
    one(
        ("publisher.toml", "products", "mail_sender = \"The Bank <alerts>\"\nproducts"),
        "bank/publisher.toml:4:15: `mail_sender` must be a mailbox: \"alerts@bank.example\" or \"The Bank <alerts@bank.example>\"",
    );
    one(
        ("publisher.toml", "[[institution]]", "[lifetime]\nmin = 700\n\n[[institution]]"),
        "bank/publisher.toml:6:1: min 700 ≤ default 600 ≤ max 3600 must hold (seconds)",
    );
    one(
        ("publisher.toml", "[[institution]]", "[act_names]\nOobVerified = \"x\"\n\n[[institution]]"),
        "bank/publisher.toml:7:1: unknown act `OobVerified`; known: OOBVerified, OOBFailed, OOBExpired, OOBSuperseded, OOBCancelled, MsgAccepted, MsgSent, MsgDelivered, MsgUndeliverable, MsgExpired, OptedOut, Blocked, RecipMsg",
    );
    one(
        ("publisher.toml", "[[institution]]", "[defaults]\nconsumer_prod = \"Teller\"\n\n[[institution]]"),
        "bank/publisher.toml:7:17: `consumer_prod` must be one of the products: Online",
    );
    // credentials
    one(
        ("publisher.toml", "password_file = \"bank.password\"\n", ""),
        "bank/publisher.toml:10:1: no password; add password_file (a generated one) or password_argon2 (the hash of a person's)",
    );
    one(
        ("publisher.toml", "bank.password", "other.password"),
        "bank/publisher.toml:12:17: bank/other.password was not read; is it there and readable?",
    );
    one(
        ("bank.password", PASSWORD, "hunter2\n"),
        "bank/publisher.toml:12:17: the password in the file must be one line of 22 to 1024 characters without spaces, generated (128 bits or more); give a person's password as password_argon2",
    );
    one(
        ("publisher.toml", "password_file = \"bank.password\"", "password_argon2 = \"secret\""),
        "bank/publisher.toml:12:19: not an argon2id hash; it looks like $argon2id$v=19$m=19456,t=2,p=1$salt$hash",
    );
    one(
        (
            "publisher.toml",
            "password_file = \"bank.password\"",
            "password_argon2 = \"$argon2id$v=19$m=4000000,t=1,p=1$Y291bnRlcnNpZ24tZGVtbw$N153duzNxqgaD/10j+uCo2v65Z2kONo+OBKGBbQqgCM\"",
        ),
        "bank/publisher.toml:12:19: the hash costs too much to check; at most m=262144,t=16,p=16",
    );
    one(
        ("publisher.toml", "password_file", "allow = [\"10.0.0.0/40\"]\npassword_file"),
        "bank/publisher.toml:12:10: `10.0.0.0/40` is no network; write one like 192.0.2.0/24 or 2001:db8::/32",
    );
    // libraries
    check(
        ("library.toml", "version = \"2.0\"", "version = \"3.0\""),
        &[
            "bank/publisher.toml:8:13: no library has version `2.0` of `bank`; add its file, or take the version out",
            "bank/recipients.toml:13:9: no deployed library has an alert \"Sign-on\"; deployed here: 2.0, 1.0",
        ],
    );
    check(
        ("library.toml", "\"bank\"", "\"shop\""),
        &[
            "bank/publisher.toml:8:13: no library has version `2.0` of `bank`; add its file, or take the version out",
            "bank/library.toml:2:13: no publisher `shop` is registered; known: bank",
            "bank/recipients.toml:13:9: no deployed library has an alert \"Sign-on\"; deployed here: 2.0, 1.0",
        ],
    );
    one(
        ("library.toml", "\"Text only\"", "\"Sign-on\""),
        "bank/library.toml:11:8: alert \"Sign-on\" is here twice; names are unique in a library",
    );
    one(("library.toml", "subject = \"Your code\"\n", ""), "bank/library.toml:5:1: mail needs a subject; add subject = \"…\"");
    one(
        ("library.toml", "sms = \"It is <%$otp%>\"\n", ""),
        "bank/library.toml:10:1: the alert has no body; add sms, or subject with text or html",
    );
    one(
        ("library.toml", "sms = \"It is <%$otp%>\"", "sms_file = \"nowhere.txt\""),
        "bank/library.toml:12:12: bank/nowhere.txt was not read; is it there and readable?",
    );
    one(
        ("library.toml", "text = \"It is <%$otp%>\"", "text = \"\"\""),
        "bank/library.toml:13:1: not TOML: invalid multi-line basic string, expected `\"`",
    );
    // recipients
    one(("recipients.toml", "\"bank\"", "\"shop\""), "bank/recipients.toml:2:13: no publisher `shop` is registered; known: bank");
    one(
        ("recipients.toml", "\"011001276\"", "\"011001277\""),
        "bank/recipients.toml:3:15: publisher `bank` does not serve institution `011001277`; it serves 011001276",
    );
    one(
        ("recipients.toml", "r1@example.com", "r1(at)example.com"),
        "bank/recipients.toml:10:8: not an e-mail address; write one like name@bank.example",
    );
    one(
        ("recipients.toml", "mail = \"r1@example.com\"", "sms = \"555\""),
        "bank/recipients.toml:10:7: not a phone number; write ten digits, or +, country and number where the publisher has `countries`",
    );
    one(
        ("recipients.toml", "mail = \"r1@example.com\"\n", ""),
        "bank/recipients.toml:8:1: a contact has one address: sms = \"202-555-0143\" or mail = \"name@bank.example\"",
    );
    one(
        ("recipients.toml", "\"Sign-on\"", "\"Sign-off\""),
        "bank/recipients.toml:13:9: no deployed library has an alert \"Sign-off\"; deployed here: 2.0, 1.0",
    );
    one(
        ("recipients.toml", "\"Sign-on\"", "\"Text only\""),
        "bank/recipients.toml:14:13: alert \"Text only\" has no text or html body for this contact; add one to it",
    );
    let empty = "list the ids of the contacts that get the alert: contacts = [\"…\"]";
    one(("recipients.toml", "contacts = [\"mail\"]", "contacts = []"), &format!("bank/recipients.toml:14:12: {empty}"));
    one(("recipients.toml", "contacts = [\"mail\"]", ""), &format!("bank/recipients.toml:12:1: {empty}"));
    one(
        ("recipients.toml", "contacts = [\"mail\"]", "contacts = [\"post\"]"),
        "bank/recipients.toml:14:13: the recipient has no contact \"post\"; it has \"mail\"",
    );
    one(
        ("recipients.toml", "contacts = [\"mail\"]", "contacts = [\"mail\"]\nutc_offset = \"-6\""),
        "bank/recipients.toml:15:14: `utc_offset` must look like \"-06:00\", \"+05:30\" or \"Z\", at most 14 hours",
    );
    one(
        ("recipients.toml", "id = \"R1\"", "id = \"R1\"\nuid = \"7\""),
        "bank/recipients.toml:7:7: `uid` must be a UUID; leave it out to get one that stays the same for this recipient",
    );
}

/// Problems of several files come together, in the order of the files, and each thing is told once.
#[test]
fn a_thing_that_is_there_twice_is_told() {
    let twice = |name: &str| {
        let mut files = bank(name, "", "");
        let (path, text) = files.iter().find(|(path, _)| path.ends_with(name)).cloned().expect("there");
        files.push((path.with_file_name(format!("again-{name}")), text));
        problems(&files)
    };
    assert_eq!(twice("library.toml"), ["bank/again-library.toml:3:11: version `2.0` of `bank`'s library is here twice; keep one file"]);
    assert_eq!(
        twice("recipients.toml"),
        ["bank/again-recipients.toml:6:6: recipient `R1` is here twice; ids are unique for a publisher and institution"]
    );
    assert_eq!(
        twice("publisher.toml"),
        [
            "bank/again-publisher.toml:2:6: publisher `bank` is registered twice; ids are unique",
            "bank/again-publisher.toml:11:8: user `bank` already proves publisher `bank`; a user proves one"
        ]
    );
}

/// A problem inside a body is told where the body was written, whatever it was written as.
#[test]
fn a_problem_in_a_body_is_told_where_it_is_written() {
    let check = |body: &str, file: Option<(&str, &str)>, expected: &[&str]| {
        let mut files = bank("library.toml", "text = \"It is <%$otp%>\"", body);
        files.extend(file.map(|(path, text)| (PathBuf::from(path), text.to_owned())));
        let found = problems(&files);
        let places: Vec<_> = found.iter().map(|it| it.split(": ").next().unwrap_or_default()).collect();
        assert_eq!(places, expected, "{body}: {found:?}");
    };
    check(r#"text = "It is <%$otpx%>""#, None, &["bank/library.toml:8:17"]);
    check("text = 'It is <%$otpx%>'", None, &["bank/library.toml:8:17"]);
    check(r#"text = "a\nb <%$otpx%>""#, None, &["bank/library.toml:8:16"]);
    check("text = \"\"\"\nfirst\n\n  é <%$otpx%>\n\"\"\"", None, &["bank/library.toml:11:7"]);
    check("text = '''\nfirst\n<%name:Nothing%> and\n<%$otp%>'''", None, &["bank/library.toml:10:8"]);
    check("text_file = \"sign-on.txt\"", Some(("bank/sign-on.txt", "first\nsecond <%$otpx%>\n")), &["bank/sign-on.txt:2:10"]);
    check("html = '<p title=<%name%>>It is <%$otp%></p>'", None, &["bank/library.toml:8:18"]);
    let both = "text_file = \"sign-on.txt\"\nhtml = \"<%x:Y%>\"";
    check(both, Some(("bank/sign-on.txt", "<%$otpx%>")), &["bank/library.toml:9:13", "bank/sign-on.txt:1:3"]);
}

#[test]
fn there_is_an_end_to_everything() {
    let many = |name: &str, one: &str, count: usize| problems(&bank(name, one, &format!("{one}\n").repeat(count))).join("\n");
    assert!(many("recipients.toml", "[[recipient.contact]]", 101).contains("recipients.toml:8:1: more than 100 of [[contact]]"));
    let long = problems(&bank("library.toml", "Your code", &"x".repeat(70_000))).join("\n");
    assert_eq!(long, "bank/library.toml:7:12: a body must have some text, and at most 65536 bytes");
    let wrong = problems(&bank("recipients.toml", "[[recipient.contact]]", &"x = 1\n[[recipient]]\n".repeat(300)));
    assert_eq!(wrong.len(), 201);
    assert!(wrong[200].ends_with("more; correct these first"), "{}", wrong[200]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever stands in a file, it is read or refused; every problem is on a line of its file.
    #[test]
    fn any_text_is_read_or_refused(at in 0usize..4000, cut in 0usize..60, insert in "[\\[\\]=\"'.a-z0-9\n\\\\<%$>é]{0,12}") {
        let mut files = demo();
        for (_, text) in &mut files {
            let starts: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
            let from = starts[at % starts.len()];
            let to = starts.get(at % starts.len() + cut).copied().unwrap_or(text.len());
            text.replace_range(from..to, &insert);
        }
        for problem in registration::read(&files).err().into_iter().flatten() {
            let (_, text) = files.iter().find(|(path, _)| *path == problem.file).expect("one of the files");
            prop_assert!((1..=text.matches('\n').count() + 1).contains(&problem.line), "{}", problem);
            prop_assert!(problem.column >= 1 && problem.message.len() < 1000, "{}", problem);
        }
    }
}
