//! How many SMS a text takes: GSM 03.38 (3GPP TS 23.038, default alphabet and its extension) and UTF-16 ("UCS-2").

/// How a text travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Seven-bit default alphabet: 160 septets in one message, 153 in each part of several.
    Gsm,
    /// UTF-16BE: 70 units in one message, 67 in each part of several.
    Utf16,
}

impl Encoding {
    /// Units that fit into one message.
    pub const fn single(self) -> usize {
        match self {
            Self::Gsm => 160,
            Self::Utf16 => 70,
        }
    }

    /// Units that fit into each part of several: six octets less, for the header that joins them.
    pub const fn part(self) -> usize {
        match self {
            Self::Gsm => 153,
            Self::Utf16 => 67,
        }
    }

    // Septets or UTF-16 units of a character. It never straddles two parts: neither an escape pair nor a surrogate pair is cut.
    fn units(self, c: char) -> usize {
        match self {
            Self::Gsm => gsm(c).map_or(1, |it| if it.escaped { 2 } else { 1 }),
            Self::Utf16 => c.len_utf16(),
        }
    }
}

/// What a text takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segments {
    /// How it travels.
    pub encoding: Encoding,
    /// Messages it is split into: at least one.
    pub segments: usize,
    /// Septets or UTF-16 units in all.
    pub units: usize,
}

/// A character of the default alphabet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Septet {
    /// 0 to 127.
    pub code: u8,
    /// Behind the escape 0x1B: it takes two septets.
    pub escaped: bool,
}

/// Counts the messages that `text` takes.
pub fn count(text: &str) -> Segments {
    let encoding = encoding(text);
    let (mut segments, mut filled, mut units) = (1, 0, 0);
    for c in text.chars() {
        let size = encoding.units(c);
        units += size;
        if filled + size > encoding.part() {
            segments += 1;
            filled = 0;
        }
        filled += size;
    }
    Segments { encoding, segments: if units <= encoding.single() { 1 } else { segments }, units }
}

/// The parts that `text` is sent in: one when it fits one message. No escape or surrogate pair is cut.
pub fn parts(text: &str) -> Vec<&str> {
    let Segments { encoding, segments, .. } = count(text);
    if segments == 1 {
        return vec![text];
    }
    let (mut parts, mut start, mut filled) = (Vec::with_capacity(segments), 0, 0);
    for (at, c) in text.char_indices() {
        let size = encoding.units(c);
        if filled + size > encoding.part() {
            parts.push(&text[start..at]);
            (start, filled) = (at, 0);
        }
        filled += size;
    }
    parts.push(&text[start..]);
    parts
}

/// The way of travelling that costs least: GSM when all of it is in the default alphabet.
pub fn encoding(text: &str) -> Encoding {
    if text.chars().all(|c| gsm(c).is_some()) { Encoding::Gsm } else { Encoding::Utf16 }
}

/// `c` in the default alphabet; `None` when it isn't there.
pub fn gsm(c: char) -> Option<Septet> {
    // Most of ASCII stands at its own place.
    match c {
        ' '..='#' | '%'..='?' | 'A'..='Z' | 'a'..='z' | '\n' | '\r' => return Some(Septet { code: c as u8, escaped: false }),
        _ => {}
    }
    let at = |table: &[(char, u8)]| table.iter().find(|(it, _)| *it == c).map(|(_, code)| *code);
    match at(&BASIC) {
        Some(code) => Some(Septet { code, escaped: false }),
        None => at(&EXTENSION).map(|code| Septet { code, escaped: true }),
    }
}

// 3GPP TS 23.038, 6.2.1, without what stands at its ASCII place.
const BASIC: [(char, u8); 42] = [
    ('@', 0x00),
    ('£', 0x01),
    ('$', 0x02),
    ('¥', 0x03),
    ('è', 0x04),
    ('é', 0x05),
    ('ù', 0x06),
    ('ì', 0x07),
    ('ò', 0x08),
    ('Ç', 0x09),
    ('Ø', 0x0B),
    ('ø', 0x0C),
    ('Å', 0x0E),
    ('å', 0x0F),
    ('Δ', 0x10),
    ('_', 0x11),
    ('Φ', 0x12),
    ('Γ', 0x13),
    ('Λ', 0x14),
    ('Ω', 0x15),
    ('Π', 0x16),
    ('Ψ', 0x17),
    ('Σ', 0x18),
    ('Θ', 0x19),
    ('Ξ', 0x1A),
    ('Æ', 0x1C),
    ('æ', 0x1D),
    ('ß', 0x1E),
    ('É', 0x1F),
    ('¤', 0x24),
    ('¡', 0x40),
    ('Ä', 0x5B),
    ('Ö', 0x5C),
    ('Ñ', 0x5D),
    ('Ü', 0x5E),
    ('§', 0x5F),
    ('¿', 0x60),
    ('ä', 0x7B),
    ('ö', 0x7C),
    ('ñ', 0x7D),
    ('ü', 0x7E),
    ('à', 0x7F),
];

// 3GPP TS 23.038, 6.2.1.1.
const EXTENSION: [(char, u8); 10] =
    [('\u{c}', 0x0A), ('^', 0x14), ('{', 0x28), ('}', 0x29), ('\\', 0x2F), ('[', 0x3C), ('~', 0x3D), (']', 0x3E), ('|', 0x40), ('€', 0x65)];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, encoding: Encoding, segments: usize, units: usize) {
        assert_eq!(count(text), Segments { encoding, segments, units }, "{text}");
        assert_eq!(parts(text).len(), segments);
        assert_eq!(parts(text).concat(), text);
    }

    // The whole alphabet in the order of its codes, as the standard prints it; 0x1B is the escape.
    const ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

    #[test]
    fn the_alphabet_is_that_of_the_standard() {
        assert_eq!(ALPHABET.chars().count(), 128);
        for (code, c) in (0u8..).zip(ALPHABET.chars()) {
            let expected = (c != '\u{1b}').then_some(Septet { code, escaped: false });
            assert_eq!(gsm(c), expected, "{c:?}");
        }
        for (c, code) in EXTENSION {
            assert_eq!(gsm(c), Some(Septet { code, escaped: true }));
        }
        let all = (0..=0x10FFFFu32).filter_map(char::from_u32).filter(|c| gsm(*c).is_some()).count();
        assert_eq!(all, 127 + 10);
    }

    #[test]
    fn messages_are_counted() {
        use Encoding::{Gsm, Utf16};
        check("", Gsm, 1, 0);
        for (text, encoding, segments, units) in [
            ("a".repeat(160), Gsm, 1, 160),
            ("a".repeat(161), Gsm, 2, 161),
            ("a".repeat(306), Gsm, 2, 306),
            ("a".repeat(307), Gsm, 3, 307),
            ("€".repeat(80), Gsm, 1, 160),
            ("€".repeat(81), Gsm, 2, 162),
            // 152 and an escape pair: the pair goes to the next part.
            (format!("{}€{}", "a".repeat(152), "b".repeat(152)), Gsm, 3, 306),
            ("ж".repeat(70), Utf16, 1, 70),
            ("ж".repeat(71), Utf16, 2, 71),
            ("ж".repeat(135), Utf16, 3, 135),
            ("😀".repeat(35), Utf16, 1, 70),
            ("😀".repeat(36), Utf16, 2, 72),
            // 66 and a surrogate pair: the pair goes to the next part.
            (format!("{}😀{}", "ж".repeat(66), "ж".repeat(66)), Utf16, 3, 134),
            ("It’s".to_owned(), Utf16, 1, 4),
        ] {
            check(&text, encoding, segments, units);
        }
    }

    proptest! {
        #[test]
        fn parts_fit_and_join(text in "[a-z€ж😀]{0,400}") {
            let all = count(&text);
            let cut = parts(&text);
            prop_assert_eq!(cut.len(), all.segments);
            prop_assert_eq!(cut.concat(), text.clone());
            for part in &cut {
                let units: usize = part.chars().map(|c| all.encoding.units(c)).sum();
                let room = if cut.len() == 1 { all.encoding.single() } else { all.encoding.part() };
                prop_assert!(units <= room);
            }
        }
    }
}
