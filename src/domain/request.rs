//! What arrives, parsed but not yet judged.

use super::code::Secret;
use super::contact::Address;
use super::id::PublisherId;
use super::time::Timestamp;

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
