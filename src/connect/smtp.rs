//! Mail through an SMTP relay (RFC 5321), over TLS unless set otherwise.

use super::contract::{Body, Connector, Message, Soon};
use super::setting::{Unusable, load_pem, load_secret, time_out};
use crate::domain::delivery::Outcome;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransport, Error};
use lettre::{AsyncTransport, Tokio1Executor};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::Semaphore;

type Relay = AsyncSmtpTransport<Tokio1Executor>;

/// Settings of a relay.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its name in logs, metrics and timelines.
    pub name: String,
    /// The relay's host; its certificate must be for this name.
    pub host: String,
    /// Its port; unset: 587, with `tls = "tls"` 465, with `tls = "none"` 25.
    pub port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: TlsMode,
    /// A PEM file of the only authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// User name for AUTH; needs `password_file`, and TLS.
    pub user: Option<String>,
    /// The file that holds the password.
    pub password_file: Option<PathBuf>,
    /// The mailbox of messages that name none: `Bank <alerts@bank.example>`.
    pub from: String,
    /// Most idle connections kept open.
    #[serde(default = "four")]
    pub pool_max: u32,
    /// Time for one hand-over with its retry, in milliseconds; 1 to 120,000.
    #[serde(default = "fifteen_seconds")]
    pub timeout_ms: u64,
}

/// How the connection to a relay is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Not at all: only for a relay on this host or a network of its own.
    None,
    /// STARTTLS, and no mail without it (RFC 3207).
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Tls,
}

/// A relay, ready to send.
pub struct Smtp {
    name: String,
    pooled: Relay,
    /// Without a pool: for the retry after a pooled connection turned out dead.
    fresh: Relay,
    from: Mailbox,
    timeout: Duration,
    /// The pool bounds idle connections only.
    places: Semaphore,
}

/// Mails on their way to one relay at once: many take no more connections from one client than some dozens.
const AT_ONCE: usize = 32;

impl Smtp {
    /// Reads secrets and checks the settings; connects to nothing yet. Needs a tokio runtime.
    pub fn new(settings: &Settings) -> Result<Self, Unusable> {
        let complain = |text: String| Unusable(format!("relay {}: {text}", settings.name));
        let from = settings.from.parse().map_err(|error| complain(format!("from is no mailbox: {error}")))?;
        let timeout = time_out(settings.timeout_ms).map_err(complain)?;
        let (tls, port) = tls(settings)?;
        let mut builder =
            Relay::builder_dangerous(settings.host.as_str()).port(settings.port.unwrap_or(port)).tls(tls).timeout(Some(timeout));
        match (&settings.user, &settings.password_file) {
            (Some(_), Some(_)) if settings.tls == TlsMode::None => {
                return Err(complain("user and password need tls = \"starttls\" or \"tls\"".to_owned()));
            }
            (Some(user), Some(file)) => {
                builder = builder.credentials(Credentials::new(user.clone(), load_secret(file)?.expose().to_owned()));
            }
            (None, None) => {}
            _ => return Err(complain("user and password_file go together".to_owned())),
        }
        let pool = PoolConfig::new().max_size(settings.pool_max.max(1)).idle_timeout(Duration::from_secs(30));
        let fresh = builder.clone().pool_config(PoolConfig::new().max_size(0)).build();
        Ok(Self {
            name: settings.name.clone(),
            pooled: builder.pool_config(pool).build(),
            fresh,
            from,
            timeout,
            places: Semaphore::new(AT_ONCE),
        })
    }

    async fn hand_over(&self, mail: lettre::Message) -> Outcome {
        let Ok(_place) = self.places.acquire().await else { return later("shutting down".to_owned()) };
        let envelope = mail.envelope().clone();
        let bytes = mail.formatted();
        let sent = match self.pooled.send_raw(&envelope, &bytes).await {
            // A relay that hung up on an idle connection says so only on its next use.
            Err(error) if is_stale(&error) => self.fresh.send_raw(&envelope, &bytes).await,
            sent => sent,
        };
        match sent {
            Ok(_) => Outcome::Accepted { provider_id: None },
            Err(error) => judge(&error),
        }
    }
}

impl Connector for Smtp {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Message) -> Soon<'a, Outcome> {
        Box::pin(async move {
            let mail = match compose(message, &self.from) {
                Ok(mail) => mail,
                Err(reason) => return Outcome::Refused { reason: reason.to_owned() },
            };
            match tokio::time::timeout(self.timeout, self.hand_over(mail)).await {
                Ok(Outcome::Accepted { .. }) => Outcome::Accepted { provider_id: Some(message.id.to_string()) },
                Ok(other) => other,
                Err(_) => later("timed out".to_owned()),
            }
        })
    }
}

/// The mail as it goes out. Header injection is impossible: mailboxes are parsed, and lettre encodes the subject.
fn compose(message: &Message, default: &Mailbox) -> Result<lettre::Message, &'static str> {
    let Body::Mail { subject, text, html } = &message.body else {
        return Err("this relay sends mail only");
    };
    let from = match &message.from {
        Some(from) => from.parse().map_err(|_| "the sender is no mailbox")?,
        None => default.clone(),
    };
    let to = message.to.expose().parse().map_err(|_| "the address is no mailbox")?;
    if subject.expose().chars().any(char::is_control) {
        return Err("the subject is more than one line");
    }
    let id = format!("<{}@{}>", message.id, from.email.domain());
    let builder = lettre::Message::builder()
        .from(from)
        .to(Mailbox::new(None, to))
        .subject(subject.expose())
        .message_id(Some(id))
        .raw_header(auto_submitted());
    let built = match (text, html) {
        (Some(text), Some(html)) => {
            builder.multipart(MultiPart::alternative_plain_html(text.expose().to_owned(), html.expose().to_owned()))
        }
        (Some(text), None) => builder.singlepart(SinglePart::plain(text.expose().to_owned())),
        (None, Some(html)) => builder.singlepart(SinglePart::html(html.expose().to_owned())),
        (None, None) => return Err("the mail has no body"),
    };
    built.map_err(|_| "the mail can't be composed")
}

/// So that vacation responders stay silent (RFC 3834).
fn auto_submitted() -> lettre::message::header::HeaderValue {
    use lettre::message::header::{HeaderName, HeaderValue};
    HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned())
}

fn tls(settings: &Settings) -> Result<(Tls, u16), Unusable> {
    if settings.tls == TlsMode::None {
        return Ok((Tls::None, 25));
    }
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(path) = &settings.ca_file {
        let certificate = Certificate::from_pem(&load_pem(path)?)
            .map_err(|_| Unusable(format!("the CA file {} has a broken certificate", path.display())))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    let parameters = builder.build().map_err(|error| Unusable(format!("relay {}: can't set up TLS: {error}", settings.name)))?;
    Ok(match settings.tls {
        TlsMode::Tls => (Tls::Wrapper(parameters), 465),
        _ => (Tls::Required(parameters), 587),
    })
}

/// Whether a pooled connection died: closed under us, or the relay said 421 (RFC 5321, section 3.8).
fn is_stale(error: &Error) -> bool {
    match error.status() {
        Some(code) => code.to_string() == "421",
        None => !error.is_timeout() && !error.is_tls() && !error.is_permanent(),
    }
}

/// A permanent answer refuses, but for those about our own login (RFC 4954, section 6): the mail is not at fault.
fn judge(error: &Error) -> Outcome {
    match error.status().map(|code| code.to_string()) {
        Some(code) if ["530", "534", "535", "538"].contains(&code.as_str()) => later(format!("the relay refuses our login ({code})")),
        Some(code) if error.is_permanent() => Outcome::Refused { reason: format!("the relay said {code}") },
        Some(code) => later(format!("the relay said {code}")),
        None if error.is_timeout() => later("timed out".to_owned()),
        None if error.is_tls() => later("TLS failed".to_owned()),
        None => later("the connection broke".to_owned()),
    }
}

fn later(reason: String) -> Outcome {
    Outcome::Later { reason, after: None }
}

fn four() -> u32 {
    4
}

fn fifteen_seconds() -> u64 {
    15_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::code::Secret;
    use crate::domain::contact::Address;
    use crate::domain::id::{AggregateId, DeliveryId};

    fn mail(to: &str, from: Option<&str>, subject: &str) -> Message {
        Message {
            id: DeliveryId(uuid::Uuid::from_u128(7)),
            about: AggregateId(uuid::Uuid::nil()),
            to: Address::canonical(to),
            from: from.map(str::to_owned),
            body: Body::Mail { subject: Secret::new(subject), text: Some(Secret::new("text")), html: None },
        }
    }

    #[test]
    fn headers_cannot_be_injected() {
        let default: Mailbox = "Bank <alerts@bank.example>".parse().unwrap();
        let check = |message: &Message, expected: Option<&str>| {
            let composed = compose(message, &default);
            assert_eq!(composed.as_ref().err().copied(), expected);
            if let Ok(mail) = composed {
                let text = String::from_utf8(mail.formatted()).unwrap();
                assert!(!text.to_lowercase().contains("\r\nbcc:"), "{text}");
                assert!(text.contains("Message-ID: <00000000-0000-0000-0000-000000000007@bank.example>"), "{text}");
            }
        };
        check(&mail("ann@home.example", None, "Your code"), None);
        check(&mail("ann@home.example", None, "Straße"), None);
        check(&mail("ann@home.example", None, "Hi\r\nBcc: eve@evil.example"), Some("the subject is more than one line"));
        check(&mail("ann@home.example", Some("a@bank.example\r\nBcc: eve@evil.example"), "Hi"), Some("the sender is no mailbox"));
        check(&mail("ann@home.example>\r\nBcc: eve@evil.example", None, "Hi"), Some("the address is no mailbox"));
    }

    #[tokio::test]
    async fn a_time_out_is_shorter_than_a_lease() {
        let built = |millis: u32| {
            let toml = format!("name='r'\nhost='localhost'\ntls='none'\nfrom='a@b.example'\ntimeout_ms={millis}");
            Smtp::new(&toml::from_str(&toml).unwrap()).map(|it| it.timeout).map_err(|it| it.0)
        };
        assert_eq!(built(120_000), Ok(crate::connect::contract::TIMEOUT_MAX));
        assert!([0, 120_001].into_iter().all(|it| built(it).is_err_and(|text| text.contains("timeout_ms"))));
    }

    #[test]
    fn a_password_never_goes_in_clear() {
        let toml = "name='r'\nhost='localhost'\ntls='none'\nfrom='a@b.example'\nuser='u'\npassword_file='x'";
        let refused = Smtp::new(&toml::from_str(toml).unwrap()).err();
        assert!(refused.is_some_and(|it| it.0.contains("starttls")));
    }
}
