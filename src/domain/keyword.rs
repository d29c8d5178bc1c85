//! Keywords of a reply: opting out by any reasonable wording (47 CFR 64.1200(a)(10)), help and opting in (CTIA 5.1). They come
//! before any reading of a code, and never count as an attempt (decisions 18, 19).

use super::fold::fold;
use zeroize::Zeroizing;

/// What a reply asks of us as its carrier, not of its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Keyword {
    /// No more messages.
    Stop,
    /// Who are you?
    Help,
    /// Messages again.
    Start,
}

/// The keyword that a text is, if it is one. The text is the person's own, without quoted originals.
pub fn classify(text: &str) -> Option<Keyword> {
    of(&words(&spoken(text)))
}

/// The same of a text's [`words`].
pub fn of(words: &[&str]) -> Option<Keyword> {
    let telling: Vec<&str> = words.iter().copied().filter(|it| !FILLERS.contains(it)).collect();
    // Our own text, repeated without quotation marks: "Reply STOP to opt out".
    let quotes_us = words.windows(2).any(|it| ["reply", "text", "txt", "send"].contains(&it[0]) && ["stop", "help"].contains(&it[1]));
    if quotes_us {
        return None;
    }
    if stops(words, &telling) {
        Some(Keyword::Stop)
    } else if helps(words, &telling) {
        Some(Keyword::Help)
    } else if starts(&telling) {
        Some(Keyword::Start)
    } else {
        None
    }
}

/// Whether a verification value would be taken for STOP or HELP in a reply, and is therefore refused (39013, decision 19).
pub fn refused_as_value(value: &str) -> bool {
    matches!(classify(value), Some(Keyword::Stop | Keyword::Help))
}

/// A text as its words alone, a space behind each: folded, in lower case, without apostrophes. Of its first 2,000 characters.
pub fn spoken(text: &str) -> Zeroizing<String> {
    let end = text.char_indices().nth(2_000).map_or(text.len(), |(at, _)| at);
    let folded = Zeroizing::new(fold(&text[..end]));
    let mut out = Zeroizing::new(String::with_capacity(folded.len() + 1));
    for c in folded.chars().filter(|it| *it != '\'') {
        match c {
            '0'..='9' | 'A'..='Z' | 'a'..='z' => out.push(c.to_ascii_lowercase()),
            c => c.to_lowercase().for_each(|c| if c.is_alphanumeric() { out.push(c) } else { end_word(&mut out) }),
        }
    }
    end_word(&mut out);
    out
}

/// The words of a text that was [`spoken`].
pub fn words(spoken: &str) -> Vec<&str> {
    spoken.split_terminator(' ').collect()
}

fn end_word(out: &mut String) {
    // Some gateways make a space of the apostrophe: "wasn t".
    if out.ends_with("n t") {
        out.truncate(out.len() - " t".len());
        out.push('t');
    }
    if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Whether the words of `phrase` stand in `words`, one after another. Returns where.
pub fn position(words: &[&str], phrase: &[&str]) -> Option<usize> {
    let (first, rest) = phrase.split_first()?;
    words.iter().enumerate().position(|(at, it)| it == first && words[at + 1..].starts_with(rest))
}

fn stops(words: &[&str], telling: &[&str]) -> bool {
    let negated = |at: usize| at > 0 && ["dont", "not", "didnt", "never", "cant"].contains(&words[at - 1]);
    if STOP_PHRASES.iter().any(|phrase| position(words, phrase).is_some_and(|at| !negated(at))) {
        return true;
    }
    let Some(first) = telling.first() else { return false };
    if words.iter().enumerate().any(|(at, it)| STOP_WORDS.contains(it) && negated(at)) {
        return false;
    }
    // "Stop the payment" speaks of the payment.
    let business = telling.iter().any(|it| BUSINESS.contains(it));
    let leads = ["stop", "stopall", "unsubscribe", "optout", "revoke"].contains(first) && !business;
    let alone = telling.iter().all(|it| STOP_WORDS.contains(it) || STOP_OBJECTS.contains(it));
    leads || (alone && telling.iter().any(|it| STOP_WORDS.contains(it)))
}

fn helps(words: &[&str], telling: &[&str]) -> bool {
    let word = |it: &&str| ["help", "info", "ayuda", "aide", "hilfe", "helpme"].contains(it);
    let digits = words.iter().any(|it| it.bytes().any(|b| b.is_ascii_digit()));
    let leads = telling.first().is_some_and(word);
    let asks = words.len() <= 6 && position(words, &["help", "me"]).is_some();
    !digits && (leads || asks)
}

fn starts(telling: &[&str]) -> bool {
    let word = |it: &&str| ["start", "unstop", "yes", "optin", "subscribe", "resubscribe", "resume"].contains(it);
    !telling.is_empty() && (telling.iter().all(word) || telling == ["opt", "in"])
}

// Words that say nothing of what is wanted.
#[rustfmt::skip]
const FILLERS: [&str; 32] = [
    "please", "pls", "plz", "now", "thanks", "thank", "thx", "you", "ok", "okay", "hi", "hello", "hey", "just", "i", "im", "want",
    "wanna", "would", "like", "need", "id", "to", "it", "this", "that", "can", "could", "asking", "dear", "a", "immediately",
];

#[rustfmt::skip]
const STOP_WORDS: [&str; 15] = [
    "stop", "stopall", "stopp", "quit", "end", "revoke", "optout", "cancel", "unsubscribe", "unsub", "arret", "arr\u{ea}t", "alto", "parar",
    "cancelar",
];

// What may stand beside a STOP word without making it a sentence about something else.
#[rustfmt::skip]
const STOP_OBJECTS: [&str; 33] = [
    "all", "me", "my", "the", "these", "those", "your", "any", "more", "from", "with", "anymore", "message", "messages", "msg",
    "msgs", "text", "texts", "texting", "sms", "sending", "messaging", "contacting", "alerts", "alert", "subscription",
    "notifications", "consent", "number", "phone", "service", "bank", "and",
];

/// What a person may want stopped other than our messages: "stop the payment".
#[rustfmt::skip]
pub const BUSINESS: [&str; 22] = [
    "payment", "payments", "transaction", "transactions", "transfer", "transfers", "card", "cards", "check", "checks", "purchase",
    "purchases", "charge", "charges", "order", "orders", "wire", "debit", "withdrawal", "sign", "login", "account",
];

#[rustfmt::skip]
const STOP_PHRASES: [&[&str]; 27] = [
    &["opt", "out"], &["opt", "me", "out"], &["opting", "out"], &["stop", "texting"], &["stop", "sending"],
    &["stop", "messaging"], &["stop", "contacting"], &["stop", "text"], &["stop", "texts"], &["stop", "message"],
    &["stop", "messages"], &["stop", "sms"], &["quit", "texting"], &["quit", "sending"], &["end", "texts"],
    &["end", "messages"], &["remove", "me"], &["remove", "my", "number"], &["take", "me", "off"], &["dont", "text"],
    &["do", "not", "text"], &["dont", "contact"], &["do", "not", "contact"], &["no", "more", "texts"],
    &["no", "more", "messages"], &["revoke", "my", "consent"], &["leave", "me", "alone"],
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Option<Keyword>) {
        assert_eq!(classify(text), expected, "{text}");
    }

    #[test]
    #[rustfmt::skip]
    fn opting_out_by_any_reasonable_wording() {
        for text in [
            "STOP", "stop", " Stop. ", "\u{ff33}\u{ff34}\u{ff2f}\u{ff30}", "S\u{200b}TOP", "stop!!!", "Quit", "END", "revoke",
            "opt out", "OPT-OUT", "optout", "cancel", "unsubscribe", "STOPALL", "stop all", "stop please", "please stop",
            "Please stop texting me", "stop it", "\u{201c}STOP\u{201d}", "I want to opt out", "opt me out", "pls quit texting me",
            "can you stop sending me these messages", "do not text me again", "Don\u{2019}t text me", "no more texts",
            "remove me from your list", "take me off this list", "cancel all messages", "end messages", "Revoke my consent please",
            "unsubscribe me from this", "unsub", "stop 123456", "STOP THESE MESSAGES NOW", "leave me alone", "arr\u{ea}t",
        ] {
            check(text, Some(Keyword::Stop));
        }
    }

    #[test]
    #[rustfmt::skip]
    fn what_only_contains_a_word_is_no_opt_out() {
        for text in [
            "123456", "STOP42", "ENDQ7", "my code is 123456", "don't stop", "do not stop texts", "stop the payment",
            "cancel the transaction", "end of day 123456", "weekend", "nonstop", "", "   ", "...", "Reply STOP to opt out",
            "Your code is 123456. Text STOP to end.", "I'll send help and stop", "123456 thanks", "trumpet",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn help_and_start() {
        for (text, expected) in [
            ("HELP", Some(Keyword::Help)),
            ("info", Some(Keyword::Help)),
            ("help please", Some(Keyword::Help)),
            ("Can you help me?", Some(Keyword::Help)),
            ("help 123456", None),
            ("helpful", None),
            ("START", Some(Keyword::Start)),
            ("Unstop", Some(Keyword::Start)),
            ("yes", Some(Keyword::Start)),
            ("Yes please", Some(Keyword::Start)),
            ("opt in", Some(Keyword::Start)),
            ("yes 123456", None),
            ("yesterday", None),
            ("stop start", Some(Keyword::Stop)),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn values_that_would_be_taken_for_keywords_are_refused() {
        for (value, expected) in [("stop", true), ("Help", true), ("opt out", true), ("yes", false), ("482913", false), ("Rover", false)] {
            assert_eq!(refused_as_value(value), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_code_alone_is_no_keyword(code in "[0-9]{4,8}|[A-Z][0-9][A-Z0-9]{3}") {
            prop_assert_eq!(classify(&code), None);
        }

        #[test]
        fn any_text_is_classified(text in any::<String>()) {
            let _ = classify(&text);
        }
    }
}
