//! Expressions in text: `[(${key})]` and `[[${key}]]` (Thymeleaf, inlined output expressions).

use super::marked::{Form, Marked, Refusal, Use, check};
use super::source::{KEY_RULE, is_key};

/// Longest expression, in bytes, without its brackets.
const LENGTH: usize = 128;

/// Reads a plain text.
pub(super) fn plain(source: &str) -> Result<Marked<'_>, Refusal> {
    check(source)?;
    let mut marked = Marked { text: String::with_capacity(source.len()), ..Marked::default() };
    text(source, 0, &mut marked)?;
    Ok(marked)
}

/// Puts a run of text that begins at the byte `base` of the source. Brackets that nothing closes, and that hold no `${`, are text.
pub(super) fn text<'a>(run: &'a str, base: usize, into: &mut Marked<'a>) -> Result<(), Refusal> {
    // Found once: a search from each opening would make the work grow with the square of the length.
    let (last_square, last_round) = (run.rfind("]]"), run.rfind(")]"));
    let (mut done, mut from) = (0, 0);
    while let Some(at) = run[from..].find('[').map(|it| from + it) {
        let (form, close, last) = match run.as_bytes().get(at + 1) {
            Some(b'[') => (Form::Escaped, "]]", last_square),
            Some(b'(') => (Form::Raw, ")]", last_round),
            _ => {
                from = at + 1;
                continue;
            }
        };
        let inner = &run[at + 2..];
        if last.is_none_or(|it| it < at + 2) {
            if inner.trim_start().starts_with("${") {
                return Err((base + at, format!("the expression is not closed; write {close} behind it")));
            }
            from = at + 1;
            continue;
        }
        let end = inner.find(close).unwrap_or(inner.len());
        let key = variable(&inner[..end]).map_err(|message| (base + at, message))?;
        into.text.push_str(&run[done..at]);
        into.put(Use { key, form, at: base + at })?;
        done = at + 2 + end + close.len();
        from = done;
    }
    into.text.push_str(&run[done..]);
    Ok(())
}

/// The key of `${key}`, the only expression there is; white space around it or in it is ignored.
pub(super) fn variable(expression: &str) -> Result<&str, String> {
    let only = "only ${key} is evaluated: the key of a parameter, without operators, calls or texts";
    if expression.len() > LENGTH {
        return Err(format!("the expression is longer than {LENGTH} bytes; {only}"));
    }
    let key = expression.trim().strip_prefix("${").and_then(|it| it.strip_suffix('}')).ok_or(only)?.trim();
    if is_key(key) { Ok(key) } else { Err(format!("{only}; {KEY_RULE}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_found_in_text_and_nothing_else_is_taken_for_one() {
        let check = |source: &str, expected: &str| {
            let shown = match plain(source) {
                Ok(marked) => {
                    let uses: Vec<_> = marked.uses.iter().map(|it| format!("{}@{}{:?}", it.key, it.at, it.form)).collect();
                    let text: String = marked.text.chars().filter(|c| *c < '\u{f0000}').collect();
                    format!("{text}|{}", uses.join(","))
                }
                Err((at, message)) => format!("{at}: {}", message.split([';', ':']).next().unwrap()),
            };
            assert_eq!(shown, expected, "{source}");
        };
        check("", "|");
        check("OTP [(${otpValue})]", "OTP 0|otpValue@4Raw");
        check("[[${a}]][[ ${ b.c-d_1 } ]]", "01|a@0Escaped,b.c-d_1@8Escaped");
        check("list[1] [ [ (x)] [", "list[1] [ [ (x)] [|");
        check("[[ open", "[[ open|");
        check("[(1) and [(2)", "[(1) and [(2)|");
        check("ab [[${a}", "3: the expression is not closed");
        check("ab [[a]]", "3: only ${key} is evaluated");
        check("[(${a + b})]", "0: only ${key} is evaluated");
        check("[(${#dates.now()})]", "0: only ${key} is evaluated");
        check("[[*{a}]]", "0: only ${key} is evaluated");
        check("[[#{a}]]", "0: only ${key} is evaluated");
        check("[[${}]]", "0: only ${key} is evaluated");
        check("[[${1a}]]", "0: only ${key} is evaluated");
        check("[[${a}]", "0: the expression is not closed");
        check("x\u{f0000}0\u{f0001}", "1: a private character (U+F0000 or U+F0001) can't be used");
        check(&format!("[[${{{}}}]]", "k".repeat(65)), "0: only ${key} is evaluated");
        check(&format!("[[${{{}}}]]", "k".repeat(200)), "0: the expression is longer than 128 bytes");
        check(&"[[${a}]]".repeat(201), "1600: values stand in more than 200 places");
    }
}
