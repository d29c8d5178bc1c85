//! What a body is for, and what may therefore stand in it.

/// What a rendered value is escaped for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// SMS: control characters stripped; at most 1,600 characters.
    Sms,
    /// Mail subject: one line, whatever is put in; at most 250 characters.
    Subject,
    /// Mail text; at most 102,400 characters.
    Text,
    /// Mail HTML: values escaped; at most 102,400 characters.
    Html,
}

impl Target {
    /// Longest rendered body, in characters.
    pub const fn limit(self) -> usize {
        match self {
            Self::Sms => 1_600,
            Self::Subject => 250,
            Self::Text | Self::Html => 102_400,
        }
    }

    /// Puts the template's own text into a body: line ends become `\n` (in a subject, a space), other control characters go.
    pub fn literal(self, text: &str, out: &mut String) {
        // Up to the first character that may not stay, most often none, it is as it is.
        let plain = text.bytes().take_while(|it| matches!(it, b' '..=b'~')).count();
        out.push_str(&text[..plain]);
        let mut chars = text[plain..].chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\r' if chars.peek() == Some(&'\n') => {}
                '\r' | '\n' if self == Self::Subject => out.push(' '),
                '\r' | '\n' => out.push('\n'),
                '\t' if matches!(self, Self::Text | Self::Html) => out.push('\t'),
                '\t' => out.push(' '),
                c if c.is_control() => {}
                '\u{2028}' | '\u{2029}' if self == Self::Subject => out.push(' '),
                c => out.push(c),
            }
        }
    }

    /// Puts a value into a body. Control characters and marks that turn the writing direction are left out; a line end becomes a
    /// space, but for mail bodies. In HTML the five special characters are escaped, so a value is safe in text and in a quoted
    /// attribute.
    pub fn value(self, text: &str, out: &mut String) {
        let one_line = matches!(self, Self::Sms | Self::Subject);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\r' if chars.peek() == Some(&'\n') => {}
                '\r' | '\n' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' if one_line => out.push(' '),
                '\r' | '\n' => out.push('\n'),
                '\t' => out.push('\t'),
                c if c.is_control() || turns(c) => {}
                '&' if self == Self::Html => out.push_str("&amp;"),
                '<' if self == Self::Html => out.push_str("&lt;"),
                '>' if self == Self::Html => out.push_str("&gt;"),
                '"' if self == Self::Html => out.push_str("&quot;"),
                '\'' if self == Self::Html => out.push_str("&#39;"),
                c => out.push(c),
            }
        }
    }
}

// Bidirectional controls: with them "4321" can be made to look like "1234".
const fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
