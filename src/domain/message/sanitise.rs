//! What stays of HTML: an allow-list of elements, attributes, addresses and styles that mail programs show and that run nothing.

use super::marked::{CLOSE, OPEN};
use ammonia::{Builder, UrlRelative};
use std::collections::HashSet;
use std::sync::LazyLock;

/// Addresses that a link or an image may have.
const SCHEMES: [&str; 4] = ["https", "http", "mailto", "tel"];
/// Parts of a document that are replaced by our own: leaving them out loses nothing.
const FRAME: [&str; 5] = ["html", "head", "body", "meta", "tfoot"];
/// Attributes of mail's tables; they say how something looks, and nothing else.
const LOOKS: [&str; 14] = [
    "align",
    "valign",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "color",
    "dir",
    "face",
    "height",
    "role",
    "size",
    "style",
    "width",
];
/// Properties of a `style` attribute; none can load anything or cover something else.
const STYLES: [&str; 38] = [
    "background-color",
    "border",
    "border-bottom",
    "border-collapse",
    "border-color",
    "border-left",
    "border-radius",
    "border-right",
    "border-spacing",
    "border-style",
    "border-top",
    "border-width",
    "color",
    "direction",
    "font-family",
    "font-size",
    "font-style",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "max-width",
    "min-width",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "text-align",
    "text-decoration",
    "text-transform",
    "vertical-align",
    "width",
];

static TEMPLATES: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut it = values();
    it.add_tags(["font", "img", "tfoot"]).add_tag_attributes("img", ["alt", "src"]);
    it.add_generic_attributes(LOOKS).filter_style_properties(HashSet::from(STYLES));
    it
});
static DOCUMENTS: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut it = values();
    it.add_tags(["img"]).add_tag_attributes("img", ["alt", "src"]).add_clean_content_tags(["title"]);
    it
});
static VALUES: LazyLock<Builder<'static>> = LazyLock::new(values);
static KEPT: LazyLock<HashSet<&'static str>> = LazyLock::new(|| TEMPLATES.clone_tags());

/// The text of a template, with marks: what stays of it.
pub(super) fn template(marked: &str) -> String {
    TEMPLATES.clean(marked).to_string()
}

/// A whole document that somebody else made: what stays of its body.
pub(super) fn document(html: &str) -> String {
    DOCUMENTS.clean(html).to_string()
}

/// A value that is shown as markup: what stays of it. Neither styles nor images, so that it can neither imitate the mail around it
/// nor tell anybody that it was read.
pub(super) fn value(text: &str) -> String {
    VALUES.clean(text).to_string()
}

/// Whether an element stays, or is the frame that we put around anyway.
pub(super) fn keeps(name: &str) -> bool {
    KEPT.contains(name) || FRAME.contains(&name)
}

/// Whether all marks of sanitised HTML stand in its text, not in a tag. It is well formed: in text and values `<` is escaped.
pub(super) fn is_in_text(html: &str) -> bool {
    let (mut in_tag, mut quote) = (false, None);
    for c in html.chars() {
        match c {
            OPEN | CLOSE if in_tag => return false,
            '<' if !in_tag => in_tag = true,
            '"' | '\'' if in_tag && quote.is_none() => quote = Some(c),
            c if quote == Some(c) => quote = None,
            '>' if in_tag && quote.is_none() => in_tag = false,
            _ => {}
        }
    }
    true
}

fn values() -> Builder<'static> {
    let mut it = Builder::default();
    it.rm_tags(["area", "img", "map"]).url_schemes(HashSet::from(SCHEMES)).url_relative(UrlRelative::Deny);
    it
}
