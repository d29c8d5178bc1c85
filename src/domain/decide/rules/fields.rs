//! Header, recipient, parameters and place: what a request says of whom and where.

use super::{CONTACTS_MAX, PARAMETER_MAX, PARAMETERS_MAX, PARAMETERS_TOTAL_MAX, VALUE_MAX};
use crate::domain::code::Secret;
use crate::domain::fault::{Violation, own};
use crate::domain::id::InstitutionId;
use crate::domain::publisher::{Publisher, Required};
use crate::domain::request::{Field, Header, OobValidate};

/// Recipient id, account, contacts.
pub(super) type Choice = (String, Option<String>, Vec<String>);

/// What was found wrong so far.
pub(super) struct Findings(pub(super) Vec<Violation>);

// Elements in the order of the schema, header first.
const ORDER: [&str; 23] = [
    "MsgRqHdr",
    "AuditUsrId",
    "AuditWsId",
    "jXLogTrackingId",
    "BusCorrelId",
    "ValidConsmName",
    "AlrtName",
    "OOBRecipInfoRec",
    "ConsmRecipId",
    "ConsmRecipAcctId",
    "RecipConId",
    "AlrtDataInfoRec",
    "Name",
    "Val",
    "InstRtId",
    "ConsumerProd",
    "PubVer",
    "PhoneNum",
    "SMSText",
    "VerifVal",
    "OOBModeType",
    "OOBExpSec",
    "EncryptVerifValType",
];

impl Findings {
    pub(super) fn in_schema_order(mut self) -> Vec<Violation> {
        let place = |it: &Violation| it.element.and_then(|name| ORDER.iter().position(|known| *known == name)).unwrap_or(ORDER.len());
        self.0.sort_by_key(place);
        self.0
    }

    pub(super) fn add(&mut self, code: u32, element: &'static str, text: &str) {
        self.0.push(Violation::new(code, element, text));
    }

    pub(super) fn show(&mut self, code: u32, element: &'static str, text: &str, value: &str) {
        self.0.push(Violation::new(code, element, text).with_value(value));
    }

    pub(super) fn header(&mut self, request: &mut OobValidate, publisher: &Publisher) -> Header {
        let Some(header) = request.header.take() else {
            self.add(2001, "MsgRqHdr", "The message request header (MsgRqHdr with jXchangeHdr) is required.");
            return Header::default();
        };
        self.lengths(&header, request);
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

    // What is stored with the challenge, or compared with names, has an end.
    fn lengths(&mut self, header: &Header, request: &OobValidate) {
        let texts: [(&'static str, &Option<String>); 9] = [
            ("jXLogTrackingId", &header.tracking_id),
            ("BusCorrelId", &header.bus_correl_id),
            ("InstRtId", &header.inst_rt_id),
            ("ConsumerProd", &header.consumer_prod),
            ("ValidConsmName", &header.valid_consm_name),
            ("AlrtName", &request.alrt_name),
            ("InstRtId", &request.inst_rt_id),
            ("ConsumerProd", &request.consumer_prod),
            ("PubVer", &request.pub_ver),
        ];
        let account = request.recipient.as_ref().and_then(|it| it.account.as_ref());
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
        for (name, text) in texts.chain(account.map(|it| ("ConsmRecipAcctId", it))) {
            if text.len() > VALUE_MAX {
                self.add(own::TOO_LONG, name, "At most 256 bytes.");
            }
        }
    }

    pub(super) fn recipient(&mut self, request: &mut OobValidate) -> Option<Choice> {
        match (&request.alrt_name, &request.phone_num) {
            (None, None) => self.add(3154, "AlrtName", "Either AlrtName or PhoneNum is required."),
            (Some(_), Some(_)) => self.add(own::BOTH_LEVELS, "AlrtName", "Give either AlrtName or PhoneNum, not both."),
            (Some(_), None) if request.recipient.is_none() => {
                self.add(own::RECIPIENT_MISSING, "OOBRecipInfoRec", "AlrtName needs OOBRecipInfoRec: whom is the alert for?");
            }
            _ => {}
        }
        let choice = request.recipient.take()?;
        match &choice.id {
            Field::Null => self.add(3103, "ConsmRecipId", "The field is required and can't be null."),
            id if id.text().is_none() => self.add(2205, "ConsmRecipId", "The recipient's unique identifier is required."),
            id if id.text().is_some_and(|it| it.chars().count() > VALUE_MAX) => {
                self.add(own::TOO_LONG, "ConsmRecipId", "At most 256 characters.")
            }
            _ => {}
        }
        let contacts = self.contacts(choice.contacts);
        Some((choice.id.into_text().unwrap_or_default(), choice.account, contacts))
    }

    fn contacts(&mut self, chosen: Vec<Field>) -> Vec<String> {
        let mut contacts: Vec<String> = Vec::with_capacity(chosen.len().min(CONTACTS_MAX));
        if chosen.len() > CONTACTS_MAX {
            self.add(own::TOO_LONG, "RecipConId", "At most 20 contacts a request.");
        }
        for contact in chosen.into_iter().take(CONTACTS_MAX) {
            match contact.into_text() {
                Some(id) if id.len() > VALUE_MAX => self.add(own::TOO_LONG, "RecipConId", "At most 256 bytes."),
                Some(id) if contacts.contains(&id) => {}
                Some(id) => contacts.push(id),
                None => self.add(3103, "RecipConId", "The field is required and can't be null."),
            }
        }
        contacts
    }

    pub(super) fn parameters(&mut self, data: Vec<(Field, Option<Secret>)>) -> Vec<(String, Secret)> {
        if data.len() > PARAMETERS_MAX {
            self.add(own::TOO_LONG, "AlrtDataInfoRec", "At most 100 parameters a request.");
        }
        let total: usize = data.iter().map(|(_, value)| value.as_ref().map_or(0, |it| it.expose().len())).sum();
        if total > PARAMETERS_TOTAL_MAX {
            self.add(own::TOO_LONG, "AlrtDataInfoRec", "At most 32,000 bytes of parameters a request.");
        }
        let mut parameters = Vec::with_capacity(data.len().min(PARAMETERS_MAX));
        for (name, value) in data.into_iter().take(PARAMETERS_MAX) {
            let Some(name) = name.into_text() else {
                self.add(3103, "Name", "The field is required and can't be null.");
                continue;
            };
            match value {
                Some(value) if value.expose().len() > PARAMETER_MAX || name.len() > VALUE_MAX => {
                    self.add(own::TOO_LONG, "Val", "At most 4,000 bytes a parameter, and 256 its name.")
                }
                Some(value) => parameters.push((name, value)),
                None => self.add(3103, "Val", "The field is required and can't be null."),
            }
        }
        parameters
    }

    pub(super) fn place(
        &mut self,
        header: &Header,
        inst: Option<String>,
        prod: Option<String>,
        publisher: &Publisher,
    ) -> (InstitutionId, String) {
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
}
