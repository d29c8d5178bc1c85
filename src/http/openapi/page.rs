//! The document as a page to read: one file, without a script, a font or a picture from anywhere.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::fmt::Write;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem;border-top:1px solid #d0d7de;padding-top:1rem}code{font:.9em ui-monospace,monospace}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #eaeef2}\
.method{display:inline-block;min-width:3.5rem;font-weight:700}nav li{list-style:none}nav ul{padding:0}\
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}a{color:#79c0ff}h2{border-color:#30363d}td,th{border-color:#21262d}}";

/// A page, and the policy under which a browser shows it.
pub(super) struct Page {
    pub(super) html: String,
    pub(super) policy: String,
}

/// Writes the page.
pub(super) fn render(document: &Value) -> Page {
    let mut html = String::with_capacity(64 * 1024);
    let title = escaped(text(&document["info"]["title"]));
    let _ = write!(html, "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}: the interface</title>");
    let _ = write!(html, "<meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>");
    let _ = write!(html, "<h1>{title}</h1><p>{}</p>", prose(text(&document["info"]["description"])));
    html.push_str("<p>The same for programs: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1).</p>");
    let all = operations(document);
    html.push_str("<nav><ul>");
    for (method, path, it) in &all {
        let name = escaped(text(&it["operationId"]));
        let _ = write!(html, "<li><a href=\"#{name}\"><code>{} {}</code></a></li>", method.to_uppercase(), escaped(path));
    }
    html.push_str("</ul></nav>");
    for (method, path, it) in &all {
        operation(&mut html, (method, path), it);
    }
    html.push_str("<h1>What is sent and told</h1>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        form(&mut html, name, schema);
    }
    html.push_str("</body></html>");
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()).as_ref());
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    Page { html, policy }
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, all)| all.as_object().into_iter().flatten().map(move |(method, it)| (method.as_str(), path.as_str(), it)))
        .collect()
}

fn operation(html: &mut String, (method, path): (&str, &str), it: &Value) {
    let name = escaped(text(&it["operationId"]));
    let _ = write!(html, "<h2 id=\"{name}\"><span class=\"method\">{}</span> <code>{}</code></h2>", method.to_uppercase(), escaped(path));
    let _ = write!(html, "<p>{} {}</p>", prose(text(&it["summary"])), prose(text(&it["description"])));
    if let Some(parameters) = it["parameters"].as_array().filter(|it| !it.is_empty()) {
        html.push_str("<h3>Parameters</h3><table>");
        for it in parameters {
            let (name, place) = (escaped(text(&it["name"])), escaped(text(&it["in"])));
            let _ = write!(html, "<tr><td><code>{name}</code></td><td>{place}</td><td>{}</td></tr>", prose(text(&it["description"])));
        }
        html.push_str("</table>");
    }
    if let Some(sent) = it["requestBody"]["content"].as_object() {
        for (media, content) in sent {
            let _ = write!(html, "<h3>Body</h3><p>{}: {}</p>", escaped(media), kind(&content["schema"]));
        }
    }
    html.push_str("<h3>Answers</h3><table>");
    for (status, it) in it["responses"].as_object().into_iter().flatten() {
        let told = it["content"].as_object().into_iter().flatten().map(|(_, content)| kind(&content["schema"])).collect::<String>();
        let _ = write!(html, "<tr><td>{}</td><td>{told}</td><td>{}</td></tr>", escaped(status), prose(text(&it["description"])));
    }
    html.push_str("</table>");
}

fn form(html: &mut String, name: &str, schema: &Value) {
    let name = escaped(name);
    let _ = write!(html, "<h2 id=\"{name}\">{name}</h2><p>{}</p>", prose(text(&schema["description"])));
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|it| format!("<code>{}</code>", escaped(text(it)))).collect();
        let _ = write!(html, "<p>One of {}.</p>", words.join(", "));
    }
    let Some(properties) = schema["properties"].as_object().filter(|it| !it.is_empty()) else { return };
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name));
    html.push_str("<table>");
    for (name, it) in properties {
        let must = if required(name) { " (always)" } else { "" };
        let _ = write!(
            html,
            "<tr><td><code>{}</code>{must}</td><td>{}</td><td>{}</td></tr>",
            escaped(name),
            kind(it),
            prose(text(&it["description"]))
        );
    }
    html.push_str("</table>");
}

// What kind of value it is: a link to a form, or a type with its bounds.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
        let name = escaped(name);
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    let several = ["oneOf", "anyOf", "allOf"].iter().find_map(|it| schema[*it].as_array());
    if let Some(several) = several {
        return several.iter().map(kind).filter(|it| it != "null").collect::<Vec<_>>().join(" or ");
    }
    let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
    let types: Vec<String> = types.iter().map(text).filter(|it| *it != "null" && !it.is_empty()).map(escaped).collect();
    let of = if schema["items"].is_object() { format!(" of {}", kind(&schema["items"])) } else { String::new() };
    let bound = |name: &str| schema.get(name).map(ToString::to_string);
    let (least, most) = (bound("minimum").or(bound("minLength")), bound("maximum").or(bound("maxLength")));
    let bounds = match (least, most) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (None, Some(most)) => format!(", at most {most}"),
        _ => String::new(),
    };
    format!("{}{of}{bounds}", types.join(" or "))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

// What stands between backticks is code.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { format!("<code>{}</code>", escaped(part)) } else { escaped(part) }).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
