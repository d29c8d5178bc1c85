//! A request as it came in, before anything is believed.

use std::fmt;
use std::net::IpAddr;

/// A gateway's request. Borrowed: nothing is copied until it is read. `Debug` shows neither content nor proof.
#[derive(Clone, Copy)]
pub struct RawInbound<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// Path and query, as on the request line.
    pub target: &'a str,
    /// Names and values; names in any case. Headers that are not text are left out.
    pub headers: &'a [(&'a str, &'a str)],
    /// The whole body.
    pub body: &'a [u8],
    /// Who sent it: the connection's peer, or what a trusted proxy says.
    pub peer: IpAddr,
}

impl<'a> RawInbound<'a> {
    /// The only header of this name; `None` when there is none, or more than one (ambiguous, thus not trusted).
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut found = self.headers.iter().filter(|it| it.0.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value.trim()),
            _ => None,
        }
    }

    /// What stands after the question mark; empty when nothing does.
    pub fn query(&self) -> &'a str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The media type without parameters, in any case.
    pub fn media_type(&self) -> &'a str {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }

    /// The `charset` parameter of the content type.
    pub fn charset(&self) -> Option<&'a str> {
        let parameters = self.header("content-type")?.split(';').skip(1);
        parameters
            .filter_map(|it| it.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
            .map(|(_, value)| value.trim().trim_matches('"'))
    }
}

impl fmt::Debug for RawInbound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} from {}, {} B]", self.method, self.peer, self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_request_are_found() {
        let headers = [("Content-Type", "Text/XML; a=b; Charset=\"latin1\""), ("X", "1"), ("x", "2")];
        let request = RawInbound { method: "GET", target: "/a?b=1?2", headers: &headers, body: b"secret", peer: [127, 0, 0, 1].into() };
        assert_eq!((request.media_type(), request.charset(), request.query()), ("Text/XML", Some("latin1"), "b=1?2"));
        assert_eq!((request.header("x"), request.header("y")), (None, None), "a header that stands twice is not trusted");
        assert_eq!(format!("{request:?}"), "[GET from 127.0.0.1, 6 B]");
    }
}
