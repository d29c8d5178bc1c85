//! "No", "not me": the person did not ask for this.

use crate::domain::keyword::{BUSINESS, position, words};

/// What a text says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denial {
    /// Nothing.
    None,
    /// It repeats our own "Reply NO" without quotation marks: neither a denial nor, with a "no" in it, an answer.
    Repeated,
    /// The person did not ask for this.
    Said,
}

/// Looks for a denial. It may stand anywhere, beside a code too: then the code doesn't count (decision 18).
pub fn read(text: &str) -> Denial {
    let words = words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let refused = |at: usize| !words.get(at + 1).is_some_and(|next| NO_WHAT.contains(next));
    let repeated = |at: usize| at > 0 && ["reply", "answer"].contains(&words[at - 1]);
    let said = words.iter().enumerate().any(|(at, it)| NO.contains(it) && refused(at) && !repeated(at))
        || (words.len() == 1 && ["n", "non", "nein", "nie"].contains(&words[0]))
        || words.iter().any(|it| ALARMS.contains(it))
        || (words.iter().any(|it| BUSINESS.contains(it)) && words.iter().enumerate().any(|(at, it)| HALTS.contains(it) && !repeated(at)))
        || PHRASES.iter().any(|phrase| position(&words, phrase).is_some());
    match (said, words.iter().enumerate().any(|(at, it)| NO.contains(it) && repeated(at))) {
        (true, _) => Denial::Said,
        (false, true) => Denial::Repeated,
        (false, false) => Denial::None,
    }
}

const NO: [&str; 6] = ["no", "nope", "nah", "noo", "nooo", "nein"];

// After these, "no" is about something else: "no problem, 123456", "no code came".
#[rustfmt::skip]
const NO_WHAT: [&str; 14] = [
    "problem", "problems", "prob", "worries", "worry", "issue", "issues", "code", "text", "texts", "sms", "message", "signal",
    "idea",
];

#[rustfmt::skip]
const ALARMS: [&str; 18] = [
    "fraud", "fraude", "fraudulent", "scam", "scammer", "phishing", "hacked", "hacker", "hackers", "stolen", "unauthorized",
    "unauthorised", "deny", "denied", "decline", "reject", "betrug", "suspicious",
];

// "Cancel the transfer": what the code would confirm is not wanted.
const HALTS: [&str; 6] = ["cancel", "stop", "block", "halt", "freeze", "reverse"];

#[rustfmt::skip]
const PHRASES: [&str; 51] = [
    "not me", "wasnt me", "was not me", "isnt me", "is not me", "not mine", "isnt mine", "not my", "isnt my", "wasnt my", "not us",
    "wasnt us", "didnt request", "did not request", "didnt ask", "did not ask", "never asked", "never requested", "not requested",
    "havent requested", "have not requested", "didnt do", "did not do", "didnt initiate", "did not initiate", "didnt authorize",
    "did not authorize", "didnt authorise", "did not authorise", "not authorized", "not authorised", "didnt sign", "did not sign",
    "didnt log", "did not log", "didnt try", "did not try", "didnt make", "did not make", "didnt order", "did not order",
    "dont recognize", "do not recognize", "dont recognise", "someone else", "somebody else", "wrong person", "wrong number",
    "no soy yo", "nest pas moi", "nicht ich",
];
