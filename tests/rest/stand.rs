//! The listener over a real engine, whose store is in memory and whose clock only the test moves. Two publishers are registered.

use crate::http_stand::{FixedMac, Got, Recorder, SECRET, read};
use crate::world::{Secret, World};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use countersign::domain::credential::{Credential, StoredSecret};
use countersign::domain::id::PublisherId;
use countersign::domain::publisher::Publisher;
use countersign::domain::request::Pace;
use countersign::engine::tally::Tally;
use countersign::http::{Credentials, Extra, Gateways, Metrics, Operators, Parts, Server, Settings};
use prometheus_client::registry::Registry;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

pub const JSON: &str = "Content-Type: application/json\r\n";
pub const ALL: &str = "/v1/challenges";

pub struct Rest {
    pub world: World,
    address: SocketAddr,
}

impl Rest {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With the publisher changed.
    pub async fn with(change: impl FnOnce(&mut Publisher)) -> Self {
        Self::around(None, change).await
    }

    /// With something around the routes: every request goes through the router.
    pub async fn routed() -> Self {
        Self::around(Some(Box::new(|router| router)), |_| {}).await
    }

    async fn around(extra: Option<Extra>, change: impl FnOnce(&mut Publisher)) -> Self {
        let world = World::with(|it| {
            it.attempts = 3;
            change(it);
        })
        .await;
        rival(&world);
        let mut settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), ..Settings::default() };
        settings.limits.max_body_bytes = 16 * 1024;
        let credentials = ["demo", "rival"].map(credential);
        let tally = Tally::alone(1_000, world.vault.clone());
        let parts = Parts {
            service: world.engine.clone(),
            calls: world.engine.clone(),
            pace: Pace { gap: Duration::from_secs(30), most: 2 },
            templates: world.engine.templates().clone(),
            keys: world.engine.keys().clone(),
            trail: Arc::<Recorder>::default(),
            credentials: Arc::new(Credentials::new(&credentials, Arc::new(FixedMac), &settings.auth, tally)),
            operators: Operators::new(None, None, Arc::new(FixedMac)),
            gateways: Gateways::new(Vec::new()).unwrap(),
            metrics: Arc::new(Metrics::new(Registry::default(), None)),
            extra,
            shutdown: CancellationToken::new(),
        };
        let server = Server::bind(&settings, parts).await.unwrap();
        let address = server.address();
        tokio::spawn(server.serve());
        Self { world, address }
    }

    /// One request as this publisher; nobody's where it is empty.
    pub async fn send(&self, user: &str, (method, path): (&str, &str), headers: &str, body: &str) -> Got {
        let secret = BASE64_STANDARD.encode(format!("{user}:{SECRET}"));
        let proof = if user.is_empty() { String::new() } else { format!("Authorization: Basic {secret}\r\n") };
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{proof}{length}{headers}\r\n");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        read(&mut stream).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.post_with(path, "", body).await
    }

    pub async fn post_with(&self, path: &str, headers: &str, body: &Value) -> (u16, Value) {
        let got = self.send("demo", ("POST", path), &format!("{JSON}{headers}"), &body.to_string()).await;
        (got.status, json(&got))
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        let got = self.send("demo", ("GET", path), "", "").await;
        (got.status, json(&got))
    }

    /// Opens one, and tells its path and its code.
    pub async fn opened(&self, fields: Value) -> (String, String) {
        let mut fields = fields;
        fields["returnCode"] = true.into();
        let (status, told) = self.post(ALL, &fields).await;
        assert_eq!(status, 201, "{told}");
        (format!("{ALL}/{}", told["id"].as_str().unwrap()), told["code"].as_str().unwrap().to_owned())
    }

    pub fn wait(&self, seconds: u64) {
        self.world.advance(Duration::from_secs(seconds));
    }
}

/// A body as JSON, which it must be.
pub fn json(got: &Got) -> Value {
    serde_json::from_str(&got.body).unwrap_or_else(|_| panic!("no JSON: {got:?}"))
}

/// What a bot is told to say.
pub fn said(told: &Value) -> &str {
    told["say"]["text"].as_str().unwrap_or_default()
}

fn credential(user: &str) -> Credential {
    let secrets = vec![StoredSecret::Generated(Secret::new(SECRET))];
    Credential { user: user.into(), publisher: PublisherId::from(user), secrets, allow: vec![], password_digest: false }
}

fn rival(world: &World) {
    let mut registry = (*world.engine.registry()).clone();
    let mut rival = (*registry.publishers[&PublisherId::from("demo")]).clone();
    rival.id = PublisherId::from("rival");
    registry.publishers.insert(rival.id.clone(), Arc::new(rival));
    world.engine.register(registry);
}
