use super::*;
use proptest::prelude::*;

fn check(text: &str, shape: Shape, expected: Candidate) {
    assert_eq!(shown(&read(text).candidate(shape)), shown(&expected), "{text:?} as {shape:?}");
}

fn shown(candidate: &Candidate) -> &str {
    match candidate {
        Candidate::None => "none",
        Candidate::Ambiguous => "ambiguous",
        Candidate::One(text) => text.expose(),
    }
}

fn one_of(text: &str) -> Candidate {
    Candidate::One(Secret::new(text))
}

#[test]
#[rustfmt::skip]
fn numbers_as_people_write_them() {
    for text in [
        "123456", " 123456 ", "123 456", "123-456", "123.456", "12 34 56", "1 2 3 4 5 6", "123456.", "123456!", "(123456)",
        "\"123456\"", "Code: 123456", "code 123456", "Code:123456", "code123456", "my code is 123456 thanks", "My PIN is 123-456.",
        "It's 123456 ok?", "#123456", "G-123456", "ok,123456", "123456\n", "\n\n123456", "123456 123456", "123 456\n123456",
        "123\u{a0}456", "123\u{2009}456", "\u{ff11}\u{ff12}\u{ff13}\u{ff14}\u{ff15}\u{ff16}",
        "\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}", "\u{6f1}\u{6f2}\u{6f3} \u{6f4}\u{6f5}\u{6f6}",
        "\u{967}\u{968}\u{969}\u{96a}\u{96b}\u{96c}", "12\u{200b}3456", "\u{202d}123456\u{202c}", "123\u{2011}456",
        "\u{201c}123456\u{201d}",
        "1\u{fe0f}\u{20e3}2\u{fe0f}\u{20e3}3\u{fe0f}\u{20e3}4\u{fe0f}\u{20e3}5\u{fe0f}\u{20e3}6\u{fe0f}\u{20e3}",
        "\u{1d7cf}\u{1d7d0}\u{1d7d1}\u{1d7d2}\u{1d7d3}\u{1d7d4}", "123456, thank you", "123456 5 min late", "No problem: 123456",
        "123456\n\nSent from my iPhone 15", "123456 1/2", "\u{1f44d} 123456",
    ] {
        check(text, Shape::Digits(6), one_of("123456"));
    }
}

#[test]
#[rustfmt::skip]
fn no_number_no_attempt() {
    for text in [
        "", "   ", "ok", "12345", "1234567", "12 345", "$123456", "$1234.56", "1,234,56", "+123456", "202-555-0123", "+1 202 555 0123",
        "1-800-123456", "11-21-26", "21.11.26", "2026-11-21", "12/34/56", "12:34:56", "https://x.co/123456", "123456@x.co", "abc123456",
        "123456abc", "5 12345", "call 555 123 4567", "123456,50", "123456%", "12  3456", "123\n456", "what is this?", "Thanks!",
    ] {
        check(text, Shape::Digits(6), Candidate::None);
    }
}

#[test]
#[rustfmt::skip]
fn two_numbers_are_none() {
    let fifty: String = (0..50).map(|i| format!("{:06} ", 123_456 + i * 17)).collect();
    for text in [
        "123456 654321", "123456\n654321", "123 456 or 654 321", "123456 or abc654321", "123456, 654321",
        "Code: 123456. Old code 111111", "https://x.co/654321 123456", &fifty, &fifty.replace(' ', "\n"), &fifty.replace(' ', ""),
        "123456 654321 123456",
    ] {
        let expected = if text.len() == 300 { Candidate::None } else { Candidate::Ambiguous };
        check(text, Shape::Digits(6), expected);
    }
    let long = format!("123456{}654321", " x".repeat(CONSIDERED));
    check(&long, Shape::Digits(6), Candidate::Ambiguous);
    check(&format!("{}123456", "x ".repeat(CONSIDERED)), Shape::Digits(6), Candidate::None);
}

#[test]
fn other_lengths() {
    for (text, n, expected) in [
        ("1234", 4, one_of("1234")),
        ("12 34", 4, one_of("1234")),
        ("12-345", 5, one_of("12345")),
        ("123 4567", 7, one_of("1234567")),
        ("1234 5678", 8, one_of("12345678")),
        ("2026-11-21", 8, Candidate::None),
        ("since 2026 1234", 4, Candidate::Ambiguous),
        ("123 456 7890", 10, one_of("1234567890")),
        ("7", 1, one_of("7")),
        ("", 0, Candidate::None),
    ] {
        check(text, Shape::Digits(n), expected);
    }
}

#[test]
fn quoted_originals_are_not_read() {
    for (text, expected) in [
        ("123456\n> Your code is 654321", one_of("123456")),
        ("123456\n\nOn Mon, Jan 2, 2023 at 8:58 AM First Bank <a@b.co> wrote:\nYour code is 654321", one_of("123456")),
        ("123456\nOn Mon, Jan 2, 2023 at 8:58 AM\nFirst Bank wrote:\n654321", one_of("123456")),
        ("123456\nLe lun. 2 janv. 2023 \u{e0} 08:58, Banque a \u{e9}crit :\n654321", one_of("123456")),
        ("123456\n-----Original Message-----\n654321", one_of("123456")),
        ("123456\n________________\n654321", one_of("123456")),
        ("123456\nFrom: First Bank\nSent: today\n654321", one_of("123456")),
        ("123456 \u{201c}Your First Bank code is 654321.\u{201d}", one_of("123456")),
        ("> Your code is 123456", Candidate::None),
        ("ok\n> Your code is 123456", Candidate::None),
        ("\u{ff1e} Your code is 123456", Candidate::None),
        ("Liked \u{201c}Your First Bank code is 123456. Reply with it.\u{201d}", Candidate::None),
        ("\u{1f44d} to \u{201c}Your code is 123456\u{201d}", Candidate::None),
    ] {
        check(text, Shape::Digits(6), expected);
    }
    check("Liked \"Your First Bank code is 123456. Reply with it.\"", Shape::Free, Candidate::None);
    check("Not me\n> Your code is 123456", Shape::Digits(6), Candidate::None);
    assert_eq!(read("123456\n> Reply STOP to opt out").keyword(), None);
    assert_eq!(read("STOP\n> Your code is 123456").keyword(), Some(Keyword::Stop));
}

#[test]
#[rustfmt::skip]
fn a_denial_beside_a_code_never_verifies() {
    for text in [
        "no", "No.", "NO 123456", "123456 no", "not me", "Not me!! 123456", "it wasn't me", "It wasn\u{2019}t me 123456",
        "123456 I did not request this", "I didn't ask for 123456", "fraud", "FRAUD 123456", "this is a scam", "wrong number 123456",
        "that is not mine", "n", "nope 123456", "someone else did it", "unauthorized 123456", "\u{ff2e}\u{ff2f} 123456",
        "N\u{200b}o 123456", "not me\n> Your code is 123456", "stop the payment, fraud", "cancel the transfer 123456", "wasn t me 123456", "I did not even request this 123456", "It was not really me 123456", "I never asked for 123456",
        "123456 stop my card",
    ] {
        assert!(read(text).denied(), "{text}");
        for shape in [Shape::Digits(6), Shape::Free, Shape::OtpThen] {
            check(text, shape, Candidate::None);
        }
    }
    for text in ["123456", "no problem 123456", "no code yet", "knot", "I know: 123456", "never got the first, 123456", "this isn't working for me 123456", "not sure, text me 123456", "note 123456", "> not me"] {
        assert!(!read(text).denied(), "{text}");
    }
}

#[test]
fn our_own_text_sent_back_is_neither_denial_nor_answer() {
    let text = "First Bank: Your code is 561126. Reply with this code to confirm. Not you? Reply NO. Valid for 10 minutes.";
    assert!(!read(text).denied());
    assert_eq!(read(text).keyword(), None);
    check(text, Shape::Digits(6), Candidate::None);
}

#[test]
fn keywords_are_no_attempt() {
    for text in ["STOP", "stop 123456", "please stop texting me 123456", "HELP", "yes", "start"] {
        assert!(read(text).keyword().is_some(), "{text}");
        for shape in [Shape::Digits(6), Shape::Otpa, Shape::Free, Shape::OtpThen, Shape::OtpaThen] {
            check(text, shape, Candidate::None);
        }
    }
}

#[test]
fn codes_of_letters_and_digits() {
    for (text, expected) in [
        ("AB3D9", one_of("AB3D9")),
        ("ab3d9.", one_of("ab3d9")),
        ("Code: ab3d9", one_of("ab3d9")),
        ("my code is AB3D9 thank you", one_of("AB3D9")),
        ("AB3 D9", one_of("AB3D9")),
        ("AB3-D9", one_of("AB3D9")),
        ("a b 3 d 9", one_of("ab3d9")),
        ("A B C D E", one_of("ABCDE")),
        ("ABCDE", one_of("ABCDE")),
        ("abcde", one_of("abcde")),
        ("THANK", one_of("THANK")),
        ("the code is WXYZK ok", one_of("WXYZK")),
        ("use WXYZK please", one_of("WXYZK")),
        ("AB3D9 ab3d9", one_of("AB3D9")),
        ("AB3D9 or AB3D8", Candidate::Ambiguous),
        ("AB3D9\nWXY23", Candidate::Ambiguous),
        ("\u{ff21}\u{ff22}\u{ff13}\u{ff24}\u{ff19}", one_of("AB3D9")),
        ("Thank you", Candidate::None),
        ("where are you", Candidate::None),
        ("check there", Candidate::None),
        ("AB3D", Candidate::None),
        ("AB3D99", Candidate::None),
        ("AB0D9", Candidate::None),
        ("\u{e9}B3D9", Candidate::None),
        ("", Candidate::None),
    ] {
        check(text, Shape::Otpa, expected);
    }
}

#[test]
fn values_of_any_kind() {
    for (text, expected) in [
        ("Rover", one_of("Rover")),
        ("  my dog Rover ", one_of("mydogRover")),
        ("PIN: 4321", one_of("4321")),
        ("Re: pin 4321", one_of("4321")),
        ("my pin is 4321.", one_of("4321")),
        ("Here is my password: hunter 2, thanks", one_of("hunter2")),
        ("Code:\n482913", one_of("482913")),
        ("482913\nThanks!", one_of("482913")),
        ("482913 thank you", one_of("482913")),
        ("\u{201c}Rover\u{201d}", one_of("Rover")),
        ("code", one_of("code")),
        ("\u{ff14}\u{ff13}\u{ff12}\u{ff11}", one_of("4321")),
        ("", Candidate::None),
        ("\n \n", Candidate::None),
    ] {
        check(text, Shape::Free, expected);
    }
}

#[test]
fn our_code_and_then_the_publishers_value() {
    for (text, expected) in [
        ("5611264321", one_of("5611264321")),
        ("561126 4321", one_of("5611264321")),
        ("561 126 4321", one_of("5611264321")),
        ("561126-4321", one_of("5611264321")),
        ("561126\n4321", one_of("5611264321")),
        ("Code: 561126 PIN: 4321", one_of("5611264321")),
        ("561126 and 4321, thanks", one_of("5611264321")),
        ("561126 my dog", one_of("561126mydog")),
        ("561126 654321", one_of("561126654321")),
        ("561126", Candidate::None),
        ("56112", Candidate::None),
        ("hello", Candidate::None),
        ("111111 222222 333333", Candidate::Ambiguous),
    ] {
        check(text, Shape::OtpThen, expected);
    }
    for (text, expected) in [
        ("AB3D94321", one_of("AB3D94321")),
        ("ab3d9 4321", one_of("ab3d94321")),
        ("AB3 D9 4321.", one_of("AB3D94321")),
        ("ABCDE 4321", one_of("ABCDE4321")),
        ("AB3D9", Candidate::None),
        ("Thank you", Candidate::None),
        ("AB0D9 4321", Candidate::None),
    ] {
        check(text, Shape::OtpaThen, expected);
    }
}

#[test]
fn codes_of_other_lengths_are_read() {
    for (text, len, expected) in [
        ("AB3K", 4, one_of("AB3K")),
        ("code: ab3k9mnp, thanks", 8, one_of("ab3k9mnp")),
        ("ABKMNPQR", 8, one_of("ABKMNPQR")),
        ("AB3K 9MNP", 8, one_of("AB3K9MNP")),
        ("AB3K or CD4M", 4, Candidate::Ambiguous),
        ("Please SEND another", 4, Candidate::None),
        ("AB3K9", 4, Candidate::None),
    ] {
        check(text, Shape::Alphanumeric(len), expected);
    }
}

#[test]
fn the_exact_text_is_kept() {
    assert_eq!(read("  Yes \n").exact().expose(), "Yes");
    assert!(read("  Yes \n").matches_exactly(&Secret::new("Yes ")));
    assert!(!read("Yes!").matches_exactly(&Secret::new("Yes")));
    assert_eq!(canonical(" my \u{ff11} d\u{a0}og ").expose(), "my1dog");
}

proptest! {
    #[test]
    fn any_text_has_a_reading(text in "(\\PC|[0-9]{3}|[\n >\"-]|no|code){0,60}", n in 0u8..20) {
        let reading = read(&text);
        for shape in [Shape::Digits(n), Shape::Otpa, Shape::Alphanumeric(n), Shape::Free, Shape::OtpThen, Shape::OtpaThen] {
            if let Candidate::One(found) = reading.candidate(shape) {
                let found = found.expose();
                prop_assert!(!found.is_empty() && !found.contains(char::is_whitespace));
                match shape {
                    Shape::Digits(n) => prop_assert!(found.len() == usize::from(n) && found.bytes().all(|b| b.is_ascii_digit())),
                    Shape::Otpa => prop_assert!(mixed::is_code(found, 5)),
                    Shape::Alphanumeric(n) => prop_assert!(mixed::is_code(found, n.into())),
                    Shape::OtpThen => prop_assert!(found.len() > 6 && found.as_bytes()[..6].iter().all(u8::is_ascii_digit)),
                    Shape::OtpaThen => prop_assert!(found.len() > 5 && mixed::is_code(&found[..5], 5)),
                    Shape::Free => {}
                }
            }
        }
    }

    #[test]
    fn different_numbers_are_never_one(
        numbers in proptest::collection::vec("[0-9]{6}", 2..12),
        between in "[ ,.;:/\n-]|[ ,.]{2}| or | [a-z]{1,5} |, code ",
        around in "[a-z ]{0,10}",
    ) {
        let text = format!("{around} {} {around}", numbers.join(&between));
        if numbers.iter().any(|it| *it != numbers[0]) {
            prop_assert!(!matches!(read(&text).candidate(Shape::Digits(6)), Candidate::One(_)), "{text}");
        }
    }

    #[test]
    fn a_number_in_groups_is_read(code in "[0-9]{6}", form in 0..5usize) {
        let (a, b) = code.split_at(3);
        let text = [code.clone(), format!("{a} {b}"), format!("{a}-{b}"), format!("Code: {code}"), format!("my code is {a} {b}, thanks")][form].clone();
        prop_assert_eq!(read(&text).candidate(Shape::Digits(6)), one_of(&code));
    }
}
