//! A reply without what it quotes.

/// The person's own lines of a folded text: without quoted originals, mail headers, signatures and reactions.
pub fn own(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut kept: Vec<&str> = Vec::with_capacity(lines.len());
    for (i, line) in lines.iter().enumerate() {
        let lower = line.to_lowercase();
        if begins_original(&lower, lines.get(i + 1).copied().unwrap_or_default()) {
            break;
        }
        if !line.starts_with('>') && !line.starts_with("&gt;") && !is_signature(&lower) {
            kept.push(line);
        }
    }
    unquoted(kept.join("\n").trim())
}

// What follows such a line is the message that is answered.
fn begins_original(lower: &str, next: &str) -> bool {
    let wrote = |it: &str| WROTE.iter().any(|word| it.trim_end().ends_with(word));
    let said = WROTE_HEADS.iter().any(|head| lower.starts_with(head)) && (wrote(lower) || wrote(&next.to_lowercase()));
    let ruled = lower.starts_with('-') && ORIGINALS.iter().any(|it| lower.contains(it));
    let underlined = lower.len() >= 5 && lower.bytes().all(|b| b == b'_');
    let header = HEADERS.iter().any(|it| lower.starts_with(it));
    said || ruled || underlined || header || lower == "--" || lower.starts_with("begin forwarded message")
}

const WROTE_HEADS: [&str; 5] = ["on ", "le ", "el ", "am ", "em "];
const WROTE: [&str; 6] = ["wrote:", "\u{e9}crit :", "\u{e9}crit:", "escribi\u{f3}:", "schrieb:", "escreveu:"];
const ORIGINALS: [&str; 5] =
    ["original message", "forwarded message", "mensaje original", "message d'origine", "urspr\u{fc}ngliche nachricht"];
const HEADERS: [&str; 5] = ["from:", "sent:", "de:", "von:", "subject:"];

fn is_signature(lower: &str) -> bool {
    ["sent from my", "sent from mail", "get outlook for", "sent via"].iter().any(|it| lower.starts_with(it))
}

// Takes out what stands between double quotes, when it is a sentence rather than a value; a phone's reactions ("Liked "...""),
// which consist of such a quotation, leave nothing.
fn unquoted(text: &str) -> String {
    let Some((start, end)) = text.find('"').zip(text.rfind('"')).filter(|(start, end)| end > start) else {
        return text.to_owned();
    };
    // A sentence: at least three words, one of them of letters ("123 456 789" is none).
    let inner = &text[start + 1..end];
    let sentence =
        inner.split_whitespace().count() >= 3 && inner.split_whitespace().any(|it| it.chars().filter(|c| c.is_alphabetic()).count() >= 2);
    if !sentence {
        return text.to_owned();
    }
    let rest = format!("{} {}", text[..start].trim_end(), text[end + 1..].trim_start());
    let words: String = rest.chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect();
    if REACTIONS.contains(&words.trim().to_lowercase().as_str()) { String::new() } else { rest.trim().to_owned() }
}

const REACTIONS: [&str; 11] =
    ["", "liked", "loved", "disliked", "laughed at", "emphasized", "emphasised", "questioned", "to", "reacted to", "removed a like from"];
