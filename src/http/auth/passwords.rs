//! Comparing what a caller says with what is registered (decision 4): generated secrets by MAC, human passwords by one
//! argon2 run and a MAC afterwards. A wrong password and an unknown user cost the same.

use super::mac::Mac;
use crate::domain::code::{Secret, Tag};
use crate::domain::credential::{Credential, StoredSecret};
use crate::http::settings::AuthSettings;
use argon2::Argon2;
use argon2::password_hash::{PasswordVerifier, phc::PasswordHash};
use moka::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Passwords remembered at once.
const REMEMBERED: u64 = 100_000;

/// What is compared for one user.
pub(super) struct Registered {
    /// MACs of generated secrets.
    pub(super) tags: Vec<Tag>,
    /// PHC strings of human passwords.
    pub(super) hashes: Vec<Arc<str>>,
    /// Clear secrets, only where PasswordDigest is on.
    pub(super) clear: Vec<Secret>,
}

impl Registered {
    pub(super) fn new(credential: &Credential, mac: &dyn Mac) -> Self {
        let mut it = Self { tags: Vec::new(), hashes: Vec::new(), clear: Vec::new() };
        for secret in &credential.secrets {
            match secret {
                StoredSecret::Argon2(phc) => it.hashes.push(Arc::from(phc.as_str())),
                StoredSecret::Generated(secret) => {
                    it.tags.push(mac.tag(&credential.user, secret.expose()));
                    if credential.password_digest {
                        it.clear.push(secret.clone());
                    }
                }
            }
        }
        it
    }
}

/// No argon2 run could be had in time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overloaded;

/// Compares, at a bounded cost.
pub(super) struct Passwords {
    proven: Cache<(u64, [u8; 16]), ()>,
    slots: Arc<Semaphore>,
    wait: Duration,
    runs: Arc<AtomicU64>,
}

/// One comparison.
pub(super) struct Asked<'a> {
    /// MAC of user and the secret that was given.
    pub(super) tag: Tag,
    /// The secret that was given.
    pub(super) secret: &'a Secret,
    /// The user's; `None` when there is no such user.
    pub(super) registered: Option<&'a Registered>,
    /// What a failure costs, whoever was named; `None` when nobody has a human password.
    pub(super) toll: Option<&'a Toll>,
    /// Changes with every reload, so that nothing proven before it counts after it.
    pub(super) generation: u64,
}

/// What every failure costs: so many argon2 runs, at the cost of this hash.
#[derive(Clone)]
pub(super) struct Toll {
    rounds: usize,
    hash: Arc<str>,
}

impl Toll {
    /// The most hashes that a user has, and one of them.
    pub(super) fn of<'a>(users: impl Iterator<Item = &'a Registered>) -> Option<Self> {
        let most = users.max_by_key(|it| it.hashes.len())?;
        Some(Self { rounds: most.hashes.len(), hash: Arc::clone(most.hashes.first()?) })
    }
}

impl Passwords {
    pub(super) fn new(settings: &AuthSettings) -> Self {
        let ttl = Duration::from_secs(settings.remember_seconds);
        Self {
            proven: Cache::builder().max_capacity(REMEMBERED).time_to_live(ttl).build(),
            slots: Arc::new(Semaphore::new(settings.argon2_at_once.max(1))),
            wait: Duration::from_millis(settings.argon2_wait_ms),
            runs: Arc::default(),
        }
    }

    /// argon2 runs so far.
    pub(super) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Whether the secret is one of the user's. `denied` is asked again once a slot is had: failures that ran meanwhile count.
    pub(super) async fn verify(&self, asked: Asked<'_>, denied: impl Fn() -> bool) -> Result<bool, Overloaded> {
        if self.is_cheaply_proven(&asked) {
            return Ok(true);
        }
        // Rare, and large: no request that is cheaply proven has room for it.
        Box::pin(self.run(asked, denied)).await
    }

    async fn run(&self, asked: Asked<'_>, denied: impl Fn() -> bool) -> Result<bool, Overloaded> {
        let Some(toll) = asked.toll.cloned() else { return Ok(false) };
        let slot = timeout(self.wait, Arc::clone(&self.slots).acquire_owned()).await;
        let Ok(Ok(slot)) = slot else { return Err(Overloaded) };
        if self.is_cheaply_proven(&asked) {
            return Ok(true);
        }
        if denied() {
            return Ok(false);
        }
        let hashes = asked.registered.map(|it| it.hashes.clone()).unwrap_or_default();
        let (secret, runs) = (asked.secret.clone(), Arc::clone(&self.runs));
        let matched = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            is_one_of(&hashes, &toll, &|hash| is_of(hash, &secret, &runs))
        });
        let matched = matched.await.unwrap_or(false);
        if matched {
            self.proven.insert((asked.generation, asked.tag.0), ());
        }
        Ok(matched)
    }

    fn is_cheaply_proven(&self, asked: &Asked<'_>) -> bool {
        let by_mac = asked.registered.is_some_and(|it| it.tags.iter().fold(false, |found, tag| found | (*tag == asked.tag)));
        // The key is a MAC: an attacker can't steer it, so that a map's comparison tells nothing.
        by_mac || (asked.registered.is_some() && self.proven.contains_key(&(asked.generation, asked.tag.0)))
    }
}

// A failure runs until its toll is paid; the runs that make it up prove nothing.
fn is_one_of(hashes: &[Arc<str>], toll: &Toll, run: &dyn Fn(&str) -> bool) -> bool {
    if hashes.iter().any(|hash| run(hash)) {
        return true;
    }
    for _ in hashes.len()..toll.rounds {
        std::hint::black_box(run(&toll.hash));
    }
    false
}

fn is_of(hash: &str, secret: &Secret, runs: &AtomicU64) -> bool {
    runs.fetch_add(1, Ordering::Relaxed);
    let parsed = PasswordHash::new(hash);
    parsed.is_ok_and(|it| Argon2::default().verify_password(secret.expose().as_bytes(), &it).is_ok())
}
