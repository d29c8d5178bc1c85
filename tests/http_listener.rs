//! The listener over real sockets: what is silent or too much is closed, what runs is drained.

mod http_stand;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use countersign::http::settings::{Limits, TlsSettings};
use countersign::http::{Extra, Settings};
use http_stand::*;
use rcgen::{CertificateParams, KeyPair};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio_util::sync::CancellationToken;

fn quick() -> Settings {
    let limits = Limits {
        handshake_timeout_ms: 150,
        header_timeout_ms: 150,
        idle_timeout_ms: 150,
        body_timeout_ms: 150,
        drain_timeout_ms: 300,
        max_body_bytes: 4096,
        max_headers: 16,
        ..Limits::default()
    };
    Settings { limits, ..Settings::default() }
}

/// Whatever a peer begins and does not go on with ends by itself: `read_to_end` returns.
#[tokio::test]
async fn what_is_silent_is_closed() {
    let stand = stand(quick(), &generated()).await;
    let check = async |sent: &str, expected: u16| {
        let got = stand.send(sent.as_bytes()).await;
        assert_eq!(got.status, expected, "{sent:?}: {}", got.head);
    };
    check("", 0).await;
    check("GET /health/live HTTP/1.1\r\nHo", 0).await;
    check("GET /health/live HTTP/1.1\r\nHost: h\r\n\r\n", 200).await;
    check(&format!("POST {IMS} HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n<a>"), 408).await;
    check(&format!("POST {IMS} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<a>\r\n"), 408).await;
}

#[tokio::test]
async fn what_is_too_much_is_refused() {
    let stand = stand(quick(), &generated()).await;
    let got = stand.post(IMS, BASIC, &"x".repeat(4097)).await;
    assert_eq!(got.status, 413);
    assert!(got.body.contains("Fault>") && got.body.contains("too large"), "{}", got.body);
    let chunked = format!("POST {IMS} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1001\r\n{}\r\n0\r\n\r\n", "x".repeat(4097));
    assert_eq!(stand.send(chunked.as_bytes()).await.status, 413);
    // With the two that every request of these tests has.
    for (fields, expected) in [(14, 200), (15, 431), (99, 431), (120, 431)] {
        let got = stand.get("/health/live", &"a: b\r\n".repeat(fields)).await;
        assert_eq!(got.status, expected, "{fields}: {got:?}");
    }
    let kept = stand.send(format!("GET /health/live HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(20)).as_bytes()).await;
    assert!(kept.status == 431 && kept.head.contains("connection: close"), "{kept:?}");
    let head = stand.at("h", "HEAD", "/health/live", &"a: b\r\n".repeat(20)).await;
    assert_eq!((head.status, head.body.as_str()), (431, ""));
    let mut wide = quick();
    wide.limits.max_headers = 110;
    let wide = http_stand::stand(wide, &generated()).await;
    assert_eq!(wide.get("/health/live", &"a: b\r\n".repeat(108)).await.status, 200);
    assert_eq!(wide.get("/health/live", &"a: b\r\n".repeat(109)).await.status, 431);
    let long = format!("a: {}\r\n", "b".repeat(20_000));
    assert_eq!(stand.get("/health/live", &long).await.status, 431);
    assert_eq!(stand.post(IMS, "Content-Encoding: gzip\r\n", "x").await.status, 415);
    assert_eq!(stand.post(IMS, "Sec-Fetch-Site: cross-site\r\n", "x").await.status, 403);
    assert!(stand.fake.opened.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_full_house_waits_for_a_place() {
    let mut settings = quick();
    settings.limits.max_connections = 1;
    let stand = stand(settings, &[]).await;
    let mut first = TcpStream::connect(stand.address).await.unwrap();
    first.write_all(b"GET /health/live HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    // The second is answered once the first, which stays silent, has been closed.
    assert_eq!(stand.get("/health/live", "").await.status, 200);
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).await.unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn who_reads_nothing_loses_its_place() {
    let mut settings = quick();
    settings.limits.max_connections = 1;
    let stand = stand(settings, &[]).await;
    let (mut read, mut write) = TcpStream::connect(stand.address).await.unwrap().into_split();
    let asked = format!("GET {IMS}?wsdl HTTP/1.1\r\nHost: h\r\n\r\n").repeat(3000);
    let asking = tokio::spawn(async move { write.write_all(asked.as_bytes()).await });
    assert_eq!(stand.get("/health/live", "").await.status, 200);
    let mut answers = Vec::new();
    let _ = read.read_to_end(&mut answers).await;
    let count = String::from_utf8_lossy(&answers).matches("HTTP/1.1 200").count();
    assert!((1..3000).contains(&count), "{count} answers waited for the reader");
    let _ = asking.await.unwrap();
}

#[tokio::test]
async fn clients_show_a_certificate_where_one_is_demanded() {
    let dir = tempfile::tempdir().unwrap();
    let server = certificate(dir.path());
    let (key, mut params) = (KeyPair::generate().unwrap(), CertificateParams::default());
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
    std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
    let settings = TlsSettings {
        certificate_file: dir.path().join("cert.pem"),
        key_file: dir.path().join("key.pem"),
        client_ca_file: Some(dir.path().join("ca.pem")),
    };
    let stand = stand(Settings { tls: Some(settings), ..quick() }, &[]).await;
    assert_eq!(over_tls(&stand, &server, b"http/1.1").await.map_or(0, |it| it.0), 0, "let in without one");
    let own = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["client".into()]).unwrap().signed_by(&own, &authority).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(server).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = tokio_rustls::rustls::pki_types::PrivateKeyDer::try_from(own.serialize_der()).unwrap();
    let config = builder.with_root_certificates(roots).with_client_auth_cert(vec![certificate.der().clone()], key).unwrap();
    assert_eq!(ask_over_tls(&stand, config).await.unwrap().0, 200);
}

#[tokio::test]
async fn health_tells_ready_and_draining_apart() {
    let stand = stand(quick(), &[]).await;
    assert_eq!(stand.get("/health/live", "").await.body, r#"{"live":true}"#);
    let ready = stand.get("/health/ready", "").await;
    assert_eq!((ready.status, ready.body.as_str()), (200, r#"{"ready":true,"store":true,"draining":false}"#));
    assert!(ready.head.contains("x-correlation-id: "));
    stand.fake.ready.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(stand.get("/health/live", "").await.status, 200);
    let unready = stand.get("/health/ready", "").await;
    assert_eq!((unready.status, unready.body.as_str()), (503, r#"{"ready":false,"store":false,"draining":false}"#));
    assert_eq!(stand.get("/nothing", "").await.status, 404);
}

/// A request that is here when the drain begins, and answered after it: held before its handler.
#[tokio::test]
async fn who_drains_is_not_ready() {
    let (fake, shutdown, open) = (Arc::new(Fake::default()), CancellationToken::new(), CancellationToken::new());
    let (here, gate) = (CancellationToken::new(), open.clone());
    let arrived = here.clone();
    let hold = move |request: Request, next: Next| {
        let (here, gate) = (here.clone(), gate.clone());
        async move {
            here.cancel();
            gate.cancelled().await;
            next.run(request).await
        }
    };
    let extra: Extra = Box::new(move |router| router.layer(from_fn(hold)));
    let stand = Arc::new(stand_with(Settings::default(), &[], (fake, shutdown.clone(), Some(extra))).await);
    let asking = {
        let stand = Arc::clone(&stand);
        tokio::spawn(async move { stand.get("/health/ready", "").await })
    };
    arrived.cancelled().await;
    shutdown.cancel();
    open.cancel();
    let got = asking.await.unwrap();
    assert_eq!((got.status, got.body.as_str()), (503, r#"{"ready":false,"store":true,"draining":true}"#));
}

#[tokio::test]
async fn a_drain_lets_a_request_end_and_takes_no_new_one() {
    let mut settings = quick();
    settings.limits.drain_timeout_ms = 60_000;
    let stand = Arc::new(stand(settings, &generated()).await);
    let gate = CancellationToken::new();
    *stand.fake.gate.lock().unwrap() = Some(gate.clone());
    let asking = {
        let stand = Arc::clone(&stand);
        tokio::spawn(async move { stand.post(IMS, BASIC, &envelope("")).await })
    };
    while stand.fake.opened.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    stand.shutdown.cancel();
    while TcpStream::connect(stand.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    gate.cancel();
    assert_eq!(asking.await.unwrap().status, 200);
    let stand = Arc::into_inner(stand).unwrap();
    stand.served.await.unwrap();
}

#[tokio::test]
async fn a_drain_has_a_deadline() {
    let stand = Arc::new(stand(quick(), &generated()).await);
    *stand.fake.gate.lock().unwrap() = Some(CancellationToken::new());
    let asking = {
        let stand = Arc::clone(&stand);
        tokio::spawn(async move { stand.post(IMS, BASIC, &envelope("")).await })
    };
    while stand.fake.opened.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    stand.shutdown.cancel();
    assert_eq!(asking.await.unwrap().status, 0);
    Arc::into_inner(stand).unwrap().served.await.unwrap();
}

#[tokio::test]
async fn certificates_are_replaced_while_we_serve() {
    let dir = tempfile::tempdir().unwrap();
    let first = certificate(dir.path());
    let settings =
        TlsSettings { certificate_file: dir.path().join("cert.pem"), key_file: dir.path().join("key.pem"), client_ca_file: None };
    let stand = stand(Settings { tls: Some(settings), ..quick() }, &generated()).await;
    assert_eq!(over_tls(&stand, &first, b"http/1.1").await.unwrap().0, 200);
    assert_eq!(over_tls(&stand, &first, b"http/1.1").await.unwrap().1.as_deref(), Some(&b"http/1.1"[..]));
    let second = certificate(dir.path());
    assert!(over_tls(&stand, &second, b"http/1.1").await.is_none(), "the old one is still shown");
    let tls = stand.tls.as_ref().unwrap();
    tls.reload().unwrap();
    assert_eq!(over_tls(&stand, &second, b"http/1.1").await.unwrap().0, 200);
    assert!(over_tls(&stand, &first, b"http/1.1").await.is_none());
    std::fs::write(dir.path().join("cert.pem"), "nonsense").unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("cert.pem"), "{error}");
    assert_eq!(over_tls(&stand, &second, b"http/1.1").await.unwrap().0, 200);
    // Plain HTTP, and silence, on a TLS port end too.
    assert_eq!(stand.get("/health/live", "").await.status, 0);
    assert_eq!(stand.send(b"").await.status, 0);
}

/// A handshake that stops anywhere holds its connection for as long as a handshake may take, and keeps nobody else waiting.
#[tokio::test]
async fn half_a_handshake_is_cut_and_others_are_served_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = certificate(dir.path());
    let settings =
        TlsSettings { certificate_file: dir.path().join("cert.pem"), key_file: dir.path().join("key.pem"), client_ca_file: None };
    let stand = stand(Settings { tls: Some(settings), ..quick() }, &generated()).await;
    let mut hello = Vec::new();
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(Arc::new(client(&certificate, &[b"http/1.1"])), name).unwrap().write_tls(&mut hello).unwrap();
    let mut held = JoinSet::new();
    for number in 0..40 {
        // From the first byte of a greeting to all of it, after which the client should go on and does not.
        let (part, address) = (hello[..1 + (hello.len() - 1) * number / 39].to_vec(), stand.address);
        held.spawn(async move {
            let (mut stream, mut said) = (TcpStream::connect(address).await.unwrap(), Vec::new());
            stream.write_all(&part).await.unwrap();
            let _ = stream.read_to_end(&mut said).await;
            said
        });
    }
    assert_eq!(over_tls(&stand, &certificate, b"http/1.1").await.unwrap().0, 200);
    for said in held.join_all().await {
        assert!(!said.starts_with(b"HTTP/"), "an answer to half a handshake");
    }
}

#[tokio::test]
async fn http2_is_spoken_over_tls_only() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = certificate(dir.path());
    let settings =
        TlsSettings { certificate_file: dir.path().join("cert.pem"), key_file: dir.path().join("key.pem"), client_ca_file: None };
    let secure = stand(Settings { tls: Some(settings), ..Settings::default() }, &[]).await;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(client(&certificate, &[b"h2"]))
        .resolve("localhost", secure.address)
        .no_proxy()
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/health/live", secure.address.port());
    let answer = client.get(&url).send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
    let wide = |method| (0..65).fold(client.request(method, &url), |it, _| it.header("a", "b"));
    for method in [reqwest::Method::GET, reqwest::Method::HEAD] {
        let answer = wide(method.clone()).send().await.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 431));
        assert_eq!(answer.bytes().await.unwrap().is_empty(), method == reqwest::Method::HEAD);
    }
    let plain = stand(quick(), &[]).await;
    let got = plain.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_ne!(got.status, 200, "{}", got.head);
}

// A certificate for localhost, written where the server reads it.
fn certificate(dir: &Path) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(dir.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
    certificate.der().clone()
}

fn client(trusted: &CertificateDer<'static>, alpn: &[&[u8]]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|it| it.to_vec()).collect();
    config
}

// Status and agreed protocol, with a client that trusts one certificate; `None` when it does not trust the server.
async fn over_tls(stand: &Stand, trusted: &CertificateDer<'static>, alpn: &[u8]) -> Option<(u16, Option<Vec<u8>>)> {
    ask_over_tls(stand, client(trusted, &[alpn])).await
}

async fn ask_over_tls(stand: &Stand, config: ClientConfig) -> Option<(u16, Option<Vec<u8>>)> {
    let connector = TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(stand.address).await.unwrap();
    let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.ok()?;
    let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.ok()?;
    Some((read(&mut stream).await.status, agreed))
}
