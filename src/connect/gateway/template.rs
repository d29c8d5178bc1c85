//! Texts with placeholders, read once and filled for each message.

use serde::Deserialize;

/// A text with placeholders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template(Vec<Part>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Text(String),
    To,
    /// Without its leading `+`.
    ToDigits,
    From,
    Said,
    Coding,
    Id,
    Secret,
}

/// What the placeholders stand for.
#[derive(Clone, Copy)]
pub struct Filling<'a> {
    /// `{to}`: the phone number in E.164; `{to_digits}`: without `+`.
    pub to: &'a str,
    /// `{from}`: the sender, or nothing.
    pub from: &'a str,
    /// `{text}`: the message; `{coding}`: 0 when it is ASCII that GSM 03.38 has too, else 2 (UCS-2), as Kannel counts.
    pub text: &'a str,
    /// `{id}`: the delivery id.
    pub id: &'a str,
    /// `{secret}`: from the secret file.
    pub secret: &'a str,
}

/// How values are escaped in their place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Escape {
    /// As they are.
    #[default]
    None,
    /// Inside a JSON string (RFC 8259, section 7).
    Json,
    /// Percent-encoded: all but unreserved characters (RFC 3986, section 2.3).
    Percent,
    /// Inside XML text or an attribute.
    Xml,
}

const NAMES: [(&str, Part); 7] = [
    ("to", Part::To),
    ("to_digits", Part::ToDigits),
    ("from", Part::From),
    ("text", Part::Said),
    ("coding", Part::Coding),
    ("id", Part::Id),
    ("secret", Part::Secret),
];

impl Template {
    /// Reads a text. A brace that opens no known name is itself, but `{word}` of another word is an error: most likely a slip.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let (mut rest, mut plain) = (text, String::new());
        while let Some(open) = rest.find('{') {
            plain.push_str(&rest[..open]);
            let inner = &rest[open + 1..];
            let name = inner.find('}').map(|end| &inner[..end]).filter(|name| is_name(name));
            match name {
                None => {
                    plain.push('{');
                    rest = inner;
                }
                Some(name) => {
                    let (_, part) = NAMES
                        .iter()
                        .find(|it| it.0 == name)
                        .ok_or_else(|| format!("{{{name}}} is none of the placeholders {}", known()))?;
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(part.clone());
                    rest = &inner[name.len() + 1..];
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The text for one message. Values are escaped; the template's own text is not.
    pub fn fill(&self, filling: &Filling<'_>, escape: Escape) -> String {
        let mut out = String::new();
        for part in &self.0 {
            let value = match part {
                Part::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::To => filling.to,
                Part::ToDigits => filling.to.trim_start_matches('+'),
                Part::From => filling.from,
                Part::Said => filling.text,
                Part::Coding => coding(filling.text),
                Part::Id => filling.id,
                Part::Secret => filling.secret,
            };
            escape.write(value, &mut out);
        }
        out
    }

    /// Whether `{secret}` stands in it.
    pub fn wants_secret(&self) -> bool {
        self.0.contains(&Part::Secret)
    }

    /// Whether only `{id}` and `{secret}` stand in it.
    pub fn fits_header(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_) | Part::Id | Part::Secret))
    }
}

impl Escape {
    fn write(self, value: &str, out: &mut String) {
        match self {
            Self::None => out.push_str(value),
            Self::Json => value.chars().for_each(|it| json(it, out)),
            Self::Percent => value.bytes().for_each(|it| percent(it, out)),
            Self::Xml => value.chars().for_each(|it| xml(it, out)),
        }
    }
}

fn json(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\u{0}'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        _ => out.push(c),
    }
}

fn percent(byte: u8, out: &mut String) {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
        _ => out.push_str(&format!("%{byte:02X}")),
    }
}

fn xml(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&apos;"),
        '\n' | '\r' | '\t' => out.push_str(&format!("&#{};", u32::from(c))),
        // XML 1.0 has no other control characters, in whatever form.
        '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
        _ => out.push(c),
    }
}

/// Kannel's `coding`: ASCII but the grave accent is in GSM 03.38; for all else UCS-2 is always right.
fn coding(text: &str) -> &'static str {
    if text.bytes().all(|it| matches!(it, b'\n' | b'\r' | b' '..=b'~') && it != b'`') { "0" } else { "2" }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_lowercase() || it == b'_')
}

fn known() -> String {
    NAMES.map(|(name, _)| format!("{{{name}}}")).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILLING: Filling<'static> = Filling { to: "+12025550123", from: "a&b", text: "say \"hi\"\n<é>", id: "id-1", secret: "s" };

    #[test]
    fn values_are_escaped_as_their_place_demands() {
        let check = |template: &str, escape: Escape, expected: &str| {
            assert_eq!(Template::parse(template).unwrap().fill(&FILLING, escape), expected, "{template}");
        };
        check("{to}{to_digits} {id}", Escape::None, "+1202555012312025550123 id-1");
        check(r#"{"t":"{text}","n":{}}"#, Escape::Json, r#"{"t":"say \"hi\"\n<é>","n":{}}"#);
        check("?t={text}&f={from}&to={to}", Escape::Percent, "?t=say%20%22hi%22%0A%3C%C3%A9%3E&f=a%26b&to=%2B12025550123");
        check("<m from='{from}'>{text}</m>", Escape::Xml, "<m from='a&amp;b'>say &quot;hi&quot;&#10;&lt;é&gt;</m>");
        check("{coding}", Escape::None, "2");
        check("{{to}} {To} {", Escape::None, "{+12025550123} {To} {");
    }

    #[test]
    fn an_unknown_name_is_a_slip() {
        assert!(Template::parse("{phone}").is_err_and(|error| error.contains("{phone}") && error.contains("{to}")));
    }

    proptest! {
        #[test]
        fn any_text_survives_its_escape(text in any::<String>()) {
            let filling = Filling { text: &text, ..FILLING };
            let filled = |template: &str, escape| Template::parse(template).unwrap().fill(&filling, escape);
            prop_assert_eq!(&serde_json::from_str::<String>(&filled("\"{text}\"", Escape::Json)).unwrap(), &text);
            let form = filled("t={text}", Escape::Percent);
            prop_assert_eq!(url::form_urlencoded::parse(form.as_bytes()).next().unwrap().1, text.as_str());
        }

        #[test]
        fn no_template_panics(template in any::<String>()) {
            if let Ok(template) = Template::parse(&template) {
                template.fill(&FILLING, Escape::Xml);
            }
        }
    }
}
