//! Values in a mail's HTML: in its text, and in place of an element's content (`th:text`, `th:utext`).

use super::expression::{text, variable};
use super::marked::{Form, Marked, Refusal, Use, check};
use super::sanitise::keeps;
use super::token::{Attribute, Tag, Token, next};

/// Elements in one another, at most.
const DEPTH: usize = 100;

/// Reads a mail's body. Tags of the dialect, comments and scripts are not in the result.
pub(super) fn html(source: &str) -> Result<Marked<'_>, Refusal> {
    check(source)?;
    let mut marked = Marked { text: String::with_capacity(source.len()), ..Marked::default() };
    let (mut at, mut depth) = (0, 0_usize);
    while at < source.len() {
        let (token, end) = next(source, at)?;
        match token {
            Token::Text(run) => text(run, at, &mut marked)?,
            Token::End(name) => {
                depth = depth.saturating_sub(1);
                marked.text.push_str(&format!("</{name}>"));
            }
            Token::Left("") => {}
            Token::Left(name) => marked.dropped.push((at, format!("<{}>", name.to_ascii_lowercase()))),
            Token::Start(tag) => {
                let filled = element(&tag, at, &mut marked)?;
                match filled {
                    true if !tag.closed => {
                        at = after(source, &tag, (at, end))?;
                        continue;
                    }
                    false if !tag.is_void() => depth += 1,
                    _ => {}
                }
            }
        }
        if depth > DEPTH {
            return Err((at, format!("elements stand in one another more than {DEPTH} deep; use fewer")));
        }
        at = end;
    }
    Ok(marked)
}

// Puts a start tag without what is the dialect's; whether its content was put, too.
fn element<'a>(tag: &Tag<'a>, at: usize, into: &mut Marked<'a>) -> Result<bool, Refusal> {
    if is_dialect(tag.name) {
        return Err((at, format!("<{:.20}> is not evaluated; use th:text or th:utext on an HTML element", tag.name)));
    }
    let lower = tag.name.to_ascii_lowercase();
    if !keeps(&lower) {
        into.dropped.push((at, format!("<{lower:.20}>")));
    }
    into.text.push('<');
    into.text.push_str(tag.name);
    let mut fill = None;
    for it in &tag.attributes {
        match statement(it)? {
            Some(_) if fill.is_some() => {
                return Err((it.at, "one of th:text and th:utext stands on an element; leave the other out".into()));
            }
            Some(filling) => fill = Some(filling),
            None => plain(it, into)?,
        }
    }
    into.text.push('>');
    let Some(fill) = fill else { return Ok(false) };
    if tag.is_void() {
        return Err((fill.at, format!("<{lower}> has no content that could be replaced; put it on another element")));
    }
    into.put(fill)?;
    into.text.push_str(&format!("</{}>", tag.name));
    Ok(true)
}

fn is_dialect(name: &str) -> bool {
    let starts = |prefix: &str| name.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix));
    starts("th:") || starts("data-th-") || starts("th-")
}

fn statement<'a>(it: &Attribute<'a>) -> Result<Option<Use<'a>>, Refusal> {
    let form = match it.name.to_ascii_lowercase().as_str() {
        "th:text" => Form::Escaped,
        "th:utext" => Form::Raw,
        _ if is_dialect(it.name) => return Err((it.at, format!("{:.40} is not evaluated; only th:text and th:utext are", it.name))),
        _ => return Ok(None),
    };
    match variable(it.value) {
        Ok(key) => Ok(Some(Use { key, form, at: it.at })),
        Err(message) => Err((it.at, format!("{}: {message}", it.name))),
    }
}

fn plain(it: &Attribute<'_>, into: &mut Marked<'_>) -> Result<(), Refusal> {
    let name = it.name.to_ascii_lowercase();
    if name == "xmlns" || name.starts_with("xmlns:") {
        return Ok(());
    }
    if it.value.contains("${") {
        let message = format!("an expression in the attribute {name:.40} is not evaluated; put the value into the text");
        return Err((it.at, message));
    }
    if name.starts_with("on") {
        into.dropped.push((it.at, format!("the attribute {name:.40}")));
        return Ok(());
    }
    into.text.push(' ');
    into.text.push_str(it.whole);
    Ok(())
}

// Where the element ends whose tag stands at the first byte, and its content begins at the second.
fn after(source: &str, tag: &Tag<'_>, (at, content): (usize, usize)) -> Result<usize, Refusal> {
    let (mut from, mut open) = (content, 1_usize);
    while from < source.len() {
        let (token, end) = next(source, from)?;
        match token {
            Token::Start(other) if other.name.eq_ignore_ascii_case(tag.name) && !other.closed => open += 1,
            Token::End(name) if name.eq_ignore_ascii_case(tag.name) => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Ok(end);
        }
        from = end;
    }
    Err((at, format!("<{}> has its content replaced, and is not closed; write </{}> behind it", tag.name, tag.name)))
}
