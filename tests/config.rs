//! Settings: file, environment over it, refusals at their place, and no secret in what is printed.

use countersign::config::{Loaded, read};
use std::collections::HashMap;
use std::path::Path;

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, String> {
    let environment: HashMap<_, _> = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    read(Path::new("c.toml"), text, environment).map_err(|it| it.to_string())
}

#[test]
fn an_empty_file_has_the_defaults() {
    let settings = load("", &[]).expect("settings").settings;
    assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.store.dir, Path::new("/var/lib/countersign"));
    assert_eq!(settings.admin.socket, Path::new("/run/countersign/admin.sock"));
    assert_eq!(settings.source, Path::new("c.toml"));
}

#[test]
fn the_environment_is_over_the_file() {
    let text = "[http]\nlisten = \"127.0.0.1:1\"\n[store]\nretention_days = 7\n";
    let check = |environment: &[(&str, &str)], expected: (&str, u32, usize, &[&str])| {
        let settings = load(text, environment).expect("settings").settings;
        let files: Vec<_> = settings.registration.files.iter().map(|it| it.to_str().expect("text")).collect();
        let found = (&*settings.http.listen.to_string(), settings.store.retention_days, settings.http.limits.max_body_bytes, &files[..]);
        assert_eq!(found, expected, "{environment:?}");
    };
    let own: &[&str] = &["/etc/countersign/registration"];
    check(&[], ("127.0.0.1:1", 7, 262_144, own));
    check(&[("COUNTERSIGN__HTTP__LISTEN", "127.0.0.1:2")], ("127.0.0.1:2", 7, 262_144, own));
    check(&[("COUNTERSIGN__STORE__RETENTION_DAYS", "8")], ("127.0.0.1:1", 8, 262_144, own));
    check(&[("COUNTERSIGN__HTTP__LIMITS__MAX_BODY_BYTES", "9")], ("127.0.0.1:1", 7, 9, own));
    check(&[("COUNTERSIGN__REGISTRATION__FILES", "a.toml,b.toml")], ("127.0.0.1:1", 7, 262_144, &["a.toml", "b.toml"]));
    check(&[("COUNTERSIGN_CONFIG", "x"), ("HTTP__LISTEN", "x")], ("127.0.0.1:1", 7, 262_144, own));
}

#[test]
fn proxies_are_a_list_in_the_environment_too() {
    let taken = |value: &str| load("", &[("COUNTERSIGN__HTTP__TRUSTED_PROXIES", value)]).is_ok();
    assert!(taken("10.0.0.0/8") && taken("10.0.0.0/8,fd00::1") && !taken("10.0.0.0/8,nowhere"));
}

#[test]
fn what_is_wrong_is_refused_at_its_place() {
    let check = |text: &str, environment: &[(&str, &str)], expected: &str| {
        assert_eq!(load(text, environment).map(|_| "taken".to_owned()).unwrap_or_else(|it| it), expected, "{text} {environment:?}");
    };
    let file = |text: &str, expected: &str| check(text, &[], expected);
    file(
        "[stroe]\n",
        "c.toml:1:2: unknown field `stroe`, expected one of `http`, `challenges`, `store`, `keys`, `registration`, `gateway`, `inbound`, `smtp`, `sendgrid`, `fcm`, `webpush`, `kafka`, `outbox`, `subscriber`, `admin`, `log`",
    );
    file(
        "[challenges]\nresends = 11\n",
        "c.toml: challenges.resends must be a number from 0 to 10, and challenges.resend_gap_seconds from 0 to 3600",
    );
    file(
        "[store]\nretention = 3\n",
        "c.toml:2:1: unknown field `retention`, expected one of `engine`, `dir`, `retention_days`, `postgres`",
    );
    file("\n[store]\n  retention_days = \"week\"\n", "c.toml:3:20: invalid type: string \"week\", expected u32");
    file("[http]\nlisten = \"nowhere\"\n", "c.toml:2:10: invalid socket address syntax");
    file(
        "[http.limits]\nmax_body = 1\n",
        "c.toml:2:1: unknown field `max_body`, expected one of `max_connections`, `max_connections_per_address`, `max_body_bytes`, `max_header_bytes`, `max_headers`, `max_streams`, `handshake_timeout_ms`, `header_timeout_ms`, `idle_timeout_ms`, `body_timeout_ms`, `request_timeout_ms`, `drain_timeout_ms`",
    );
    file("[http]\ntrusted_proxies = [\"0.0.0.0/0\"]\n", "c.toml:2:19: \"0.0.0.0/0\" is everybody: name the networks of your proxies only");
    file("[store\n", "c.toml:1:7: unclosed table, expected `]`");
    file("[store]\nretention_days = 0\n", "c.toml: store.retention_days must be a number from 1 to 3650");
    file(
        "[store]\ndir = \"/d\"\n[keys]\nroot_file = \"/d/root.key\"\n",
        "c.toml: keys.root_file must be outside store.dir: who has the data must not have the key",
    );
    file("[registration]\nfiles = []\n", "c.toml: registration.files must name at least one file or directory");
    file(
        "[log]\nlevel = \"loud=\"\n",
        "c.toml: log.level: `loud=` is no level; write error, warn, info, debug or trace, or by target: info,countersign::engine=debug",
    );
    file("[[gateway]]\nname = \"a\"\n", "c.toml: missing configuration field \"gateway[0]url\"");
    file(
        "[[gateway]]\nname = \"a\"\nurl = \"https://a.example\"\n[[gateway]]\nname = \"a\"\nurl = \"https://b.example\"\n",
        "c.toml: `a` names two ways out or subscribers; names are unique",
    );
    let mail =
        "[smtp]\nname = \"a\"\nhost = \"m.example\"\nfrom = \"a@b.example\"\n[sendgrid]\nfrom = \"a@b.example\"\napi_key_file = \"k\"\n";
    file(mail, "c.toml: mail has one way out: keep [smtp] or [sendgrid], and remove the other");
    file(
        "[sendgrid]\nkey = \"SG.x\"\n",
        "c.toml:2:1: unknown field `key`, expected one of `name`, `base_url`, `api_key_file`, `from`, `reply_to`, `category`, `webhook_key`, `timeout_ms`, `allow_plain`, `ca_file`",
    );
    let inbound = "[[inbound]]\nname = \"a\"\npreset = \"json\"\nproof = \"networks\"\nnetworks = [\"192.0.2.0/24\"]\n";
    file(&inbound.repeat(2), "c.toml: `a` names two [[inbound]]; names are unique");
    file("[[subscriber]]\npublisher = \"demo\"\n", "c.toml: each [[subscriber]] has either [subscriber.ees] or [subscriber.webhook]");
    let subscriber = |more: &str| {
        format!(
            "[[subscriber]]\npublisher = \"demo\"\n{more}\n[subscriber.webhook]\nname = \"core\"\nurl = \"https://x.example/\"\nsecret_file = \"/s\"\n"
        )
    };
    file(&subscriber("retry_hours = 0"), "c.toml: retry_hours of a [[subscriber]] must be a number from 1 to 720");
    file(&subscriber("at_once = 33"), "c.toml: at_once of a [[subscriber]] must be a number from 1 to 32");
    check(
        "",
        &[("COUNTERSIGN__STROE__DIR", "/d")],
        "c.toml: unknown field `stroe`, expected one of `http`, `challenges`, `store`, `keys`, `registration`, `gateway`, `inbound`, `smtp`, `sendgrid`, `fcm`, `webpush`, `kafka`, `outbox`, `subscriber`, `admin`, `log`",
    );
    check(
        "",
        &[("COUNTERSIGN__STORE__RETENTION_DAYS", "week")],
        "c.toml: invalid type: string \"week\", expected an integer for key `store.retention_days` in the environment",
    );
}

#[test]
fn what_is_printed_says_what_holds_and_no_secret() {
    let text = r#"
[[gateway]]
name = "carrier"
url = "https://carrier.example/send"
secret_file = "/etc/countersign/carrier.secret"
headers = { Authorization = "Bearer canary-1", X-Account = "canary-2" }
query = [["password", "canary-3"], ["pwd", "{secret}"], ["to", "{to}"]]

[http]
operator_password_file = "/etc/countersign/operator.password"
"#;
    let printed = load(text, &[("COUNTERSIGN__STORE__DIR", "/data")]).expect("settings").printed();
    for expected in
        ["dir = \"/data\"", "retention_days = 90", "/etc/countersign/carrier.secret", "operator.password", "[hidden]", "{secret}", "{to}"]
    {
        assert!(printed.contains(expected), "{expected} in {printed}");
    }
    assert!(!printed.contains("canary"), "{printed}");
}

#[test]
fn the_example_in_the_documentation_holds() {
    let text = include_str!("../docs/countersign.toml");
    let settings = load(text, &[]).expect("settings").settings;
    assert_eq!((settings.gateway.len(), settings.inbound.len(), settings.subscriber.len(), settings.smtp.is_some()), (1, 1, 2, true));
}

#[test]
fn the_engine_and_its_section_go_together() {
    let check = |text: &str, expected: &str| {
        let said = load(text, &[]).map_or_else(|it| it, |_| String::new());
        assert!(if expected.is_empty() { said.is_empty() } else { said.contains(expected) }, "{text}: {said}");
    };
    let database = "[store.postgres]\nhosts = ['db1:5432', 'db2']\npassword_file = 'p'\n";
    check("[store]\nengine = 'sled'\n", "");
    check(&format!("[store]\nengine = 'postgres'\n{database}"), "");
    check("[store]\nengine = 'postgres'\n", "say in a section [store.postgres] where the database is");
    check(database, "[store.postgres] is set, but store.engine is \"sled\"");
    check("[store]\nengine = 'oracle'\n", "c.toml:2:10: unknown variant `oracle`, expected `sled` or `postgres`");
    check("[store]\nengine = 'postgres'\n[store.postgres]\nhost = 'db1'\n", "c.toml:4:1: unknown field `host`");
    check("[store]\nengine = 'postgres'\n[store.postgres]\nhosts = []\n", "store.postgres: hosts must name 1 to 16 hosts");
    check("[store]\nengine = 'postgres'\n[store.postgres]\nhosts = ['db1']\ntls = 'off'\n", "store.postgres: tls = \"off\" to db1");
    check("[store]\nengine = 'postgres'\ndir = '/d'\n[store.postgres]\n[keys]\nroot_file = '/d/k'\n", "must be outside store.dir");
}

#[test]
fn the_environment_can_choose_the_engine() {
    let variables = [("COUNTERSIGN__STORE__ENGINE", "postgres"), ("COUNTERSIGN__STORE__POSTGRES__HOSTS", "db1:5433,db2")];
    let loaded = load("", &variables).unwrap();
    let database = loaded.settings.store.postgres.as_ref().unwrap();
    assert_eq!((database.hosts.join(" ").as_str(), database.user.as_str()), ("db1:5433 db2", "countersign"));
    assert!(
        loaded.printed().contains("[store.postgres]") && loaded.printed().contains("statement_timeout_secs = 10"),
        "{}",
        loaded.printed()
    );
}

#[test]
fn a_lease_outlasts_the_slowest_way_out() {
    let check = |gateway: &str, outbox: &str, expected: Result<u64, &str>| {
        let gateway = format!("[[gateway]]\nname = \"a\"\nurl = \"https://a.example\"\n{gateway}\n");
        match (load(&format!("{gateway}{outbox}"), &[]), expected) {
            (Ok(loaded), Ok(seconds)) => assert_eq!(loaded.settings.lease().as_secs(), seconds, "{gateway}{outbox}"),
            (Err(why), Err(part)) => assert!(why.contains(part), "{gateway}{outbox}: {why}"),
            (found, expected) => panic!("{gateway}{outbox}: {expected:?}, not {:?}", found.map(|it| it.settings.lease())),
        }
    };
    check("", "", Ok(40));
    check("timeout_ms = 120000", "", Ok(150));
    check("", "[outbox]\nlease_secs = 13", Ok(13));
    check("", "[outbox]\nlease_secs = 12", Err("outbox.lease_secs must be a number from 13 to 3600"));
    check("timeout_ms = 1001", "[outbox]\nlease_secs = 5", Ok(5));
    check("timeout_ms = 1001", "[outbox]\nlease_secs = 4", Err("from 5 to 3600"));
    check("", "[outbox]\nlease_secs = 3601", Err("from 13 to 3600"));
    assert_eq!(load("", &[]).unwrap().settings.lease().as_secs(), 30);
}

#[test]
fn topics_of_kafka_have_the_variables_of_their_contract() {
    let kafka = "[kafka]\nbrokers = ['b:9092']\npublisher = 'bank'\n";
    let check = |environment: &[(&str, &str)], expected: Result<Option<&str>, &str>| {
        let read = load(kafka, environment).map(|it| it.settings.kafka.unwrap().generate_in);
        match expected {
            Ok(topic) => assert_eq!(read.expect("settings").as_deref(), topic, "{environment:?}"),
            Err(why) => assert!(read.as_ref().is_err_and(|it| it.contains(why)), "{read:?}"),
        }
    };
    let contract = [("KAFKA_TOPIC_OTP_GENERATE_IN", "gi"), ("KAFKA_TOPIC_OTP_GENERATE_OUT", "go")];
    check(&[], Ok(None));
    check(&contract, Ok(Some("gi")));
    check(&[contract[0], contract[1], ("COUNTERSIGN__KAFKA__GENERATE_IN", "other")], Ok(Some("other")));
    check(&contract[..1], Err("kafka: generate_in and generate_out go together"));
    check(&[contract[0], contract[1], ("COUNTERSIGN__KAFKA__BROKERS", "b1:9092,b2:9092")], Ok(Some("gi")));
}
