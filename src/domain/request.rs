//! What arrives, parsed but not yet judged.

use super::code::Secret;
use super::contact::Address;
use super::id::PublisherId;
use super::time::Timestamp;
use ipnet::IpNet;
use std::time::Duration;

/// An element that may be missing, empty of meaning (`xsi:nil`, `JHANull`) or there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Field {
    /// Not in the request.
    #[default]
    Absent,
    /// There, but nil: absent for an optional element, fault 3103 for a required one.
    Null,
    /// There.
    Text(String),
}

impl Field {
    /// The value, where there is one that is not empty.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The same, taken out.
    pub fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

/// `jXchangeHdr` as it came (contract `oobvalidate.md`, request). `None` where an element is absent, nil or empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// JxVer
    pub jx_ver: Option<String>,
    /// AuditUsrId
    pub audit_usr_id: Option<String>,
    /// AuditWsId
    pub audit_ws_id: Option<String>,
    /// AuthenUsrId
    pub authen_usr_id: Option<String>,
    /// ConsumerName
    pub consumer_name: Option<String>,
    /// ConsumerProd
    pub consumer_prod: Option<String>,
    /// jXLogTrackingId
    pub tracking_id: Option<String>,
    /// InstRtId
    pub inst_rt_id: Option<String>,
    /// InstEnv
    pub inst_env: Option<String>,
    /// BusCorrelId
    pub bus_correl_id: Option<String>,
    /// WorkflowCorrelId
    pub workflow_correl_id: Option<String>,
    /// ValidConsmName
    pub valid_consm_name: Option<String>,
    /// ValidConsmProd
    pub valid_consm_prod: Option<String>,
}

/// `OOBRecipInfoRec`: which recipient, and which of its contacts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecipientChoice {
    /// ConsmRecipId (required: 2205 when absent, 3103 when nil)
    pub id: Field,
    /// ConsmRecipAcctId
    pub account: Option<String>,
    /// RecipConId of each OOBRecipConIdInfoRec
    pub contacts: Vec<Field>,
}

/// `OOBValidateRq_MType` as it came; optional elements that are nil are already `None`.
#[derive(Clone, Debug, Default)]
pub struct OobValidate {
    /// MsgRqHdr/jXchangeHdr; `None` when there is none (2001)
    pub header: Option<Header>,
    /// AlrtName
    pub alrt_name: Option<String>,
    /// OOBRecipInfoRec
    pub recipient: Option<RecipientChoice>,
    /// AlrtDataInfoArray: each Name with the Val that follows it, in order. A nil Name or Val is `Null` (3103).
    pub data: Vec<(Field, Option<Secret>)>,
    /// InstRtId
    pub inst_rt_id: Option<String>,
    /// ConsumerProd
    pub consumer_prod: Option<String>,
    /// PubVer
    pub pub_ver: Option<String>,
    /// PhoneNum
    pub phone_num: Option<String>,
    /// SMSText
    pub sms_text: Option<Secret>,
    /// VerifVal
    pub verif_val: Option<Secret>,
    /// OOBModeType
    pub mode: Option<String>,
    /// OOBExpSec, not yet read as a number (2017)
    pub exp_sec: Option<String>,
    /// EncryptVerifValType
    pub encrypt_type: Option<String>,
    /// EncryptVerifValSalt
    pub encrypt_salt: Option<Secret>,
    /// AlrtTestType
    pub test: Option<String>,
}

/// Who asks, and when it reached our edge (decision 9: expiry is judged on that).
#[derive(Clone, Debug)]
pub struct Origin {
    /// The authenticated publisher.
    pub publisher: PublisherId,
    /// When the request's last byte had been read.
    pub received_at: Timestamp,
    /// How it came, where that is known: what quotas count by.
    pub via: Option<Via>,
}

impl Origin {
    /// A request of which is known who asks, and when it came.
    pub fn new(publisher: PublisherId, received_at: Timestamp) -> Self {
        Self { publisher, received_at, via: None }
    }

    /// The same, and how it came.
    pub fn by(self, via: Via) -> Self {
        Self { via: Some(via), ..self }
    }
}

/// How a request came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Via {
    /// What counts as one address: an IPv4 address, or an IPv6 /64.
    pub network: IpNet,
    /// The id of the caller's API key, if it has one.
    pub key: Option<String>,
}

impl Via {
    /// From this address, with this key.
    pub fn new(address: impl Into<IpNet>, key: Option<String>) -> Self {
        let host = IpNet::from(address.into().addr().to_canonical());
        let length = if matches!(host, IpNet::V6(_)) { 64 } else { 32 };
        Self { network: IpNet::new(host.addr(), length).map_or(host, |it| it.trunc()), key }
    }
}

/// A message from a handset.
#[derive(Clone, Debug)]
pub struct Sms {
    /// The gateway it came through, as configured.
    pub gateway: String,
    /// The provider's id of the message; duplicates carry the same (decision 23).
    pub provider_id: Option<String>,
    /// The handset.
    pub from: Address,
    /// The number it replied to, where the provider tells.
    pub to: Option<Address>,
    /// What the person wrote.
    pub text: Secret,
    /// When it reached our edge.
    pub received_at: Timestamp,
}

/// A challenge asked for over REST or Kafka, as it came (contracts `dialog-flow.md` and `otp-bus.md`). `None` where a field is absent
/// or null. Its field rules: [`super::decide::order::check`].
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The institution; absent: the publisher's default or only one.
    pub institution: Option<String>,
    /// The product; absent: the publisher's default.
    pub product: Option<String>,
    /// `SMS`, `MAIL` or `PUSH`.
    pub channel: Option<String>,
    /// Where to: a phone number, a mail address, a device token or a push subscription.
    pub recipient: Option<Secret>,
    /// A stored template.
    pub template: Option<TemplateName>,
    /// A text with `<%$otp%>` in it.
    pub text: Option<Secret>,
    /// Values for the template, by key.
    pub parameters: Vec<(String, Secret)>,
    /// Characters of the code: 4 to 10; absent: 6.
    pub length: Option<i64>,
    /// The code has letters, too; absent: no.
    pub alphanumeric: Option<bool>,
    /// Seconds for which an answer counts; absent: 300.
    pub validity: Option<i64>,
    /// Wrong answers at which it fails: 1 to 10; absent: the publisher's setting.
    pub attempts: Option<i64>,
    /// A language tag (RFC 5646).
    pub locale: Option<String>,
    /// What the caller knows it by.
    pub reference: Option<String>,
    /// `clientId` of the bus.
    pub client: Option<String>,
    /// An SMS can be answered by an SMS, too; absent: no.
    pub reply: Option<bool>,
    /// Everything but the hand-over to a carrier; absent: no.
    pub test: Option<bool>,
    /// The idempotency key after its kind (see [`super::challenge::RepeatKey`]).
    pub key: Option<String>,
}

/// A stored template as a caller names it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TemplateName {
    /// Its name.
    pub name: String,
    /// The wanted language; absent: the caller's locale, else the template that stands in for every language.
    pub language: Option<String>,
}

/// An answer that a publisher brings.
#[derive(Clone, Debug)]
pub struct Verify {
    /// The authenticated publisher.
    pub publisher: PublisherId,
    /// What the person typed.
    pub typed: Secret,
    /// What tells this call from every other, as it is remembered ([`super::challenge::call_key`]).
    pub key: Option<String>,
    /// When the call reached our edge (decision 9).
    pub received_at: Timestamp,
}

/// A wish to have a message sent again.
#[derive(Clone, Debug)]
pub struct Resend {
    /// The authenticated publisher.
    pub publisher: PublisherId,
    /// With which code.
    pub policy: Policy,
    /// How often it may be.
    pub pace: Pace,
    /// What tells this call from every other, as it is remembered ([`super::challenge::call_key`]).
    pub key: Option<String>,
    /// When the call reached our edge.
    pub received_at: Timestamp,
}

/// Which code a message that is sent again shows, and which codes count then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// `same-code`: the same text again.
    SameCode,
    /// `supersede`: a new code; those before it count no more.
    Supersede,
    /// `any-of-session`: a new code; all codes of the session count.
    AnyOfSession,
}

impl Policy {
    /// As the interface writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SameCode => "same-code",
            Self::Supersede => "supersede",
            Self::AnyOfSession => "any-of-session",
        }
    }

    /// Reads the interface's word, and no other.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::SameCode, Self::Supersede, Self::AnyOfSession].into_iter().find(|it| it.name() == text)
    }
}

/// How often a challenge's message may be sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// Between two of its messages, at least.
    pub gap: Duration,
    /// How often, beside the first.
    pub most: u8,
}

/// Half a minute, and three times.
impl Default for Pace {
    fn default() -> Self {
        Self { gap: Duration::from_secs(30), most: 3 }
    }
}

/// A publisher's wish to end its challenge.
#[derive(Clone, Debug)]
pub struct Close {
    /// The authenticated publisher.
    pub publisher: PublisherId,
    /// How.
    pub ending: Ending,
    /// When the call reached our edge.
    pub received_at: Timestamp,
}

/// How a publisher ends its challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It is of no use any more.
    Cancelled,
    /// The publisher verified the answer itself, and it was right.
    Verified,
    /// The publisher verified the answer itself, and it was wrong.
    Failed,
}
