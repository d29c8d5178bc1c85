//! Names of the wire: namespaces, SOAP versions, and the two styles of root element.

/// Namespace of every element of the contract (`oobvalidate.md`, wire).
pub const TPG: &str = "http://jackhenry.com/jxchange/TPG/2008";
/// Namespace of the Enterprise Event System (`events.md`, SOAP push).
pub const JES: &str = "http://jackhenry.com/jxchange/JES/2008";
/// SOAP 1.1 envelope.
pub const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// SOAP 1.2 envelope.
pub const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";
/// WS-Security 1.0 extensions.
pub const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
/// WS-Security 1.0 utility: timestamps.
pub const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
/// XML Schema instance: `nil`.
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// What a SOAPAction of ours starts with; the operation's name follows.
pub const ACTION: &str = "http://jackhenry.com/ws/";
/// `JxVer`: the schema version we speak.
pub const JX_VER: &str = "2024.1.03";

/// A namespace, as far as the codec tells them apart. Compared by its literal text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ns {
    /// No namespace.
    None,
    /// [`SOAP11`]
    Soap11,
    /// [`SOAP12`]
    Soap12,
    /// [`TPG`]
    Tpg,
    /// [`JES`]
    Jes,
    /// [`WSSE`]
    Wsse,
    /// [`WSU`]
    Wsu,
    /// [`XSI`]
    Xsi,
    /// Any other.
    Other,
}

impl Ns {
    /// The namespace of a URI.
    pub fn of(uri: &str) -> Self {
        match uri {
            "" => Self::None,
            TPG => Self::Tpg,
            SOAP11 => Self::Soap11,
            SOAP12 => Self::Soap12,
            WSSE => Self::Wsse,
            WSU => Self::Wsu,
            XSI => Self::Xsi,
            JES => Self::Jes,
            _ => Self::Other,
        }
    }

    /// Its URI; none for [`Ns::Other`].
    pub const fn uri(self) -> &'static str {
        match self {
            Self::None | Self::Other => "",
            Self::Soap11 => SOAP11,
            Self::Soap12 => SOAP12,
            Self::Tpg => TPG,
            Self::Jes => JES,
            Self::Wsse => WSSE,
            Self::Wsu => WSU,
            Self::Xsi => XSI,
        }
    }
}

/// The SOAP version of a message; an answer has the version of its request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Version {
    /// SOAP 1.1, `text/xml`.
    #[default]
    V11,
    /// SOAP 1.2, `application/soap+xml`.
    V12,
}

impl Version {
    /// Namespace of the envelope.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::V11 => SOAP11,
            Self::V12 => SOAP12,
        }
    }

    /// The same, as the reader knows it.
    pub const fn ns(self) -> Ns {
        match self {
            Self::V11 => Ns::Soap11,
            Self::V12 => Ns::Soap12,
        }
    }

    /// `Content-Type` of what we write.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::V11 => "text/xml; charset=utf-8",
            Self::V12 => "application/soap+xml; charset=utf-8",
        }
    }
}

/// How the root element of a body is named; an answer is named in kind (`oobvalidate.md`, wire).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Root {
    /// As in the schema: `X`, answered by `XResponse`.
    #[default]
    Schema,
    /// As in the tutorials: `XRq`, answered by `XRs`.
    Tutorial,
}
