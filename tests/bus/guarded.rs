//! A cluster that lets nobody in without TLS and a password: a gate that asks for both, and a real broker behind it.

use crate::broker::Broker;
use crate::postgres::certificates::Certificates;
use crate::scram;
use crate::stand::{PATIENCE, TOPICS, put_templates, record, settings, start};
use crate::world::World;
use countersign::bus::record::Flow;
use countersign::bus::{Sasl, Settings, Tls};
use rdkafka::config::ClientConfig;
use rdkafka::producer::FutureProducer;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

const USER: &str = "bank";
const PASSWORD: &str = "kY2b8Qe0wTzL5";
/// The longest greeting.
const FRAME_MAX: u32 = 64 * 1024;

/// How many it let in, and how many not.
#[derive(Default)]
struct Gate {
    passed: AtomicUsize,
    refused: AtomicUsize,
}

impl Gate {
    /// Listens on the loopback; the port.
    async fn open(certificates: &Certificates) -> (Arc<Self>, TcpListener, TlsAcceptor) {
        let (chain, key) = certificates.server();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        (Arc::default(), TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(config)))
    }

    async fn serve(self: Arc<Self>, (listener, tls): (TcpListener, TlsAcceptor), broker: SocketAddr) {
        while let Ok((stream, _)) = listener.accept().await {
            let (gate, tls) = (self.clone(), tls.clone());
            tokio::spawn(async move {
                let Ok((mut client, mut behind)) = let_in(tls.accept(stream), broker).await else {
                    gate.refused.fetch_add(1, Ordering::SeqCst);
                    return;
                };
                gate.passed.fetch_add(1, Ordering::SeqCst);
                // Whoever hangs up first ends it.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut behind).await;
            });
        }
    }
}

/// SASL as Kafka has it (KIP-43, KIP-152): for PLAIN (RFC 4616) and SCRAM, as the client wants it.
async fn let_in(client: Accept<TcpStream>, broker: SocketAddr) -> Result<(TlsStream<TcpStream>, TcpStream)> {
    let mut client = client.await?;
    let mut behind = TcpStream::connect(broker).await?;
    let (mut mechanism, mut begun) = (String::new(), None);
    loop {
        let asked = frame(&mut client).await?;
        let head = asked.get(..8).ok_or_else(|| Error::other("no request"))?;
        let (version, correlation) = (head[3], &head[4..]);
        match head[..2] {
            // ApiVersions.
            [0, 18] => {
                write(&mut behind, &asked).await?;
                let answered = frame(&mut behind).await?;
                write(&mut client, &answered).await?;
            }
            // SaslHandshake: no error, and the one mechanism that was asked for.
            [0, 17] => {
                mechanism = said(&asked, 2)?;
                let length = (mechanism.len() as u16).to_be_bytes();
                write(&mut client, &[correlation, b"\0\0\0\0\0\x01", &length, mechanism.as_bytes()].concat()).await?;
            }
            // SaslAuthenticate.
            [0, 36] => {
                let said = said(&asked, 4)?;
                let answer = match (scram::hash(&mechanism), begun.take()) {
                    (Some(_), None) => scram::begin(&said, USER).map(|(now, answer)| {
                        begun = Some(now);
                        answer
                    }),
                    (Some(hash), Some(before)) => scram::end(before, &said, hash, PASSWORD),
                    (None, _) => (mechanism == "PLAIN" && said == format!("\0{USER}\0{PASSWORD}")).then(String::new),
                };
                let code: i16 = if answer.is_some() { 0 } else { 58 };
                let text = answer.as_deref().unwrap_or_default();
                let length = (text.len() as u32).to_be_bytes();
                // No error's text, and from version 1 on no end of the session.
                let rest: &[u8] = if version > 0 { &[0; 8] } else { &[] };
                write(&mut client, &[correlation, &code.to_be_bytes(), &[0xff, 0xff], &length, text.as_bytes(), rest].concat()).await?;
                match (answer, &begun) {
                    (None, _) => return Err(Error::other("a wrong password")),
                    (Some(_), None) => return Ok((client, behind)),
                    (Some(_), Some(_)) => {}
                }
            }
            _ => return Err(Error::other("a request before the password")),
        }
    }
}

/// What a request says after the name of the client, in a field whose length has so many bytes.
fn said(request: &[u8], width: usize) -> Result<String> {
    let field = |at: usize, width: usize| {
        let length = request.get(at..at + width)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        request.get(at + width..at + width + length)
    };
    let name = field(8, 2).ok_or_else(|| Error::other("no name"))?;
    let text = field(10 + name.len(), width).ok_or_else(|| Error::other("nothing said"))?;
    String::from_utf8(text.to_vec()).map_err(Error::other)
}

async fn frame(from: &mut (impl AsyncReadExt + Unpin)) -> Result<Vec<u8>> {
    let length = from.read_u32().await?;
    if length > FRAME_MAX {
        return Err(Error::other("a frame that is too long"));
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn write(to: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) -> Result<()> {
    to.write_all(&[&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()).await
}

/// What an operator sets.
fn guarded(brokers: &str, mechanism: &str, ca_file: &Path, password_file: &Path) -> Settings {
    Settings {
        tls: Some(Tls { ca_file: Some(ca_file.to_owned()), ..Tls::default() }),
        sasl: Some(Sasl {
            mechanism: mechanism.to_owned(),
            user: USER.to_owned(),
            password_file: password_file.to_owned(),
            allow_plain: false,
        }),
        ..settings(brokers, "guarded")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: bus"]
async fn a_guarded_cluster_is_served_with_the_right_authority_and_password_only() {
    let (certificates, folder) = (Certificates::new(), tempfile::tempdir().unwrap());
    let (gate, listener, tls) = Gate::open(&certificates).await;
    let brokers = format!("localhost:{}", listener.local_addr().unwrap().port());
    let broker = Broker::advertised(&brokers, &TOPICS, 1);
    tokio::spawn(gate.clone().serve((listener, tls), broker.address().parse().unwrap()));
    let password = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    };
    let (right, wrong) = (password("right", PASSWORD), password("wrong", "kY2b8Qe0wTzL6"));
    let world = World::with(|_| {}).await;
    put_templates(&world.engine).await;
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let before = gate.passed.load(Ordering::SeqCst);
        for (case, ca_file, password_file) in
            [("another authority", certificates.other_ca_file(), &right), ("a wrong password", certificates.ca_file(), &wrong)]
        {
            let refused = gate.refused.load(Ordering::SeqCst);
            let bus = start(&guarded(&brokers, mechanism, &ca_file, password_file), &world.engine, &world.vault);
            wait(case, || gate.refused.load(Ordering::SeqCst) > refused).await;
            bus.end().await;
            assert_eq!(gate.passed.load(Ordering::SeqCst), before, "{mechanism}: {case}");
        }
        let bus = start(&guarded(&brokers, mechanism, &certificates.ca_file(), &right), &world.engine, &world.vault);
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("security.protocol", "sasl_ssl")
            .set("ssl.ca.location", certificates.ca_file().display().to_string())
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", USER)
            .set("sasl.password", PASSWORD)
            .create()
            .unwrap();
        let value = r#"{"templateName":"otpSMS","channel":"SMS","clientId":"1","recipient":"+12025550123"}"#;
        producer.send(record(TOPICS[0], ("k", &[]), value), PATIENCE).await.unwrap();
        wait(mechanism, || bus.metrics.count(Flow::Generate, "sent") == 1).await;
        bus.end().await;
    }
}

async fn wait(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
