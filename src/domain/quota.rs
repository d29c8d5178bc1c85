//! How many messages may be caused from one place, by one key, to one block of numbers, to one country, and for how much money a day.
//! What is counted, and until when a full count refuses, is judged here; the engine counts.

use super::contact::{Address, Channel};
use super::limit::Limit;
use super::request::Via;
use super::time::Timestamp;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 3_600_000;

/// A publisher's quotas. Nothing is limited by the ones that are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Quotas {
    /// Of one caller's address (IPv6: its /64).
    pub network: Most,
    /// Of one API key.
    pub key: Most,
    /// To numbers that begin alike.
    pub prefix: Most,
    /// How many digits of a number, its calling code among them, are "alike".
    pub prefix_digits: u8,
    /// To one calling code.
    pub country: Most,
    /// For money.
    pub money: Money,
}

/// Messages in a minute and in a UTC day; 0: any number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Most {
    /// In a minute of the clock.
    pub minute: u32,
    /// In a UTC day.
    pub day: u32,
}

impl Most {
    // What it is of, where anything is limited: most publishers set few quotas, and those that they don't cost nothing.
    fn of(self, name: impl FnOnce() -> Option<String>) -> Option<String> {
        (self != Self::default()).then(name).flatten()
    }
}

/// What messages may cost, in whatever unit the operator counts in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Money {
    /// In a UTC day; 0: any amount.
    pub day: u64,
    /// Price of each part of an SMS by how its number begins, `+` included; the longest that fits counts.
    pub prices: Vec<(String, u64)>,
    /// Price where none fits.
    pub other: u64,
}

/// What messages are counted by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum By {
    /// The caller's address.
    Network,
    /// The caller's key.
    Key,
    /// How the number begins.
    Prefix,
    /// The number's calling code.
    Country,
}

/// One count that a message goes into.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Count {
    /// Of what kind.
    pub by: By,
    /// Of which one.
    pub of: String,
    /// The most.
    pub most: u32,
    /// Since when.
    pub begun: Timestamp,
    /// When it starts anew.
    pub ends: Timestamp,
}

impl Count {
    /// What a full count refuses with.
    pub fn limit(&self) -> Limit {
        let until = self.ends;
        match self.by {
            By::Network => Limit::Network { until },
            By::Key => Limit::Key { until },
            By::Prefix => Limit::Prefix { until },
            By::Country => Limit::Country { until },
        }
    }
}

impl Quotas {
    /// The counts that a message to `address` goes into.
    pub fn counts(&self, via: Option<&Via>, (channel, address): (Channel, &Address), now: Timestamp) -> Vec<Count> {
        let number = address.expose();
        let is_number = channel == Channel::Sms && number.starts_with('+');
        let named = [
            (By::Network, self.network, self.network.of(|| Some(via?.network.to_string()))),
            (By::Key, self.key, self.key.of(|| via?.key.clone())),
            (By::Prefix, self.prefix, self.prefix.of(|| is_number.then(|| begins(number, 1 + usize::from(self.prefix_digits)).to_owned()))),
            (By::Country, self.country, self.country.of(|| is_number.then(|| calling_code(number).to_owned()))),
        ];
        let mut counts = Vec::new();
        for (by, most, of) in named {
            let Some(of) = of else { continue };
            for (most, span) in [(most.minute, MINUTE), (most.day, DAY)].into_iter().filter(|it| it.0 > 0) {
                let (begun, ends) = window(now, span);
                counts.push(Count { by, of: of.clone(), most, begun, ends });
            }
        }
        counts
    }
}

impl Money {
    /// What a message costs, for each part in which it travels; 0 where nobody limits it.
    pub fn price(&self, channel: Channel, address: &Address) -> u64 {
        if channel != Channel::Sms || self.day == 0 {
            return 0;
        }
        let fits = self.prices.iter().filter(|(prefix, _)| address.expose().starts_with(prefix.as_str()));
        fits.max_by_key(|(prefix, _)| prefix.len()).map_or(self.other, |it| it.1)
    }
}

/// The UTC day of `now`, in days since 1970-01-01, and when the next begins.
pub fn day(now: Timestamp) -> (i64, Timestamp) {
    (now.millis().div_euclid(DAY), window(now, DAY).1)
}

// E.164 is ASCII.
fn begins(number: &str, length: usize) -> &str {
    number.get(..length).unwrap_or(number)
}

fn window(now: Timestamp, span: i64) -> (Timestamp, Timestamp) {
    let begun = now.millis().div_euclid(span).saturating_mul(span);
    (Timestamp::from_millis(begun), Timestamp::from_millis(begun.saturating_add(span)))
}

/// The calling code that a number in E.164 begins with (ITU-T E.164, list of assigned codes): one digit in zones 1 and 7, else two
/// where the first two are one, else three.
fn calling_code(number: &str) -> &str {
    const TWO: &[&str] = &[
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49", "51", "52", "53", "54",
        "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
    ];
    let digits = number.get(1..).unwrap_or_default();
    let length = match digits.get(..2) {
        _ if digits.starts_with(['1', '7']) => 1,
        Some(two) if TWO.contains(&two) => 2,
        _ => 3,
    };
    number.get(..=length).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Address {
        Address::canonical(text)
    }

    #[test]
    fn a_message_goes_into_the_counts_that_are_limited() {
        let most = |minute, day| Most { minute, day };
        let quotas = Quotas {
            network: most(1, 2),
            key: most(3, 0),
            prefix: most(0, 4),
            prefix_digits: 6,
            country: most(5, 0),
            money: Money::default(),
        };
        let via = |text: &str, key: Option<&str>| Some(Via::new(text.parse::<std::net::IpAddr>().unwrap(), key.map(str::to_owned)));
        let check = |via: Option<Via>, channel: Channel, address: &str, expected: &[(&str, u32, i64)]| {
            let counts = quotas.counts(via.as_ref(), (channel, &number(address)), Timestamp::from_millis(DAY + 90_000));
            let found: Vec<_> = counts.iter().map(|it| (it.of.as_str(), it.most, it.ends.millis())).collect();
            assert_eq!(found, expected, "{address}");
        };
        let (minute, day) = (DAY + 120_000, 2 * DAY);
        check(None, Channel::Mail, "a@b.example", &[]);
        check(None, Channel::Sms, "+12025550143", &[("+120255", 4, day), ("+1", 5, minute)]);
        check(None, Channel::Sms, "+442079460018", &[("+442079", 4, day), ("+44", 5, minute)]);
        let one = ("192.0.2.7/32", 1, minute);
        check(via("192.0.2.7", None), Channel::Mail, "a@b.example", &[one, ("192.0.2.7/32", 2, day)]);
        let block = [("2001:db8::/64", 1, minute), ("2001:db8::/64", 2, day), ("k", 3, minute)];
        check(via("2001:db8::7", Some("k")), Channel::Push, "0123456789abcdef", &block);
    }

    #[test]
    fn calling_codes_are_told_from_numbers() {
        for (text, expected) in [
            ("+12025550143", "+1"),
            ("+79991234567", "+7"),
            ("+442079460018", "+44"),
            ("+40712345678", "+40"),
            ("+3584012345", "+358"),
            ("+8821234567", "+882"),
            ("+9", "+9"),
        ] {
            assert_eq!(calling_code(text), expected, "{text}");
        }
    }

    #[test]
    fn the_price_is_that_of_the_longest_prefix() {
        let prices = [("+1", 2), ("+44", 5), ("+447", 9)].map(|(it, price)| (it.to_owned(), price)).to_vec();
        let money = Money { day: 100, prices, other: 50 };
        for (text, expected) in [("+12025550143", 2), ("+442079460018", 5), ("+447700900123", 9), ("+33612345678", 50)] {
            assert_eq!(money.price(Channel::Sms, &number(text)), expected, "{text}");
        }
        assert_eq!(money.price(Channel::Mail, &number("a@b.example")), 0);
        assert_eq!(Money { day: 0, ..money }.price(Channel::Sms, &number("+12025550143")), 0);
    }
}
