//! Settings for gateways that many know.

use super::rules::{MessageId, Permanent, Rules, Success};
use super::{Settings, Shape};
use crate::connect::setting::{Basic, StatusSet};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Kannel's `sendsms` (user's guide, "Push SMS"): GET, user and password in the query. `url`: up to `/cgi-bin/sendsms`.
///
/// A smsbox answers 202 with `0: Accepted for delivery` or `3: Queued for later delivery` and no id of its own.
pub fn kannel(name: &str, url: &str, user: &str, password_file: PathBuf) -> Settings {
    let query = [
        ("username", user),
        ("password", "{secret}"),
        ("to", "{to}"),
        ("from", "{from}"),
        ("text", "{text}"),
        ("charset", "UTF-8"),
        ("coding", "{coding}"),
    ];
    Settings {
        method: "GET".to_owned(),
        query: owned(&query),
        secret_file: Some(password_file),
        answer: kannel_rules(),
        ..blank(name, url)
    }
}

/// How Kannel's answers are read. 403 is our own password, thus not the message's fault.
pub fn kannel_rules() -> Rules {
    Rules {
        success: Success {
            status: StatusSet::of(&[200, 202]),
            contains: vec!["0: Accepted".to_owned(), "3: Queued".to_owned()],
            ..Success::default()
        },
        message_id: MessageId::None,
        permanent: Permanent { status: StatusSet::of(&[400]), ..Permanent::default() },
    }
}

/// The shape of Twilio's Messages resource: a form, Basic by account SID and token. `url`: up to `Messages.json`.
pub fn twilio(name: &str, url: &str, account: &str, token_file: PathBuf) -> Settings {
    Settings {
        body: Shape::Form(owned(&[("To", "{to}"), ("From", "{from}"), ("Body", "{text}")])),
        basic: Some(Basic { user: account.to_owned(), password_file: token_file }),
        answer: twilio_rules(),
        ..blank(name, url)
    }
}

/// How Twilio's answers are read. Codes for good: invalid number, not reachable, no permission for the region, opted out, no mobile.
pub fn twilio_rules() -> Rules {
    Rules {
        success: Success { pointer: Some("/sid".to_owned()), ..Success::default() },
        message_id: MessageId::Pointer("/sid".to_owned()),
        permanent: Permanent {
            pointer: Some("/code".to_owned()),
            codes: ["21211", "21408", "21610", "21612", "21614", "21617"].map(str::to_owned).to_vec(),
            ..Permanent::default()
        },
    }
}

fn blank(name: &str, url: &str) -> Settings {
    Settings {
        name: name.to_owned(),
        url: url.to_owned(),
        method: super::post(),
        query: Vec::new(),
        headers: BTreeMap::new(),
        body: Shape::None,
        basic: None,
        secret_file: None,
        from: None,
        answer: Rules::default(),
        timeout_ms: super::ten_seconds(),
        allow_plain: false,
        ca_file: None,
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::gateway::rules::tests::{accepted, check, later, refused};

    #[test]
    fn twilio_is_read() {
        let rules = twilio_rules();
        check(&rules, (201, None, r#"{"sid":"SM1","status":"queued"}"#), accepted(Some("SM1")));
        check(&rules, (400, None, r#"{"code":21211,"message":"Invalid 'To'"}"#), refused("status 400, code 21211"));
        check(&rules, (400, None, r#"{"code":21610}"#), refused("status 400, code 21610"));
        check(&rules, (401, None, r#"{"code":20003}"#), later("status 401, code 20003", None));
        check(&rules, (429, Some(("retry-after", "7")), r#"{"code":20429}"#), later("status 429, code 20429", Some(7)));
        check(&rules, (503, None, "<html>"), later("status 503", None));
    }

    #[test]
    fn kannel_is_read() {
        let rules = kannel_rules();
        check(&rules, (202, None, "0: Accepted for delivery"), accepted(None));
        check(&rules, (202, None, "3: Queued for later delivery"), accepted(None));
        check(&rules, (202, None, "Nonsense"), later("status 202", None));
        check(&rules, (403, None, "Authorization failed for sendsms"), later("status 403", None));
        check(&rules, (400, None, "Invalid receiver"), refused("status 400"));
        check(&rules, (503, None, "Temporal failure, try again later."), later("status 503", None));
    }
}
