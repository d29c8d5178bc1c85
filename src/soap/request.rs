//! The bodies of requests: `OOBValidateRq_MType` and `Ping` (`oobvalidate.md`, request). Fields are read, not judged.
//!
//! An optional element that is nil or empty counts as absent. Texts are trimmed, except those that may hold a secret.

use super::header;
use super::malformed::Read;
use super::names::Root;
use super::record::{Record, Shape, field, raw, secret, text};
use super::xml::{Element, Reader};
use crate::domain::code::Secret;
use crate::domain::request::{Field, OobValidate, RecipientChoice};

const MESSAGE: Shape = Shape {
    once: &[
        "MsgRqHdr",
        "AlrtName",
        "OOBRecipInfoRec",
        "AlrtDataInfoArray",
        "InstRtId",
        "ConsumerProd",
        "PubVer",
        "PhoneNum",
        "SMSText",
        "VerifVal",
        "OOBModeType",
        "OOBExpSec",
        "EncryptVerifValType",
        "EncryptVerifValSalt",
        "AlrtTestType",
    ],
    many: &[],
    last: 1,
};
const MSG_RQ_HDR: Shape = Shape { once: &["jXchangeHdr", "AuthenUsrCred", "AuthenProdCred"], many: &[], last: 3 };
const RECIPIENT: Shape = Shape { once: &["ConsmRecipId", "ConsmRecipAcctId", "OOBRecipInfoArray"], many: &[], last: 1 };
const CONTACTS: Shape = Shape { once: &[], many: &["OOBRecipConIdInfoRec"], last: 1 };
const CONTACT: Shape = Shape { once: &["RecipConId"], many: &[], last: 1 };
const DATA: Shape = Shape { once: &[], many: &["AlrtDataInfoRec"], last: 1 };
const PAIRS: Shape = Shape { once: &[], many: &["Name", "Val"], last: 1 };
const PING: Shape = Shape { once: &["PingRq"], many: &[], last: 1 };

/// Reads the open `OOBValidate` or `OOBValidateRq`.
pub fn oob_validate(reader: &mut Reader<'_>) -> Read<OobValidate> {
    let mut request = OobValidate::default();
    let mut record = Record::new(&MESSAGE);
    while let Some((name, element)) = record.next(reader)? {
        match name {
            "MsgRqHdr" => message_header(reader, &element, &mut request)?,
            "OOBRecipInfoRec" => request.recipient = recipient(reader, &element)?,
            "AlrtDataInfoArray" => data(reader, &element, &mut request.data)?,
            "SMSText" => request.sms_text = secret(reader, &element)?,
            "VerifVal" => request.verif_val = secret(reader, &element)?,
            "EncryptVerifValSalt" => request.encrypt_salt = secret(reader, &element)?,
            _ => *plain(&mut request, name) = text(reader, &element)?,
        }
    }
    Ok(request)
}

/// Reads the open `Ping` (its text is in a `PingRq`) or `PingRq` (its text is its own): what to echo.
pub fn ping(reader: &mut Reader<'_>, root: Root) -> Read<String> {
    if root == Root::Tutorial {
        return Ok(reader.text()?.into_owned());
    }
    let mut echo = String::new();
    let mut record = Record::new(&PING);
    while let Some((_, element)) = record.next(reader)? {
        echo = raw(reader, &element)?.unwrap_or_default().into_owned();
    }
    Ok(echo)
}

fn plain<'a>(request: &'a mut OobValidate, name: &str) -> &'a mut Option<String> {
    match name {
        "AlrtName" => &mut request.alrt_name,
        "InstRtId" => &mut request.inst_rt_id,
        "ConsumerProd" => &mut request.consumer_prod,
        "PubVer" => &mut request.pub_ver,
        "PhoneNum" => &mut request.phone_num,
        "OOBModeType" => &mut request.mode,
        "OOBExpSec" => &mut request.exp_sec,
        "EncryptVerifValType" => &mut request.encrypt_type,
        _ => &mut request.test,
    }
}

fn message_header(reader: &mut Reader<'_>, element: &Element<'_>, request: &mut OobValidate) -> Read<()> {
    if element.is_nil() {
        return reader.skip();
    }
    let mut record = Record::new(&MSG_RQ_HDR);
    while let Some((name, element)) = record.next(reader)? {
        if name == "jXchangeHdr" && !element.is_nil() {
            request.header = Some(header::read(reader)?);
        } else {
            reader.skip()?;
        }
    }
    Ok(())
}

fn recipient(reader: &mut Reader<'_>, element: &Element<'_>) -> Read<Option<RecipientChoice>> {
    if element.is_nil() {
        reader.skip()?;
        return Ok(None);
    }
    let mut choice = RecipientChoice::default();
    let mut record = Record::new(&RECIPIENT);
    while let Some((name, element)) = record.next(reader)? {
        match name {
            "ConsmRecipId" => choice.id = field(reader, &element)?,
            "ConsmRecipAcctId" => choice.account = text(reader, &element)?,
            _ => each(reader, &element, &CONTACTS, |reader| {
                choice.contacts.push(contact(reader)?);
                Ok(())
            })?,
        }
    }
    Ok(Some(choice))
}

fn contact(reader: &mut Reader<'_>) -> Read<Field> {
    let mut id = Field::Absent;
    let mut record = Record::new(&CONTACT);
    while let Some((_, element)) = record.next(reader)? {
        id = field(reader, &element)?;
    }
    Ok(id)
}

fn data(reader: &mut Reader<'_>, element: &Element<'_>, data: &mut Vec<(Field, Option<Secret>)>) -> Read<()> {
    each(reader, element, &DATA, |reader| pairs(reader, data))
}

// Each Name with the Val that follows it; one record may hold several pairs, as the tutorials write them.
fn pairs(reader: &mut Reader<'_>, data: &mut Vec<(Field, Option<Secret>)>) -> Read<()> {
    let mut waiting = None;
    let mut record = Record::new(&PAIRS);
    while let Some((name, element)) = record.next(reader)? {
        if name == "Name" {
            if let Some(name) = waiting.replace(field(reader, &element)?) {
                data.push((name, None));
            }
        } else {
            let value = raw(reader, &element)?.map(Secret::new);
            data.push((waiting.take().unwrap_or_default(), value));
        }
    }
    data.extend(waiting.map(|name| (name, None)));
    Ok(())
}

// Reads every record of an array; a nil one is passed over.
fn each<'a>(
    reader: &mut Reader<'a>,
    array: &Element<'_>,
    shape: &'static Shape,
    mut read: impl FnMut(&mut Reader<'a>) -> Read<()>,
) -> Read<()> {
    if array.is_nil() {
        return reader.skip();
    }
    let mut record = Record::new(shape);
    while let Some((_, element)) = record.next(reader)? {
        if element.is_nil() { reader.skip()? } else { read(reader)? }
    }
    Ok(())
}
