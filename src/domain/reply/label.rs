//! Words around a value: "Code: x", "my PIN is x, thanks".

/// The text without the label before it: "my code is ", "PIN: ".
pub fn unlabelled(text: &str) -> &str {
    let mut rest = text.trim();
    // What mail programs put before a subject.
    for mark in ["re:", "fwd:", "fw:"] {
        let head = rest.get(..mark.len()).filter(|it| it.eq_ignore_ascii_case(mark));
        rest = head.map_or(rest, |_| rest[mark.len()..].trim_start());
    }
    let mut named = false;
    loop {
        let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let word = rest[..end].to_lowercase();
        let after = rest[end..].trim_start();
        let name = NAMES.contains(&word.as_str());
        let more = !after.trim_start_matches([':', '=', '-', '#', ' ', '\n', '.']).is_empty();
        // "is" belongs to a label only behind its name; a lone "my" or "code" may be the value.
        let belongs =
            name || LEADS.contains(&word.as_str()) && leads_to_name(after) || (named && ["is", "was", "are"].contains(&word.as_str()));
        if word.is_empty() || !belongs || !more {
            return rest;
        }
        named |= name;
        rest = if named { after.trim_start_matches([':', '=', '#', ' ', '\n']).trim_start_matches("- ") } else { after };
    }
}

/// The text without thanks and full stops behind it.
pub fn untailed(text: &str) -> &str {
    let mut rest = text.trim();
    loop {
        let bare = rest.trim_end_matches(['.', ',', ';', '!', ' ', '\n']);
        let shorter = TAILS.iter().find_map(|tail| {
            let at = bare.len().checked_sub(tail.len())?;
            let cut = bare.get(at..).filter(|it| it.eq_ignore_ascii_case(tail)).and(bare.get(..at))?;
            cut.ends_with([' ', ',', '.', '\n', '!']).then_some(cut)
        });
        match shorter {
            Some(cut) => rest = cut,
            None => return if bare.is_empty() { rest } else { bare },
        }
    }
}

/// Whether a word names a value.
pub fn is_name(word: &str) -> bool {
    NAMES.contains(&word.to_lowercase().as_str())
}

// The words that lead to a name: "my code", "the PIN", "here is the code".
fn leads_to_name(after: &str) -> bool {
    after
        .split(|c: char| !c.is_alphabetic())
        .filter(|it| !it.is_empty())
        .take(4)
        .map(str::to_lowercase)
        .find(|it| !LEADS.contains(&it.as_str()))
        .is_some_and(|it| NAMES.contains(&it.as_str()))
}

const NAMES: [&str; 14] = [
    "code",
    "pin",
    "otp",
    "otpa",
    "passcode",
    "password",
    "passphrase",
    "answer",
    "token",
    "c\u{f3}digo",
    "codigo",
    "kode",
    "verification",
    "security",
];
const LEADS: [&str; 14] = ["my", "the", "your", "here", "is", "heres", "its", "it", "a", "hi", "hello", "ok", "el", "le"];
const TAILS: [&str; 9] = ["thank you", "thanks", "thx", "ty", "please", "pls", "gracias", "merci", "danke"];
