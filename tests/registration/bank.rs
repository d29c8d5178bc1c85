//! A small bank, to be spoilt in one place at a time.

use countersign::registration::{self, Registered};
use std::path::PathBuf;

pub const PUBLISHER: &str = r#"[publisher]
id = "bank"
display_name = "The Bank"
products = ["Online"]

[[institution]]
id = "011001276"
versions = ["2.0", "1.0"]

[[credential]]
user = "bank"
password_file = "bank.password"
"#;

pub const PASSWORD: &str = "Zr0W6cJ4c1mUuS9oHqk3xg==\n";

pub const OLDER: &str = r#"[library]
publisher = "bank"
version = "1.0"

[[alert]]
name = "Old"
sms = "It was <%$otp%>"
"#;

pub const LIBRARY: &str = r#"[library]
publisher = "bank"
version = "2.0"

[[alert]]
name = "Sign-on"
subject = "Your code"
text = "It is <%$otp%>"

[[alert]]
name = "Text only"
sms = "It is <%$otp%>"
"#;

pub const RECIPIENTS: &str = r#"[recipients]
publisher = "bank"
institution = "011001276"

[[recipient]]
id = "R1"

[[recipient.contact]]
id = "mail"
mail = "r1@example.com"

[[recipient.subscription]]
alert = "Sign-on"
contacts = ["mail"]
"#;

/// The whole bank, with `old` replaced by `new` in the file called `name`.
pub fn bank(name: &str, old: &str, new: &str) -> Vec<(PathBuf, String)> {
    let all = [
        ("bank/publisher.toml", PUBLISHER),
        ("bank/older.toml", OLDER),
        ("bank/library.toml", LIBRARY),
        ("bank/recipients.toml", RECIPIENTS),
        ("bank/bank.password", PASSWORD),
    ];
    let edit = |(path, text): &(&str, &str)| {
        let here = path.ends_with(name);
        assert!(!here || text.contains(old), "{name} has no {old:?}");
        (PathBuf::from(path), if here { text.replacen(old, new, 1) } else { (*text).to_owned() })
    };
    all.iter().map(edit).collect()
}

pub fn problems(files: &[(PathBuf, String)]) -> Vec<String> {
    match registration::read(files) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

pub fn read(files: &[(PathBuf, String)]) -> Registered {
    registration::read(files).unwrap_or_else(|it| panic!("{}", it.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}
