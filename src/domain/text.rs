//! The texts that are ours: what an explicit challenge without `SMSText` says (contract `oobvalidate.md`, behaviour 4), and what we
//! answer to replies. Each is one SMS of the default alphabet, names a code nowhere but by its tag, and can't be mistaken for a
//! reply by our own reader (two auto-responders must not keep each other busy).

use super::challenge::Mode;
use super::segment::gsm;
use super::verdict::Verdict;
use std::time::Duration;

/// Longest name of a publisher in our texts, in septets; a longer one is cut.
pub const NAME_LIMIT: usize = 30;

/// The system-default text of an explicit challenge, as a template with `<%$otp%>`. `combined`: a VerifVal follows the code.
/// `valid` is told in whole minutes, rounded down (in seconds under a minute).
pub fn challenge(mode: Mode, combined: bool, display_name: &str, valid: Duration) -> String {
    let name = name(display_name);
    let valid = span(valid);
    let how = match (mode, combined) {
        (Mode::TwoWay, false) => "Reply with this code to confirm. Not you? Reply NO.",
        (Mode::TwoWay, true) => "Reply with it and right after it your PIN. Not you? Reply NO.",
        (Mode::OneWay | Mode::OnCall, false) => "Enter it where you asked for it. We never call to ask for it.",
        (Mode::OneWay | Mode::OnCall, true) => "Enter it and right after it your PIN. We never call to ask for it.",
    };
    format!("{name}: Your code is <%$otp%>. {how} Valid for {valid}.")
}

/// What a reply is answered with. `help_text` is the publisher's own for HELP, where it has one; it is sent as it is.
pub fn answer(verdict: Verdict, display_name: &str, help_text: Option<&str>) -> String {
    let name = name(display_name);
    let says = match verdict {
        Verdict::Verified => "Thank you. Your answer was right and your request is confirmed.".to_owned(),
        Verdict::Wrong { left } => {
            let attempts = if left == 1 { "attempt" } else { "attempts" };
            format!("That answer is wrong. Please check the code we sent and reply again. You have {left} {attempts} left.")
        }
        Verdict::Failed => "That answer is wrong, and it was the last attempt. Please ask for a new code or call the phone on your card.".to_owned(),
        Verdict::Denied => "Thank you for telling us. The code can't be used any more. If you are worried, call the phone on your card.".to_owned(),
        Verdict::Expired => "That code has expired. Please ask for another one.".to_owned(),
        Verdict::Superseded => "A newer code was sent to you. Please use the newest code.".to_owned(),
        Verdict::Unread => "We found no code in your reply. Please reply with the code and nothing else.".to_owned(),
        Verdict::Stopped => "You are opted out and we will not write to you again. Reply START to hear from us again.".to_owned(),
        Verdict::Helped => match help_text {
            Some(own) => return own.to_owned(),
            None => "Security codes that you ask for. Msg and data rates may apply. For help call the phone on your card. Reply STOP to opt out.".to_owned(),
        },
        Verdict::Started => "You will get our security codes again. Reply HELP for help or STOP to opt out.".to_owned(),
        Verdict::NoSession => "We are not waiting for a code from you. Please ask for another one if you need it.".to_owned(),
        Verdict::Blocked => "There were too many wrong answers. For your safety codes are paused. Please call the phone on your card.".to_owned(),
    };
    format!("{name}: {says}")
}

// The name as far as it fits: characters of the default alphabet, no tags, no escapes.
fn name(display_name: &str) -> String {
    let fits = |c: &char| *c != '<' && *c != '%' && !c.is_control() && gsm(*c).is_some_and(|it| !it.escaped);
    let kept: String = display_name.trim().chars().filter(fits).take(NAME_LIMIT).collect();
    let kept = kept.trim();
    if kept.is_empty() { "Your bank".to_owned() } else { kept.to_owned() }
}

fn span(valid: Duration) -> String {
    let (count, unit) = match valid.as_secs() {
        seconds @ 0..60 => (seconds, "second"),
        seconds => (seconds / 60, "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::challenge::Shape;
    use crate::domain::reply::{Candidate, read};
    use crate::domain::segment::{Encoding, count};
    use crate::domain::template::explicit;

    const LONGEST: &str = "The First National Savings and Loan Bank of W\u{151}rth <%$otpa%>";

    const VERDICTS: [Verdict; 13] = [
        Verdict::Verified,
        Verdict::Wrong { left: 10 },
        Verdict::Wrong { left: 1 },
        Verdict::Failed,
        Verdict::Denied,
        Verdict::Expired,
        Verdict::Superseded,
        Verdict::Unread,
        Verdict::Stopped,
        Verdict::Helped,
        Verdict::Started,
        Verdict::NoSession,
        Verdict::Blocked,
    ];

    fn is_one_message(text: &str) {
        let counted = count(text);
        assert_eq!((counted.encoding, counted.segments), (Encoding::Gsm, 1), "{} in {text}", counted.units);
    }

    #[test]
    fn every_text_is_one_message() {
        for verdict in VERDICTS {
            is_one_message(&answer(verdict, LONGEST, None));
        }
        for (mode, combined) in [(Mode::TwoWay, false), (Mode::TwoWay, true), (Mode::OneWay, false), (Mode::OneWay, true)] {
            let text = challenge(mode, combined, LONGEST, Duration::from_secs(3_600));
            assert_eq!(explicit(&text), Ok(vec![crate::domain::code::CodeKind::Otp]), "{text}");
            is_one_message(&text.replace("<%$otp%>", "561126"));
        }
    }

    #[test]
    fn our_answers_are_no_answers() {
        for verdict in VERDICTS {
            let reading = read(&answer(verdict, "First Bank", None));
            assert_eq!(reading.keyword(), None, "{verdict:?}");
            assert!(!reading.denied(), "{verdict:?}");
            for shape in [Shape::Digits(6), Shape::Digits(4), Shape::Otpa] {
                assert_eq!(reading.candidate(shape), Candidate::None, "{verdict:?}");
            }
        }
    }

    #[test]
    fn texts_say_how_to_answer_and_how_long() {
        for (mode, combined, seconds, expected) in [
            (
                Mode::TwoWay,
                false,
                600,
                "First Bank: Your code is <%$otp%>. Reply with this code to confirm. Not you? Reply NO. Valid for 10 minutes.",
            ),
            (
                Mode::TwoWay,
                true,
                420,
                "First Bank: Your code is <%$otp%>. Reply with it and right after it your PIN. Not you? Reply NO. Valid for 7 minutes.",
            ),
            (
                Mode::OneWay,
                false,
                119,
                "First Bank: Your code is <%$otp%>. Enter it where you asked for it. We never call to ask for it. Valid for 1 minute.",
            ),
            (
                Mode::OneWay,
                true,
                15,
                "First Bank: Your code is <%$otp%>. Enter it and right after it your PIN. We never call to ask for it. Valid for 15 seconds.",
            ),
        ] {
            assert_eq!(challenge(mode, combined, " First Bank ", Duration::from_secs(seconds)), expected);
        }
        assert_eq!(
            answer(Verdict::Superseded, "\u{94f6}\u{884c}", None),
            "Your bank: A newer code was sent to you. Please use the newest code."
        );
        assert!(answer(Verdict::Wrong { left: 2 }, "First Bank", None).ends_with("You have 2 attempts left."));
        assert_eq!(answer(Verdict::Helped, "First Bank", Some("Call 1.")), "Call 1.");
    }
}
