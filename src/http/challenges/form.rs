//! What is asked, as JSON (contract `dialog-flow.md`).

use super::fields::{Fields, Wrong};
use crate::domain::code::Secret;
use crate::domain::request::{Asked, Policy, TemplateName};
use utoipa::ToSchema;

/// Longest answer that is judged, in bytes: longer than any code or value that can be asked for.
const ANSWER_MAX: usize = 1024;

/// A challenge that is asked for. Unknown fields are refused; null is as good as absent.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::http) struct NewChallenge {
    /// Where it is for; absent: the publisher's default institution, or its only one.
    #[schema(max_length = 256, example = "011001276")]
    pub institution: Option<String>,
    /// For which product; absent: the publisher's default.
    #[schema(max_length = 256, example = "Online")]
    pub product: Option<String>,
    /// How it travels.
    #[schema(required = true, nullable = false, value_type = Channel)]
    pub channel: Option<String>,
    /// Where to: a phone number, a mail address, a device token, or a push subscription as text.
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 4096, example = "+12025550143")]
    pub recipient: Option<Secret>,
    /// A stored template that makes the message. Either this or `text`; neither: a text of ours.
    pub template: Option<Template>,
    /// The message, with `<%$otp%>` where the code stands.
    #[schema(value_type = Option<String>, min_length = 7, max_length = 1600, example = "Your code is <%$otp%>.")]
    pub text: Option<Secret>,
    /// Values for the template, by key: at most 100, of 4,000 bytes each.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub parameters: Vec<(String, Secret)>,
    /// Characters of the code; absent: 6.
    #[schema(minimum = 4, maximum = 10)]
    pub length: Option<i64>,
    /// The code has letters, too; absent: digits only.
    pub alphanumeric: Option<bool>,
    /// Seconds for which an answer counts; absent: 300. The publisher's settings may narrow it.
    #[schema(minimum = 15, maximum = 3600)]
    pub validity: Option<i64>,
    /// Wrong answers at which it fails; absent: the publisher's setting.
    #[schema(minimum = 1, maximum = 10)]
    pub attempts: Option<i64>,
    /// The language in which a bot speaks of it, and in which a template is looked for (RFC 5646).
    #[schema(max_length = 35, pattern = "^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*$", example = "es-MX")]
    pub locale: Option<String>,
    /// What the caller knows it by; told again with it.
    #[schema(min_length = 1, max_length = 256)]
    pub reference: Option<String>,
    /// An SMS can be answered by an SMS, too; absent: no.
    pub reply: Option<bool>,
    /// Everything but the hand-over to a carrier; absent: no.
    pub test: Option<bool>,
    /// The answer shows the code. Only for callers that may see codes (scope `code`); absent: no.
    pub return_code: Option<bool>,
}

/// How a message travels.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the document's list; the engine reads the words")]
pub(in crate::http) enum Channel {
    /// A text message.
    #[schema(rename = "SMS")]
    Sms,
    /// A mail.
    #[schema(rename = "MAIL")]
    Mail,
    /// A push message.
    #[schema(rename = "PUSH")]
    Push,
}

/// A stored template.
#[derive(Debug, ToSchema)]
#[schema(as = TemplateChoice)]
pub(in crate::http) struct Template {
    /// Its name.
    #[schema(required = true, nullable = false, value_type = String, max_length = 64)]
    pub name: Option<String>,
    /// The wanted language; absent: the challenge's `locale`.
    #[schema(max_length = 35)]
    pub language: Option<String>,
}

/// An answer to be judged.
#[derive(Debug, ToSchema)]
pub(in crate::http) struct Answered {
    /// What the person typed.
    #[schema(value_type = String, min_length = 1, max_length = 1024, example = "561126")]
    pub code: Secret,
}

/// A wish to have a message sent again.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::http) struct Again {
    /// With which code; absent: `same-code`.
    #[schema(value_type = Option<PolicyName>)]
    pub policy: Policy,
    /// The answer shows the new code, where there is one. Only for callers that may see codes (scope `code`); absent: no.
    #[schema(value_type = Option<bool>)]
    pub return_code: bool,
}

/// Which code a message that is sent again shows, and which codes count then.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the document's list; the domain reads the words")]
pub(in crate::http) enum PolicyName {
    /// The same text again.
    #[schema(rename = "same-code")]
    SameCode,
    /// A new code; those before it count no more.
    #[schema(rename = "supersede")]
    Supersede,
    /// A new code; all codes of the challenge count, at most 4.
    #[schema(rename = "any-of-session")]
    AnyOfSession,
}

/// What became of an answer that the publisher verified itself.
#[derive(Debug, ToSchema)]
pub(in crate::http) struct Told {
    /// What became of it.
    #[schema(value_type = OutcomeName)]
    pub outcome: bool,
}

/// What became of an answer.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the document's list; the words are read here")]
pub(in crate::http) enum OutcomeName {
    /// It was right.
    #[schema(rename = "verified")]
    Verified,
    /// It was wrong, and no other is awaited.
    #[schema(rename = "failed")]
    Failed,
}

/// Nothing: no field is known.
#[derive(Debug, ToSchema)]
pub(in crate::http) struct Empty {}

impl NewChallenge {
    /// Reads every field; the engine judges what they say.
    pub(super) fn read(mut from: Fields) -> (Self, Vec<Wrong>) {
        let it = Self {
            institution: from.text("institution"),
            product: from.text("product"),
            channel: from.text("channel"),
            recipient: from.secret("recipient"),
            template: from.object("template", |it| Template { name: it.text("name"), language: it.text("language") }),
            text: from.secret("text"),
            parameters: from.texts("parameters"),
            length: from.whole("length"),
            alphanumeric: from.flag("alphanumeric"),
            validity: from.whole("validity"),
            attempts: from.whole("attempts"),
            locale: from.text("locale"),
            reference: from.text("reference"),
            reply: from.flag("reply"),
            test: from.flag("test"),
            return_code: from.flag("returnCode"),
        };
        (it, from.end())
    }

    /// As the engine has it, under this idempotency key.
    pub(super) fn asked(self, key: Option<String>) -> Asked {
        Asked {
            institution: self.institution,
            product: self.product,
            channel: self.channel,
            recipient: self.recipient,
            template: self.template.map(|it| TemplateName { name: it.name.unwrap_or_default(), language: it.language }),
            text: self.text,
            parameters: self.parameters,
            length: self.length,
            alphanumeric: self.alphanumeric,
            validity: self.validity,
            attempts: self.attempts,
            locale: self.locale,
            reference: self.reference,
            client: None,
            reply: self.reply,
            test: self.test,
            key: key.map(|it| format!("K:{it}")),
        }
    }
}

impl Answered {
    pub(super) fn read(mut from: Fields) -> Result<Self, Vec<Wrong>> {
        let code = from.secret("code").unwrap_or_default();
        match code.expose().len() {
            0 => from.missing("code", "Which answer is to be judged?"),
            len if len > ANSWER_MAX => from.add("code", "too-long", "At most 1,024 bytes."),
            _ => {}
        }
        whole(Self { code }, from)
    }
}

impl Again {
    pub(super) fn read(mut from: Fields) -> Result<Self, Vec<Wrong>> {
        let policy = from.text("policy").map(|it| Policy::parse(&it));
        if policy == Some(None) {
            from.add("policy", "malformed", "One of same-code, supersede, any-of-session.");
        }
        let it = Self { policy: policy.flatten().unwrap_or(Policy::SameCode), return_code: from.flag("returnCode").unwrap_or(false) };
        whole(it, from)
    }
}

impl Told {
    pub(super) fn read(mut from: Fields) -> Result<Self, Vec<Wrong>> {
        let outcome = match from.text("outcome").as_deref() {
            Some("verified") => true,
            Some("failed") => false,
            Some(_) => {
                from.add("outcome", "malformed", "One of verified, failed.");
                false
            }
            None => {
                from.missing("outcome", "One of verified, failed.");
                false
            }
        };
        whole(Self { outcome }, from)
    }
}

impl Empty {
    pub(super) fn read(from: Fields) -> Result<Self, Vec<Wrong>> {
        whole(Self {}, from)
    }
}

fn whole<T>(it: T, from: Fields) -> Result<T, Vec<Wrong>> {
    let wrong = from.end();
    if wrong.is_empty() { Ok(it) } else { Err(wrong) }
}
