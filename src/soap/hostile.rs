//! What the reader must refuse, and what it must not break on.

use super::decode::MAX_BYTES;
use super::envelope::read;
use super::text::is_char;
use super::writer::escape;
use super::xml::{MAX_ATTRIBUTES, MAX_BINDINGS, MAX_DEPTH, MAX_ELEMENTS, MAX_EVENTS, MAX_TAG, Node, Reader};
use proptest::prelude::*;

#[track_caller]
fn refused(document: &str) -> (usize, String) {
    let mut reader = Reader::new(document);
    loop {
        match reader.node() {
            Ok(Node::Eof) => panic!("accepted: {}", document.chars().take(80).collect::<String>()),
            Ok(_) => {}
            Err(malformed) => return (malformed.position.unwrap().offset, malformed.to_string()),
        }
    }
}

#[track_caller]
fn accepted(document: &str) -> String {
    let mut reader = Reader::new(document);
    let mut text = String::new();
    loop {
        match reader.node().unwrap() {
            Node::Eof => return text,
            Node::Text(piece) => text.push_str(&piece),
            Node::Open(_) | Node::Close => {}
        }
    }
}

// What makes a document large.
fn long_comment() -> String {
    format!("<!--{}-->", "x".repeat(10_000))
}

#[test]
fn what_soap_or_xml_forbid_is_refused() {
    for document in [
        "",
        " ",
        "text",
        "<a/><b/>",
        "<a/>text",
        "text<a/>",
        "\u{FEFF}<a/>",
        "<a/>\u{FEFF}",
        "<a/>&#32;",
        "<a/><![CDATA[ ]]>",
        "<a>",
        "<a",
        "<a><b></a>",
        "<a></b>",
        "</a>",
        "<!DOCTYPE a><a/>",
        "<a/><!DOCTYPE a>",
        "<!doctype a><a/>",
        "<a><!ENTITY x 'y'></a>",
        "<?php ?><a/>",
        "<a><?pi?></a>",
        "<a/><?xml version='1.0'?>",
        " <?xml version='1.0'?><a/>",
        "<?xml version='1.1'?><a/>",
        "<?xml version='1.0'?><?xml version='1.0'?><a/>",
        "<?xml-stylesheet href='x'?><a/>",
        "<a>&x;</a>",
        "<a>&</a>",
        "<a>&amp</a>",
        "<a>&#0;</a>",
        "<a>&#xFFFE;</a>",
        "<a>\0</a>",
        "<a>\u{1}</a>",
        "<a>\u{FFFF}</a>",
        "<a b='\u{8}'/>",
        "<a><!-- \u{2} --></a>",
        "<a>]]></a>",
        "<a><!-- -- --></a>",
        "<a><![CDATA[x</a>",
        "<a b='<'/>",
        "<a b='&x;'/>",
        "<a b/>",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a b='1'c='2'/>",
        "<a b='1/>",
        "<a 1b='1'/>",
        "<1/>",
        "< a/>",
        "<a/ >",
        "<a:b/>",
        "<a b:c='1'/>",
        "<a:b:c xmlns:a='urn:a'/>",
        "<:a/>",
        "<a><:b/></a>",
        "<a:/>",
        "<a xmlns:p=''/>",
        "<a xmlns:='x'/>",
        "<a xmlns:xml='urn:x'/>",
        "<a xmlns:xmlns='urn:x'/>",
        "<a xmlns:p='urn:x' xmlns:q='urn:x' p:b='1' q:b='2'/>",
        "<a xmlns:p='urn:x'><b xmlns:p='urn:y'/></a p>",
        "<p:a xmlns:p='urn:x' xmlns:q='urn:x'></q:a>",
    ] {
        refused(document);
        refused(&format!("{document}{}", long_comment()));
    }
}

#[test]
fn what_xml_allows_is_read() {
    for (document, text) in [
        ("<?xml version='1.0' encoding='x' standalone='yes'?>\n<!-- c --><a/>\n<!-- d -->", ""),
        ("<a>x &amp; y&#x20;<![CDATA[<&]]><!-- c -->\r\nz\r</a>", "x & y <&\nz\n"),
        ("<a ><b c = '1>2' /></a >", ""),
        ("<é xmlns='' xml:lang='en'>ü</é>", "ü"),
        ("<a xmlns:p='urn:x'><p:b p:c='1' c='2'/></a>", ""),
        ("<a>&#13;&quot;&apos;</a>", "\r\"'"),
    ] {
        assert_eq!(accepted(document), text, "{document}");
        assert_eq!(accepted(&format!("{document}{}", long_comment())), text, "{document}");
    }
}

#[test]
fn every_limit_holds_and_is_not_one_off() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    accepted(&nested(MAX_DEPTH));
    assert_eq!(refused(&nested(MAX_DEPTH + 1)).0, MAX_DEPTH * 3);
    let attributes = |count: usize| format!("<a{}/>", (0..count).map(|it| format!(" b{it}=''")).collect::<String>());
    accepted(&attributes(MAX_ATTRIBUTES));
    refused(&attributes(MAX_ATTRIBUTES + 1));
    let bindings = |count: usize| format!("<a{}/>", (0..count).map(|it| format!(" xmlns:b{it}='urn:x'")).collect::<String>());
    accepted(&bindings(MAX_BINDINGS));
    refused(&bindings(MAX_BINDINGS + 1));
    let tag = |length: usize| format!("<a b='>{}'/>", "x".repeat(length - 10));
    accepted(&tag(MAX_TAG));
    refused(&tag(MAX_TAG + 1));
    let elements = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count - 1));
    accepted(&elements(MAX_ELEMENTS));
    refused(&elements(MAX_ELEMENTS + 1));
    // The root's two tags and the end count too.
    let events = |count: usize| format!("<a>{}</a>", "&lt;".repeat(count - 3));
    accepted(&events(MAX_EVENTS));
    refused(&events(MAX_EVENTS + 1));
    assert!(read(&vec![b'<'; MAX_BYTES + 1], None, None).unwrap_err().to_string().contains("larger"));
}

#[test]
fn a_document_type_is_refused_before_it_is_read() {
    let laughs = format!("<!DOCTYPE a [{}]><a/>", "<!ENTITY x 'y'>".repeat(5000));
    let (offset, message) = refused(&laughs);
    assert_eq!(offset, 0);
    assert!(message.contains("document type"));
}

#[test]
fn a_second_byte_order_mark_is_refused() {
    let marked = "\u{FEFF}\u{FEFF}<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body/></s:Envelope>";
    assert!(read(marked.as_bytes(), None, None).unwrap_err().to_string().contains("byte order mark"));
}

#[test]
fn a_refusal_shows_the_place_but_no_content() {
    let mut reader = Reader::new("<a>\n  <b>canary</b>\n  ü<canary2 x='canary3' canary4></a>");
    let failed = std::iter::repeat_with(|| reader.node()).find_map(Result::err).unwrap();
    let place = failed.position.unwrap();
    assert_eq!((place.line, place.column), (3, 4));
    assert!(!failed.to_string().contains("canary"), "{failed}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes, None, None);
    }

    #[test]
    fn markup_like_text_is_read_or_refused(parts in proptest::collection::vec(
        prop_oneof![
            Just("<"), Just(">"), Just("/>"), Just("</"), Just("a"), Just(":"), Just("é"), Just(" "), Just("="), Just("'"), Just("\""),
            Just("<![CDATA["), Just("]]>"), Just("<!--"), Just("-->"), Just("&"), Just(";"), Just("#x1"), Just("&lt;"), Just("<a>"),
            Just("</a>"), Just("<?xml version='1.0'?>"), Just("<?"), Just("?>"), Just("<!DOCTYPE"), Just("xmlns"), Just("\u{FEFF}"),
            Just("<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'>"), Just("<s:Body>"), Just("</s:Body>"), Just("</s:Envelope>"),
            Just("<OOBValidate xmlns='http://jackhenry.com/jxchange/TPG/2008'>"), Just("</OOBValidate>"), Just("<s:Header>"), Just("</s:Header>"),
        ], 0..60)) {
        let text: String = parts.concat();
        let mut reader = Reader::new(&text);
        while let Ok(node) = reader.node() {
            if matches!(node, Node::Eof) { break }
        }
        let _ = read(text.as_bytes(), None, None);
    }

    #[test]
    fn what_is_escaped_is_read_back(text in ".{0,200}", attribute in "[^\t\r\n]{0,50}") {
        let document = format!("<a b=\"{}\">{}</a>", escape(&attribute), escape(&text));
        let clean = |it: &str| it.chars().map(|it| if is_char(it) { it } else { '\u{FFFD}' }).collect::<String>();
        let mut reader = Reader::new(&document);
        let Ok(Node::Open(root)) = reader.node() else { panic!("no root") };
        prop_assert_eq!(&root.attributes[0].value, &clean(&attribute));
        prop_assert_eq!(reader.text().unwrap(), clean(&text));
    }

    // A text and the end tag behind it are taken at once where nothing else is there, and piece by piece elsewhere.
    #[test]
    fn a_text_is_read_alike_however_its_element_is_written(parts in proptest::collection::vec(
        prop_oneof![
            Just("x"), Just("é"), Just(" "), Just("\r\n"), Just("]]"), Just(">"), Just("&lt;"), Just("&"), Just("\u{1}"), Just("\u{FFFE}"),
            Just("\u{FF0C}"), Just("<![CDATA[y\r]]>"), Just("<b/>"), Just("</b>"), Just("</a>"),
        ], 0..6)) {
        let text = parts.concat();
        let whole = |document: String| {
            let mut reader = Reader::new(&document);
            reader.root().ok()?;
            let read = reader.text().ok()?.into_owned();
            matches!(reader.node(), Ok(Node::Eof)).then_some(read)
        };
        let plain = whole(format!("<a>{text}</a>"));
        for (before, after) in [("", "</a >"), ("<!-- -->", "</a>"), ("", "<!-- --></a>"), ("<!-- -->", "<!-- --></a\n>")] {
            prop_assert_eq!(&whole(format!("<a>{before}{text}{after}")), &plain, "{}{}{}", before, text, after);
        }
    }

    #[test]
    fn trees_are_read_back(tree in tree()) {
        let mut reader = Reader::new(&tree);
        let mut out = String::new();
        loop {
            match reader.node().unwrap() {
                Node::Open(element) => out.push_str(&format!("<{}>", element.name)),
                Node::Text(text) => out.push_str(&escape(&text)),
                Node::Close => out.push_str("</>"),
                Node::Eof => break,
            }
        }
        let closed = tree.split("</").enumerate().map(|(at, part)| match part.split_once('>') {
            Some((_, rest)) if at > 0 => format!("</>{rest}"),
            _ => part.to_owned(),
        });
        prop_assert_eq!(out, closed.collect::<String>());
    }
}

fn tree() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![r"[a-zé<&>' \n]{0,12}".prop_map(|it| escape(&it)), "[a-z]{1,5}".prop_map(|it| format!("<{it}></{it}>"))];
    let inner = leaf.prop_recursive(6, 40, 5, |inner| {
        ("[a-zA-Z_][a-z0-9._-]{0,6}", proptest::collection::vec(inner, 0..5))
            .prop_map(|(name, parts)| format!("<{name}>{}</{name}>", parts.concat()))
    });
    inner.prop_map(|inner| format!("<root>{inner}</root>"))
}
