//! Any SMS gateway with an HTTP interface, described by settings: what is sent, and how its answer is read.

pub mod preset;
pub mod rules;
pub mod template;

use super::client::{Call, Caller, Reply, sensitive, uri};
use super::contract::{Body, Connector, Message, Soon};
use super::guard::Reach;
use super::setting::{Basic, Unusable, load_secret, time_out};
use crate::domain::code::Secret;
use crate::domain::delivery::Outcome;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use rules::Rules;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use template::{Escape, Filling, Template};
use url::Url;

/// Settings of a gateway. Placeholders `{to}`, `{from}`, `{text}`, `{id}` and `{secret}` may stand in query values, body and header values;
/// each is escaped as its place demands.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its name in logs, metrics and timelines.
    pub name: String,
    /// Where to; without placeholders, user or password.
    pub url: String,
    /// `POST` (default), `GET` or `PUT`.
    #[serde(default = "post")]
    pub method: String,
    /// Pairs added to the URL's query.
    #[serde(default)]
    pub query: Vec<(String, String)>,
    /// Headers; values may hold `{id}` and `{secret}`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: Shape,
    /// HTTP Basic.
    pub basic: Option<Basic>,
    /// The file that `{secret}` stands for.
    pub secret_file: Option<PathBuf>,
    /// The sender of messages that name none.
    pub from: Option<String>,
    /// How the answer is read.
    #[serde(default)]
    pub answer: Rules,
    /// Time for the whole exchange, in milliseconds; 1 to 120,000.
    #[serde(default = "ten_seconds")]
    pub timeout_ms: u64,
    /// `http` is allowed: for a gateway on this host or an internal network.
    #[serde(default)]
    pub allow_plain: bool,
    /// A PEM file of the only authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// What the body is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Shape {
    /// No body.
    #[default]
    None,
    /// `application/x-www-form-urlencoded` pairs, in order.
    Form(Vec<(String, String)>),
    /// A JSON text with placeholders inside its strings.
    Json(String),
    /// Any other text.
    Raw {
        /// Its `Content-Type`.
        content_type: String,
        /// The text.
        template: String,
        /// How values are escaped in it.
        #[serde(default)]
        escape: Escape,
    },
}

/// A gateway, ready to send.
pub struct Gateway {
    name: String,
    method: Method,
    url: Url,
    uri: Uri,
    query: Vec<(String, Template)>,
    headers: Vec<(HeaderName, Template)>,
    fixed: HeaderMap,
    body: Content,
    secret: Option<Secret>,
    from: Option<String>,
    rules: Rules,
    caller: Caller,
}

enum Content {
    None,
    Form(Vec<(String, Template)>),
    Text(Template, Escape),
}

impl Gateway {
    /// Reads secrets and checks the settings.
    pub fn new(settings: Settings) -> Result<Self, Unusable> {
        let complain = |text: String| Unusable(format!("gateway {}: {text}", settings.name));
        let url = Url::parse(&settings.url).map_err(|error| complain(format!("url: {error}")))?;
        let reach = Reach { plain: settings.allow_plain, private: true, literal: true };
        reach.check(&url).map_err(|error| complain(error.to_string()))?;
        let uri = uri(&url).map_err(|error| complain(error.0))?;
        let method = match settings.method.as_str() {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            other => return Err(complain(format!("method {other:?} is none of GET, POST, PUT"))),
        };
        let timeout = time_out(settings.timeout_ms).map_err(complain)?;
        settings.answer.check().map_err(complain)?;
        let secret = settings.secret_file.as_deref().map(load_secret).transpose()?;
        let body = Content::read(&settings.body).map_err(complain)?;
        let query = pairs(&settings.query).map_err(complain)?;
        let headers = header_templates(&settings.headers).map_err(complain)?;
        let all = query.iter().map(|it| &it.1).chain(headers.iter().map(|it| &it.1)).chain(body.templates());
        if secret.is_none() && all.into_iter().any(Template::wants_secret) {
            return Err(complain("{secret} is used, but secret_file is not set".to_owned()));
        }
        let caller = Caller::new(reach, settings.ca_file.as_deref(), timeout)?;
        let fixed = fixed_headers(&settings)?;
        Ok(Self {
            name: settings.name,
            method,
            url,
            uri,
            query,
            headers,
            fixed,
            body,
            secret,
            from: settings.from,
            rules: settings.answer,
            caller,
        })
    }

    fn call(&self, message: &Message, text: &Secret) -> Result<Call, Unusable> {
        let id = message.id.to_string();
        let filling = Filling {
            to: message.to.expose(),
            from: message.from.as_deref().or(self.from.as_deref()).unwrap_or_default(),
            text: text.expose(),
            id: &id,
            secret: self.secret.as_ref().map_or("", Secret::expose),
        };
        let mut headers = self.fixed.clone();
        for (name, value) in &self.headers {
            let (name, value) = sensitive(name.as_str(), &value.fill(&filling, Escape::None))?;
            headers.insert(name, value);
        }
        Ok(Call { method: self.method.clone(), uri: self.target(&filling)?, headers, body: self.body.fill(&filling) })
    }

    fn target(&self, filling: &Filling<'_>) -> Result<Uri, Unusable> {
        if self.query.is_empty() {
            return Ok(self.uri.clone());
        }
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(self.query.iter().map(|(name, value)| (name, value.fill(filling, Escape::None))));
        uri(&url)
    }
}

impl Connector for Gateway {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Message) -> Soon<'a, Outcome> {
        Box::pin(async move {
            let Body::Sms(text) = &message.body else {
                return Outcome::Refused { reason: "this gateway sends SMS only".to_owned() };
            };
            let call = match self.call(message, text) {
                Ok(call) => call,
                Err(Unusable(reason)) => return Outcome::Refused { reason },
            };
            let reply: Reply = match self.caller.exchange(call).await {
                Ok(reply) => reply,
                Err(reason) => return Outcome::Later { reason: reason.to_owned(), after: None },
            };
            self.rules.judge(&reply)
        })
    }
}

impl Content {
    fn read(shape: &Shape) -> Result<Self, String> {
        Ok(match shape {
            Shape::None => Self::None,
            Shape::Form(fields) => Self::Form(pairs(fields)?),
            Shape::Json(text) => {
                let template = Template::parse(text)?;
                let sample = Filling { to: "1", from: "1", text: "1", id: "1", secret: "1" };
                serde_json::from_str::<serde::de::IgnoredAny>(&template.fill(&sample, Escape::Json))
                    .map_err(|error| format!("the body's template is not JSON: {error}"))?;
                Self::Text(template, Escape::Json)
            }
            Shape::Raw { template, escape, .. } => Self::Text(Template::parse(template)?, *escape),
        })
    }

    fn templates(&self) -> Vec<&Template> {
        match self {
            Self::None => Vec::new(),
            Self::Form(fields) => fields.iter().map(|it| &it.1).collect(),
            Self::Text(template, _) => vec![template],
        }
    }

    fn fill(&self, filling: &Filling<'_>) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Form(fields) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                for (name, value) in fields {
                    form.append_pair(name, &value.fill(filling, Escape::None));
                }
                form.finish().into_bytes()
            }
            Self::Text(template, escape) => template.fill(filling, *escape).into_bytes(),
        }
    }
}

fn pairs(fields: &[(String, String)]) -> Result<Vec<(String, Template)>, String> {
    fields.iter().map(|(name, value)| Ok((name.clone(), Template::parse(value)?))).collect()
}

fn header_templates(headers: &BTreeMap<String, String>) -> Result<Vec<(HeaderName, Template)>, String> {
    let one = |(name, value): (&String, &String)| {
        let template = Template::parse(value)?;
        if !template.fits_header() {
            return Err(format!("header {name}: only {{id}} and {{secret}} may stand in a header"));
        }
        Ok((HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header name"))?, template))
    };
    headers.iter().map(one).collect()
}

fn fixed_headers(settings: &Settings) -> Result<HeaderMap, Unusable> {
    let mut headers = HeaderMap::new();
    let kind = match &settings.body {
        Shape::None => None,
        Shape::Form(_) => Some("application/x-www-form-urlencoded"),
        Shape::Json(_) => Some("application/json"),
        Shape::Raw { content_type, .. } => Some(content_type.as_str()),
    };
    if let Some(kind) = kind {
        let value = HeaderValue::from_str(kind).map_err(|_| Unusable::new("content_type is no header value"))?;
        headers.insert(CONTENT_TYPE, value);
    }
    if let Some(basic) = &settings.basic {
        let (name, value) = sensitive(AUTHORIZATION.as_str(), basic.header()?.expose())?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn post() -> String {
    "POST".to_owned()
}

fn ten_seconds() -> u64 {
    10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_can_not_work_are_told_at_start() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let check = |toml: &str, expected: Option<&str>| {
            let settings = toml::from_str::<Settings>(&format!("name = 'g'\n{toml}"));
            let error = settings.map_err(|error| Unusable(error.to_string())).and_then(Gateway::new).err().map(|it| it.0);
            assert_eq!(error.is_some(), expected.is_some(), "{toml}: {error:?}");
            assert!(error.unwrap_or_default().contains(expected.unwrap_or_default()), "{toml}");
        };
        let url = "url = 'https://sms.example/send'";
        check(url, None);
        check(&format!("{url}\nquery = [['to', '{{to}}']]\nmethod = 'GET'"), None);
        check(&format!("{url}\nbody = {{ form = [['To', '{{to}}'], ['Text', '{{text}}']] }}"), None);
        check(&format!("{url}\nbody = {{ raw = {{ content_type = 'text/xml', template = '<a>{{text}}</a>', escape = 'xml' }} }}"), None);
        check(&format!("{url}\nanswer = {{ success = {{ status = [202, '200-201'] }}, message_id = {{ header = 'x-id' }} }}"), None);
        check("url = 'sms.example'", Some("url"));
        check("url = 'http://sms.example/'", Some("allow_plain"));
        check("url = 'https://u:p@sms.example/'", Some("password"));
        check(&format!("{url}\nmethod = 'DELETE'"), Some("DELETE"));
        check(&format!("{url}\ntimeout_ms = 0"), Some("timeout_ms"));
        check(&format!("{url}\ntimeout_ms = 120000"), None);
        check(&format!("{url}\ntimeout_ms = 120001"), Some("timeout_ms"));
        check(&format!("{url}\nquery = [['k', '{{secret}}']]"), Some("secret_file"));
        check(&format!("{url}\nquery = [['k', '{{phone}}']]"), Some("{phone}"));
        check(&format!("{url}\nheaders = {{ X-To = '{{to}}' }}"), Some("{id}"));
        check(&format!("{url}\nbody = {{ json = '{{to}}{{' }}"), Some("not JSON"));
        check(&format!("{url}\nbasic = {{ user = 'a:b', password_file = 'x' }}"), Some("colon"));
        check(&format!("{url}\nsecret_file = 'no/such/file'"), Some("no/such/file"));
        check(&format!("{url}\nanswer = {{ permanent = {{ codes = ['1'] }} }}"), Some("permanent"));
        check(&format!("{url}\nsurprise = 1"), Some("surprise"));
    }
}
