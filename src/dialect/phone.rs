//! Whom a message came from or went to: any number a gateway may name.

use crate::domain::contact::Address;

/// Reads a number: `+` and digits as they are; ten digits, or eleven with a leading 1, of the North American plan; three to six
/// digits (a short code) kept; other digits as an international number without its `+`. `None` for all else: names, too long
/// (E.164: 15 digits), a leading zero.
///
/// Wider than [`crate::domain::contact::phone`]: a handset is whoever wrote, not whom we may send to.
pub fn handset(text: &str) -> Option<Address> {
    let text = text.trim();
    let (plus, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
    if rest.len() > 32 || !rest.chars().all(|it| it.is_ascii_digit() || matches!(it, ' ' | '-' | '.' | '(' | ')')) {
        return None;
    }
    // With room for what may come before them.
    let mut digits = String::with_capacity(rest.len() + "+1".len());
    digits.extend(rest.chars().filter(char::is_ascii_digit));
    let first = digits.bytes().next().filter(|it| *it != b'0')?;
    let before = match (plus, digits.len()) {
        (true, 7..=15) => "+",
        (false, 3..=6) => "",
        (false, 10) if first >= b'2' => "+1",
        (false, 7..=15) => "+",
        _ => return None,
    };
    digits.insert_str(0, before);
    Some(Address::canonical(&digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_normalised() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(handset(text).as_ref().map(Address::expose), expected, "{text}");
        check("+12025550123", Some("+12025550123"));
        check("12025550123", Some("+12025550123"));
        check("2025550123", Some("+12025550123"));
        check(" (202) 555-0123", Some("+12025550123"));
        check(" 12025550123", Some("+12025550123"));
        check("+436641234567", Some("+436641234567"));
        check("436641234567", Some("+436641234567"));
        check("28849", Some("28849"));
        check("+28849", None);
        check("", None);
        check("+", None);
        check("BANK", None);
        check("0012025550123", None);
        check("1234567890123456", None);
        check("２０２５５５０１２３", None);
    }
}
