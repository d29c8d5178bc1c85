//! From a position in a text to the place in the TOML source that it was written at.

/// Bytes from the beginning of `raw` (a TOML string with its quotes) to the character at `line` and `column` (both 1-based)
/// of the text that it stands for. The end of the string when there is no such character.
pub(super) fn in_raw(raw: &str, line: usize, column: usize) -> usize {
    let (quotes, escapes) = opening(raw);
    let mut at = (1, 1);
    let mut offset = quotes;
    while let Some(rest) = raw.get(offset..).filter(|it| !it.is_empty()) {
        let (length, shown) = step(rest, escapes);
        match shown {
            Some(_) if at >= (line, column) => break,
            Some('\n') => at = (at.0 + 1, 1),
            Some(_) => at.1 += 1,
            None => {}
        }
        offset += length;
    }
    offset.min(raw.len().saturating_sub(1))
}

/// Bytes from the beginning of `text` to the character at `line` and `column` (both 1-based).
pub(super) fn in_text(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &text[start..];
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at)
}

/// Length of the opening quotes (with the line break that a multi-line string drops), and whether backslashes mean anything.
fn opening(raw: &str) -> (usize, bool) {
    let escapes = raw.starts_with('"');
    let many = raw.starts_with("\"\"\"") || raw.starts_with("'''");
    let quotes = if many { 3 } else { 1 };
    let rest = raw.get(quotes..).unwrap_or_default();
    let dropped = if many && rest.starts_with("\r\n") { 2 } else { usize::from(many && rest.starts_with('\n')) };
    (quotes + dropped, escapes)
}

/// Length in the source of the next character, and what it stands for (nothing, for a line-ending backslash).
fn step(rest: &str, escapes: bool) -> (usize, Option<char>) {
    let first = rest.chars().next().unwrap_or('"');
    if !escapes || first != '\\' {
        return (first.len_utf8(), (first != '\r').then_some(first));
    }
    match rest.chars().nth(1) {
        Some('n') => (2, Some('\n')),
        Some(code @ 'x') => (4, Some(code)),
        Some(code @ 'u') => (6, Some(code)),
        Some(code @ 'U') => (10, Some(code)),
        Some(blank) if blank.is_whitespace() => (1 + rest[1..].len() - rest[1..].trim_start().len(), None),
        other => (1 + other.map_or(0, char::len_utf8), other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_in_the_text_is_found_in_the_source() {
        let check = |raw: &str, line, column, expected: &str| {
            assert_eq!(&raw[in_raw(raw, line, column)..], expected, "{raw} {line}:{column}");
        };
        check("\"abc <%x%>\"", 1, 5, "<%x%>\"");
        check("'a\\b<'", 1, 4, "<'");
        check("\"a\\nb<\"", 2, 2, "<\"");
        check("\"\\u00e9<\"", 1, 2, "<\"");
        check("'''\none\ntwo <%'''", 2, 5, "<%'''");
        check("\"\"\"\none \\\n   two\"\"\"", 1, 5, "two\"\"\"");
        check("\"\\\"<\"", 1, 2, "<\"");
        check("''", 3, 9, "'");
    }

    #[test]
    fn a_position_in_a_file_is_found_by_characters() {
        let check = |text: &str, line, column, expected| assert_eq!(in_text(text, line, column), expected, "{text} {line}:{column}");
        check("é<\nab", 1, 2, 2);
        check("é<\nab", 2, 2, 5);
        check("ab", 7, 7, 2);
    }
}
