//! Field rules of `OOBValidate` (contract, faults; decision 20, second stage): what can be said of a request without looking
//! anything up but its publisher's settings.

use crate::domain::challenge::{Mode, RepeatKey, Slot, SlotSubject};
use crate::domain::code::{CodeKind, HashKind, Secret};
use crate::domain::contact::{self, Address, AddressError};
use crate::domain::fault::{Violation, own};
use crate::domain::id::InstitutionId;
use crate::domain::keyring::Keyring;
use crate::domain::keyword;
use crate::domain::publisher::{Publisher, Required};
use crate::domain::recipient::RecipientKey;
use crate::domain::request::{Field, Header, OobValidate, Origin, RecipientChoice};
use crate::domain::snapshot::Query;
use crate::domain::template::{ExplicitError, explicit};
use base64::Engine as _;

/// Characters an SMSText may have.
pub const SMS_TEXT_MAX: usize = 1_600;
/// Characters a VerifVal, a salt or a name may have.
pub const VALUE_MAX: usize = 256;
/// Characters a parameter's value may have.
pub const PARAMETER_MAX: usize = 4_000;
/// Parameters a request may have.
pub const PARAMETERS_MAX: usize = 100;
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
pub fn check(origin: Origin, request: OobValidate, publisher: &Publisher, keyring: &dyn Keyring) -> Result<Wish, Vec<Violation>> {
    let mut found = Findings(Vec::new());
    let payload = keyring.payload_tag(&canonical(&request));
    let header = found.header(&request, publisher);
    let recipient = found.recipient(&request);
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
            repeat: repeat_key(&header).map(|key| RepeatKey { key, payload }),
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

// Only what was sent is a key; what we fill in never is (decision 1).
fn repeat_key(header: &Header) -> Option<String> {
    let business = header.bus_correl_id.as_ref().map(|id| format!("B:{id}"));
    business.or_else(|| header.tracking_id.as_ref().map(|id| format!("T:{id}")))
}

// The parsed body fields in a fixed order, each with its length, so that no two requests read alike.
fn canonical(request: &OobValidate) -> zeroize::Zeroizing<Vec<u8>> {
    let mut out = zeroize::Zeroizing::new(Vec::with_capacity(512));
    let mut put = |text: Option<&str>| match text {
        Some(text) => {
            out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend(text.as_bytes());
        }
        None => out.extend(u32::MAX.to_le_bytes()),
    };
    put(request.alrt_name.as_deref());
    if let Some(choice) = &request.recipient {
        put(choice.id.text());
        put(choice.account.as_deref());
        choice.contacts.iter().for_each(|it| put(it.text()));
    }
    put(None);
    for (name, value) in &request.data {
        put(name.text());
        put(value.as_ref().map(Secret::expose));
    }
    put(None);
    for text in [&request.inst_rt_id, &request.consumer_prod, &request.pub_ver, &request.phone_num] {
        put(text.as_deref());
    }
    for secret in [&request.sms_text, &request.verif_val, &request.encrypt_salt] {
        put(secret.as_ref().map(Secret::expose));
    }
    for text in [&request.mode, &request.exp_sec, &request.encrypt_type, &request.test] {
        put(text.as_deref());
    }
    out
}

// Recipient id, account, contacts.
type Choice = (String, Option<String>, Vec<String>);

struct Findings(Vec<Violation>);

// Elements in the order of the schema, header first.
const ORDER: [&str; 20] = [
    "MsgRqHdr",
    "AuditUsrId",
    "AuditWsId",
    "BusCorrelId",
    "ValidConsmName",
    "AlrtName",
    "OOBRecipInfoRec",
    "ConsmRecipId",
    "RecipConId",
    "AlrtDataInfoRec",
    "Name",
    "Val",
    "InstRtId",
    "ConsumerProd",
    "PhoneNum",
    "SMSText",
    "VerifVal",
    "OOBModeType",
    "OOBExpSec",
    "EncryptVerifValType",
];

impl Findings {
    fn in_schema_order(mut self) -> Vec<Violation> {
        let place = |it: &Violation| it.element.and_then(|name| ORDER.iter().position(|known| *known == name)).unwrap_or(ORDER.len());
        self.0.sort_by_key(place);
        self.0
    }

    fn add(&mut self, code: u32, element: &'static str, text: &str) {
        self.0.push(Violation::new(code, element, text));
    }

    fn show(&mut self, code: u32, element: &'static str, text: &str, value: &str) {
        self.0.push(Violation::new(code, element, text).with_value(value));
    }

    fn header(&mut self, request: &OobValidate, publisher: &Publisher) -> Header {
        let Some(header) = request.header.clone() else {
            self.add(2001, "MsgRqHdr", "The message request header (MsgRqHdr with jXchangeHdr) is required.");
            return Header::default();
        };
        if header.audit_usr_id.is_none() {
            self.add(2021, "AuditUsrId", "The audit user id is required.");
        }
        if header.audit_ws_id.is_none() {
            self.add(2002, "AuditWsId", "The audit workstation id is required.");
        }
        let lacks = |it: Required| publisher.require.contains(&it);
        let product = header.consumer_prod.is_some() || request.consumer_prod.is_some() || publisher.defaults.consumer_prod.is_some();
        if lacks(Required::ConsumerProd) && !product {
            self.add(2003, "ConsumerProd", "The consumer product is required.");
        }
        let institution = header.inst_rt_id.is_some() || request.inst_rt_id.is_some() || publisher.defaults.inst_rt_id.is_some();
        if !institution && (lacks(Required::InstRtId) || publisher.institutions.len() != 1) {
            self.add(2016, "InstRtId", "The institution routing id is required.");
        }
        if lacks(Required::BusCorrelId) && header.bus_correl_id.is_none() {
            self.add(2700, "BusCorrelId", "The business correlation id is required.");
        }
        let name = header.valid_consm_name.is_some() || publisher.defaults.valid_consm_name.is_some();
        if lacks(Required::ValidConsmName) && !name {
            self.add(2401, "ValidConsmName", "The valid consumer name is required.");
        }
        header
    }

    fn recipient(&mut self, request: &OobValidate) -> Option<Choice> {
        match (&request.alrt_name, &request.phone_num) {
            (None, None) => self.add(3154, "AlrtName", "Either AlrtName or PhoneNum is required."),
            (Some(_), Some(_)) => self.add(own::BOTH_LEVELS, "AlrtName", "Give either AlrtName or PhoneNum, not both."),
            (Some(_), None) if request.recipient.is_none() => {
                self.add(own::RECIPIENT_MISSING, "OOBRecipInfoRec", "AlrtName needs OOBRecipInfoRec: whom is the alert for?");
            }
            _ => {}
        }
        let choice = request.recipient.as_ref()?;
        match &choice.id {
            Field::Null => self.add(3103, "ConsmRecipId", "The field is required and can't be null."),
            id if id.text().is_none() => self.add(2205, "ConsmRecipId", "The recipient's unique identifier is required."),
            id if id.text().is_some_and(|it| it.chars().count() > VALUE_MAX) => {
                self.add(own::TOO_LONG, "ConsmRecipId", "At most 256 characters.")
            }
            _ => {}
        }
        let contacts = self.contacts(choice);
        Some((choice.id.text().unwrap_or_default().to_owned(), choice.account.clone(), contacts))
    }

    fn contacts(&mut self, choice: &RecipientChoice) -> Vec<String> {
        let mut contacts: Vec<String> = Vec::new();
        if choice.contacts.len() > CONTACTS_MAX {
            self.add(own::TOO_LONG, "RecipConId", "At most 20 contacts a request.");
        }
        for contact in choice.contacts.iter().take(CONTACTS_MAX) {
            match contact.text() {
                Some(id) if contacts.iter().any(|it| it == id) => {}
                Some(id) => contacts.push(id.to_owned()),
                None => self.add(3103, "RecipConId", "The field is required and can't be null."),
            }
        }
        contacts
    }

    fn parameters(&mut self, data: Vec<(Field, Option<Secret>)>) -> Vec<(String, Secret)> {
        if data.len() > PARAMETERS_MAX {
            self.add(own::TOO_LONG, "AlrtDataInfoRec", "At most 100 parameters a request.");
        }
        let mut parameters = Vec::with_capacity(data.len().min(PARAMETERS_MAX));
        for (name, value) in data.into_iter().take(PARAMETERS_MAX) {
            let Some(name) = name.text().map(str::to_owned) else {
                self.add(3103, "Name", "The field is required and can't be null.");
                continue;
            };
            match value {
                Some(value) if value.expose().len() > PARAMETER_MAX => self.add(own::TOO_LONG, "Val", "At most 4,000 bytes a parameter."),
                Some(value) => parameters.push((name, value)),
                None => self.add(3103, "Val", "The field is required and can't be null."),
            }
        }
        parameters
    }

    fn place(&mut self, header: &Header, inst: Option<String>, prod: Option<String>, publisher: &Publisher) -> (InstitutionId, String) {
        if let (Some(above), Some(below)) = (&header.inst_rt_id, &inst)
            && above != below
        {
            self.show(2505, "InstRtId", "Access denied: header and body InstRtId differ.", below);
        }
        let only = || (publisher.institutions.len() == 1).then(|| publisher.institutions.keys().next().map(ToString::to_string)).flatten();
        let inst = inst.or_else(|| header.inst_rt_id.clone()).or_else(|| publisher.defaults.inst_rt_id.clone()).or_else(only);
        let prod = prod
            .or_else(|| header.consumer_prod.clone())
            .or_else(|| publisher.defaults.consumer_prod.clone())
            .or_else(|| publisher.products.first().cloned())
            .unwrap_or_default();
        let valid = header.valid_consm_prod.as_ref().or(publisher.defaults.valid_consm_prod.as_ref());
        if valid.is_some_and(|valid| *valid != prod) {
            self.show(2505, "ConsumerProd", "Access denied: ValidConsmProd differs from ConsumerProd.", &prod);
        }
        (InstitutionId::from(inst.unwrap_or_default().as_str()), prod)
    }

    fn phone(&mut self, text: Option<&str>, publisher: &Publisher) -> Option<Address> {
        let text = text?;
        match contact::phone(text, &publisher.countries) {
            Ok(phone) => return Some(phone),
            Err(AddressError::Country) => self.add(own::DESTINATION, "PhoneNum", "This publisher may not send to that country."),
            Err(AddressError::NotInPlan) => self.add(own::NOT_IN_PLAN, "PhoneNum", "The numbering plan has no such number."),
            Err(_) => self.add(3147, "PhoneNum", "The mobile number must have 10 digits."),
        }
        None
    }

    fn sms_text(&mut self, text: Option<Secret>) -> Option<(Secret, Option<CodeKind>)> {
        let text = text.filter(|it| !it.is_empty())?;
        if text.expose().chars().count() > SMS_TEXT_MAX {
            self.add(own::TOO_LONG, "SMSText", "At most 1,600 characters.");
            return None;
        }
        match explicit(text.expose()) {
            Ok(codes) => Some((text, codes.first().copied())),
            Err(errors) => {
                for error in errors {
                    match error {
                        ExplicitError::BothCodes => self.add(3156, "SMSText", "The text may not carry both an OTP and an OTPA tag."),
                        ExplicitError::OtherTag { .. } => self.add(3157, "SMSText", "SMSText may carry no tag but <%$otp%> or <%$otpa%>."),
                        ExplicitError::Malformed(error) => self.add(own::TEMPLATE, "SMSText", &format!("A tag can't be read, {error}")),
                    }
                }
                None
            }
        }
    }

    fn own_value(&mut self, value: Option<Secret>, kind: Option<&str>, salt: Option<Secret>) -> Option<OwnValue> {
        let parsed = kind.map(HashKind::parse);
        if let (Some(None), Some(kind)) = (parsed, kind) {
            self.show(2005, "EncryptVerifValType", "Not one of SHA1, SHA256, SHA512.", kind);
        }
        let value = value.filter(|it| !it.expose().trim().is_empty())?;
        if value.expose().len() > VALUE_MAX || salt.as_ref().is_some_and(|it| it.expose().len() > VALUE_MAX) {
            self.add(own::TOO_LONG, "VerifVal", "VerifVal and its salt: at most 256 bytes.");
            return None;
        }
        let hash = match (parsed, &salt) {
            (Some(kind), _) => kind?,
            (None, Some(_)) => HashKind::Sha1,
            (None, None) => {
                if keyword::refused_as_value(value.expose()) {
                    self.add(own::KEYWORD_VALUE, "VerifVal", "A keyword such as STOP or HELP can't be a verification value.");
                }
                return Some(OwnValue::Plain(value));
            }
        };
        let digest = digest_bytes(value.expose().trim(), hash);
        if digest.is_none() {
            self.add(own::HASH_FORM, "VerifVal", "A hashed VerifVal is the digest in hex or base64.");
        }
        Some(OwnValue::Hashed { kind: hash, digest: digest?, salt: salt.unwrap_or_default() })
    }

    fn mode(&mut self, text: Option<&str>) -> Mode {
        match text {
            None | Some("TwoWay") => Mode::TwoWay,
            Some("OneWay") => Mode::OneWay,
            Some(other) => {
                self.show(2005, "OOBModeType", "Not one of TwoWay, OneWay.", other);
                Mode::OneWay
            }
        }
    }

    fn seconds(&mut self, text: Option<&str>, publisher: &Publisher) -> u32 {
        let range = publisher.lifetime;
        let Some(text) = text else { return range.default };
        let Ok(seconds) = text.trim().parse::<i64>() else {
            self.show(2017, "OOBExpSec", "Not an integer.", text);
            return range.default;
        };
        match u32::try_from(seconds) {
            Ok(seconds) if (range.min..=range.max).contains(&seconds) => seconds,
            _ => {
                self.show(3160, "OOBExpSec", &format!("Outside {}-{}.", range.min, range.max), text);
                range.default
            }
        }
    }

    fn flag(&mut self, text: Option<&str>) -> bool {
        match text {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                self.show(2005, "AlrtTestType", "Not one of true, false.", other);
                false
            }
        }
    }
}

// Hex in either case, or base64, of exactly the digest's length.
fn digest_bytes(text: &str, kind: HashKind) -> Option<Vec<u8>> {
    let hex = (text.len() == kind.len() * 2).then(|| hex::decode(text).ok()).flatten();
    let bytes = hex.or_else(|| base64::engine::general_purpose::STANDARD.decode(text).ok())?;
    (bytes.len() == kind.len()).then_some(bytes)
}
