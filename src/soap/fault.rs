//! Faults (`oobvalidate.md`, faults): SOAP 1.1 and 1.2, with the contract's `HdrFault` for broken rules.

use super::header;
use super::malformed::{Malformed, Problem};
use super::message::{Frame, message};
use super::names::{SOAP11, SOAP12, TPG, Version, WSSE, XSI};
use super::writer::{Stamp, Writer, escape};
use crate::domain::fault::Violation;
use crate::domain::request::Header;

/// Elements whose value no fault shows.
const SECRET: [&str; 7] = ["VerifVal", "OTP", "SMSText", "Val", "EncryptVerifValSalt", "Password", "AlrtDataInfoArray"];

/// Why a message is refused.
#[derive(Clone, Copy, Debug)]
pub enum Fault<'a> {
    /// It could not be read.
    Malformed(&'a Malformed),
    /// It breaks rules; all of one stage (decision 20), in schema order.
    Violations {
        /// The request's header, echoed; `None`: a nil `FaultHdr`.
        header: Option<&'a Header>,
        /// At least one.
        list: &'a [Violation],
    },
    /// The caller didn't prove who it is. Where it sent no credentials at all, HTTP answers 401 with this body.
    Denied,
    /// Our own trouble: nothing but the id under which the log has it.
    Server {
        /// Correlation id.
        correlation: &'a str,
    },
    /// We can't take it now; nothing was done.
    Busy {
        /// Correlation id.
        correlation: &'a str,
    },
}

/// HTTP status and message of a fault. SOAP 1.1: 500; SOAP 1.2: 400 where the sender is to blame, else 500; busy: 503.
/// `stamp` exactly when the request carried a timestamp.
pub fn write(version: Version, fault: &Fault<'_>, stamp: Option<Stamp>) -> (u16, Vec<u8>) {
    let code = Code::of(fault);
    let reason = reason(fault);
    let head = not_understood(version, fault);
    let head = head.as_ref().map(|head| head as &dyn Fn(&mut Writer));
    let body = message(Frame { version, stamp }, head, |out| match version {
        Version::V11 => soap11(out, code, &reason, fault),
        Version::V12 => soap12(out, code, &reason, fault),
    });
    (status(version, fault, code), body)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Code {
    Sender,
    Receiver,
    MustUnderstand,
    VersionMismatch,
    Denied,
}

impl Code {
    fn of(fault: &Fault<'_>) -> Self {
        match fault {
            Fault::Malformed(malformed) => match malformed.problem {
                Problem::Client(_) => Self::Sender,
                Problem::MustUnderstand { .. } => Self::MustUnderstand,
                Problem::VersionMismatch => Self::VersionMismatch,
            },
            Fault::Violations { .. } => Self::Sender,
            Fault::Denied => Self::Denied,
            Fault::Server { .. } | Fault::Busy { .. } => Self::Receiver,
        }
    }

    fn soap11(self) -> &'static str {
        match self {
            Self::Sender => "s:Client",
            Self::Receiver => "s:Server",
            Self::MustUnderstand => "s:MustUnderstand",
            Self::VersionMismatch => "s:VersionMismatch",
            Self::Denied => "wsse:FailedAuthentication",
        }
    }

    fn soap12(self) -> &'static str {
        match self {
            Self::Sender | Self::Denied => "s:Sender",
            Self::Receiver => "s:Receiver",
            Self::MustUnderstand => "s:MustUnderstand",
            Self::VersionMismatch => "s:VersionMismatch",
        }
    }
}

fn status(version: Version, fault: &Fault<'_>, code: Code) -> u16 {
    match (fault, version, code) {
        (Fault::Busy { .. }, ..) => 503,
        (_, Version::V12, Code::Sender | Code::Denied) => 400,
        _ => 500,
    }
}

fn reason(fault: &Fault<'_>) -> String {
    match fault {
        Fault::Malformed(malformed) => malformed.to_string(),
        Fault::Violations { list, .. } => list.iter().map(|it| it.code.to_string()).collect::<Vec<_>>().join(", "),
        Fault::Denied => "Access is denied.".to_owned(),
        Fault::Server { correlation } => format!("The service has failed. Correlation id: {correlation}"),
        Fault::Busy { correlation } => format!("The service is busy, try again later. Correlation id: {correlation}"),
    }
}

// faultcode, faultstring and detail are unqualified in SOAP 1.1.
fn soap11(out: &mut Writer, code: Code, reason: &str, fault: &Fault<'_>) {
    out.open("s:Fault");
    if code == Code::Denied {
        out.raw(&format!("<faultcode xmlns:wsse=\"{WSSE}\">"));
    } else {
        out.open("faultcode");
    }
    out.raw(code.soap11());
    out.close("faultcode");
    out.leaf("faultstring", reason);
    detail(out, "detail", fault);
    out.close("s:Fault");
}

fn soap12(out: &mut Writer, code: Code, reason: &str, fault: &Fault<'_>) {
    out.raw("<s:Fault><s:Code>");
    out.leaf("s:Value", code.soap12());
    if code == Code::Denied {
        out.raw(&format!("<s:Subcode><s:Value xmlns:wsse=\"{WSSE}\">wsse:FailedAuthentication</s:Value></s:Subcode>"));
    }
    out.raw("</s:Code><s:Reason><s:Text xml:lang=\"en\">");
    out.text(reason);
    out.raw("</s:Text></s:Reason>");
    detail(out, "s:Detail", fault);
    out.close("s:Fault");
}

fn detail(out: &mut Writer, name: &str, fault: &Fault<'_>) {
    let Fault::Violations { header, list } = fault else { return };
    out.open(name);
    out.raw(&format!("<HdrFault xmlns=\"{TPG}\">"));
    match header {
        Some(header) => {
            out.open("FaultHdr");
            header::write(out, header, None);
            out.close("FaultHdr");
        }
        None => out.empty(&format!("FaultHdr xmlns:xsi=\"{XSI}\" xsi:nil=\"true\"")),
    }
    out.open("FaultRecInfoArray");
    for violation in *list {
        record(out, violation);
    }
    out.raw("</FaultRecInfoArray></HdrFault>");
    out.close(name);
}

fn record(out: &mut Writer, violation: &Violation) {
    out.open("FaultMsgRec");
    out.plain("ErrCode", violation.code);
    out.leaf("ErrCat", "Error");
    out.leaf("ErrDesc", &violation.text);
    out.optional("ErrElem", violation.element);
    let hidden = violation.element.is_none_or(|element| SECRET.contains(&element));
    out.optional("ErrElemVal", violation.value.as_deref().filter(|_| !hidden));
    out.close("FaultMsgRec");
}

// Header blocks that SOAP 1.2 adds to two faults (part 1, 5.4.7 and 5.4.8).
fn not_understood(version: Version, fault: &Fault<'_>) -> Option<impl Fn(&mut Writer) + use<>> {
    let Fault::Malformed(malformed) = fault else { return None };
    let block = match (&malformed.problem, version) {
        (Problem::MustUnderstand { namespace, name }, Version::V12) if namespace.is_empty() => {
            format!("<s:NotUnderstood qname=\"{}\"/>", escape(name))
        }
        (Problem::MustUnderstand { namespace, name }, Version::V12) => {
            format!("<s:NotUnderstood xmlns:q=\"{}\" qname=\"q:{}\"/>", escape(namespace), escape(name))
        }
        (Problem::VersionMismatch, Version::V12) => format!(
            "<s:Upgrade><s:SupportedEnvelope xmlns:n=\"{SOAP12}\" qname=\"n:Envelope\"/>\
             <s:SupportedEnvelope xmlns:o=\"{SOAP11}\" qname=\"o:Envelope\"/></s:Upgrade>"
        ),
        _ => return None,
    };
    Some(move |out: &mut Writer| out.raw(&block))
}
