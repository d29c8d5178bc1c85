//! The registered credentials, and the judgement of a claim against them.

use super::breaker::Breaker;
use super::claim::{Arrival, Claim, Denied, Once, Proof};
use super::mac::Mac;
use super::passwords::{Asked, Passwords, Registered, Toll};
use super::replay::Replay;
use crate::domain::code::Secret;
use crate::domain::credential::Credential;
use crate::domain::id::PublisherId;
use crate::domain::time::Timestamp;
use crate::engine::tally::Tally;
use crate::http::settings::AuthSettings;
use arc_swap::ArcSwap;
use aws_lc_rs::{constant_time, digest};
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Bytes of a user name or secret that are looked at; longer ones are denied.
const MAX_TEXT: usize = 512;

/// The credentials of all publishers. Shared; [`Credentials::replace`] swaps them while requests are served.
pub struct Credentials {
    mac: Arc<dyn Mac>,
    users: ArcSwap<Users>,
    passwords: Passwords,
    replay: Replay,
    breaker: Breaker,
}

#[derive(Default)]
struct Users {
    by_name: HashMap<String, User>,
    toll: Option<Toll>,
    generation: u64,
}

struct User {
    publisher: PublisherId,
    allow: Vec<IpNet>,
    digest: bool,
    registered: Registered,
}

impl Credentials {
    /// From what is registered; failures and nonces are those of all who share the tally.
    pub fn new(list: &[Credential], mac: Arc<dyn Mac>, settings: &AuthSettings, tally: Tally) -> Self {
        let users = ArcSwap::from_pointee(Users::new(list, &*mac, 0));
        let (replay, breaker) = (Replay::new(settings, tally.clone()), Breaker::new(settings, tally));
        Self { mac, users, passwords: Passwords::new(settings), replay, breaker }
    }

    /// Swaps what is registered; passwords proven before are proven anew.
    pub fn replace(&self, list: &[Credential]) {
        self.users.rcu(|old| Users::new(list, &*self.mac, old.generation + 1));
    }

    /// Tells when this process began. Nonces used before are not remembered, unless nodes share them, and a digest does not cover the
    /// body: from now on, digest tokens `Created` before they were remembered are refused. A publisher whose clock is behind is refused for as long after a
    /// start; one whose clock is ahead can be replayed for as long, so clocks must be kept right. Only the first call counts.
    pub fn begin(&self, at: Timestamp) {
        self.replay.begin(at);
    }

    /// Whether secrets from this address are not looked at: too many of it were wrong lately. For those that are no
    /// publisher's (operators, gateways); [`Credentials::check`] asks by itself.
    pub fn is_blocked(&self, peer: IpAddr) -> bool {
        self.breaker.is_address_open(peer)
    }

    /// Counts a wrong secret from this address that is no publisher's.
    pub fn count_failure(&self, peer: IpAddr) {
        self.breaker.address_failed(peer);
    }

    /// argon2 runs so far.
    pub fn argon2_runs(&self) -> u64 {
        self.passwords.runs()
    }

    /// Whom the claim proves.
    pub async fn check(&self, claim: &Claim, arrival: &Arrival<'_>) -> Result<PublisherId, Denied> {
        if self.breaker.is_open(&claim.user, arrival.peer) {
            return Err(Denied::Blocked);
        }
        let judged = self.judge(claim, arrival).await;
        match &judged {
            Ok(_) => self.breaker.proved(&claim.user, arrival.peer),
            // A late or repeated token of somebody who knows the secret is no guess.
            Err(Denied::Wrong | Denied::Network) => self.breaker.failed(&claim.user, arrival.peer),
            Err(_) => {}
        }
        judged
    }

    async fn judge(&self, claim: &Claim, arrival: &Arrival<'_>) -> Result<PublisherId, Denied> {
        let users = self.users.load_full();
        let user = users.by_name.get(&claim.user);
        let proven = match &claim.proof {
            Proof::Password(secret) => self.knows(&users, claim, (secret, arrival)).await?,
            Proof::Digest(sum) => user.is_some_and(|it| it.digest && digest_matches(it, claim.once.as_ref(), sum)),
        };
        let Some(user) = user.filter(|_| proven) else { return Err(Denied::Wrong) };
        if !user.allow.is_empty() && !user.allow.iter().any(|net| net.contains(&arrival.peer)) {
            return Err(Denied::Network);
        }
        self.is_timely(claim, arrival)?;
        if let Some(once) = &claim.once {
            self.replay.take(claim, once, arrival).await?;
        }
        Ok(user.publisher.clone())
    }

    async fn knows(&self, users: &Users, claim: &Claim, (secret, arrival): (&Secret, &Arrival<'_>)) -> Result<bool, Denied> {
        if claim.user.len() > MAX_TEXT || secret.expose().len() > MAX_TEXT {
            return Ok(false);
        }
        let asked = Asked {
            tag: self.mac.tag(&claim.user, secret.expose()),
            secret,
            registered: users.by_name.get(&claim.user).map(|it| &it.registered),
            toll: users.toll.as_ref(),
            generation: users.generation,
        };
        let denied = || self.breaker.is_open(&claim.user, arrival.peer);
        self.passwords.verify(asked, denied).await.map_err(|_| Denied::Busy)
    }

    fn is_timely(&self, claim: &Claim, arrival: &Arrival<'_>) -> Result<(), Denied> {
        if let Some((created, expires)) = claim.window {
            let ahead = created.is_some_and(|at| at > arrival.now && !self.replay.is_fresh(at, arrival.now));
            if ahead || expires.is_some_and(|at| !self.replay.is_alive(at, arrival.now)) {
                return Err(Denied::Stale);
            }
        }
        let Some(once) = &claim.once else { return Ok(()) };
        let digest = matches!(claim.proof, Proof::Digest(_));
        let timely = |at| self.replay.is_fresh(at, arrival.now) && (!digest || self.replay.covers(at));
        if once.created.is_some_and(timely) { Ok(()) } else { Err(Denied::Stale) }
    }
}

impl Users {
    fn new(list: &[Credential], mac: &dyn Mac, generation: u64) -> Self {
        let mut by_name = HashMap::with_capacity(list.len());
        for credential in list {
            let user = User {
                publisher: credential.publisher.clone(),
                allow: credential.allow.clone(),
                digest: credential.password_digest,
                registered: Registered::new(credential, mac),
            };
            by_name.insert(credential.user.clone(), user);
        }
        let toll = Toll::of(by_name.values().map(|it| &it.registered));
        Self { by_name, toll, generation }
    }
}

// OASIS UsernameToken Profile 1.1, 3.1: Base64(SHA-1(nonce + created + password)).
fn digest_matches(user: &User, once: Option<&Once>, sum: &[u8]) -> bool {
    let Some(once) = once else { return false };
    user.registered.clear.iter().fold(false, |found, secret| {
        let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        context.update(&once.nonce);
        context.update(once.created_text.as_bytes());
        context.update(secret.expose().as_bytes());
        found | constant_time::verify_slices_are_equal(context.finish().as_ref(), sum).is_ok()
    })
}
