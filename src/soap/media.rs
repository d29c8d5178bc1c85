//! `Content-Type` and `SOAPAction`: which version, charset and operation the transport announces.

use super::malformed::Malformed;
use super::names::{ACTION, Version};

/// A content type, as far as SOAP needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Media<'a> {
    essence: &'a str,
    /// The `charset` parameter.
    pub charset: Option<&'a str>,
    /// The `action` parameter (SOAP 1.2).
    pub action: Option<&'a str>,
}

impl<'a> Media<'a> {
    /// Reads a header value. Parameters may be quoted; a backslash in one is taken as it is.
    pub fn parse(value: &'a str) -> Self {
        let (essence, mut rest) = value.split_once(';').unwrap_or((value, ""));
        let mut media = Self { essence: essence.trim(), ..Self::default() };
        while let Some((name, value, after)) = parameter(rest) {
            if name.eq_ignore_ascii_case("charset") {
                media.charset = media.charset.or(Some(value));
            } else if name.eq_ignore_ascii_case("action") {
                media.action = media.action.or(Some(value));
            }
            rest = after;
        }
        media
    }

    /// The version announced; SOAP 1.1 where nothing tells.
    pub fn version(&self) -> Version {
        if self.essence.eq_ignore_ascii_case("application/soap+xml") { Version::V12 } else { Version::V11 }
    }

    /// Refuses a content type that contradicts the envelope. Nothing, `text/xml` and `application/soap+xml` are SOAP's;
    /// `application/xml` goes with either version.
    pub fn check(&self, version: Version) -> Result<(), Malformed> {
        let neutral = self.essence.is_empty() || self.essence.eq_ignore_ascii_case("application/xml");
        let own = match version {
            Version::V11 => self.essence.eq_ignore_ascii_case("text/xml"),
            Version::V12 => self.essence.eq_ignore_ascii_case("application/soap+xml"),
        };
        if neutral || own {
            return Ok(());
        }
        let expected = match version {
            Version::V11 => "text/xml (SOAP 1.1)",
            Version::V12 => "application/soap+xml (SOAP 1.2)",
        };
        Err(Malformed::whole(format!("The content type does not fit the envelope: expected {expected}.")))
    }
}

/// Refuses an action that names another operation than `operation`; an absent or empty one is fine. SOAP 1.2 names it in
/// the content type; its older header is read only where that says nothing.
pub fn check_action(media: &Media<'_>, soap_action: Option<&str>, operation: &str) -> Result<(), Malformed> {
    let action = media.action.or(soap_action).unwrap_or_default().trim();
    let action = action.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(action).trim();
    if action.is_empty() || action.strip_prefix(ACTION) == Some(operation) {
        return Ok(());
    }
    Err(Malformed::whole(format!("The SOAPAction contradicts the body: expected {ACTION}{operation}, or none.")))
}

// The first `name=value` of a parameter list, and what follows its semicolon.
fn parameter(list: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = list.split_once('=')?;
    let name = name.trim_start_matches([';', ' ', '\t']).trim_end();
    let rest = rest.trim_start();
    if let Some(quoted) = rest.strip_prefix('"') {
        let (value, after) = quoted.split_once('"')?;
        return Some((name, value, after));
    }
    let (value, after) = rest.split_once(';').unwrap_or((rest, ""));
    Some((name, value.trim(), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, charset: Option<&str>, action: Option<&str>, version: Version) {
        let media = Media::parse(header);
        assert_eq!((media.charset, media.action, media.version()), (charset, action, version), "{header}");
    }

    #[test]
    fn parameters_are_read_quoted_or_not() {
        check("text/xml", None, None, Version::V11);
        check("text/xml; charset=utf-8", Some("utf-8"), None, Version::V11);
        check("Text/XML;Charset=\"UTF-16\"", Some("UTF-16"), None, Version::V11);
        check("application/soap+xml; charset=utf-8; action=\"a;b\"", Some("utf-8"), Some("a;b"), Version::V12);
        check("application/soap+xml; action=x ; charset=utf-8", Some("utf-8"), Some("x"), Version::V12);
        check("text/xml; charset=\"utf-8", None, None, Version::V11);
    }

    #[test]
    fn an_action_must_not_contradict() {
        let act = |header: Option<&str>, soap: Option<&str>| check_action(&Media::parse(header.unwrap_or("")), soap, "Ping").is_ok();
        for fine in [None, Some(""), Some("\"\""), Some("http://jackhenry.com/ws/Ping"), Some("\"http://jackhenry.com/ws/Ping\"")] {
            assert!(act(None, fine), "{fine:?}");
        }
        for bad in ["http://jackhenry.com/ws/OOBValidate", "\"http://jackhenry.com/ws/\"", "Ping", "\"http://jackhenry.com/ws/Ping"] {
            assert!(!act(None, Some(bad)), "{bad}");
        }
        assert!(act(Some("application/soap+xml; action=\"http://jackhenry.com/ws/Ping\""), Some("other")));
        assert!(!act(Some("application/soap+xml; action=\"other\""), Some("http://jackhenry.com/ws/Ping")));
    }

    #[test]
    fn a_content_type_must_fit_the_envelope() {
        let fits = |header: &str, version| Media::parse(header).check(version).is_ok();
        assert!(fits("text/xml", Version::V11) && fits("application/soap+xml", Version::V12));
        assert!(fits("application/xml", Version::V11) && fits("", Version::V12));
        assert!(!fits("text/xml", Version::V12) && !fits("application/soap+xml", Version::V11));
        assert!(!fits("multipart/related", Version::V11) && !fits("text/plain", Version::V12));
    }
}
