//! The description of the interface: it has every route, it is what is answered, and it can be read.

use crate::stand::{ALL, JSON, Rest, json};
use serde_json::{Value, json};

async fn document(rest: &Rest) -> Value {
    let got = rest.send("", ("GET", "/openapi.json"), "", "").await;
    assert!(got.status == 200 && got.head.contains("content-type: application/json"), "{got:?}");
    json(&got)
}

#[tokio::test]
async fn it_has_every_route() {
    let document = document(&Rest::new().await).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let sources = ["src/http/app.rs", "src/http/challenges/mod.rs"].map(|it| std::fs::read_to_string(it).unwrap());
    let quoted = sources.iter().flat_map(|it| it.split(".route(\"").skip(1)).map(|it| it.split('"').next().unwrap());
    let mut count = 0;
    for path in quoted.filter(|it| it.starts_with("/v1/") || it.starts_with("/api/")) {
        assert!(document["paths"][path].is_object(), "{path} is not in the document");
        count += 1;
    }
    assert!(count >= 7, "the routes were found: {count}");
}

/// Every reference leads somewhere, and every operation says who may call it and what it answers.
#[tokio::test]
async fn it_is_whole() {
    let document = document(&Rest::new().await).await;
    let text = document.to_string();
    for name in text.split("\"#/components/schemas/").skip(1).map(|it| it.split('"').next().unwrap()) {
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    for (path, all) in document["paths"].as_object().unwrap() {
        for (method, it) in all.as_object().unwrap() {
            for status in ["401", "403", "500", "503"] {
                assert!(it["responses"][status]["content"]["application/problem+json"].is_object(), "{method} {path} {status}");
            }
        }
    }
}

/// What requests may have is what is read, and nothing else: each field that is described is known, and told when it is wrong.
#[tokio::test]
async fn its_requests_are_what_is_read() {
    let rest = Rest::new().await;
    let document = document(&rest).await;
    let (path, _) = rest.opened(json!({ "channel": "SMS", "recipient": "202-555-0123" })).await;
    for (form, path) in [
        ("NewChallenge", ALL.to_owned()),
        ("Answered", format!("{path}/verify")),
        ("Again", format!("{path}/resend")),
        ("Told", format!("{path}/outcome")),
    ] {
        let schema = &document["components"]["schemas"][form];
        assert_eq!(schema["additionalProperties"], false, "{form}");
        let properties = schema["properties"].as_object().unwrap();
        let body: Value = properties.keys().map(|it| (it.clone(), json!([]))).collect::<serde_json::Map<_, _>>().into();
        let (status, told) = rest.post(&path, &body).await;
        let errors = told["errors"].as_array().unwrap();
        let mistyped: Vec<&str> = errors.iter().filter(|it| it["code"] == "wrong-type").map(|it| it["field"].as_str().unwrap()).collect();
        assert!(status == 422 && properties.keys().all(|it| mistyped.contains(&it.as_str())), "{form}: {told}");
    }
}

#[tokio::test]
async fn what_is_answered_is_as_it_says() {
    let rest = Rest::new().await;
    let document = document(&rest).await;
    let (status, made) = rest.post(ALL, &json!({ "channel": "SMS", "recipient": "202-555-0123", "returnCode": true })).await;
    assert_eq!(status, 201);
    fits(&document, "Challenge", &made);
    let path = format!("{ALL}/{}", made["id"].as_str().unwrap());
    fits(&document, "Judged", &rest.post(&format!("{path}/verify"), &json!({ "code": "x" })).await.1);
    fits(&document, "Problem", &rest.post(&format!("{path}/resend"), &json!({})).await.1);
    fits(&document, "Problem", &rest.post(ALL, &json!({ "x": 1 })).await.1);
    fits(&document, "Challenge", &rest.post(&format!("{path}/cancel"), &json!({})).await.1);
    fits(&document, "Challenge", &rest.get(&path).await.1);
    fits(&document, "Problem", &rest.get(&format!("{ALL}/x")).await.1);
    fits(&document, "Events", &rest.get("/v1/events").await.1);
    let wrong = std::panic::catch_unwind(|| fits(&document, "Judged", &json!({ "result": "maybe" })));
    assert!(wrong.is_err(), "an answer that does not fit is seen");
}

#[tokio::test]
async fn it_can_be_read_and_runs_nothing() {
    let rest = Rest::new().await;
    let got = rest.send("", ("GET", "/docs/api"), "", "").await;
    assert!(got.status == 200 && got.head.contains("content-type: text/html"), "{got:?}");
    assert!(got.head.contains("content-security-policy: default-src 'none'; style-src 'sha256-"), "{}", got.head);
    for expected in ["/v1/challenges/{id}/verify", "Idempotency-Key", "returnCode", "id=\"NewChallenge\"", "429"] {
        assert!(got.body.contains(expected), "{expected}");
    }
    assert!(!got.body.contains("<script") && !got.body.contains("http://") && !got.body.contains("https://"));
    let got = rest.send("", ("POST", "/openapi.json"), JSON, "{}").await;
    assert!(got.status == 405 && got.head.contains("allow: get"), "{got:?}");
}

/// Whether a value fits a schema of the document: types, members, words. As much of JSON Schema as the document uses.
fn fits(document: &Value, name: &str, value: &Value) {
    check(document, &document["components"]["schemas"][name], value, name);
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        return fits(document, reference.rsplit('/').next().unwrap(), value);
    }
    if let Some(several) = schema["oneOf"].as_array() {
        let is_null = |it: &&Value| it["type"] == "null";
        match several.iter().find(|it| is_null(it) == value.is_null()) {
            Some(it) => return check(document, it, value, at),
            None => panic!("{at}: {value} fits none of {schema}"),
        }
    }
    let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(types.contains(&json!(is)), "{at}: {value} is not of {types:?}");
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value} is none of {words:?}");
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{at}[{index}]"));
    }
    let Some(members) = value.as_object() else { return };
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(members.contains_key(required.as_str().unwrap()), "{at}: {required} is missing");
    }
    for (name, member) in members {
        let of = if schema["additionalProperties"].is_object() { &schema["additionalProperties"] } else { &schema["properties"][name] };
        assert!(of.is_object(), "{at}: {name} is not described");
        check(document, of, member, &format!("{at}.{name}"));
    }
}
