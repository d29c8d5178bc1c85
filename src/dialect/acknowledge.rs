//! What a gateway gets once its message is safe (decision 23). Nothing in it is sent on to the handset.

use serde::Deserialize;

/// The form of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acknowledge {
    /// 200 without a body (Kannel sends the body to the handset, unless it is empty and `omit-empty` is set).
    Empty,
    /// 204.
    NoContent,
    /// TwiML without a verb.
    Twiml,
    /// A small JSON object.
    Json,
}

/// An HTTP answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acknowledgement {
    /// The status.
    pub status: u16,
    /// The media type; `None` for no header.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: &'static str,
}

impl Acknowledge {
    /// The answer of this form.
    pub const fn acknowledgement(self) -> Acknowledgement {
        let (status, content_type, body) = match self {
            Self::Empty => (200, Some("text/plain; charset=utf-8"), ""),
            Self::NoContent => (204, None, ""),
            Self::Twiml => (200, Some("text/xml; charset=utf-8"), "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>"),
            Self::Json => (200, Some("application/json"), "{\"status\":\"received\"}"),
        };
        Acknowledgement { status, content_type, body }
    }
}
