//! One bounded HTTP exchange: no redirects, no proxy, a time-out over all of it, and a capped answer.

use super::contract::AT_ONCE;
use super::guard::{PublicOnly, Reach};
use super::setting::{Unusable, load_pem};
use chrono::DateTime;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Method, redirect};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Most bytes of an answer that are read; what follows is left unread.
pub const ANSWER_MAX: usize = 64 * 1024;
/// Longest wait that a peer can ask of us.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// An HTTP client of one way out.
#[derive(Clone, Debug)]
pub struct Caller(Client);

/// What is sent. No `Debug`: URL, headers and body may hold secrets.
pub struct Call {
    /// The method.
    pub method: Method,
    /// Where to; already judged by [`Reach::check`].
    pub url: Url,
    /// Headers, secrets marked sensitive.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

/// What came back. No `Debug`: a peer may echo what was sent.
#[derive(Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// At most [`ANSWER_MAX`] bytes.
    pub body: Vec<u8>,
}

impl Caller {
    /// A client for what `reach` allows. `ca`: a PEM file of the only authorities to trust, instead of the system's.
    pub fn new(reach: Reach, ca: Option<&Path>, timeout: Duration) -> Result<Self, Unusable> {
        let mut builder = Client::builder()
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(!reach.plain)
            .timeout(timeout)
            .connect_timeout(timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            // Fewer, and a burst would cost a connection each.
            .pool_max_idle_per_host(AT_ONCE);
        if !reach.private {
            builder = builder.dns_resolver(Arc::new(PublicOnly));
        }
        if let Some(path) = ca {
            let found = Certificate::from_pem_bundle(&load_pem(path)?);
            let roots = found.map_err(|_| Unusable(format!("the CA file {} has a broken certificate", path.display())))?;
            builder = builder.tls_certs_only(roots);
        }
        builder.build().map(Self).map_err(|error| Unusable(format!("can't set up the HTTP client: {}", error.without_url())))
    }

    /// Sends, and reads the answer. An error is a short reason without URL, address or text.
    pub async fn exchange(&self, call: Call) -> Result<Reply, &'static str> {
        let request = self.0.request(call.method, call.url).headers(call.headers).body(call.body);
        let mut response = request.send().await.map_err(|error| reason(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
            let room = ANSWER_MAX - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
        Ok(Reply { status: response.status().as_u16(), headers: std::mem::take(response.headers_mut()), body })
    }
}

impl Reply {
    /// How long the peer asks us to wait (RFC 9110, section 10.2.3), at most a day. A date counts from the peer's own `Date`.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                let sent = DateTime::parse_from_rfc2822(self.headers.get(DATE)?.to_str().ok()?).ok()?;
                (DateTime::parse_from_rfc2822(text).ok()? - sent).to_std().unwrap_or_default()
            }
        };
        Some(wait.min(WAIT_MAX))
    }

    /// The body as text, what is not UTF-8 replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// A header whose value is kept out of `Debug` output and of header compression tables.
pub fn sensitive(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Unusable> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unusable(format!("{name:?} is no header name")))?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| Unusable(format!("the value of header {name} has characters that a header can't have")))?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn reason(error: &reqwest::Error) -> &'static str {
    match error {
        _ if error.is_timeout() => "timed out",
        _ if error.is_connect() => "can't connect",
        _ if error.is_builder() => "can't build the request",
        _ => "the connection broke",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let check = |headers: &[(&'static str, &str)], expected: Option<u64>| {
            let headers =
                headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect();
            let reply = Reply { status: 429, headers, body: Vec::new() };
            assert_eq!(reply.retry_after(), expected.map(Duration::from_secs));
        };
        let date = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");
        check(&[("retry-after", "120")], Some(120));
        check(&[("retry-after", "99999999999")], Some(86_400));
        check(&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"), date], Some(30));
        check(&[("retry-after", "Wed, 21 Oct 2015 07:27:30 GMT"), date], Some(0));
        check(&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")], None);
        check(&[("retry-after", "soon"), date], None);
        check(&[], None);
    }
}
