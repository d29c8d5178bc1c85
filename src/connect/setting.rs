//! What the settings of all ways out share: secrets from files, sets of HTTP statuses, certificates, and the clock.

use super::contract::TIMEOUT_MAX;
use crate::domain::code::Secret;
use crate::domain::time::Timestamp;
use serde::{Deserialize, Deserializer};
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Tells the time; a test tells its own.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Most bytes that a secret file may have.
const SECRET_MAX: u64 = 8 * 1024;

/// Why a way out can't be built from its settings. The text says what to do, and never shows a secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

impl Unusable {
    /// With this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A `timeout_ms`: 1 to 120,000 milliseconds. The error says so.
pub fn time_out(millis: u64) -> Result<Duration, String> {
    let max = u64::try_from(TIMEOUT_MAX.as_millis()).unwrap_or(u64::MAX);
    (1..=max).contains(&millis).then(|| Duration::from_millis(millis)).ok_or_else(|| format!("timeout_ms must be 1 to {max}"))
}

/// A user name, and the file that holds its password.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// The user name; no colon (RFC 7617, section 2).
    pub user: String,
    /// The file that holds the password.
    pub password_file: PathBuf,
}

impl Basic {
    /// The value of an `Authorization` header. Anonymous use is refused.
    pub fn header(&self) -> Result<Secret, Unusable> {
        use base64::prelude::{BASE64_STANDARD, Engine as _};
        if self.user.is_empty() || self.user.contains(':') {
            return Err(Unusable::new("the Basic user name is empty or has a colon: set one without"));
        }
        let password = load_secret(&self.password_file)?;
        let pair = zeroize::Zeroizing::new(format!("{}:{}", self.user, password.expose()));
        Ok(Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes()))))
    }
}

/// Reads a secret: UTF-8, at most 8 KiB, without the line end that editors add. Fails when there is no file or nothing in it.
pub fn load_secret(path: &Path) -> Result<Secret, Unusable> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|error| Unusable(format!("can't read the secret file {shown}: {error}")))?;
    let mut text = zeroize::Zeroizing::new(String::new());
    file.take(SECRET_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| Unusable(format!("can't read the secret file {shown}: {error}")))?;
    if text.len() as u64 > SECRET_MAX {
        return Err(Unusable(format!("the secret file {shown} has more than {SECRET_MAX} bytes: is it the right file?")));
    }
    match text.trim_end_matches(['\r', '\n']) {
        secret if secret.trim().is_empty() => Err(Unusable(format!("the secret file {shown} is empty: write the secret into it"))),
        secret => Ok(Secret::new(secret)),
    }
}

/// Reads a file of certificates (PEM) of at most 1 MiB.
pub fn load_pem(path: &Path) -> Result<Vec<u8>, Unusable> {
    let shown = path.display();
    let mut pem = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(1024 * 1024).read_to_end(&mut pem))
        .map_err(|error| Unusable(format!("can't read the CA file {shown}: {error}")))?;
    match pem.windows(27).any(|it| it == b"-----BEGIN CERTIFICATE-----") {
        true => Ok(pem),
        false => Err(Unusable(format!("the CA file {shown} has no certificate in PEM form"))),
    }
}

/// HTTP statuses, written as numbers and ranges: `[200, "202-204"]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StatusSet(Vec<RangeInclusive<u16>>);

impl StatusSet {
    /// The statuses from `first` to `last`.
    pub fn range(first: u16, last: u16) -> Self {
        Self(vec![first..=last])
    }

    /// Just these.
    pub fn of(statuses: &[u16]) -> Self {
        Self(statuses.iter().map(|it| *it..=*it).collect())
    }

    /// Whether `status` is one of them.
    pub fn has(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl<'de> Deserialize<'de> for StatusSet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Item {
            One(u16),
            Range(String),
        }
        let ranges = Vec::<Item>::deserialize(from)?.into_iter().map(|item| match item {
            Item::One(status) => status_range(&status.to_string()),
            Item::Range(text) => status_range(&text),
        });
        ranges.collect::<Option<_>>().map(Self).ok_or_else(|| serde::de::Error::custom("statuses are written as 202 or \"200-299\""))
    }
}

fn status_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
    (100 <= first && first <= last && last <= 599).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_without_its_line_end_and_never_empty() {
        let check = |content: &str, expected: Option<&str>| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), content).unwrap();
            assert_eq!(load_secret(file.path()).ok().as_ref().map(Secret::expose), expected, "{content:?}");
        };
        check("s3cret\n", Some("s3cret"));
        check("s3 cret \r\n", Some("s3 cret "));
        check("", None);
        check(" \n", None);
        check(&"x".repeat(9_000), None);
        assert!(load_secret(Path::new("no/such/file")).is_err());
    }

    #[test]
    fn statuses_are_numbers_and_ranges() {
        #[derive(Deserialize)]
        struct It {
            set: StatusSet,
        }
        let check = |toml: &str, has: Option<[bool; 3]>| {
            let set = toml::from_str::<It>(&format!("set = {toml}")).ok().map(|it| it.set);
            assert_eq!(set.map(|set| [199, 202, 410].map(|it| set.has(it))), has, "{toml}");
        };
        check("[\"200-299\"]", Some([false, true, false]));
        check("[202, 410]", Some([false, true, true]));
        check("[]", Some([false; 3]));
        check("[\"299-200\"]", None);
        check("[\"abc\"]", None);
        check("[99]", None);
    }
}
