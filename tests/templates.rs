//! Message templates over HTTP (contract `otp-bus.md`): the published process engine's own, versions, conditions, who may, and the
//! record of it.

mod http_stand;
mod process;

use countersign::domain::code::Secret;
use countersign::domain::id::PublisherId;
use countersign::domain::message::{Kind, Language, Rendered, Values};
use countersign::http::Settings;
use http_stand::*;
use process::bank::{Bank, PASSWORD, Server};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;

const JSON: &str = "Content-Type: application/json\r\n";

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("fixtures/templates/{name}.json")).unwrap()
}

fn sms(body: &str, language: Option<&str>) -> String {
    json!({"name": "otp", "type": "SMS", "language": language, "body": body}).to_string()
}

async fn send(stand: &Stand, (method, path): (&str, &str), headers: &str, body: &str) -> Got {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    stand.send(format!("{head}{body}").as_bytes()).await
}

async fn store(stand: &Stand, body: &str) -> Got {
    stand.post("/api/template", &format!("{BASIC}{JSON}"), body).await
}

fn body(got: &Got) -> Value {
    serde_json::from_str(&got.body).unwrap_or_else(|error| panic!("{error}: {got:?}"))
}

async fn chosen(stand: &Stand, name: &str, kind: Kind, language: &str) -> Option<(String, Rendered)> {
    let language = Language::parse(language);
    let chosen = stand.templates.resolve(&PublisherId::from("bank"), name, kind, language.as_ref()).await.unwrap()?;
    let parameters = [("clientId".to_owned(), Secret::new("1871201460101"))];
    let values = Values { code: &Secret::new("561126"), parameters: &parameters };
    Some((format!("{} {}", chosen.key, chosen.version), chosen.template.render(&values).unwrap()))
}

#[tokio::test]
async fn the_process_engines_templates_are_taken_told_and_rendered() {
    let stand = stand(Settings::default(), &generated()).await;
    for (name, tag) in [("otpMail", "\"1\""), ("otpSMS", "\"1\"")] {
        let got = store(&stand, &fixture(name)).await;
        assert!(got.status == 201 && got.head.contains(&format!("etag: {tag}")), "{got:?}");
        assert_eq!((body(&got)["name"].as_str(), body(&got)["version"].as_u64()), (Some(name), Some(1)));
        let told = body(&stand.get(&format!("/api/template/{name}"), BASIC).await);
        let sent: Value = serde_json::from_str(&fixture(name)).unwrap();
        for (field, value) in sent.as_object().unwrap() {
            assert_eq!(&told[field], value, "{field}");
        }
        // What was told can be sent back, and changes nothing.
        let got = store(&stand, &told.to_string()).await;
        assert!(got.status == 200 && got.head.contains("etag: \"1\""), "{got:?}");
    }
    let (of, mail) = chosen(&stand, "otpMail", Kind::Mail, "en-US").await.unwrap();
    assert_eq!((of.as_str(), mail.subject.unwrap().expose()), ("MAIL/en/otpMail 1", "otp for 1871201460101"));
    let expected = "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"></head><body><p>Yay, an otp was generated for you:</p>\
                    <p>561126</p></body></html>";
    assert_eq!(mail.body.expose(), expected);
    let (_, sms) = chosen(&stand, "otpSMS", Kind::Sms, "en-US").await.unwrap();
    assert_eq!(sms, Rendered { subject: None, body: Secret::new("OTP 561126") });
    assert_eq!(chosen(&stand, "otpSMS", Kind::Mail, "en").await, None);
    let all = body(&stand.get("/api/template", BASIC).await);
    let names: Vec<_> = all["templates"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["otpMail", "otpSMS"]);
}

#[tokio::test]
async fn the_nearest_language_is_taken() {
    let stand = stand(Settings::default(), &generated()).await;
    for language in [Some("en"), Some("en-us"), Some("es"), Some("pt_BR")] {
        assert_eq!(store(&stand, &sms(language.unwrap(), language)).await.status, 201);
    }
    let check = async |language: &str, expected: Option<&str>| {
        let found = chosen(&stand, "otp", Kind::Sms, language).await.map(|it| it.0);
        assert_eq!(found.as_deref(), expected, "{language}");
    };
    check("en-US", Some("SMS/en-US/otp 1")).await;
    check("en-GB", Some("SMS/en/otp 1")).await;
    check("es-419", Some("SMS/es/otp 1")).await;
    check("pt-BR", Some("SMS/pt-BR/otp 1")).await;
    check("pt", Some("SMS/en/otp 1")).await;
    check("", Some("SMS/en/otp 1")).await;
    assert_eq!(store(&stand, &sms("none", None)).await.status, 201);
    check("pt", Some("SMS/-/otp 1")).await;
    check("en-GB", Some("SMS/en/otp 1")).await;
    let idle = sms("en", Some("en")).replace("{\"body", "{\"active\":false,\"body");
    assert_eq!(store(&stand, &idle).await.status, 200);
    check("en-GB", Some("SMS/-/otp 1")).await;
}

#[tokio::test]
async fn versions_stay_and_changes_have_conditions() {
    let stand = stand(Settings::default(), &generated()).await;
    let path = "/api/template/otp?type=SMS&language=";
    let check = async |method: &str, condition: &str, text: &str, expected: (u16, &str)| {
        let sent = if text.is_empty() { String::new() } else { sms(text, None) };
        let got = send(&stand, (method, path), &format!("{BASIC}{JSON}{condition}"), &sent).await;
        let shown = format!("{}\n{}", got.head, got.body);
        assert!(got.status == expected.0 && shown.contains(expected.1), "{method} {condition}: {got:?}");
    };
    check("PUT", "If-Match: \"1\"\r\n", "a", (412, "there is none")).await;
    check("PUT", "If-Match: *\r\n", "a", (412, "urn:countersign:problem:template-changed")).await;
    check("PUT", "If-None-Match: *\r\n", "a", (201, "etag: \"1\"")).await;
    check("PUT", "If-None-Match: *\r\n", "b", (412, "its version is 1")).await;
    check("PUT", "If-Match: \"1\"\r\n", "b", (200, "etag: \"2\"")).await;
    check("PUT", "If-Match: \"1\"\r\n", "c", (412, "its version is 2")).await;
    check("PUT", "If-Match: 2\r\n", "c", (400, "request-malformed")).await;
    check("PUT", "If-Match: \"2\"\r\nIf-None-Match: *\r\n", "c", (400, "either")).await;
    check("PUT", "", "c", (200, "etag: \"3\"")).await;
    check("DELETE", "If-Match: \"2\"\r\n", "", (412, "its version is 3")).await;
    check("DELETE", "If-Match: \"3\"\r\n", "", (204, "")).await;
    check("DELETE", "", "", (404, "template-unknown")).await;
    check("GET", "", "", (404, "template-unknown")).await;
    assert_eq!(chosen(&stand, "otp", Kind::Sms, "en").await, None, "for new challenges it is gone");
    assert_eq!(body(&stand.get("/api/template", BASIC).await), json!({"templates": []}));
    let key = countersign::domain::message::Key { name: "otp".into(), kind: Kind::Sms, language: None };
    for (version, text) in [(1, "a"), (2, "b"), (3, "c")] {
        let old = stand.templates.compiled(&PublisherId::from("bank"), &key, version).await.unwrap().expect("it is kept");
        let shown = old.render(&Values { code: &Secret::new("1"), parameters: &[] }).unwrap();
        assert_eq!(shown.body.expose(), text);
        let told = body(&stand.get(&format!("{path}&version={version}"), BASIC).await);
        assert_eq!((told["body"].as_str(), told["version"].as_u64()), (Some(text), Some(version.into())));
    }
    assert_eq!(stand.get(&format!("{path}&version=4"), BASIC).await.status, 404, "a removal has no text");
    check("PUT", "If-None-Match: *\r\n", "c", (201, "etag: \"5\"")).await;
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place() {
    let stand = stand(Settings::default(), &generated()).await;
    let check = async |body: &str, expected: (u16, &str)| {
        let got = store(&stand, body).await;
        assert!(got.status == expected.0 && got.body.contains(expected.1), "{body}: {got:?}");
        assert!(got.head.contains("content-type: application/problem+json"), "{got:?}");
    };
    check("{", (400, "request-malformed")).await;
    check(r#"{"name":"a","type":"SMS","body":"x","boddy":"x"}"#, (400, "unknown field `boddy`")).await;
    check(r#"{"name":"a","type":"FAX","body":"x"}"#, (400, "unknown variant `FAX`")).await;
    check(r#"{"name":"a","type":"SMS","body":"x","params":[{"key":"a","mandtory":true}]}"#, (400, "unknown field `mandtory`")).await;
    check(r#"{"type":"SMS","body":"x"}"#, (422, "name: send one")).await;
    check(r#"{"name":"lint","type":"SMS","body":"x"}"#, (422, "choose another name")).await;
    check(r#"{"name":"a b","type":"SMS","body":"x"}"#, (422, "name: a name has")).await;
    check(r#"{"name":"a","type":"SMS","body":"x","language":"english language"}"#, (422, "language: send")).await;
    check(r#"{"name":"a","type":"SMS","body":"x","sample":{"a":"1"}}"#, (422, "sample: it belongs to lint")).await;
    check(r#"{"name":"a","type":"SMS","body":"x\n [[${a + 1}]]"}"#, (422, "body, line 2, column 2: only ${key} is evaluated")).await;
    check(r#"{"name":"a","type":"SMS","body":"x","subject":"[[x]]"}"#, (422, "subject, line 1, column 1")).await;
    check(&format!(r#"{{"name":"a","type":"SMS","body":"{}"}}"#, "x".repeat(65_537)), (422, "template-invalid")).await;
    check(&format!(r#"{{"name":"a","type":"SMS","body":"{}"}}"#, "x".repeat(300_000)), (413, "too large")).await;
    assert!(stand.trail.lines.lock().unwrap().len() <= 2 * 5, "only what could be stored is recorded");
    let path = "/api/template/b?type=MAIL";
    let got = send(&stand, ("PUT", path), &format!("{BASIC}{JSON}"), r#"{"name":"a","type":"SMS","body":"x"}"#).await;
    assert!(got.status == 422 && got.body.contains("not the path's"), "{got:?}");
    let got = send(&stand, ("PUT", path), &format!("{BASIC}{JSON}"), r#"{"type":"SMS","body":"x"}"#).await;
    assert!(got.status == 422 && got.body.contains("not the query's"), "{got:?}");
    let got = stand.post("/api/template", &format!("{BASIC}Content-Type: text/plain\r\n"), "{}").await;
    assert_eq!(got.status, 415, "{got:?}");
    for (name, query) in [("en", "type=FAX"), ("en", "vrsion=1"), ("en", "version=-1")] {
        let got = stand.get(&format!("/api/template/{name}?{query}"), BASIC).await;
        assert!(got.status == 400 && got.body.contains("request-malformed"), "{query}: {got:?}");
    }
    for language in [Some("en"), Some("es")] {
        assert_eq!(store(&stand, &sms("x", language)).await.status, 201);
    }
    let got = stand.get("/api/template/otp", BASIC).await;
    assert!(got.status == 409 && got.body.contains("SMS/en/otp, SMS/es/otp") && got.body.contains("template-ambiguous"), "{got:?}");
}

#[tokio::test]
async fn everybody_has_their_own_and_an_operator_says_whose() {
    let stand = stand(Settings::default(), &generated()).await;
    let scraper = "Authorization: Bearer scrape-token\r\n";
    let wrong = "Authorization: Basic b3BlcmF0b3I6d3Jvbmc=\r\n";
    let check = async |who: &str, query: &str, expected: u16| {
        for (method, path) in [("POST", "/api/template"), ("POST", "/api/template/lint"), ("POST", "/api/template/preview")] {
            let got = send(&stand, (method, &format!("{path}{query}")), &format!("{who}{JSON}"), &sms("[[${otpValue}]]", None)).await;
            let right = if path == "/api/template" && expected == 200 { 201 } else { expected };
            assert_eq!(got.status, right, "{path}{query} {who}: {got:?}");
        }
        let gone = if expected == 200 { 204 } else { expected };
        for (method, path, expected) in
            [("GET", "/api/template", expected), ("GET", "/api/template/otp", expected), ("DELETE", "/api/template/otp", gone)]
        {
            let got = send(&stand, (method, &format!("{path}{query}")), who, "").await;
            assert_eq!(got.status, expected, "{path}{query} {who}: {got:?}");
        }
    };
    check("", "", 401).await;
    check(scraper, "", 401).await;
    check(wrong, "?publisher=bank", 401).await;
    check(BASIC, "?publisher=another", 403).await;
    check(OPERATOR, "", 400).await;
    check(BASIC, "", 200).await;
    check(BASIC, "?publisher=bank", 200).await;
    check(OPERATOR, "?publisher=bank", 200).await;
    assert_eq!(send(&stand, ("POST", "/api/template?publisher=another"), &format!("{OPERATOR}{JSON}"), &sms("x", None)).await.status, 201);
    assert_eq!(stand.get("/api/template/otp", BASIC).await.status, 404, "another's is nobody else's");
    let lines = stand.trail.lines.lock().unwrap().clone();
    let of = |publisher: &str| format!("{{\"publisher\":\"{publisher}\",\"template\":\"SMS/-/otp\"}}");
    assert_eq!(lines[0], format!("publisher bank template_put {} Started", of("bank")));
    assert_eq!(lines[1], format!("publisher bank template_put {} Done", of("bank")));
    assert_eq!(lines[3], format!("publisher bank template_remove {} Done", of("bank")));
    assert_eq!(lines.last().unwrap(), &format!("operator template_put {} Done", of("another")));
}

#[tokio::test]
async fn what_can_t_be_recorded_is_not_changed() {
    let stand = stand(Settings::default(), &generated()).await;
    stand.trail.broken.store(true, Ordering::SeqCst);
    let got = store(&stand, &sms("x", None)).await;
    assert!(got.status == 500 && got.body.contains("nothing was changed"), "{got:?}");
    assert_eq!(stand.get("/api/template/otp", BASIC).await.status, 404);
    stand.trail.broken.store(false, Ordering::SeqCst);
    assert_eq!(send(&stand, ("PUT", "/api/template/otp"), &format!("{BASIC}{JSON}If-Match: *\r\n"), &sms("x", None)).await.status, 412);
    assert!(stand.trail.lines.lock().unwrap().last().unwrap().ends_with("Failed"));
}

#[tokio::test]
async fn lint_and_preview_store_nothing() {
    let stand = stand(Settings::default(), &generated()).await;
    let mut mail: Value = serde_json::from_str(&fixture("otpMail")).unwrap();
    let ask = async |path: &str, template: &Value| {
        let got = stand.post(path, &format!("{BASIC}{JSON}"), &template.to_string()).await;
        (got.status, body(&got))
    };
    assert_eq!(ask("/api/template/lint", &mail).await, (200, json!({"findings": []})));
    let (status, refused) = ask("/api/template/preview", &mail).await;
    assert_eq!((status, refused["detail"].as_str()), (422, Some("mandatory parameters are missing: clientId")));
    mail["sample"] = json!({"clientId": "<1>", "otpValue": "4711"});
    let (status, shown) = ask("/api/template/preview", &mail).await;
    assert_eq!((status, shown["subject"].as_str()), (200, Some("otp for <1>")));
    assert!(shown["body"].as_str().unwrap().contains("<p>4711</p>") && shown.get("sms").is_none(), "{shown}");
    let text = json!({"name": "a", "type": "SMS", "body": "OTP [(${otpValue})] \u{20ac}"});
    let (_, shown) = ask("/api/template/preview", &text).await;
    assert_eq!(shown, json!({"subject": null, "body": "OTP 000000 \u{20ac}", "sms": {"encoding": "GSM", "segments": 1, "units": 13}}));
    let (status, found) = ask("/api/template/lint", &json!({"name": "a", "type": "SMS", "body": "see\n www.bank.example [[x]]"})).await;
    let expected = json!({"findings": [{"code": "invalid", "severity": "error", "part": "body", "line": 2, "column": 19,
        "message": found["findings"][0]["message"]}]});
    assert_eq!((status, found), (200, expected));
    assert_eq!(body(&stand.get("/api/template", BASIC).await), json!({"templates": []}));
    assert_eq!(stand.trail.lines.lock().unwrap().len(), 0);
}

/// Another process over the same notes sees a change when what it read is a second old, by its clock.
#[tokio::test]
async fn a_change_elsewhere_is_seen_after_a_second() {
    let stand = stand(Settings::default(), &generated()).await;
    assert_eq!(store(&stand, &sms("old", None)).await.status, 201);
    assert_eq!(chosen(&stand, "otp", Kind::Sms, "en").await.unwrap().1.body.expose(), "old");
    let elsewhere = countersign::engine::templates::Templates::new(stand.notes.clone(), std::sync::Arc::new(Later));
    let source = elsewhere.version(&PublisherId::from("bank"), &key(), 1).await.unwrap().unwrap().source;
    let changed = countersign::domain::message::Source { body: "new".into(), ..source };
    elsewhere.put(&PublisherId::from("bank"), changed, countersign::engine::templates::Condition::Version(1)).await.unwrap();
    assert_eq!(chosen(&stand, "otp", Kind::Sms, "en").await.unwrap().0, "SMS/-/otp 1");
    *stand.fake.clock.lock().unwrap() = NOW.plus(Duration::from_millis(999));
    assert_eq!(chosen(&stand, "otp", Kind::Sms, "en").await.unwrap().0, "SMS/-/otp 1");
    *stand.fake.clock.lock().unwrap() = NOW.plus(Duration::from_secs(1));
    let (of, shown) = chosen(&stand, "otp", Kind::Sms, "en").await.unwrap();
    assert_eq!((of.as_str(), shown.body.expose()), ("SMS/-/otp 2", "new"));
}

fn key() -> countersign::domain::message::Key {
    countersign::domain::message::Key { name: "otp".into(), kind: Kind::Sms, language: None }
}

struct Later;
impl countersign::engine::draw::Clock for Later {
    fn now(&self) -> countersign::domain::time::Timestamp {
        NOW.plus(Duration::from_secs(60))
    }
}

/// A real process keeps them over a restart, and the audit log says who changed what.
#[tokio::test]
async fn a_restart_keeps_them_and_the_audit_log_tells() {
    let bank = Bank::new("");
    let server = bank.start();
    let request = |server: &Server, method, path: &str| server.request(method, path).basic_auth("bank", Some(PASSWORD));
    let sent = request(&server, reqwest::Method::POST, "/api/template").header("content-type", "application/json");
    let answer = sent.body(fixture("otpMail")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["etag"].to_str().unwrap()), (201, "\"1\""));
    server.stop();
    let server = bank.start();
    let told = server.get("/api/template/otpMail", &[("version", "1")]).await;
    let told: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!(told["subject"], "otp for [(${clientId})]");
    let gone = request(&server, reqwest::Method::DELETE, "/api/template/otpMail").send().await.unwrap();
    assert_eq!(gone.status().as_u16(), 204);
    let log = bank.read("data/audit.jsonl");
    let lines: Vec<Value> = log.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|it| (it["action"].as_str().unwrap(), it["result"].as_str().unwrap())).collect();
    assert_eq!(told, [("template_put", "started"), ("template_put", "done"), ("template_remove", "started"), ("template_remove", "done")]);
    assert_eq!(lines[1]["arguments"]["template"], "MAIL/en/otpMail");
    assert!(lines[1]["user"].as_str().unwrap().starts_with("publisher ") && lines[1]["address"] == "127.0.0.1", "{log}");
}
