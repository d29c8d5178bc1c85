//! Durations, amounts of money and masked values.

use super::words::{Style, Tongue, Unit};

/// `SmartDuration`: whole seconds as days, hours, minutes and seconds; those that are zero are left out. `None` when it is not a
/// whole number of at most 100 years.
pub fn duration(value: &str, style: Style, tongue: Tongue) -> Option<String> {
    let mut left = seconds(value)?;
    let mut shown = Vec::with_capacity(4);
    for (unit, span) in [(Unit::Day, 86_400), (Unit::Hour, 3_600), (Unit::Minute, 60), (Unit::Second, 1)] {
        let count = left / span;
        left %= span;
        if count > 0 || (unit == Unit::Second && shown.is_empty()) {
            shown.push(format!("{count} {}", tongue.unit(unit, count, style)));
        }
    }
    Some(shown.join(" "))
}

/// The seconds that a duration is written as.
pub fn seconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let digits = (1..=10).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    value.parse().ok().filter(|it| digits && *it <= 100 * 366 * 86_400)
}

/// A currency: its ISO 4217 letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Currency([u8; 3]);

impl Currency {
    /// US dollars.
    pub const USD: Self = Self(*b"USD");

    /// Reads three upper-case letters.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 3] = text.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    fn letters(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    // ISO 4217 minor units: two, except for these.
    const fn decimals(&self) -> usize {
        match &self.0 {
            b"JPY" | b"KRW" | b"VND" | b"CLP" | b"ISK" | b"PYG" | b"UGX" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }

    const fn symbol(&self) -> Option<&'static str> {
        match &self.0 {
            b"USD" => Some("$"),
            b"EUR" => Some("\u{20ac}"),
            b"GBP" => Some("\u{a3}"),
            b"JPY" => Some("\u{a5}"),
            b"CAD" => Some("CA$"),
            b"MXN" => Some("MX$"),
            b"AUD" => Some("A$"),
            _ => None,
        }
    }
}

/// `SmartCurrency`: "$1,234.50". An amount is never rounded: one with more decimals than the currency has is not read (`None`),
/// nor is one of more than 15 digits before the point.
pub fn money(value: &str, currency: Currency, tongue: Tongue) -> Option<String> {
    let (negative, digits) = match value.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, value.trim().strip_prefix('+').unwrap_or(value.trim())),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = ungrouped(whole)?;
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fitted(fraction, currency.decimals())?;
    if digits.ends_with('.') || whole.len() > 15 {
        return None;
    }
    let mut number = grouped(whole, tongue.grouping());
    if !fraction.is_empty() {
        number.push(if tongue.comma_decimals() { ',' } else { '.' });
        number.push_str(&fraction);
    }
    let sign = if negative { "-" } else { "" };
    Some(match (currency.symbol(), tongue.comma_decimals()) {
        (Some(symbol), false) => format!("{sign}{symbol}{number}"),
        (Some(symbol), true) => format!("{sign}{number} {symbol}"),
        (None, false) => format!("{sign}{} {number}", currency.letters()),
        (None, true) => format!("{sign}{number} {}", currency.letters()),
    })
}

/// `Mask`: "****" and the last characters, spaces and hyphens not counted. A value that is no longer than what would be shown is
/// hidden wholly, and the number of stars says nothing of its length.
pub fn mask(value: &str, last: usize) -> String {
    let kept: Vec<char> = value.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let shown = if kept.len() > last { &kept[kept.len() - last..] } else { &[] };
    "****".chars().chain(shown.iter().copied()).collect()
}

// Digits, with or without commas between groups of three.
fn ungrouped(whole: &str) -> Option<String> {
    let groups: Vec<&str> = whole.split(',').collect();
    let digits = groups.iter().all(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()));
    let threes = groups.len() == 1 || (groups[0].len() <= 3 && groups[1..].iter().all(|it| it.len() == 3));
    (digits && threes && whole.len() <= 24).then(|| groups.concat())
}

fn fitted(fraction: &str, decimals: usize) -> Option<String> {
    if !fraction.bytes().all(|b| b.is_ascii_digit()) || fraction.len() > 12 {
        return None;
    }
    let (kept, more) = fraction.split_at(fraction.len().min(decimals));
    more.bytes().all(|b| b == b'0').then(|| format!("{kept:0<decimals$}"))
}

fn grouped(whole: &str, by: char) -> String {
    let mut out = String::with_capacity(whole.len() * 4 / 3 + 1);
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(by);
        }
        out.push(c);
    }
    out
}
