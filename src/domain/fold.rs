//! What a person typed, in plain characters: ASCII digits, straight quotes, ordinary spaces, nothing invisible. Codes, keywords and
//! static values are read from this form.

/// Folds a text. Letters keep their case and accents; line ends become `\n`.
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // By far the most are these.
            '0'..='9' | 'A'..='Z' | 'a'..='z' => out.push(c),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            c if c.is_whitespace() || c.is_control() => out.push(' '),
            c if invisible(c) => {}
            '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{ff07}' | '\u{b4}' | '`' => out.push('\''),
            '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{ff02}' | '\u{ab}' | '\u{bb}' => out.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}' => out.push('-'),
            '\u{ff01}'..='\u{ff5e}' => out.extend(char::from_u32(u32::from(c) - 0xfee0)),
            '\u{3002}' => out.push('.'),
            c => out.push(digit(c).unwrap_or(c)),
        }
    }
    out
}

// Zero-width characters, direction marks, soft hyphens, variation selectors, and the frame of keycap emoji.
const fn invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{20e3}')
}

// Zeros of decimal digits (Unicode category Nd) that phones' keyboards have; nine more follow each.
const ZEROS: [u32; 16] = [0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0x1040, 0x17e0];

fn digit(c: char) -> Option<char> {
    let code = u32::from(c);
    if code < 0x660 {
        return None;
    }
    let value = match code {
        // Mathematical digits: five styles of ten.
        0x1d7ce..=0x1d7ff => (code - 0x1d7ce) % 10,
        _ => code - ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code))?,
    };
    char::from_digit(value, 10)
}
