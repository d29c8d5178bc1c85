//! Refusals with the codes of the contract (`oobvalidate.md`, faults) and our own (39000–39099).

/// One rule that a request breaks. A fault lists all of a stage, in schema order (decision 20).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// `ErrCode`
    pub code: u32,
    /// `ErrDesc`: one English sentence; never a value of the request.
    pub text: String,
    /// `ErrElem`: the element at fault.
    pub element: Option<&'static str>,
    /// `ErrElemVal`: its value; never of an element that can carry a code or a message text.
    pub value: Option<String>,
}

impl Violation {
    /// A violation at `element`.
    pub fn new(code: u32, element: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), element: Some(element), value: None }
    }

    /// The same, showing the offending value (cut at 100 characters).
    pub fn with_value(mut self, value: &str) -> Self {
        self.value = Some(value.chars().take(100).collect());
        self
    }
}

/// Codes of our own, documented in the integrator's page.
pub mod own {
    /// Both AlrtName and PhoneNum given.
    pub const BOTH_LEVELS: u32 = 39001;
    /// AlrtName without OOBRecipInfoRec.
    pub const RECIPIENT_MISSING: u32 = 39002;
    /// The recipient is not known at this institution for this publisher.
    pub const RECIPIENT_UNKNOWN: u32 = 39003;
    /// The contact id is not the recipient's, or not subscribed to this alert.
    pub const CONTACT_UNKNOWN: u32 = 39004;
    /// The contact has opted out.
    pub const OPTED_OUT: u32 = 39005;
    /// The recipient or the subscription is inactive.
    pub const INACTIVE: u32 = 39006;
    /// A body uses a parameter that was not sent and has no fallback, that its format can't read, or that makes the text too long.
    pub const PARAMETER_MISSING: u32 = 39007;
    /// Too many messages: to this phone, or by this publisher.
    pub const RATE_LIMITED: u32 = 39008;
    /// The publisher may not send to this destination.
    pub const DESTINATION: u32 = 39009;
    /// The correlation id was used with a different payload.
    pub const DUPLICATE: u32 = 39010;
    /// Reserved: over capacity is told as a `Server` fault with HTTP 503.
    pub const CAPACITY: u32 = 39011;
    /// Ten digits that the numbering plan does not have.
    pub const NOT_IN_PLAN: u32 = 39012;
    /// The verification value is a keyword such as STOP or HELP.
    pub const KEYWORD_VALUE: u32 = 39013;
    /// Too many failed replies: blocked for a while, or until a person unlocks.
    pub const BLOCKED: u32 = 39014;
    /// Too many open sessions on this phone.
    pub const TOO_MANY_OPEN: u32 = 39015;
    /// A hashed VerifVal that is neither hex nor base64 of the digest's length.
    pub const HASH_FORM: u32 = 39016;
    /// The text is longer than we send.
    pub const TOO_LONG: u32 = 39017;
    /// The alert has no body for the channel of any chosen contact.
    pub const NO_BODY: u32 = 39018;
    /// A template tag in SMSText can't be read.
    pub const TEMPLATE: u32 = 39019;
}
