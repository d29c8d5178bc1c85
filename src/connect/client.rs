//! One bounded HTTP exchange: no redirects, no proxy, a time-out over all of it, and a capped answer.

use super::contract::AT_ONCE;
use super::guard::{Names, Reach};
use super::setting::{Unusable, load_pem};
use crate::domain::time::Timestamp;
use chrono::{DateTime, FixedOffset};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::time::Duration;
use url::Url;

/// Most bytes of an answer that are read; what follows is left unread.
pub const ANSWER_MAX: usize = 64 * 1024;
/// Longest id that a peer may give a message; what follows is cut.
pub const ID_MAX: usize = 256;
/// Longest wait that a peer can ask of us.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// Connections to one host that are kept open without use: fewer, and of so many hand-overs at once the others would cost a connection each.
const IDLE_MAX: usize = AT_ONCE;
/// How long a connection is kept open without use, or without a sign of what was sent.
const IDLE: Duration = Duration::from_secs(30);
/// Between two signs of life of a connection, and how many may stay unanswered.
const ALIVE: (Duration, u32) = (Duration::from_secs(15), 3);

/// An HTTP client of one way out.
#[derive(Clone, Debug)]
pub struct Caller {
    client: Client<HttpsConnector<HttpConnector<Names>>, Full<Bytes>>,
    timeout: Duration,
}

/// What is sent. No `Debug`: URL, headers and body may hold secrets.
pub struct Call {
    /// The method.
    pub method: Method,
    /// Where to, as [`uri`] wrote it; already judged by [`Reach::check`].
    pub uri: Uri,
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
        let mut tcp = HttpConnector::new_with_resolver(Names { public_only: !reach.private });
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_keepalive(Some(ALIVE.0));
        tcp.set_keepalive_interval(Some(ALIVE.0));
        tcp.set_keepalive_retries(Some(ALIVE.1));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(IDLE));
        let tls = HttpsConnectorBuilder::new().with_tls_config(trusting(ca)?);
        let tls = if reach.plain { tls.https_or_http() } else { tls.https_only() };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            // What we send is short: as one piece it costs less than as two.
            .http1_writev(false)
            .build(tls.enable_all_versions().wrap_connector(tcp));
        Ok(Self { client, timeout })
    }

    /// Sends, and reads the answer. An error is a short reason without URL, address or text.
    pub async fn exchange(&self, call: Call) -> Result<Reply, &'static str> {
        tokio::time::timeout(self.timeout, self.sent(call)).await.unwrap_or(Err("timed out"))
    }

    async fn sent(&self, call: Call) -> Result<Reply, &'static str> {
        let mut request = Request::new(Full::from(call.body));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (call.method, call.uri, call.headers);
        let headers = request.headers_mut();
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION"))));
        let response = self.client.request(request).await.map_err(|error| reason(&error))?;
        let (head, body) = response.into_parts();
        let body = beginning(body).await.map_err(|_| BROKE)?;
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }
}

/// What `path` names below an operator's `base` URL, judged by `reach`. The base may have a path, but no query. The error names neither.
pub fn below(base: &str, path: &str, reach: Reach) -> Result<Uri, String> {
    let url = Url::parse(&format!("{}{path}", base.trim_end_matches('/'))).map_err(|error| error.to_string())?;
    reach.check(&url).map_err(|error| error.to_string())?;
    if base.contains(['?', '#']) {
        return Err("the URL must end before its query".to_owned());
    }
    uri(&url).map_err(|error| error.0)
}

/// A URL as a request names it; its fragment stays here.
pub fn uri(url: &Url) -> Result<Uri, Unusable> {
    url.as_str().parse().map_err(|_| Unusable::new("the URL has characters that a request can't have"))
}

// Whose word is taken for a peer's name.
fn trusting(ca: Option<&Path>) -> Result<ClientConfig, Unusable> {
    let builder = ClientConfig::builder();
    let Some(path) = ca else {
        let system = builder.try_with_platform_verifier();
        return Ok(system.map_err(|error| Unusable(format!("can't set up the HTTP client: {error}")))?.with_no_client_auth());
    };
    let broken = || Unusable(format!("the CA file {} has a broken certificate", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&load_pem(path)?) {
        roots.add(certificate.map_err(|_| broken())?).map_err(|_| broken())?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

async fn beginning(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame?.into_data() else { continue };
        let room = ANSWER_MAX - read.len();
        read.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    Ok(read)
}

impl Reply {
    /// How long the peer asks us to wait (RFC 9110, section 10.2.3), at most a day. A date counts from the peer's own `Date`.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => (DateTime::parse_from_rfc2822(text).ok()? - self.date()?).to_std().unwrap_or_default(),
        };
        Some(wait.min(WAIT_MAX))
    }

    /// How long until this second of Unix time, at most a day. It counts from the peer's own `Date`, or from `now` when there is none.
    pub fn wait_until(&self, seconds: i64, now: Timestamp) -> Duration {
        let sent = self.date().map_or(now.millis(), |it| it.timestamp_millis());
        let millis = seconds.saturating_mul(1_000).saturating_sub(sent);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0)).min(WAIT_MAX)
    }

    /// A header's value as the peer's id for a message, fit for a log line.
    pub fn id_in(&self, header: &str) -> Option<String> {
        let value = self.headers.get(header)?.to_str().ok()?;
        Some(graphic(value, ID_MAX)).filter(|it| !it.is_empty())
    }

    fn date(&self) -> Option<DateTime<FixedOffset>> {
        DateTime::parse_from_rfc2822(self.headers.get(DATE)?.to_str().ok()?).ok()
    }

    /// The body as text, what is not UTF-8 replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// What a peer said, fit for a log line: printable ASCII without spaces, cut.
pub fn graphic(text: &str, max: usize) -> String {
    text.chars().filter(char::is_ascii_graphic).take(max).collect()
}

/// A header whose value is kept out of `Debug` output and of header compression tables.
pub fn sensitive(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Unusable> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unusable(format!("{name:?} is no header name")))?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| Unusable(format!("the value of header {name} has characters that a header can't have")))?;
    value.set_sensitive(true);
    Ok((name, value))
}

const BROKE: &str = "the connection broke";

fn reason(error: &Error) -> &'static str {
    if error.is_connect() { "can't connect" } else { BROKE }
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

    #[test]
    fn a_moment_counts_from_the_peers_own_clock() {
        let check = |date: Option<&'static str>, seconds: i64, expected: u64| {
            let headers = date.map(|it| (DATE, HeaderValue::from_static(it))).into_iter().collect();
            let reply = Reply { status: 429, headers, body: Vec::new() };
            assert_eq!(reply.wait_until(seconds, Timestamp::from_millis(10_500)), Duration::from_millis(expected), "{date:?} {seconds}");
        };
        check(None, 12, 1_500);
        check(None, 10, 0);
        check(Some("Wed, 21 Oct 2015 07:28:00 GMT"), 1_445_412_483, 3_000);
        check(Some("never"), 12, 1_500);
        check(None, i64::MAX, 86_400_000);
        check(None, i64::MIN, 0);
    }

    #[test]
    fn a_path_stands_below_the_base() {
        let check = |base: &str, expected: Result<&str, &str>| {
            let reach = Reach { plain: false, private: true, literal: true };
            let found = below(base, "/v3/mail/send", reach).map(|it| it.to_string());
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                _ => panic!("{base}: {found:?}"),
            }
        };
        check("https://api.example", Ok("https://api.example/v3/mail/send"));
        check("https://api.example/", Ok("https://api.example/v3/mail/send"));
        check("https://proxy.example/sg/", Ok("https://proxy.example/sg/v3/mail/send"));
        check("http://api.example", Err("allow_plain"));
        check("https://api.example?x=1", Err("query"));
        check("https://k:s@api.example", Err("password"));
        check("api.example", Err("relative"));
    }
}
