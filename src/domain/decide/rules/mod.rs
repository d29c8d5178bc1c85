//! Field rules of `OOBValidate` (contract, faults; decision 20, second stage): what can be said of a request without looking
//! anything up but its publisher's settings.

mod fields;
pub mod payload;
mod values;

use crate::domain::challenge::{Mode, RepeatKey, Slot, SlotSubject};
use crate::domain::code::{CodeKind, HashKind, Secret};
use crate::domain::contact::Address;
use crate::domain::fault::Violation;
use crate::domain::id::InstitutionId;
use crate::domain::keyring::Keyring;
use crate::domain::publisher::Publisher;
use crate::domain::recipient::RecipientKey;
use crate::domain::request::{OobValidate, Origin};
use crate::domain::snapshot::Query;
use fields::Findings;
use payload::{canonical, each_field, repeat_key};

/// Characters an SMSText may have.
pub const SMS_TEXT_MAX: usize = 1_600;
/// Characters a VerifVal, a salt or a name may have.
pub const VALUE_MAX: usize = 256;
/// Characters a parameter's value may have.
pub const PARAMETER_MAX: usize = 4_000;
/// Parameters a request may have.
pub const PARAMETERS_MAX: usize = 100;
/// Bytes all parameters of a request may have together: what is stored with a challenge has an end.
pub const PARAMETERS_TOTAL_MAX: usize = 32_000;
/// Contacts a request may choose.
pub const CONTACTS_MAX: usize = 20;

/// A request whose field rules hold. Holding one proves it: [`check`] is the only maker.
#[derive(Debug)]
#[non_exhaustive]
pub struct Wish {
    /// Who asks, and since when.
    pub origin: Origin,
    /// InstRtId: of the body, the header or the registration.
    pub institution: InstitutionId,
    /// ConsumerProd, likewise.
    pub product: String,
    /// ValidConsmName as sent or by default.
    pub consumer_name: Option<String>,
    /// PubVer as sent.
    pub version: Option<String>,
    /// Where to, and what to say.
    pub target: Goal,
    /// AlrtDataInfoArray.
    pub parameters: Vec<(String, Secret)>,
    /// VerifVal.
    pub own_value: Option<OwnValue>,
    /// OOBModeType.
    pub mode: Mode,
    /// OOBExpSec, within the publisher's range.
    pub seconds: u32,
    /// AlrtTestType.
    pub test: bool,
    /// jXLogTrackingId as sent.
    pub tracking_id: Option<String>,
    /// BusCorrelId as sent.
    pub bus_correl_id: Option<String>,
    /// The idempotency key and the payload's MAC.
    pub repeat: Option<RepeatKey>,
}

/// The level (contract, behaviour 1).
#[derive(Debug)]
pub enum Goal {
    /// A deployed alert to a registered recipient.
    Native {
        /// AlrtName
        alert: String,
        /// ConsmRecipId
        recipient: String,
        /// ConsmRecipAcctId
        account: Option<String>,
        /// RecipConId, each once; empty: all of the subscription.
        contacts: Vec<String>,
    },
    /// A phone number.
    Explicit {
        /// PhoneNum
        phone: Address,
        /// SMSText, and the code that it shows.
        text: Option<(Secret, Option<CodeKind>)>,
    },
}

/// The publisher's own verification value.
#[derive(Debug)]
pub enum OwnValue {
    /// As it is to be typed.
    Plain(Secret),
    /// As a digest of `value ‖ salt`.
    Hashed {
        /// Which hash.
        kind: HashKind,
        /// The digest's bytes.
        digest: Vec<u8>,
        /// The salt; empty where none was sent.
        salt: Secret,
    },
}

impl Wish {
    /// What must be read to decide it.
    pub fn query(&self) -> Query {
        let (recipient, phone) = match &self.target {
            Goal::Native { recipient, .. } => (Some(self.recipient_key(recipient)), None),
            Goal::Explicit { phone, .. } => (None, Some(phone.clone())),
        };
        Query::Open {
            publisher: self.origin.publisher.clone(),
            institution: self.institution.clone(),
            repeat: self.repeat.as_ref().map(|it| it.key.clone()),
            recipient,
            phone,
            slot: self.slot(),
            now: self.origin.received_at,
        }
    }

    /// The recipient, as registered.
    pub fn recipient_key(&self, id: &str) -> RecipientKey {
        RecipientKey { publisher: self.origin.publisher.clone(), institution: self.institution.clone(), id: id.to_owned() }
    }

    /// The place that it takes (decision 16).
    pub fn slot(&self) -> Slot {
        let subject = match &self.target {
            Goal::Native { alert, recipient, .. } => SlotSubject::Native { recipient: recipient.clone(), alert: alert.clone() },
            Goal::Explicit { phone, .. } => SlotSubject::Explicit { phone: phone.clone(), product: self.product.clone() },
        };
        Slot { publisher: self.origin.publisher.clone(), institution: self.institution.clone(), subject }
    }
}

/// Judges all field rules at once; the violations come in schema order.
pub fn check(origin: Origin, mut request: OobValidate, publisher: &Publisher, keyring: &dyn Keyring) -> Result<Wish, Vec<Violation>> {
    let mut found = Findings(Vec::new());
    let key = request.header.as_ref().and_then(repeat_key);
    let repeat = key.map(|key| RepeatKey { key, payload: keyring.payload_tag(&canonical(|put| each_field(&request, put))) });
    let header = found.header(&mut request, publisher);
    let recipient = found.recipient(&mut request);
    let parameters = found.parameters(request.data);
    let (institution, product) = found.place(&header, request.inst_rt_id, request.consumer_prod, publisher);
    let phone = found.phone(request.phone_num.as_deref(), publisher);
    let text = found.sms_text(request.sms_text);
    let own_value = found.own_value(request.verif_val, request.encrypt_type.as_deref(), request.encrypt_salt);
    let mode = found.mode(request.mode.as_deref());
    if mode == Mode::TwoWay && own_value.is_none() && phone.is_some() && matches!(text, Some((_, None))) {
        found.add(3158, "SMSText", "Two-way validation needs an OTP tag in SMSText, or a VerifVal.");
    }
    let seconds = found.seconds(request.exp_sec.as_deref(), publisher);
    let test = found.flag(request.test.as_deref());
    let target = match (request.alrt_name, recipient, phone) {
        (Some(alert), Some(choice), _) => Some(Goal::Native { alert, recipient: choice.0, account: choice.1, contacts: choice.2 }),
        (_, _, Some(phone)) => Some(Goal::Explicit { phone, text }),
        _ => None,
    };
    match (target, found.0.is_empty()) {
        (Some(target), true) => Ok(Wish {
            repeat,
            consumer_name: header.valid_consm_name.or_else(|| publisher.defaults.valid_consm_name.clone()),
            tracking_id: header.tracking_id,
            bus_correl_id: header.bus_correl_id,
            version: request.pub_ver,
            origin,
            institution,
            product,
            target,
            parameters,
            own_value,
            mode,
            seconds,
            test,
        }),
        _ => Err(found.in_schema_order()),
    }
}
