//! Lints of an HTML body: tags stand where an escaped value is safe, in text or in a quoted attribute.

use super::finding::{Finding, Severity};
use crate::domain::template::{Target, Template, place, tags};

/// Lints an HTML body.
pub fn lint(body: &Template, findings: &mut Vec<Finding>) {
    let source = body.source();
    // Folded once; ASCII lower case keeps every offset.
    let lower = source.to_ascii_lowercase();
    for span in tags(source).map_while(Result::ok) {
        if let Some(message) = unsafe_at(&lower[..span.start]) {
            findings.push(Finding::new(Severity::Error, Target::Html, message).at(place(source, span.start)));
        }
    }
    if let Some(at) = lower.find("<script") {
        let message = "mail programs don't run scripts; leave it out";
        findings.push(Finding::new(Severity::Warning, Target::Html, message).at(place(source, at)));
    }
}

fn unsafe_at(before: &str) -> Option<&'static str> {
    let inside = |element: &str| {
        let opened = before.rfind(&format!("<{element}"));
        opened.is_some_and(|at| before.rfind(&format!("</{element}")).is_none_or(|closed| closed < at))
    };
    if inside("script") || inside("style") {
        return Some("a tag inside a script or style is not escaped for it; move it into the text");
    }
    if before.rfind("<!--").is_some_and(|at| !before[at..].contains("-->")) {
        return Some("a tag inside a comment is sent, though not shown; leave it out");
    }
    attribute(before)
}

// An element is open when its `<` has no `>` yet, those of our own tags not counted.
fn attribute(before: &str) -> Option<&'static str> {
    let own = before.replace("<%", "  ").replace("%>", "  ");
    let open = own.rfind('<').filter(|at| own.rfind('>').is_none_or(|closed| closed < *at))?;
    let element = &own[open..];
    let mut quote = None;
    for (at, c) in element.char_indices() {
        match quote {
            None if c == '"' || c == '\'' => quote = Some((at, c)),
            Some((_, it)) if c == it => quote = None,
            _ => {}
        }
    }
    let Some((at, _)) = quote else {
        return Some("a tag in an element needs an attribute in quotes around it: title=\"<%name%>\"");
    };
    let name = element[..at].trim_end().trim_end_matches('=').trim_end();
    let name = name.rsplit(char::is_whitespace).next().unwrap_or_default();
    if name.starts_with("on") || name == "style" {
        return Some("a tag in a script or style attribute is not escaped for it; move it into the text");
    }
    let whole = element[at + 1..].trim().is_empty();
    (whole && ["href", "src", "action", "background"].contains(&name))
        .then_some("a tag must not begin an address: the value could be any; write the address up to the part that changes")
}
