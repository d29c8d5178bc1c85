//! Where a gateway puts the fields of a message.

use super::charset::is_known;
use super::field::{FieldError, Fields};
use super::phone::handset;
use super::raw::RawInbound;
use crate::domain::code::Secret;
use crate::domain::contact::Address;
use serde::Deserialize;

/// Most characters of a message.
pub const TEXT_MAX: usize = 2_000;
/// Most bytes of a provider's message id.
pub const ID_MAX: usize = 256;

/// Where the fields are. In a form or query by name, in JSON by pointer (RFC 6901).
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Which part of the request.
    pub source: Source,
    /// The handset.
    pub from: String,
    /// The number it wrote to.
    pub to: Option<String>,
    /// What it says.
    pub text: String,
    /// The provider's id: without it, a repeated message counts twice.
    pub id: Option<String>,
    /// Takes messages without that id, too; each of them counts by itself.
    #[serde(default)]
    pub id_optional: bool,
    /// The character set of form and query, where the request names none.
    #[serde(default = "utf8")]
    pub charset: String,
    /// A field that names the character set of the text.
    pub charset_field: Option<String>,
}

/// Which part of the request has the fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The body, `application/x-www-form-urlencoded`.
    Form,
    /// The body, JSON.
    Json,
    /// The query.
    Query,
}

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// The handset.
    pub from: Address,
    /// The number it wrote to, where it was told and is one.
    pub to: Option<Address>,
    /// What it says.
    pub text: Secret,
    /// The provider's id.
    pub id: Option<String>,
}

/// Why a request is no message: 400 with this text. It names fields and shows no content.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadInput {
    /// Not the method for these fields (405).
    #[error("use {0}")]
    Method(&'static str),
    /// Not the media type for these fields (415).
    #[error("the body must be {0}")]
    MediaType(&'static str),
    /// The fields can't be read.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A field is missing.
    #[error("the field {0} is missing")]
    Missing(String),
    /// Not a phone number.
    #[error("the field {0} is no phone number")]
    Phone(String),
    /// Too long.
    #[error("the field {0} is too long")]
    Long(String),
}

impl BadInput {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Method(_) => 405,
            Self::MediaType(_) => 415,
            Self::Field(FieldError::TooLarge) => 413,
            _ => 400,
        }
    }
}

impl Mapping {
    /// Kannel's query: `from=%p&to=%P&text=%b&id=%I&charset=%C`.
    pub fn kannel() -> Self {
        Self { charset_field: Some("charset".to_owned()), ..Self::named(Source::Query, ["from", "to", "text", "id"]) }
    }

    /// Twilio's form.
    pub fn twilio() -> Self {
        Self::named(Source::Form, ["From", "To", "Body", "MessageSid"])
    }

    /// The virtual handset's form: as Twilio's, but a person who types a request by hand may leave the id out.
    pub fn sandbox() -> Self {
        Self { id_optional: true, ..Self::twilio() }
    }

    /// A flat JSON object.
    pub fn json() -> Self {
        Self::named(Source::Json, ["/from", "/to", "/text", "/id"])
    }

    /// Whether the mapping makes sense; an error says what does not.
    pub fn check(&self) -> Result<(), String> {
        let optional = [&self.to, &self.id, &self.charset_field].into_iter().flatten();
        let mut names = [&self.from, &self.text].into_iter().chain(optional);
        match self.source {
            Source::Json if names.any(|it| !it.starts_with('/')) => Err("JSON pointers begin with a slash".to_owned()),
            _ if !is_known(&self.charset) => Err(format!("charset {:?} is not known", self.charset)),
            _ => Ok(()),
        }
    }

    /// Reads a message.
    pub fn read(&self, request: &RawInbound<'_>) -> Result<Read, BadInput> {
        let fields = self.fields(request)?;
        let charset = request.charset().filter(|_| self.source == Source::Form).unwrap_or(&self.charset);
        let value = |name: &String| fields.value(name, charset);
        let from = value(&self.from)?.ok_or_else(|| BadInput::Missing(self.from.clone()))?;
        let from = handset(&from).ok_or_else(|| BadInput::Phone(self.from.clone()))?;
        let named = self.charset_field.as_ref().map(value).transpose()?.flatten().filter(|it| !it.is_empty());
        let text = fields.value(&self.text, named.as_deref().unwrap_or(charset))?;
        let text = Secret::new(text.ok_or_else(|| BadInput::Missing(self.text.clone()))?);
        if text.expose().chars().count() > TEXT_MAX {
            return Err(BadInput::Long(self.text.clone()));
        }
        let to = self.to.as_ref().map(value).transpose()?.flatten().and_then(|it| handset(&it));
        let id = self.id.as_ref().map(value).transpose()?.flatten().filter(|it| !it.is_empty());
        match (&self.id, &id) {
            (Some(name), Some(id)) if id.len() > ID_MAX => Err(BadInput::Long(name.clone())),
            // Without the id that was promised, a repeat could not be told from a second answer.
            (Some(name), None) if !self.id_optional => Err(BadInput::Missing(name.clone())),
            _ => Ok(Read { from, to, text, id }),
        }
    }

    fn fields<'a>(&self, request: &RawInbound<'a>) -> Result<Fields<'a>, BadInput> {
        let (media, is) = (request.media_type(), |name| request.media_type().eq_ignore_ascii_case(name));
        let is_json = || is("application/json") || media.as_bytes().last_chunk::<5>().is_some_and(|it| it.eq_ignore_ascii_case(b"+json"));
        Ok(match (self.source, request.method) {
            (Source::Query, "GET" | "POST") => Fields::pairs(request.query().as_bytes())?,
            (Source::Query, _) => return Err(BadInput::Method("GET")),
            (_, method) if method != "POST" => return Err(BadInput::Method("POST")),
            (Source::Form, _) if is("application/x-www-form-urlencoded") => Fields::pairs(request.body)?,
            (Source::Form, _) => return Err(BadInput::MediaType("application/x-www-form-urlencoded")),
            (Source::Json, _) if is_json() => Fields::json(request.body)?,
            (Source::Json, _) => return Err(BadInput::MediaType("application/json")),
        })
    }

    fn named(source: Source, [from, to, text, id]: [&str; 4]) -> Self {
        Self {
            source,
            from: from.to_owned(),
            to: Some(to.to_owned()),
            text: text.to_owned(),
            id: Some(id.to_owned()),
            id_optional: false,
            charset: utf8(),
            charset_field: None,
        }
    }
}

fn utf8() -> String {
    "utf-8".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    /// `line`: method, target and media type, split by spaces.
    fn check(mapping: &Mapping, line: &str, body: &str, expected: Result<[&str; 4], u16>) {
        let [method, target, media] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let headers = [("Content-Type", media)];
        let request = RawInbound { method, target, headers: &headers, body: body.as_bytes(), peer: [127, 0, 0, 1].into() };
        let read = mapping.read(&request).map_err(|error| error.status()).map(|read| {
            let to = read.to.map(|it| it.expose().to_owned()).unwrap_or_default();
            [read.from.expose().to_owned(), to, read.text.expose().to_owned(), read.id.unwrap_or_default()]
        });
        assert_eq!(read, expected.map(|it| it.map(str::to_owned)), "{line} {body}");
    }

    #[test]
    fn kannel_is_read() {
        let kannel = Mapping::kannel();
        let good = Ok(["+12025550123", "28849", "né 1", "k-1"]);
        check(&kannel, "GET /in?from=%2B12025550123&to=28849&text=n%C3%A9+1&id=k-1&charset=UTF-8 x", "", good);
        check(&kannel, "GET /in?from=12025550123&to=28849&text=n%E9+1&id=k-1&charset=ISO-8859-1 x", "", good);
        check(&kannel, "GET /in?from=2025550123&to=28849&text=%00n%00%E9%00+%001&id=k-1&charset=UTF-16BE x", "", good);
        check(&kannel, "GET /in?from=2025550123&to=BANK&text=1&id=k x", "", Ok(["+12025550123", "", "1", "k"]));
        check(&kannel, "GET /in?from=2025550123&text=n%E9&id=k x", "", Err(400));
        check(&kannel, "GET /in?from=2025550123&text=n&id=k&charset=klingon x", "", Err(400));
        check(&kannel, "GET /in?from=BANK&text=n&id=k x", "", Err(400));
        check(&kannel, "GET /in?from=2025550123&id=k x", "", Err(400));
        check(&kannel, "GET /in?from=2025550123&text=n x", "", Err(400));
        check(&kannel, "DELETE /in?from=2025550123&text=n&id=k x", "", Err(405));
    }

    #[test]
    fn the_sandbox_takes_a_message_without_an_id() {
        let line = format!("POST /in {FORM}");
        check(&Mapping::sandbox(), &line, "From=2025550123&To=&Body=123456", Ok(["+12025550123", "", "123456", ""]));
        check(&Mapping::twilio(), &line, "From=2025550123&To=&Body=123456", Err(400));
    }

    #[test]
    fn twilio_is_read() {
        let twilio = Mapping::twilio();
        let line = format!("POST /in {FORM}");
        let body = "From=%2B12025550123&To=%2B12025550100&Body=STOP&MessageSid=SM1&NumMedia=0";
        check(&twilio, &line, body, Ok(["+12025550123", "+12025550100", "STOP", "SM1"]));
        check(
            &twilio,
            &format!("POST /in {FORM};charset=\"iso-8859-1\""),
            "From=2025550123&Body=%E9&MessageSid=a",
            Ok(["+12025550123", "", "é", "a"]),
        );
        check(&twilio, &line, "From=2025550123&Body=a&Body=b&MessageSid=a", Err(400));
        check(&twilio, &line, &format!("From=2025550123&Body={}&MessageSid=a", "x".repeat(TEXT_MAX + 1)), Err(400));
        check(&twilio, &line, &format!("From=2025550123&Body=a&MessageSid={}", "x".repeat(ID_MAX + 1)), Err(400));
        check(&twilio, &line, &"x".repeat(65 * 1024), Err(413));
        check(&twilio, "POST /in text/plain", body, Err(415));
        check(&twilio, &format!("GET /in {FORM}"), body, Err(405));
    }

    #[test]
    fn json_is_read() {
        let json = Mapping::json();
        let line = "POST /in application/json";
        check(&json, line, r#"{"from":12025550123,"text":"yes é","id":7}"#, Ok(["+12025550123", "", "yes é", "7"]));
        check(&json, line, r#"{"from":"2025550123","text":["a"],"id":"7"}"#, Err(400));
        check(&json, line, r#"{"from":"2025550123","text":null,"id":"7"}"#, Err(400));
        check(&json, line, "{", Err(400));
        let nested = Mapping { from: "/m/0/src".to_owned(), text: "/m/0/t".to_owned(), to: None, id: None, ..json };
        check(&nested, line, r#"{"m":[{"src":"+436641234567","t":"1"}]}"#, Ok(["+436641234567", "", "1", ""]));
    }
}
