//! Secrets and codes: values that never show themselves and are wiped when dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};
use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

/// A text nobody may read in a log: a code, a verification value, a parameter, a message body. Wiped when dropped;
/// `Debug` shows only that it is there.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Named so that each use is easy to find.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is any text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut std::mem::take(&mut self.0).into_bytes());
    }
}
impl ZeroizeOnDrop for Secret {}

/// Bytes that nobody may see: wiped when dropped. What lets them grow leaves copies behind: reserve first.
#[derive(Default)]
pub struct Wiped(pub Vec<u8>);

impl Deref for Wiped {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[wiped]")
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}
impl ZeroizeOnDrop for Wiped {}

// What is reserved too. All at once: `Zeroizing` wipes byte by byte, which takes as long as opening what was sealed.
fn wipe(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    // So that the compiler does not leave out what nobody reads any more.
    zeroize::optimization_barrier(bytes.as_slice());
}

/// Compares in constant time (for equal lengths).
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}
impl Eq for Secret {}

/// The two kinds of code that we generate (contract `oobvalidate.md`, behaviour 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum CodeKind {
    /// `<%$otp%>`: six decimal digits.
    Otp,
    /// `<%$otpa%>`: five upper-case letters and digits without the look-alikes 0 O 1 I L.
    Otpa,
}

impl CodeKind {
    /// What a code of this kind looks like.
    pub const fn shape(self) -> CodeShape {
        match self {
            Self::Otp => CodeShape::Digits(6),
            Self::Otpa => CodeShape::Alphanumeric(5),
        }
    }

    /// The characters a code of this kind is drawn from, each equally likely.
    pub const fn alphabet(self) -> &'static [u8] {
        self.shape().alphabet()
    }

    /// Number of characters.
    pub const fn len(self) -> usize {
        self.shape().len()
    }

    /// Never: a code has characters.
    pub const fn is_empty(self) -> bool {
        false
    }
}

/// What a code of ours looks like where the caller may choose: so many characters, [`CodeShape::SHORTEST`] to [`CodeShape::LONGEST`]
/// (contract `dialog-flow.md`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum CodeShape {
    /// Decimal digits.
    Digits(u8),
    /// Upper-case letters and digits without the look-alikes 0 O 1 I L.
    Alphanumeric(u8),
}

impl CodeShape {
    /// Fewest characters.
    pub const SHORTEST: u8 = 4;
    /// Most characters.
    pub const LONGEST: u8 = 10;

    /// The shape of so many characters; `None` when that is too few or too many.
    pub fn new(len: u8, alphanumeric: bool) -> Option<Self> {
        let shape = if alphanumeric { Self::Alphanumeric(len) } else { Self::Digits(len) };
        (Self::SHORTEST..=Self::LONGEST).contains(&len).then_some(shape)
    }

    /// The characters a code of this shape is drawn from, each equally likely.
    pub const fn alphabet(self) -> &'static [u8] {
        match self {
            Self::Digits(_) => b"0123456789",
            Self::Alphanumeric(_) => b"23456789ABCDEFGHJKMNPQRSTUVWXYZ",
        }
    }

    /// Number of characters.
    pub const fn len(self) -> usize {
        match self {
            Self::Digits(len) | Self::Alphanumeric(len) => len as usize,
        }
    }

    /// Never: a code has characters.
    pub const fn is_empty(self) -> bool {
        false
    }
}

/// Candidates for a code of one shape, one after the other in one place; wiped when dropped.
#[derive(Debug)]
pub struct Candidates {
    shape: CodeShape,
    text: Secret,
}

impl Candidates {
    /// `count` different ones, each character of them drawn by `pick`: a uniform number below the one it is given.
    pub fn draw(shape: CodeShape, count: usize, mut pick: impl FnMut(u32) -> u32) -> Self {
        let (alphabet, len) = (shape.alphabet(), shape.len());
        let mut text = String::with_capacity(count * len);
        while text.len() < count * len {
            let begun = text.len();
            text.extend((0..len).map(|_| char::from(alphabet[pick(alphabet.len() as u32) as usize])));
            let (earlier, new) = text.as_bytes().split_at(begun);
            if earlier.chunks_exact(len).any(|it| it == new) {
                text.truncate(begun);
            }
        }
        Self { shape, text: Secret::new(text) }
    }

    /// What each of them looks like.
    pub fn shape(&self) -> CodeShape {
        self.shape
    }

    /// Each candidate, in the order in which they were drawn.
    pub fn iter(&self) -> impl Iterator<Item = &str> + '_ {
        let len = self.shape.len();
        let text = self.text.expose();
        (0..text.len() / len).filter_map(move |at| text.get(at * len..(at + 1) * len))
    }
}

/// A keyed digest: a MAC that tells whether two values are equal without keeping either. Compared in constant time.
#[derive(Clone, Copy)]
pub struct Tag(pub [u8; 16]);

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        // Whole: byte by byte takes as long as making one.
        u128::from_ne_bytes(self.0).ct_eq(&u128::from_ne_bytes(other.0)).into()
    }
}
impl Eq for Tag {}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[tag]")
    }
}

/// Bytes that only the vault can open (AES-256-GCM, key id and nonce included).
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Box<[u8]>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[sealed {} B]", self.0.len())
    }
}

/// How a publisher hashed its `VerifVal` (`EncryptVerifValType`; SHA-256 and SHA-512 go beyond ENS).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HashKind {
    /// `SHA1`
    Sha1,
    /// `SHA256`
    Sha256,
    /// `SHA512`
    Sha512,
}

impl HashKind {
    /// Reads the enumeration's value; `None` when it is not one of them.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "SHA1" => Some(Self::Sha1),
            "SHA256" => Some(Self::Sha256),
            "SHA512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Length of the digest in bytes.
    pub const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Never: a digest has bytes.
    pub const fn is_empty(self) -> bool {
        false
    }
}
