//! The plain text beside a mail's HTML: for programs that show no HTML, and for those that sort out mail which has nothing else.
//!
//! It is made of sanitised HTML, which is well formed. The crates for this were left out: the one that is kept well panics on some
//! tables, and takes a second for ten thousand nested elements.

use super::sanitise;
use crate::domain::code::Secret;
use zeroize::Zeroizing;

/// What HTML of our own making says ([`super::Rendered::body`] of a mail). Takes time and room in proportion to its length.
pub fn alternative(html: &str) -> Secret {
    let body = html.split_once("<body>").map_or(html, |it| it.1);
    let mut page = Page { out: Zeroizing::new(String::with_capacity(body.len())), gap: Gap::None, links: Vec::new(), kept: 0 };
    let mut rest = body;
    while let Some((text, tagged)) = rest.split_once('<') {
        page.say(text);
        let end = tag_end(tagged);
        page.tag(&tagged[..end]);
        rest = tagged.get(end + 1..).unwrap_or_default();
    }
    page.say(rest);
    Secret::new(page.out.as_str())
}

/// The same of any HTML.
pub fn alternative_of_any(html: &str) -> Secret {
    alternative(&Zeroizing::new(sanitise::document(html)))
}

// What is between two words: the most that was between them counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    Blank,
}

struct Page<'a> {
    out: Zeroizing<String>,
    gap: Gap,
    /// Addresses of links that are open, and where their texts begin.
    links: Vec<(&'a str, usize)>,
    /// Elements that are open in which white space stays as it is.
    kept: usize,
}

impl<'a> Page<'a> {
    fn say(&mut self, text: &str) {
        if self.kept > 0 && !text.is_empty() {
            self.begin();
            unescape(text, |c| self.out.push(c));
            return;
        }
        let mut gap = Gap::None;
        unescape(text, |c| {
            if c.is_whitespace() {
                gap = Gap::Space;
                return;
            }
            self.part(gap);
            gap = Gap::None;
            self.begin();
            self.out.push(c);
        });
        self.part(gap);
    }

    fn part(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    fn begin(&mut self) {
        let gap = match std::mem::replace(&mut self.gap, Gap::None) {
            _ if self.out.is_empty() => "",
            Gap::None => "",
            Gap::Space => " ",
            Gap::Line => "\n",
            Gap::Blank => "\n\n",
        };
        self.out.push_str(gap);
    }

    fn tag(&mut self, tag: &'a str) {
        let (name, closes) = tag.strip_prefix('/').map_or((tag, false), |it| (it, true));
        let name = name.split([' ', '/']).next().unwrap_or_default();
        self.part(match name {
            "blockquote" | "dl" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "hr" | "ol" | "p" | "pre" | "table" | "ul" => Gap::Blank,
            "article" | "aside" | "br" | "caption" | "center" | "dd" | "details" | "div" | "dt" | "figcaption" | "figure" | "footer"
            | "header" | "li" | "nav" | "summary" | "tr" => Gap::Line,
            "td" | "th" => Gap::Space,
            _ => Gap::None,
        });
        match (name, closes) {
            ("li", false) => {
                self.begin();
                self.out.push('-');
                self.gap = Gap::Space;
            }
            ("pre", false) => self.kept += 1,
            ("pre", true) => self.kept = self.kept.saturating_sub(1),
            ("img", _) => self.say(attribute(tag, "alt").unwrap_or_default()),
            ("a", false) => self.links.push((attribute(tag, "href").unwrap_or_default(), self.out.len())),
            ("a", true) => self.link(),
            _ => {}
        }
    }

    // Where a link leads, unless it says so itself.
    fn link(&mut self) {
        let Some((address, begun)) = self.links.pop().filter(|it| it.0.starts_with("http")) else { return };
        let mut clear = String::with_capacity(address.len());
        unescape(address, |c| clear.push(c));
        if self.out.get(begun..).is_some_and(|it| it.trim() == clear) {
            return;
        }
        self.part(Gap::Space);
        self.begin();
        self.out.extend(["(", &clear, ")"]);
    }
}

// Where a tag ends: a text between quotes may have a `>`.
fn tag_end(tagged: &str) -> usize {
    let mut quoted = false;
    let ends = |c: char| {
        quoted ^= c == '"';
        c == '>' && !quoted
    };
    tagged.find(ends).unwrap_or(tagged.len())
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(' ')?;
    let mut rest = rest;
    while let Some((key, valued)) = rest.split_once("=\"") {
        let (value, behind) = valued.split_once('"')?;
        if key.trim() == name {
            return Some(value);
        }
        rest = behind;
    }
    None
}

// The entities that a sanitiser writes, and those of values.
fn unescape(text: &str, mut each: impl FnMut(char)) {
    let mut rest = text;
    while let Some((before, entity)) = rest.split_once('&') {
        before.chars().for_each(&mut each);
        let known = [("amp;", '&'), ("lt;", '<'), ("gt;", '>'), ("quot;", '"'), ("#39;", '\''), ("nbsp;", ' ')];
        match known.iter().find_map(|(name, c)| Some((entity.strip_prefix(name)?, *c))) {
            Some((behind, c)) => {
                each(c);
                rest = behind;
            }
            None => {
                each('&');
                rest = entity;
            }
        }
    }
    rest.chars().for_each(each);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::template::Target;
    use proptest::prelude::*;

    #[test]
    fn it_says_what_the_html_says() {
        let check = |html: &str, expected: &str| assert_eq!(alternative_of_any(html).expose(), expected, "{html}");
        check("<p>Yay, an otp was generated for you:</p><p>561126</p>", "Yay, an otp was generated for you:\n\n561126");
        check("plain", "plain");
        check("", "");
        check(" a\n  b <b> c</b>d <i>e</i>. ", "a b cd e.");
        check("a<br>b<br><br>c", "a\nb\nc");
        check("<h1>Bank</h1><div>one</div><div>two</div>three", "Bank\n\none\ntwo\nthree");
        check(
            "<table><tr><td>Code</td><td><b>123456</b></td></tr><tr><td>Valid</td><td>5 min</td></tr></table>",
            "Code 123456\nValid 5 min",
        );
        check("do:<ul><li>a</li><li> b &amp; c</li></ul>then", "do:\n\n- a\n- b & c\n\nthen");
        check("1 &lt; 2 &amp;lt; &copy;&nbsp;&#8364; \u{a0}&quot;", "1 < 2 &lt; © € \"");
        check("<pre>x   y\n z</pre>q", "x   y\n z\n\nq");
        check("<a href='https://bank.example/?a=1&amp;b=2'>our page</a>.", "our page (https://bank.example/?a=1&b=2).");
        check("<a href='https://bank.example/'>https://bank.example/</a>", "https://bank.example/");
        check("<a href='mailto:a@bank.example'>write</a> <a>x</a>", "write x");
        check("<a href='https://b.example/?a=1&amp;b=2'>https://b.example/?a=1&amp;b=2</a>", "https://b.example/?a=1&b=2");
        check("<html><head><title>Title</title><style>p{}</style></head><body><p>x</p></body></html>", "x");
        check("a<pre></pre>b", "a\n\nb");
        check("<img src='https://x.example/l.png' alt='First > Harbor'>!", "First > Harbor!");
        check("<script>alert(1)</script><style>p{}</style><!-- no -->yes", "yes");
        check("<p>not closed <b>at all", "not closed at all");
        check("<table><tr><td colspan=100000>x<td rowspan=99999>y</table>", "x y");
    }

    #[test]
    fn the_frame_says_nothing() {
        let html = "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"></head><body><p>x</p></body></html>";
        assert_eq!(alternative(html).expose(), "x");
    }

    // As a template's body shows them.
    #[test]
    fn a_value_is_what_it_was() {
        let value = "O'Neil & <b>Sons</b> \"1\" &amp; &#39;";
        let mut html = "<p>".to_owned();
        Target::Html.value(value, &mut html);
        assert_eq!(alternative(&html).expose(), value);
    }

    proptest! {
        // Nothing grows, so that no copy of a code stays behind where a text was; and nothing of a tag is said.
        #[test]
        fn it_is_no_longer_than_the_html(pieces in prop::collection::vec(prop_oneof![
            Just("<p>"), Just("</p>"), Just("<li>"), Just("<a href=\"https://x.example/&amp;\">"), Just("</a>"), Just("<pre>"), Just("</pre>"),
            Just("<br>"), Just("<td>"), Just("<table><tr>"), Just("<img alt=\"a > b\" src=\"https://x.example\">"), Just(" "), Just("\n"),
            Just("&amp;"), Just("&"), Just("<"), Just("\""), Just("é"), Just("x"), Just("<b"), Just("<!--"),
        ], 0..60)) {
            let html = sanitise::template(&pieces.concat());
            let text = alternative(&html);
            prop_assert!(text.expose().len() <= html.len(), "{html:?} {:?}", text.expose());
            prop_assert!(!text.expose().contains("href"));
        }
    }
}
