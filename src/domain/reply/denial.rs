//! "No", "not me": the person did not ask for this.

use crate::domain::keyword::{BUSINESS, position};

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

/// Looks for a denial in a text's words. It may stand anywhere, beside a code too: then the code doesn't count (decision 18).
pub fn read(words: &[&str]) -> Denial {
    let refused = |at: usize| !words.get(at + 1).is_some_and(|next| NO_WHAT.contains(next));
    let repeated = |at: usize| at > 0 && ["reply", "answer"].contains(&words[at - 1]);
    let halts = |at: usize| HALTS.contains(&words[at]) && !repeated(at);
    let all = || 0..words.len();
    let said = all().any(|at| NO.contains(&words[at]) && refused(at) && !repeated(at))
        || (words.len() == 1 && ["n", "non", "nein", "nie"].contains(&words[0]))
        || words.iter().any(|it| ALARMS.contains(it))
        || (words.iter().any(|it| BUSINESS.contains(it)) && all().any(halts))
        || PHRASES.iter().any(|phrase| position(words, phrase).is_some())
        || all().any(|at| disowns(&words[..=at], &words[at + 1..]));
    match (said, words.iter().enumerate().any(|(at, it)| NO.contains(it) && repeated(at))) {
        (true, _) => Denial::Said,
        (false, true) => Denial::Repeated,
        (false, false) => Denial::None,
    }
}

// "I did not even request it", "it wasn't really me": a negation, and soon after it what is negated.
fn disowns(before: &[&str], after: &[&str]) -> bool {
    let (what, reach): (&[&str], usize) = match before {
        [.., "did" | "have" | "had", "not"] | [.., "didnt" | "havent" | "hadnt" | "never"] => (&ACTIONS, 3),
        [.., "was" | "is", "not"] | [.., "wasnt" | "isnt"] => (&["me", "mine", "my", "us"], 2),
        _ => return false,
    };
    after.iter().take(reach).any(|it| what.contains(it))
}

#[rustfmt::skip]
const ACTIONS: [&str; 25] = [
    "request", "requested", "ask", "asked", "initiate", "initiated", "authorize", "authorise", "authorized", "authorised", "sign",
    "signed", "log", "logged", "try", "tried", "make", "made", "order", "ordered", "do", "done", "apply", "applied", "start",
];

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
const PHRASES: [&[&str]; 17] = [
    &["not", "me"], &["not", "mine"], &["not", "my"], &["not", "us"], &["not", "requested"], &["not", "authorized"],
    &["not", "authorised"], &["dont", "recognize"], &["do", "not", "recognize"], &["dont", "recognise"],
    &["someone", "else"], &["somebody", "else"], &["wrong", "person"], &["wrong", "number"], &["no", "soy", "yo"],
    &["nest", "pas", "moi"], &["nicht", "ich"],
];
