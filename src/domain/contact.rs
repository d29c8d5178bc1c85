//! Where a message goes: phones and e-mail addresses, and the channel that reaches them.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region};
use std::fmt;

/// How a message travels. Names of the contract's `RecipConType` in brackets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Channel {
    /// SMS through a carrier or gateway (`SMSNative`).
    Sms,
    /// E-mail with a text body (`EmailText`) or text and HTML (`EmailHTML`).
    Mail,
}

/// A phone number in E.164 (`+12025550123`) or an e-mail address. `Debug` masks it; [`Address::expose`] shows it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(Box<str>);

impl Address {
    /// Takes a text that is already in its canonical form: what a store wrote, or [`phone`] and [`mail`] made.
    pub fn canonical(text: &str) -> Self {
        Self(Box::from(text))
    }

    /// The address itself. Named so that each use is easy to find.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// All but the last four characters of a phone hidden; of a mail address, all but the first letter and the domain.
    pub fn masked(&self) -> String {
        match self.0.split_once('@') {
            Some((name, domain)) => format!("{}***@{domain}", name.chars().next().unwrap_or('*')),
            None => {
                let shown: String = self.0.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
                format!("******{shown}")
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, countries: &[&str], expected: Result<&str, AddressError>) {
        let countries: Vec<String> = countries.iter().map(|it| (*it).to_owned()).collect();
        let read = phone(text, &countries);
        assert_eq!(read.as_ref().map(Address::expose).map_err(|it| *it), expected, "{text}");
    }

    #[test]
    fn ten_digits_of_the_plan_are_read() {
        for (text, expected) in [
            ("2025550123", Ok("+12025550123")),
            ("(202) 555-0123", Ok("+12025550123")),
            ("202.555.0123", Ok("+12025550123")),
            ("+1 202 555 0123", Ok("+12025550123")),
            ("1-202-555-0123", Ok("+12025550123")),
            (" 202\u{2011}555\u{2013}0123 ", Ok("+12025550123")),
            ("\u{ff0b}\u{ff11}\u{ff12}\u{ff10}\u{ff12}5550123", Ok("+12025550123")),
            ("4165550123", Ok("+14165550123")),
            ("8765550123", Ok("+18765550123")),
            ("202555012", Err(AddressError::NotTenDigits)),
            ("20255501234", Err(AddressError::NotTenDigits)),
            ("+2025550123", Err(AddressError::NotTenDigits)),
            ("", Err(AddressError::NotTenDigits)),
            ("+", Err(AddressError::NotTenDigits)),
            ("1", Err(AddressError::NotTenDigits)),
            ("202555CALL", Err(AddressError::NotTenDigits)),
            ("2025550123 x5", Err(AddressError::NotTenDigits)),
            ("2025550123;2025550124", Err(AddressError::NotTenDigits)),
            ("1234567890123456", Err(AddressError::NotTenDigits)),
            ("0000000000", Err(AddressError::NotInPlan)),
            ("1025550123", Err(AddressError::NotInPlan)),
            ("2021550123", Err(AddressError::NotInPlan)),
            ("5555550123", Err(AddressError::NotInPlan)),
        ] {
            check(text, &[], expected);
        }
    }

    #[test]
    fn other_countries_only_when_listed() {
        for (text, countries, expected) in [
            ("+33 6 12 34 56 78", &["FR"][..], Ok("+33612345678")),
            ("+33 6 12 34 56 78", &["fr", "DE"], Ok("+33612345678")),
            ("+33612345678", &["DE"], Err(AddressError::Country)),
            ("+33612345678", &[], Err(AddressError::Country)),
            ("+4915123456789", &["DE"], Ok("+4915123456789")),
            ("+39 02 1234 5678", &["IT"], Ok("+390212345678")),
            ("+3312", &["FR"], Err(AddressError::NotTenDigits)),
            ("0612345678", &["FR"], Err(AddressError::NotInPlan)),
            ("+999123456789", &["FR"], Err(AddressError::NotTenDigits)),
            ("2025550123", &["FR"], Ok("+12025550123")),
        ] {
            check(text, countries, expected);
        }
    }

    #[test]
    fn mail_addresses_are_plain() {
        for (text, expected) in [
            ("han@Example.COM", Some("han@example.com")),
            ("a.b+c@x.co", Some("a.b+c@x.co")),
            ("han@localhost", None),
            ("han@-x.com", None),
            ("a b@x.com", None),
            ("a@b@x.com", None),
            ("a@x.com\r\nBcc: b@x.com", None),
            ("<a@x.com>", None),
            ("", None),
        ] {
            assert_eq!(mail(text).ok().as_ref().map(Address::expose), expected, "{text}");
        }
    }

    #[test]
    fn addresses_hide_themselves() {
        assert_eq!(Address::canonical("+12025550123").masked(), "******0123");
        assert_eq!(Address::canonical("han@example.com").masked(), "h***@example.com");
        assert_eq!(format!("{:?}", Address::canonical("+12025550123")), "[address]");
    }

    proptest! {
        #[test]
        fn asking_for_the_united_states_first_changes_nothing(ten in "[2-9][0-9]{2}[2-9][0-9]{6}") {
            let number = number(1, ten.as_bytes()).unwrap();
            prop_assert_eq!(is_valid(&number), PHONE_NUMBER_UTIL.is_valid_number(&number));
        }

        #[test]
        fn whatever_is_read_is_canonical(text in "[+0-9() \u{ff10}-\u{ff19}-]{0,20}|\\PC{0,50}") {
            let countries = ["FR".to_owned(), "DE".to_owned()];
            if let Ok(address) = phone(&text, &countries) {
                prop_assert_eq!(phone(address.expose(), &countries), Ok(address.clone()));
                prop_assert!(address.expose()[1..].bytes().all(|b| b.is_ascii_digit()));
            }
        }
    }
}
