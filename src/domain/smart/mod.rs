//! Smart formats: values as a person reads them, in the recipient's place (contract `oobvalidate.md`, template tags).

mod amount;
mod when;
mod words;
mod zone;

pub use zone::Zone;

use super::time::Timestamp;
use amount::Currency;
use when::{Part, When};
use words::{Style, Tongue};

/// A smart format with its options, read from a tag when its alert is deployed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Format(Kind);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    When(When),
    Duration { style: Style, tongue: Tongue },
    Currency { code: Currency, tongue: Tongue },
    Mask { last: usize },
    Upper,
    Lower,
}

/// The names of the formats.
pub const NAMES: [&str; 8] = ["SmartDateTime", "SmartDate", "SmartTime", "SmartDuration", "SmartCurrency", "Mask", "Upper", "Lower"];

impl Format {
    /// Reads a format's name and its options, in the order they were written. `Err` says what is wrong and what would be right.
    pub fn parse(name: &str, options: &[(&str, &str)]) -> Result<Self, String> {
        let allowed: &[&str] = match name {
            "SmartDateTime" | "SmartDate" | "SmartTime" => &["tz", "style", "locale"],
            "SmartDuration" => &["style", "locale"],
            "SmartCurrency" => &["code", "locale"],
            "Mask" => &["last"],
            "Upper" | "Lower" => &[],
            _ => return Err(format!("'{name}' is no format; write one of {}", NAMES.join(", "))),
        };
        let chosen = Options::read(name, allowed, options)?;
        let when = |part| Kind::When(When { part, zone: chosen.zone, style: chosen.style, tongue: chosen.tongue });
        Ok(Self(match name {
            "SmartDateTime" => when(Part::Both),
            "SmartDate" => when(Part::Date),
            "SmartTime" => when(Part::Time),
            "SmartDuration" => Kind::Duration { style: chosen.style, tongue: chosen.tongue },
            "SmartCurrency" => Kind::Currency { code: chosen.code, tongue: chosen.tongue },
            "Mask" => Kind::Mask { last: chosen.last },
            "Upper" => Kind::Upper,
            _ => Kind::Lower,
        }))
    }

    /// `value` as a person at `zone` reads it at `now`; `None` when this format can't read it.
    pub fn apply(&self, value: &str, now: Timestamp, zone: Zone) -> Option<String> {
        match self.0 {
            Kind::When(when) => when.show(value, now.to_utc(), zone),
            Kind::Duration { style, tongue } => amount::duration(value, style, tongue),
            Kind::Currency { code, tongue } => amount::money(value, code, tongue),
            Kind::Mask { last } => Some(amount::mask(value, last)),
            Kind::Upper => Some(value.to_uppercase()),
            Kind::Lower => Some(value.to_lowercase()),
        }
    }

    /// Whether this format can read `value`.
    pub fn reads(&self, value: &str) -> bool {
        match self.0 {
            Kind::When(when) => when.reads(value),
            Kind::Duration { .. } => amount::seconds(value).is_some(),
            Kind::Currency { code, tongue } => amount::money(value, code, tongue).is_some(),
            Kind::Mask { .. } | Kind::Upper | Kind::Lower => true,
        }
    }

    /// Bytes that any format's output for a value of `len` bytes takes at most: words for it, or each letter in another case.
    pub const fn longest(len: usize) -> usize {
        len.saturating_mul(3).saturating_add(96)
    }

    /// A long output of this format, for estimating a message before its values are known; `plain` is what a parameter without
    /// a format is taken to be.
    pub fn sample(&self, plain: &str) -> String {
        let (value, zone) = match self.0 {
            Kind::When(_) => ("2033-09-28T22:58:00Z", Zone::Named(chrono_tz::America::New_York)),
            Kind::Duration { .. } => ("95399", Zone::Offset(0)),
            Kind::Currency { .. } => ("-1234567.89", Zone::Offset(0)),
            Kind::Mask { .. } | Kind::Upper | Kind::Lower => (plain, Zone::Offset(0)),
        };
        let trimmed = if matches!(self.0, Kind::Currency { .. }) { "1234567" } else { value };
        let at = Timestamp::default();
        self.apply(value, at, zone).or_else(|| self.apply(trimmed, at, zone)).unwrap_or_else(|| plain.to_owned())
    }
}

struct Options {
    zone: Option<chrono_tz::Tz>,
    style: Style,
    tongue: Tongue,
    code: Currency,
    last: usize,
}

impl Options {
    fn read(format: &str, allowed: &[&str], written: &[(&str, &str)]) -> Result<Self, String> {
        let mut it = Self { zone: None, style: Style::default(), tongue: Tongue::default(), code: Currency::USD, last: 4 };
        for (i, (name, value)) in written.iter().enumerate() {
            if !allowed.contains(name) {
                let right = if allowed.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", allowed.join(", ")) };
                return Err(format!("'{name}' is no option of {format}; {right}"));
            }
            if written[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(format!("the option '{name}' is given twice; keep one"));
            }
            it.set(name, value).ok_or_else(|| format!("'{value}' can't be the {name} of {format}; write {}", right(name)))?;
        }
        Ok(it)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "tz" => self.zone = Some(value.parse().ok()?),
            "style" => self.style = Style::parse(value)?,
            "locale" => self.tongue = Tongue::parse(value)?,
            "code" => self.code = Currency::parse(value)?,
            "last" => self.last = value.parse().ok().filter(|it| (1..=8).contains(it) && !value.starts_with('+'))?,
            _ => return None,
        }
        Some(())
    }
}

fn right(option: &str) -> &'static str {
    match option {
        "tz" => "an IANA zone such as America/Chicago",
        "style" => "short, medium, long or full",
        "locale" => "a locale of English, Spanish, French or German such as en_US, es_MX, fr_CA or de_DE",
        "code" => "three capital letters of ISO 4217 such as USD",
        _ => "a number from 1 to 8",
    }
}

#[cfg(test)]
mod tests;
