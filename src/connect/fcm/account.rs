//! A service account: its key, and the access tokens that it gets for it (OAuth 2.0, RFC 7523, section 2.1).

use crate::connect::client::{Call, Caller, Reply, below, graphic, sensitive};
use crate::connect::guard::Reach;
use crate::connect::jwt::compact;
use crate::connect::setting::{Now, Unusable, load_secret};
use crate::domain::code::Secret;
use crate::domain::delivery::Outcome;
use crate::domain::time::Timestamp;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Uri};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tokio::sync::Mutex;

/// What the access token is for.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// Where tokens come from when the key file does not say.
const TOKENS: &str = "https://oauth2.googleapis.com/token";
/// How long our own token holds, in seconds: the most that is taken.
const HOLDS: i64 = 3_600;
/// A token is renewed this long before it ends, so that none ends on its way.
const SPARE: Duration = Duration::from_secs(300);
/// The longest that an access token is kept.
const KEPT_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The account. Tokens are fetched by one hand-over at a time; the others wait for it.
pub(super) struct Account {
    email: String,
    key_id: Option<String>,
    key: RsaKeyPair,
    uri: Uri,
    kept: Mutex<Option<Kept>>,
}

/// An access token as a header, and until when it is used.
struct Kept {
    bearer: HeaderValue,
    until: Timestamp,
}

#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    #[serde(deserialize_with = "secret")]
    private_key: Secret,
    private_key_id: Option<String>,
    project_id: Option<String>,
    token_uri: Option<String>,
}

impl Account {
    /// Reads the key file, and gives the project back that it names.
    pub(super) fn load(path: &Path, token_url: Option<&str>, reach: Reach) -> Result<(Self, Option<String>), Unusable> {
        let wrong = |text: &str| Unusable(format!("{}: {text}", path.display()));
        let text = load_secret(path)?;
        // The parser's own words may quote the key.
        let file: KeyFile = serde_json::from_str(text.expose()).map_err(|_| wrong("is no key file of a service account (JSON)"))?;
        let key = rsa(file.private_key.expose()).ok_or_else(|| wrong("private_key is no RSA key in PEM form"))?;
        let url = token_url.or(file.token_uri.as_deref()).unwrap_or(TOKENS);
        let uri = below(url, "", reach).map_err(|text| wrong(&format!("token_url (or token_uri): {text}")))?;
        let account = Self { email: file.client_email, key_id: file.private_key_id, key, uri, kept: Mutex::default() };
        Ok((account, file.project_id))
    }

    /// The value of `Authorization`: the token at hand, or a new one. An error is why there is none.
    pub(super) async fn bearer(&self, caller: &Caller, now: &Now) -> Result<HeaderValue, Outcome> {
        let mut kept = self.kept.lock().await;
        if let Some(it) = kept.as_ref().filter(|it| now() < it.until) {
            return Ok(it.bearer.clone());
        }
        let asked_at = now();
        let later = |reason: &str| Outcome::Later { reason: reason.to_owned(), after: None };
        let call = self.ask(asked_at).ok_or_else(|| later("the token request can't be signed"))?;
        let reply = caller.exchange(call).await.map_err(|reason| later(&format!("no access token: {reason}")))?;
        let fresh = read(&reply, asked_at)?;
        let bearer = fresh.bearer.clone();
        *kept = Some(fresh);
        Ok(bearer)
    }

    /// Drops the token at hand, unless there is another by now.
    pub(super) async fn forget(&self, bearer: &HeaderValue) {
        let mut kept = self.kept.lock().await;
        kept.take_if(|it| it.bearer == *bearer);
    }

    fn ask(&self, now: Timestamp) -> Option<Call> {
        let issued = now.millis().div_euclid(1_000);
        let claims = json!({
            "iss": self.email, "scope": SCOPE, "aud": self.uri.to_string(), "iat": issued, "exp": issued + HOLDS,
        });
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.key_id {
            header["kid"] = id.as_str().into();
        }
        let sign = |input: &[u8]| {
            let mut signature = vec![0; self.key.public_modulus_len()];
            self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature).ok()?;
            Some(signature)
        };
        let assertion = compact(&header, &claims, sign)?;
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer").append_pair("assertion", &assertion);
        let mut headers = HeaderMap::with_capacity(1);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        Some(Call { method: Method::POST, uri: self.uri.clone(), headers, body: form.finish().into_bytes() })
    }
}

fn rsa(pem: &str) -> Option<RsaKeyPair> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
        _ => None,
    }
}

fn read(reply: &Reply, asked_at: Timestamp) -> Result<Kept, Outcome> {
    #[derive(Deserialize)]
    struct Granted {
        #[serde(deserialize_with = "secret")]
        access_token: Secret,
        expires_in: u64,
    }
    #[derive(Deserialize)]
    struct Denied {
        error: String,
    }
    if reply.status == 200 {
        let unread = || Outcome::Later { reason: "no access token: the answer is none of OAuth's".to_owned(), after: None };
        let granted: Granted = serde_json::from_slice(&reply.body).map_err(|_| unread())?;
        let value = zeroize::Zeroizing::new(format!("Bearer {}", granted.access_token.expose()));
        let (_, bearer) = sensitive(AUTHORIZATION.as_str(), &value).map_err(|_| unread())?;
        let holds = Duration::from_secs(granted.expires_in).min(KEPT_MAX);
        return Ok(Kept { bearer, until: asked_at.plus(holds.saturating_sub(SPARE)) });
    }
    // RFC 6749, section 5.2: one word.
    let code = serde_json::from_slice::<Denied>(&reply.body).map_or_else(|_| String::new(), |it| format!(" ({})", graphic(&it.error, 40)));
    Err(Outcome::Later { reason: format!("no access token: status {}{code}", reply.status), after: reply.retry_after() })
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(Secret::new)
}
