//! `wsse:Security`: what a caller claims about itself. Read here, judged where callers are authenticated.

use super::malformed::Read;
use super::names::Ns;
use super::xml::{Element, Reader};
use crate::domain::code::Secret;

const TOKEN: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#Password";

/// The security header of a message (WS-Security 1.0). Signatures and tokens of other kinds are passed over.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Security {
    /// `UsernameToken`
    pub token: Option<UsernameToken>,
    /// `wsu:Timestamp`: when it is there, the answer carries one too.
    pub timestamp: Option<Validity>,
}

/// `UsernameToken` (profile 1.0). Texts are trimmed; the password is not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UsernameToken {
    /// `Username`
    pub username: String,
    /// `Password`
    pub password: Option<Password>,
    /// `Nonce`, still in base64.
    pub nonce: Option<String>,
    /// `wsu:Created`, as sent.
    pub created: Option<String>,
}

/// A password, by its `Type`; without one it is `PasswordText`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Password {
    /// `PasswordText`
    Text(Secret),
    /// `PasswordDigest`: base64 of SHA-1(nonce ‖ created ‖ password).
    Digest(Secret),
}

/// `wsu:Timestamp`: both as sent (`xsd:dateTime`), for the freshness check.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Validity {
    /// `wsu:Created`
    pub created: Option<String>,
    /// `wsu:Expires`
    pub expires: Option<String>,
}

/// Reads the open `wsse:Security` element. Refuses a second token or timestamp, and an unknown kind of password.
pub fn read(reader: &mut Reader<'_>) -> Read<Security> {
    let mut security = Security::default();
    while let Some(element) = reader.child()? {
        if element.is(Ns::Wsse, "UsernameToken") {
            let token = token(reader)?;
            once(reader, &mut security.token, token)?;
        } else if element.is(Ns::Wsu, "Timestamp") {
            let validity = validity(reader)?;
            once(reader, &mut security.timestamp, validity)?;
        } else {
            reader.skip()?;
        }
    }
    Ok(security)
}

fn token(reader: &mut Reader<'_>) -> Read<UsernameToken> {
    let (mut username, mut password, mut nonce, mut created) = (None, None, None, None);
    while let Some(element) = reader.child()? {
        match (element.ns, element.name) {
            (Ns::Wsse, "Username") => trimmed(reader, &mut username)?,
            (Ns::Wsse, "Nonce") => trimmed(reader, &mut nonce)?,
            (Ns::Wsu, "Created") => trimmed(reader, &mut created)?,
            (Ns::Wsse, "Password") => {
                let value = read_password(reader, &element)?;
                once(reader, &mut password, value)?;
            }
            _ => reader.skip()?,
        }
    }
    let username = username.ok_or_else(|| reader.fail("The UsernameToken has no Username."))?;
    Ok(UsernameToken { username, password, nonce, created })
}

fn read_password(reader: &mut Reader<'_>, element: &Element<'_>) -> Read<Password> {
    let kind = element.attribute(Ns::None, "Type").map(|it| it.strip_prefix(TOKEN));
    let wrap = match kind {
        None | Some(Some("Text")) => Password::Text,
        Some(Some("Digest")) => Password::Digest,
        _ => return Err(reader.fail("The Password's Type is unknown: PasswordText and PasswordDigest are supported.")),
    };
    Ok(wrap(Secret::new(reader.text()?)))
}

fn validity(reader: &mut Reader<'_>) -> Read<Validity> {
    let mut validity = Validity::default();
    while let Some(element) = reader.child()? {
        match (element.ns, element.name) {
            (Ns::Wsu, "Created") => trimmed(reader, &mut validity.created)?,
            (Ns::Wsu, "Expires") => trimmed(reader, &mut validity.expires)?,
            _ => reader.skip()?,
        }
    }
    Ok(validity)
}

fn trimmed(reader: &mut Reader<'_>, slot: &mut Option<String>) -> Read<()> {
    let text = reader.text()?.trim().to_owned();
    once(reader, slot, text)
}

fn once<T>(reader: &Reader<'_>, slot: &mut Option<T>, value: T) -> Read<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(reader.fail("An element of the security header comes twice.")),
    }
}
