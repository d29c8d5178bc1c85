//! The least that a SOAP server does: a namespace-aware reading of the envelope, checks, an answer. It is no product: it knows no
//! limits, no markers, no faults but one, and keeps nothing.

use hyper::body::Bytes;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;
use std::borrow::Cow;
use uuid::Uuid;

const TPG: Namespace<'static> = Namespace("http://jackhenry.com/jxchange/TPG/2008");
const SOAP: Namespace<'static> = Namespace("http://schemas.xmlsoap.org/soap/envelope/");
const WSSE: Namespace<'static> = Namespace("http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd");

/// What is read of a request.
#[derive(Default)]
struct Read<'a> {
    soap: bool,
    user: Cow<'a, str>,
    password: Cow<'a, str>,
    audit_user: Cow<'a, str>,
    audit_place: Cow<'a, str>,
    correlation: Cow<'a, str>,
    alert: Cow<'a, str>,
    recipient: Cow<'a, str>,
    contacts: Vec<Cow<'a, str>>,
    names: Vec<Cow<'a, str>>,
    values: Vec<Cow<'a, str>>,
    phone: Cow<'a, str>,
    text: Cow<'a, str>,
    value: Cow<'a, str>,
    mode: Cow<'a, str>,
    seconds: Cow<'a, str>,
}

/// Answers an envelope: an acknowledgement with 200, or a fault with 500.
pub fn answer(body: &[u8]) -> (u16, Bytes) {
    let read = std::str::from_utf8(body).ok().and_then(read);
    match read.filter(holds) {
        Some(it) => (200, acknowledge(&it)),
        None => (500, Bytes::from_static(b"<Fault>2001</Fault>")),
    }
}

fn read(xml: &str) -> Option<Read<'_>> {
    let (mut reader, mut read) = (NsReader::from_str(xml), Read::default());
    let mut text: Cow<'_, str> = Cow::Borrowed("");
    loop {
        let (space, event) = reader.read_resolved_event().ok()?;
        match event {
            Event::Start(_) | Event::Empty(_) => text = Cow::Borrowed(""),
            Event::Text(it) => join(&mut text, it.into_inner()),
            Event::GeneralRef(it) => {
                join(&mut text, Cow::Borrowed(resolve_predefined_entity(&it)?));
            }
            Event::End(tag) => {
                let value = std::mem::take(&mut text);
                match space {
                    ResolveResult::Bound(TPG) => ours(&mut read, tag.local_name().as_ref(), value),
                    ResolveResult::Bound(WSSE) => proof(&mut read, tag.local_name().as_ref(), value),
                    ResolveResult::Bound(SOAP) => read.soap |= tag.local_name().as_ref() == "Envelope",
                    ResolveResult::Unknown(_) => return None,
                    _ => {}
                }
            }
            Event::Eof => return Some(read),
            Event::DocType(_) | Event::PI(_) => return None,
            _ => {}
        }
    }
}

fn join<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    match text.is_empty() {
        true => *text = more,
        false => text.to_mut().push_str(&more),
    }
}

fn ours<'a>(read: &mut Read<'a>, name: &str, value: Cow<'a, str>) {
    match name {
        "AuditUsrId" => read.audit_user = value,
        "AuditWsId" => read.audit_place = value,
        "BusCorrelId" => read.correlation = value,
        "AlrtName" => read.alert = value,
        "ConsmRecipId" => read.recipient = value,
        "RecipConId" => read.contacts.push(value),
        "Name" => read.names.push(value),
        "Val" => read.values.push(value),
        "PhoneNum" => read.phone = value,
        "SMSText" => read.text = value,
        "VerifVal" => read.value = value,
        "OOBModeType" => read.mode = value,
        "OOBExpSec" => read.seconds = value,
        _ => {}
    }
}

fn proof<'a>(read: &mut Read<'a>, name: &str, value: Cow<'a, str>) {
    match name {
        "Username" => read.user = value,
        "Password" => read.password = value,
        _ => {}
    }
}

fn holds(it: &Read<'_>) -> bool {
    let native = !it.alert.is_empty() && !it.recipient.is_empty();
    let phone = it.phone.bytes().filter(u8::is_ascii_digit).count() == 10;
    let header = !it.audit_user.is_empty() && !it.audit_place.is_empty() && !it.correlation.is_empty();
    let mode = matches!(&*it.mode, "" | "OneWay" | "TwoWay");
    let lasts = it.seconds.is_empty() || it.seconds.parse().is_ok_and(|it: u32| (15..=3600).contains(&it));
    let known = it.user.is_empty() == it.password.is_empty();
    it.soap && known && header && native != phone && mode && lasts && it.names.len() == it.values.len()
}

fn acknowledge(it: &Read<'_>) -> Bytes {
    let id = Uuid::new_v4();
    let code = id.as_u128() % 1_000_000;
    Bytes::from(format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
         <OOBValidateResponse xmlns=\"http://jackhenry.com/jxchange/TPG/2008\"><MsgRsHdr><jXchangeHdr><JxVer>2024.1.03</JxVer>\
         <AuditUsrId>{}</AuditUsrId><AuditWsId>{}</AuditWsId><Ver_1/><jXLogTrackingId>{id}</jXLogTrackingId><Ver_2/><Ver_3/>\
         <BusCorrelId>{}</BusCorrelId></jXchangeHdr></MsgRsHdr><AlrtPkgId>{id}</AlrtPkgId><OTP>{code:06}</OTP><RsStat>Success</RsStat>\
         </OOBValidateResponse></s:Body></s:Envelope>",
        it.audit_user, it.audit_place, it.correlation
    ))
}
