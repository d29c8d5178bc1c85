//! The envelope of what we send.

use super::names::Version;
use super::writer::{Stamp, Writer};

/// What stands around a body.
#[derive(Clone, Copy, Default)]
pub struct Frame {
    /// SOAP version.
    pub version: Version,
    /// `wsse:Security` with a timestamp: exactly when the other side sent or expects one.
    pub stamp: Option<Stamp>,
}

/// A whole message: `head` writes further header blocks, `body` the body's element. The envelope's prefix is `s`.
pub fn message(frame: Frame, head: Option<&dyn Fn(&mut Writer)>, body: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new(2048);
    out.raw("<s:Envelope xmlns:s=\"");
    out.raw(frame.version.namespace());
    out.raw("\">");
    if frame.stamp.is_some() || head.is_some() {
        out.open("s:Header");
        if let Some(stamp) = frame.stamp {
            out.security(stamp);
        }
        if let Some(head) = head {
            head(&mut out);
        }
        out.close("s:Header");
    }
    out.open("s:Body");
    body(&mut out);
    out.close("s:Body");
    out.close("s:Envelope");
    out.finish()
}
