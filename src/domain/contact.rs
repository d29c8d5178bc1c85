//! Where a message goes: phones and e-mail addresses, and the channel that reaches them.

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
/// `countries` (ISO 3166 alpha-2) also E.164 of those. Full-width digits are read as digits.
pub fn phone(text: &str, countries: &[String]) -> Result<Address, AddressError> {
    let _ = (text, countries);
    Err(AddressError::NotTenDigits)
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
