//! Connections to a real server as the settings say: by TLS or not, to the host that takes writes, and with words that help when
//! there are none.

mod postgres;

use countersign::store::postgres::connect::pool;
use countersign::store::postgres::reason;
use countersign::store::postgres::settings::{Settings, TlsMode};
use postgres::latency::Proxy;
use postgres::{Cluster, PASSWORD, ROLE, shared};

/// What the server answers to a question with one text.
async fn answer(settings: &Settings, question: &str) -> String {
    let client = pool(settings).unwrap().get().await.unwrap_or_else(|error| panic!("{}", reason(&error)));
    client.query_one(question, &[]).await.unwrap().get(0)
}

/// Why there is no connection. Never the password.
async fn refusal(settings: &Settings) -> String {
    let Err(error) = pool(settings).unwrap().get().await else { panic!("it connects") };
    let said = format!("{} {error:?}", reason(&error));
    assert!(!said.contains(PASSWORD), "{said}");
    reason(&error)
}

fn by_tls(cluster: &Cluster) -> Settings {
    let ca_file = Some(cluster.certificates().ca_file());
    Settings { hosts: vec![format!("localhost:{}", cluster.port())], tls: TlsMode::Verify, ca_file, ..cluster.settings("postgres") }
}

#[tokio::test]
async fn a_connection_is_set_up_and_no_role_weakens_it() {
    let (cluster, database) = (shared(), shared().database());
    let settings = Settings { statement_timeout_secs: 7, ..cluster.settings(&database) };
    let check = async |setting: &str, expected: &str| {
        assert_eq!(answer(&settings, &format!("SELECT current_setting('{setting}')")).await, expected, "{setting}");
    };
    check("application_name", "countersign").await;
    check("statement_timeout", "7s").await;
    check("idle_in_transaction_session_timeout", "7s").await;
    for (set, expected) in [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on"), ("remote_apply", "remote_apply")] {
        cluster.sql("postgres", &format!("ALTER ROLE {ROLE} IN DATABASE {database} SET synchronous_commit = '{set}'"));
        check("synchronous_commit", expected).await;
    }
    check("transaction_read_only", "off").await;
}

/// The planted fault: as the role is set, an acknowledged row is lost. On our connections it is not.
#[tokio::test]
async fn a_role_that_promises_too_early_loses_nothing_of_ours() {
    let mut cluster = Cluster::quick();
    cluster.sql("postgres", &format!("CREATE TABLE it (n int8); ALTER TABLE it OWNER TO {ROLE}"));
    cluster.sql("postgres", &format!("ALTER ROLE {ROLE} SET synchronous_commit = off"));
    cluster.sql("postgres", "ALTER SYSTEM SET wal_writer_delay = '10s'");
    cluster.restart();
    // Most often nobody else writes it out meanwhile; so, not always at the first try.
    let mut tries = 0;
    while cluster.sql("postgres", "SELECT count(*) FROM it") == tries.to_string() {
        assert!(tries < 50, "the fault is not noticed");
        tries += 1;
        let (theirs, connection) = tokio_postgres::connect(&cluster.url("postgres"), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        theirs.execute("INSERT INTO it VALUES (1)", &[]).await.unwrap();
        cluster.kill();
        cluster.restart();
    }

    let ours = pool(&cluster.settings("postgres")).unwrap().get().await.unwrap();
    ours.execute("INSERT INTO it VALUES (2)", &[]).await.unwrap();
    cluster.kill();
    cluster.restart();
    assert_eq!(cluster.sql("postgres", "SELECT count(*) FROM it WHERE n = 2"), "1");
}

#[tokio::test]
async fn tls_is_for_the_name_and_from_the_authority() {
    let cluster = Cluster::tls();
    let good = by_tls(&cluster);
    let how = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(answer(&good, how).await, "TLSv1.3");

    let check = async |settings: Settings, expected: &str| {
        let said = refusal(&settings).await;
        assert!(said.contains(expected), "{said}");
    };
    let other = Some(cluster.certificates().other_ca_file());
    check(Settings { ca_file: other, ..good.clone() }, "name the authority of the server's certificate as `ca_file`").await;
    check(Settings { ca_file: None, ..good.clone() }, "name the authority of the server's certificate as `ca_file`").await;
    check(Settings { hosts: vec![cluster.host()], ..good.clone() }, "name the host in `hosts` as its certificate does").await;
    check(cluster.settings("postgres"), "pg_hba.conf").await;
    let plain = Settings { hosts: vec![format!("localhost:{}", shared().port())], ..good.clone() };
    check(plain, "switch `ssl` on in the server").await;
}

#[tokio::test]
async fn a_certificate_takes_the_place_of_a_password() {
    let cluster = Cluster::tls();
    let (certificate, key) = cluster.certificates().client();
    let none = Settings { user: postgres::certificates::CERTIFIED.to_owned(), password_file: None, ..by_tls(&cluster) };
    let ours = Settings { certificate_file: Some(certificate.clone()), key_file: Some(key.clone()), ..none.clone() };
    assert_eq!(answer(&ours, "SELECT current_user::text").await, "certified");
    let said = refusal(&none).await;
    assert!(said.contains("certificate"), "{said}");

    let unusable = |settings: &Settings| pool(settings).map(drop).expect_err("it is refused").to_string();
    let wrong = unusable(&Settings { key_file: Some(shared().settings("postgres").password_file.unwrap()), ..ours.clone() });
    assert!(wrong.contains("no private key in PEM form") && !wrong.contains(PASSWORD), "{wrong}");
    let swapped = unusable(&Settings { certificate_file: Some(cluster.certificates().ca_file()), ..ours.clone() });
    assert!(swapped.contains("the key does not fit the certificate"), "{swapped}");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    assert!(unusable(&ours).contains("chmod 600"));
}

#[tokio::test]
async fn who_can_not_come_in_is_told_what_to_do() {
    let cluster = shared();
    let good = cluster.settings("postgres");
    let check = async |settings: Settings, expected: &str| {
        let said = refusal(&settings).await;
        assert!(said.contains(expected), "{said}");
    };
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "wrong").unwrap();
    std::fs::set_permissions(&wrong, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    check(Settings { password_file: Some(wrong), ..good.clone() }, "put the password of `user` into `password_file`").await;
    check(Settings { password_file: None, ..good.clone() }, "name it as `password_file`").await;
    check(Settings { user: "nobody".to_owned(), ..good.clone() }, "put the password of `user` into `password_file`").await;
    check(Settings { database: "nowhere".to_owned(), ..good.clone() }, "create the database").await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(Settings { hosts: vec![nobody.to_string()], ..good.clone() }, "is it running, and are `hosts` right?").await;
    let proxy = Proxy::to(cluster.port());
    proxy.silence();
    check(Settings { hosts: vec![proxy.host()], connect_timeout_secs: 1, ..good.clone() }, "no database host answered in time").await;
}

#[tokio::test]
async fn of_several_hosts_the_one_that_takes_writes_is_used() {
    let mut primary = Cluster::quick();
    let mut standby = primary.standby();
    let hosts = |it: &[&str]| Settings {
        hosts: it.iter().map(|it| (*it).to_owned()).collect(),
        connect_timeout_secs: 1,
        ..primary.settings("postgres")
    };
    let port = "SELECT current_setting('port')";
    let both = hosts(&[&standby.host(), &primary.host()]);
    assert_eq!(answer(&both, port).await, primary.port().to_string());
    let said = refusal(&hosts(&[&standby.host()])).await;
    assert!(said.contains("none of `hosts` is a primary"), "{said}");
    let silent = Proxy::to(primary.port());
    silent.silence();
    assert_eq!(answer(&hosts(&[&silent.host(), &primary.host()]), port).await, primary.port().to_string());

    // The same pool finds the promoted one.
    let pool = pool(&both).unwrap();
    let before = pool.get().await.unwrap();
    primary.kill();
    standby.promote();
    assert!(before.query_one(port, &[]).await.is_err());
    drop(before);
    let after = pool.get().await.unwrap_or_else(|error| panic!("{}", reason(&error)));
    assert_eq!(after.query_one(port, &[]).await.unwrap().get::<_, String>(0), standby.port().to_string());
    standby.stop();
}

#[tokio::test]
async fn what_takes_too_long_is_ended() {
    let settings = Settings { statement_timeout_secs: 1, pool: 1, wait_timeout_millis: 1, ..shared().settings("postgres") };
    let pool = pool(&settings).unwrap();
    let client = pool.get().await.unwrap();
    let Err(error) = pool.get().await else { panic!("there is only one") };
    assert!(reason(&error).contains("all connections to the database are in use"), "{}", reason(&error));
    let ended = client.simple_query("SELECT pg_sleep(3600)").await.unwrap_err();
    assert_eq!(ended.code(), Some(&tokio_postgres::error::SqlState::QUERY_CANCELED));
    client.simple_query("SELECT 1").await.unwrap();
}
