//! The Enterprise Event System's push (`events.md`, SOAP push): `EESEventAdd`, and what a subscriber answers.

use super::decode::decode;
use super::malformed::Read;
use super::media::Media;
use super::message::{Frame, message};
use super::names::{JES, Ns, Version};
use super::writer::{Stamp, Writer};
use super::xml::{Element, Reader};
use crate::domain::feed::FeedEvent;

/// SOAPAction of the push, without quotes.
pub const EES_ACTION: &str = "http://jackhenry.com/ws/EESEventAdd";

/// One push to a subscriber.
#[derive(Clone, Copy, Debug)]
pub struct EesPush<'a> {
    /// `AuditUsrId`
    pub audit_usr_id: Option<&'a str>,
    /// `AuditWsId`
    pub audit_ws_id: &'a str,
    /// `ConsumerProd` of the header and `EventProd` of each event: the product that speaks.
    pub product: &'a str,
    /// `jXLogTrackingId`
    pub tracking_id: &'a str,
    /// `ProdEnv`, where the operator names one.
    pub environment: Option<&'a str>,
    /// The message's timestamp; its `created` is `ConsumerRqDtTime` too. Expires five minutes later by the contract.
    pub stamp: Stamp,
    /// The events, oldest first; also of several institutions.
    pub events: &'a [FeedEvent],
}

impl EesPush<'_> {
    /// The whole message: SOAP 1.1, UTF-8.
    pub fn write(&self) -> Vec<u8> {
        message(Frame { version: Version::V11, stamp: Some(self.stamp) }, None, |out| {
            out.raw(&format!("<EESEventAdd xmlns=\"{JES}\"><JESMsgRqHdr><JESHdr>"));
            out.optional("AuditUsrId", self.audit_usr_id);
            out.leaf("AuditWsId", self.audit_ws_id);
            out.leaf("ConsumerProd", self.product);
            out.plain("ConsumerRqDtTime", self.stamp.created);
            out.leaf("jXLogTrackingId", self.tracking_id);
            out.raw("</JESHdr></JESMsgRqHdr><EESEventInfoArray>");
            for event in self.events {
                self.event(out, event);
            }
            out.raw("</EESEventInfoArray></EESEventAdd>");
        })
    }

    fn event(&self, out: &mut Writer, event: &FeedEvent) {
        out.open("EESEventInfo");
        out.plain("EventNum", event.number);
        out.leaf("EventProd", self.product);
        out.plain("EventTimeDt", event.at);
        out.leaf("InstId", event.institution.as_str());
        out.optional("ProdEnv", self.environment);
        out.open("EventDataInfoArray");
        for (name, value) in &event.data {
            out.open("EventDataInfo");
            out.leaf("Name", name);
            out.leaf("Val", value);
            out.close("EventDataInfo");
        }
        out.close("EventDataInfoArray");
        out.plain("EventUniqueId", event.id);
        out.close("EESEventInfo");
    }
}

/// What a subscriber's answer says, whatever its HTTP status is. Only with a 2xx is `Acknowledged` an acknowledgement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EesAnswer {
    /// An envelope without a fault. `odd`: in what it differs from the contract, for the delivery log.
    Acknowledged {
        /// One sentence or more.
        odd: Option<String>,
    },
    /// A SOAP fault. Texts are the subscriber's own, cut at 200 characters.
    Fault {
        /// faultcode, or the innermost Value in SOAP 1.2.
        code: String,
        /// faultstring, or Text.
        text: String,
    },
    /// No envelope: a proxy's page, nothing at all, or broken XML.
    Unreadable(String),
}

impl EesAnswer {
    /// Reads an answer, leniently.
    pub fn read(bytes: &[u8], content_type: Option<&str>) -> Self {
        let media = Media::parse(content_type.unwrap_or_default());
        let mut odd = Vec::new();
        if media.version() != Version::V11 || media.check(Version::V11).is_err() {
            odd.push("The content type is not text/xml.".to_owned());
        }
        let text = decode(bytes, media.charset).map_err(Box::new);
        let read = text.and_then(|text| envelope(&mut Reader::new(&text), &mut odd));
        match read {
            Ok(Some((code, text))) => Self::Fault { code, text },
            Ok(None) => Self::Acknowledged { odd: Some(odd.join(" ")).filter(|it| !it.is_empty()) },
            Err(malformed) => Self::Unreadable(malformed.to_string()),
        }
    }
}

type FaultText = (String, String);

// Reads up to the body's element; what comes after it can only be odd, not wrong.
fn envelope(reader: &mut Reader<'_>, odd: &mut Vec<String>) -> Read<Option<FaultText>> {
    let soap = |element: &Element<'_>, name| element.is(Ns::Soap11, name) || element.is(Ns::Soap12, name);
    let root = reader.root()?;
    if !soap(&root, "Envelope") {
        return Err(reader.fail("The answer is no SOAP envelope."));
    }
    let mut stamped = false;
    while let Some(part) = reader.child()? {
        if soap(&part, "Header") {
            stamped = timestamp(reader)?;
        } else if soap(&part, "Body") {
            let body = reader.child()?;
            if body.as_ref().is_some_and(|it| soap(it, "Fault")) {
                return fault(reader).map(Some);
            }
            judge(body.as_ref(), stamped, odd);
            return Ok(None);
        } else {
            reader.skip()?;
        }
    }
    Err(reader.fail("The answer has no Body."))
}

fn judge(body: Option<&Element<'_>>, stamped: bool, odd: &mut Vec<String>) {
    if !stamped {
        odd.push("The answer has no Timestamp.".to_owned());
    }
    if !body.is_some_and(|it| it.is(Ns::Jes, "EESEventAddResponse")) {
        odd.push("The Body is not an EESEventAddResponse.".to_owned());
    }
}

fn timestamp(reader: &mut Reader<'_>) -> Read<bool> {
    let mut found = false;
    while let Some(block) = reader.child()? {
        if !block.is(Ns::Wsse, "Security") {
            reader.skip()?;
            continue;
        }
        while let Some(token) = reader.child()? {
            found |= token.is(Ns::Wsu, "Timestamp");
            reader.skip()?;
        }
    }
    Ok(found)
}

fn fault(reader: &mut Reader<'_>) -> Read<FaultText> {
    let (mut code, mut text) = (String::new(), String::new());
    while let Some(part) = reader.child()? {
        match part.name {
            "faultcode" => code = cut(&reader.text()?),
            "faultstring" => text = cut(&reader.text()?),
            "Code" => values(reader, &mut code)?,
            "Reason" => values(reader, &mut text)?,
            _ => reader.skip()?,
        }
    }
    Ok((code, text))
}

// The last Value or Text of a SOAP 1.2 Code or Reason, Subcodes included.
fn values(reader: &mut Reader<'_>, slot: &mut String) -> Read<()> {
    while let Some(part) = reader.child()? {
        match part.name {
            "Value" | "Text" => *slot = cut(&reader.text()?),
            "Subcode" => values(reader, slot)?,
            _ => reader.skip()?,
        }
    }
    Ok(())
}

fn cut(text: &str) -> String {
    text.trim().chars().take(200).collect()
}
