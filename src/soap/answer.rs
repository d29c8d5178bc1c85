//! The bodies of answers (`oobvalidate.md`, response). A refusal is a fault, so `RsStat` is always `Success`.

use super::header;
use super::message::{Frame, message};
use super::names::{JX_VER, Root, TPG, Version};
use super::writer::{Stamp, Writer};
use crate::domain::code::Secret;
use crate::domain::id::AggregateId;
use crate::domain::request::Header;

/// The answer to `OOBValidate` when a challenge was opened, now or at the first of identical requests.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// Version of the request.
    pub version: Version,
    /// Root style of the request.
    pub root: Root,
    /// Header of the request, echoed with its defaults filled.
    pub header: &'a Header,
    /// `jXLogTrackingId` for a request that has none.
    pub tracking_id: &'a str,
    /// `AlrtPkgId`
    pub id: AggregateId,
    /// `OTP`: only what we generated.
    pub otp: Option<&'a Secret>,
    /// The answer's timestamp: exactly when the request has one ([`super::Call::is_stamped`]).
    pub stamp: Option<Stamp>,
}

impl Opened<'_> {
    /// The whole message, UTF-8; HTTP status 200.
    pub fn write(&self) -> Vec<u8> {
        let name = match self.root {
            Root::Schema => "OOBValidateResponse",
            Root::Tutorial => "OOBValidateRs",
        };
        message(Frame { version: self.version, stamp: self.stamp }, None, |out| {
            root(out, name);
            out.raw("<MsgRsHdr><jXchangeHdr>");
            header::write(out, self.header, Some((JX_VER, self.tracking_id)));
            out.raw("</jXchangeHdr></MsgRsHdr>");
            out.plain("AlrtPkgId", self.id);
            out.optional("OTP", self.otp.map(Secret::expose));
            out.leaf("RsStat", "Success");
            out.close(name);
        })
    }
}

/// The answer to `Ping`: what was sent, in kind; HTTP status 200.
pub fn pong(version: Version, style: Root, text: &str, stamp: Option<Stamp>) -> Vec<u8> {
    message(Frame { version, stamp }, None, |out| match style {
        Root::Schema => {
            root(out, "PingResponse");
            out.leaf("PingRs", text);
            out.close("PingResponse");
        }
        Root::Tutorial => {
            root(out, "PingRs");
            out.text(text);
            out.close("PingRs");
        }
    })
}

fn root(out: &mut Writer, name: &str) {
    out.raw("<");
    out.raw(name);
    out.raw(" xmlns=\"");
    out.raw(TPG);
    out.raw("\">");
}
