//! The character sets that gateways use.

/// Reads bytes of a named character set; `None` when the name is unknown or the bytes are not of it.
pub fn decode(name: &str, bytes: &[u8]) -> Option<String> {
    let is = |known: &[&str]| known.iter().any(|it| it.eq_ignore_ascii_case(name));
    if is(&["utf-8", "utf8", "us-ascii", "ascii"]) {
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    } else if is(&["iso-8859-1", "latin1", "latin-1"]) {
        Some(bytes.iter().map(|it| char::from(*it)).collect())
    } else if is(&["windows-1252", "cp1252"]) {
        bytes.iter().map(|it| windows(*it)).collect()
    } else if is(&["utf-16be", "utf-16", "ucs-2", "ucs2"]) {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|it| u16::from_be_bytes(*it)).collect();
        rest.is_empty().then(|| String::from_utf16(&units).ok()).flatten()
    } else {
        None
    }
}

/// Whether [`decode`] knows the name.
pub fn is_known(name: &str) -> bool {
    decode(name, b"").is_some()
}

/// Windows-1252: Latin-1 but for 0x80 to 0x9F.
fn windows(byte: u8) -> Option<char> {
    const HIGH: [char; 32] = [
        '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘', '’', '“', '”', '•', '–', '—', '˜',
        '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => Some(HIGH[usize::from(byte - 0x80)]).filter(|it| *it != '\0'),
        _ => Some(char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_is_read() {
        let check = |name: &str, bytes: &[u8], expected: Option<&str>| assert_eq!(decode(name, bytes).as_deref(), expected, "{name}");
        check("UTF-8", "né€".as_bytes(), Some("né€"));
        check("utf8", b"n\xe9", None);
        check("ISO-8859-1", b"n\xe9", Some("né"));
        check("windows-1252", b"\x80\xe9", Some("€é"));
        check("windows-1252", b"\x81", None);
        check("UTF-16BE", b"\0A\x20\xac", Some("A€"));
        check("UTF-16BE", b"\0A\x20", None);
        check("UTF-16BE", b"\xd8\x00", None);
        check("klingon", b"", None);
    }
}
