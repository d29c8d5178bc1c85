//! Where a message goes: phones and e-mail addresses, and the channel that reaches them.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region};
use std::fmt;
use std::sync::Arc;

/// How a message travels. Names of the contract's `RecipConType` in brackets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Channel {
    /// SMS through a carrier or gateway (`SMSNative`).
    Sms,
    /// E-mail with a text body (`EmailText`) or text and HTML (`EmailHTML`).
    Mail,
    /// A notification to an app or a browser. ENS has no such contact; it is asked for over REST or Kafka.
    Push,
}

impl Channel {
    /// As the bus writes it (contract `otp-bus.md`): `SMS`, `MAIL` or `PUSH`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sms => "SMS",
            Self::Mail => "MAIL",
            Self::Push => "PUSH",
        }
    }

    /// Reads the bus's word, and no other.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Sms, Self::Mail, Self::Push].into_iter().find(|it| it.name() == text)
    }
}

/// A phone number in E.164 (`+12025550123`), an e-mail address, or where a push message goes. `Debug` masks it;
/// [`Address::expose`] shows it.
/// One copy is for all who hold it: a decision names it a dozen times.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(Arc<str>);

impl Address {
    /// Takes a text that is already in its canonical form: what a store wrote, or [`phone`], [`mail`] and [`push`] made.
    pub fn canonical(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The address itself. Named so that each use is easy to find.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is a browser's push subscription, not a device's token ([`push`]).
    pub fn is_subscription(&self) -> bool {
        self.0.starts_with('{')
    }

    /// All but the last four characters of a phone or a device hidden; of a mail address, all but the first letter and the domain.
    pub fn masked(&self) -> String {
        // A push subscription may have an `@` somewhere; what is around it is no domain.
        match self.0.split_once('@').filter(|(_, domain)| domain_ok(domain)) {
            Some((name, domain)) => format!("{}***@{domain}", name.chars().next().unwrap_or('*')),
            None => {
                let shown = self.0.char_indices().rev().take(4).last().map_or(self.0.len(), |(at, _)| at);
                ["******", &self.0[shown..]].concat()
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[address]")
    }
}

/// Why a text is no address that we send to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressError {
    /// Not ten digits (3147).
    NotTenDigits,
    /// Ten digits, but not a number of the plan (39012).
    NotInPlan,
    /// A country that the publisher may not send to (39009).
    Country,
    /// Not an e-mail address.
    Mail,
    /// Not a device token, nor a subscription.
    Push,
}

/// Reads a phone number: ten digits of the North American plan with or without punctuation or a leading +1 (or 1); with
/// `countries` (ISO 3166 alpha-2) also E.164 of those. Full-width digits are read as digits. At most 40 characters.
pub fn phone(text: &str, countries: &[String]) -> Result<Address, AddressError> {
    let written = Written::read(text).ok_or(AddressError::NotTenDigits)?;
    match (written.plus, written.digits()) {
        (true, [b'1', rest @ ..]) | (false, [b'1', rest @ ..]) if rest.len() == 10 => american(rest),
        (false, ten) if ten.len() == 10 => american(ten),
        (true, digits) if digits.first() != Some(&b'1') => foreign(digits, countries),
        _ => Err(AddressError::NotTenDigits),
    }
}

/// Loads the numbering plans, so that the first request need not: some milliseconds, once. To be called while starting.
pub fn warm() {
    std::sync::LazyLock::force(&PHONE_NUMBER_UTIL);
    let _ = american(b"2025550123");
}

/// Reads an e-mail address: one `@`, a dotted domain, printable ASCII, at most 254 characters; the domain is lower-cased.
pub fn mail(text: &str) -> Result<Address, AddressError> {
    let ok =
        text.len() <= 254 && text.bytes().all(|b| b.is_ascii_graphic() && !b"<>(),;:\\\"[]".contains(&b)) && text.matches('@').count() == 1;
    match text.split_once('@') {
        Some((name, domain)) if ok && !name.is_empty() && name.len() <= 64 && domain_ok(domain) => {
            Ok(Address::canonical(&format!("{name}@{}", domain.to_ascii_lowercase())))
        }
        _ => Err(AddressError::Mail),
    }
}

/// Longest device token or push subscription, in bytes.
pub const PUSH_MAX: usize = 2_048;

/// Reads where a push message goes: an app's device token, or a browser's subscription as JSON text (W3C Push API). 16 to
/// [`PUSH_MAX`] bytes of printable ASCII, white space around it left out; spaces may stand only in a subscription.
pub fn push(text: &str) -> Result<Address, AddressError> {
    let text = text.trim();
    let (subscription, long) = (text.starts_with('{') && text.ends_with('}'), (16..=PUSH_MAX).contains(&text.len()));
    let allowed = |b: u8| b.is_ascii_graphic() || (subscription && b == b' ');
    if long && text.bytes().all(allowed) { Ok(Address::canonical(text)) } else { Err(AddressError::Push) }
}

fn domain_ok(domain: &str) -> bool {
    domain.contains('.')
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

// What was written: its digits, at most fifteen (E.164), and whether a plus came first.
struct Written {
    plus: bool,
    kept: [u8; 15],
    len: usize,
}

impl Written {
    fn read(text: &str) -> Option<Self> {
        let mut it = Self { plus: false, kept: [0; 15], len: 0 };
        for (i, c) in text.trim().chars().enumerate() {
            match c {
                _ if i >= 40 => return None,
                '+' | '\u{ff0b}' if it.len == 0 && !it.plus => it.plus = true,
                '0'..='9' => it.push(c as u8)?,
                '\u{ff10}'..='\u{ff19}' => it.push(b'0' + u8::try_from(u32::from(c) - 0xff10).ok()?)?,
                c if c.is_whitespace() || "()-./\u{ff08}\u{ff09}\u{ff0d}\u{ff0e}".contains(c) => {}
                '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' => {}
                _ => return None,
            }
        }
        Some(it)
    }

    fn push(&mut self, digit: u8) -> Option<()> {
        *self.kept.get_mut(self.len)? = digit;
        self.len += 1;
        Some(())
    }

    fn digits(&self) -> &[u8] {
        &self.kept[..self.len]
    }
}

// The whole plan, not the United States alone: Canada and the Caribbean have ten digits too.
fn american(ten: &[u8]) -> Result<Address, AddressError> {
    let number = number(1, ten).ok_or(AddressError::NotTenDigits)?;
    // Checked first, since it is free: area code and exchange begin with 2 to 9.
    if ten[0] < b'2' || ten[3] < b'2' || !is_valid(&number) {
        return Err(AddressError::NotInPlan);
    }
    Ok(Address::canonical(&format!("+1{}", number.national_number)))
}

// Most numbers are of the United States; asked of the whole plan, the library would judge them twice.
fn is_valid(number: &PhoneNumber) -> bool {
    PHONE_NUMBER_UTIL.is_valid_number_for_region(number, Region::US) || PHONE_NUMBER_UTIL.is_valid_number(number)
}

fn foreign(digits: &[u8], countries: &[String]) -> Result<Address, AddressError> {
    let text = format!("+{}", std::str::from_utf8(digits).unwrap_or_default());
    let number = PHONE_NUMBER_UTIL.parse(&text, None).map_err(|_| AddressError::NotTenDigits)?;
    if !PHONE_NUMBER_UTIL.is_valid_number(&number) {
        return Err(AddressError::NotTenDigits);
    }
    let region = PHONE_NUMBER_UTIL.get_region_for_number(&number);
    match region {
        Some(region) if countries.iter().any(|it| it.eq_ignore_ascii_case(&region.as_region_str())) => {
            let text = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164);
            Ok(Address::canonical(&text))
        }
        _ => Err(AddressError::Country),
    }
}

fn number(country: i32, digits: &[u8]) -> Option<PhoneNumber> {
    let national = digits.iter().try_fold(0u64, |sum, digit| Some(sum * 10 + u64::from(digit.checked_sub(b'0')?)))?;
    Some(PhoneNumber { country_code: country, national_number: national, ..PhoneNumber::default() })
}

#[cfg(test)]
mod tests;
