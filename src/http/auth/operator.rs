//! Who may read the metrics: an operator by Basic, or a scraper by a bearer token. Only the former may change anything.

use super::basic::{basic, bearer};
use super::claim::Proof;
use super::mac::Mac;
use crate::domain::code::{Secret, Tag};
use crate::http::settings::Settings;
use axum::http::HeaderMap;
use std::path::Path;
use std::sync::Arc;

/// The operators' secrets, as MACs.
pub struct Operators {
    mac: Arc<dyn Mac>,
    user: Option<(String, Tag)>,
    token: Option<Tag>,
}

impl Operators {
    /// Reads the files that the settings name. The error names the file and says what to do.
    pub fn load(settings: &Settings, mac: Arc<dyn Mac>) -> Result<Self, String> {
        let password = settings.operator_password_file.as_deref().map(secret).transpose()?;
        let token = settings.metrics_token_file.as_deref().map(secret).transpose()?;
        let user = match (&settings.operator_user, password) {
            (Some(user), Some(password)) => Some((user.clone(), password)),
            (None, None) => None,
            _ => return Err("http.operator_user and http.operator_password_file go together: set both or none".into()),
        };
        Ok(Self::new(user, token, mac))
    }

    /// From the secrets themselves. With neither, nobody is an operator.
    pub fn new(user: Option<(String, Secret)>, token: Option<Secret>, mac: Arc<dyn Mac>) -> Self {
        let user = user.map(|(name, secret)| (name.clone(), mac.tag(&name, secret.expose())));
        let token = token.map(|it| mac.tag(TOKEN, it.expose()));
        Self { mac, user, token }
    }

    /// Whether the request is an operator's, or a scraper's.
    pub fn admit(&self, headers: &HeaderMap) -> bool {
        if let (Some(expected), Some(given)) = (&self.token, bearer(headers)) {
            return *expected == self.mac.tag(TOKEN, given.expose());
        }
        self.admit_person(headers)
    }

    /// Whether the request is an operator's.
    pub fn admit_person(&self, headers: &HeaderMap) -> bool {
        match (&self.user, basic(headers)) {
            (Some((name, expected)), Some(claim)) => match claim.proof {
                // The tag covers the name, so that both are compared at once and in constant time.
                Proof::Password(secret) => claim.user.len() == name.len() && *expected == self.mac.tag(&claim.user, secret.expose()),
                Proof::Digest(_) => false,
            },
            _ => false,
        }
    }
}

// No user name has a control character; the token's MAC can't be mistaken for a user's.
const TOKEN: &str = "\u{1}token";

fn secret(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path).map_err(|cause| format!("{}: {cause}; create it or correct the setting", path.display()))?;
    match text.trim() {
        "" => Err(format!("{}: is empty; write the secret into it", path.display())),
        text => Ok(Secret::new(text)),
    }
}
