//! Start tags: a name and its attributes, read where they stand.

use super::malformed::Read;
use super::piece::{Name, Token};
use super::text::{is_name, is_xml, name_len};
use super::token::{MAX_ATTRIBUTES, MAX_TAG, NO_CHARACTER, Tokens, is_blank};

impl<'a> Tokens<'a> {
    /// The start tag that comes next, as nearly everybody writes it. `None`: it is odd, or none. Then nothing was passed, and it is
    /// for the cutter to say where it ends, and for [`Tokens::start_tag`] what is wrong with it.
    pub(super) fn whole_tag(&mut self) -> Option<Token<'a>> {
        let begun = self.start;
        self.end = self.text.len().min(begun + MAX_TAG);
        let read = self.tag_within();
        self.end = read.as_ref().map_or(begun, |_| self.at);
        read
    }

    fn tag_within(&mut self) -> Option<Token<'a>> {
        self.at = self.start + 1;
        self.pairs.clear();
        let name = self.name().ok()?;
        let (empty, len) = loop {
            let blank = self.blank();
            match self.within() {
                [b'>', ..] => break (false, 1),
                [b'/', b'>', ..] => break (true, 2),
                _ if blank => self.pair().ok()?,
                _ => return None,
            }
        };
        self.at += len;
        self.open.push(name);
        Some(Token::Open { empty })
    }

    /// A start tag without the so many bytes at its end.
    pub(super) fn start_tag(&mut self, last: usize, token: Token<'a>) -> Read<Token<'a>> {
        let inside = (self.start + 1, self.end - last);
        self.at = inside.0;
        self.pairs.clear();
        let name = self.name()?;
        self.open.push(name);
        loop {
            let blank = self.blank();
            match self.at {
                at if at == inside.1 => return Ok(token),
                at if at < inside.1 && blank => self.pair()?,
                _ => return Err(self.broken()),
            }
        }
    }

    /// The rest of the token.
    pub(super) fn within(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..self.end).unwrap_or_default()
    }

    fn name(&mut self) -> Read<Name<'a>> {
        let begun = self.at;
        let first = self.name_part()?;
        let [b':', ..] = self.within() else { return Ok(Name { whole: first, prefix: "", local: first }) };
        self.at += 1;
        let local = self.name_part()?;
        Ok(Name { whole: &self.text[begun..self.at], prefix: first, local })
    }

    #[inline]
    fn name_part(&mut self) -> Read<&'a str> {
        let (len, sound) = name_len(self.within());
        match self.text.get(self.at..self.at + len).filter(|it| sound || is_name(it)) {
            Some(part) => {
                self.at += len;
                Ok(part)
            }
            None => Err(self.fail("A name is not well-formed.")),
        }
    }

    // An attribute: a name, an equals sign, and a value between quotes.
    fn pair(&mut self) -> Read<()> {
        if self.pairs.len() == MAX_ATTRIBUTES {
            return Err(self.fail(format!("An element has more than {MAX_ATTRIBUTES} attributes.")));
        }
        let name = self.name()?;
        self.blank();
        let [b'=', ..] = self.within() else { return Err(self.broken()) };
        self.at += 1;
        self.blank();
        let [quote @ (b'"' | b'\''), value @ ..] = self.within() else { return Err(self.broken()) };
        let len = value.iter().position(|byte| byte == quote || *byte == b'<').ok_or_else(|| self.broken())?;
        let raw = &self.text[self.at + 1..][..len];
        if !is_xml(raw) {
            return Err(self.fail(NO_CHARACTER));
        }
        if value[len] == b'<' || self.pairs.iter().any(|(known, _)| known.whole == name.whole) {
            return Err(self.fail("An attribute is not well-formed, or comes twice."));
        }
        self.pairs.push((name, raw));
        self.at += len + 2;
        Ok(())
    }

    /// The XML declaration.
    pub(super) fn declaration(&mut self) -> Read<Token<'a>> {
        self.at = self.start + "<?xml".len();
        self.blank();
        self.pairs.clear();
        self.pair()?;
        match self.pairs[..] {
            [(Name { whole: "version", .. }, "1.0")] => Ok(Token::Aside),
            _ => Err(self.fail("Only XML 1.0 is allowed.")),
        }
    }

    /// Passes over white space; whether there was any.
    pub(super) fn blank(&mut self) -> bool {
        let begun = self.at;
        while self.text.as_bytes().get(self.at).is_some_and(|byte| is_blank(*byte)) {
            self.at += 1;
        }
        self.at > begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(tokens: &Tokens<'_>, token: &Token<'_>) -> (bool, usize, String) {
        let Token::Open { empty } = token else { panic!("no start tag") };
        (*empty, tokens.end, format!("{:?} {:?}", tokens.open, tokens.pairs))
    }

    proptest! {
        #[test]
        fn a_tag_that_is_read_at_once_is_the_one_that_the_library_cuts(parts in proptest::collection::vec(
            "[a-c]|:|é|=| |\n|\"|'|<|>|/|/>|&|]|\u{1}| a=\"b\"| p:a='>'|\u{FFFE}", 0..9,
        )) {
            let text = format!("<a{}>", parts.concat());
            let (mut short, mut long) = (Tokens::new(&text, 2), Tokens::new(&text, 2));
            match short.whole_tag() {
                Some(token) => {
                    let cut = long.cut();
                    prop_assert!(cut.is_ok(), "{text}");
                    prop_assert_eq!(seen(&short, &token), seen(&long, &cut.unwrap()));
                }
                None => {
                    prop_assert_eq!((short.start, short.end, short.open.len()), (0, 0, 0));
                    prop_assert!(long.cut().is_err(), "{}", text);
                }
            }
        }
    }
}
