//! What a document is cut into: tokens, and the names and texts in them, all borrowed from it.

/// A token, as it stands in the document: nothing is unescaped.
pub enum Token<'a> {
    /// A start tag. Its element is now the last of [`super::token::Tokens::open`], its attributes are in [`super::token::Tokens::pairs`].
    Open {
        /// The tag of an empty element: no end tag follows.
        empty: bool,
    },
    /// The end tag of the last of [`super::token::Tokens::open`], which whoever reads the tokens then takes off.
    Close,
    /// Text without references.
    Text(Text<'a>),
    /// The content of a CDATA section.
    Section(&'a str),
    /// What stands between `&` and `;`.
    Reference(&'a str),
    /// A comment, or the XML declaration.
    Aside,
    /// The document's end.
    End,
}

/// A piece of text, of characters that XML allows.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    /// As it stands in the document.
    pub source: &'a str,
    /// Whether it holds carriage returns.
    pub has_return: bool,
}

/// A name as a tag has it, its prefix and local part told apart (Namespaces in XML 1.0, production 7).
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    /// As it is written.
    pub whole: &'a str,
    /// What stands before the colon; empty where there is none.
    pub prefix: &'a str,
    /// What stands behind it.
    pub local: &'a str,
}
