//! The envelope: version, header blocks, and which operation the body asks for.

use super::call::{Call, Operation};
use super::decode::decode;
use super::malformed::{Malformed, Problem, Read};
use super::media::{Media, check_action};
use super::names::{Ns, Root, Version};
use super::request;
use super::security::{self, Security};
use super::xml::{Element, Node, Reader};

/// Reads a message. `content_type` and `soap_action` are the HTTP headers of these names, where sent.
///
/// Nothing about fields is judged here, so that the caller can authenticate first; what is refused is what can't be read
/// (see [`Malformed`]). At most [`super::decode::MAX_BYTES`] bytes.
pub fn read(bytes: &[u8], content_type: Option<&str>, soap_action: Option<&str>) -> Result<Call, Malformed> {
    let media = Media::parse(content_type.unwrap_or_default());
    let hinted = |malformed: Malformed| malformed.in_version(media.version());
    let text = decode(bytes, media.charset).map_err(hinted)?;
    let mut reader = Reader::new(&text);
    let version = envelope(&mut reader).map_err(|it| hinted(*it))?;
    let mut security = None;
    let operation = media.check(version).map_err(Box::new).and_then(|()| content(&mut reader, version, &mut security));
    let stamped = security.as_ref().is_some_and(|it| it.timestamp.is_some());
    let tagged = |malformed: Malformed| malformed.in_version(version).stamped(stamped);
    let operation = operation.map_err(|it| tagged(*it))?;
    check_action(&media, soap_action, operation.name()).map_err(tagged)?;
    Ok(Call { version, security, operation })
}

fn envelope(reader: &mut Reader<'_>) -> Read<Version> {
    match reader.root()? {
        root if root.is(Ns::Soap11, "Envelope") => Ok(Version::V11),
        root if root.is(Ns::Soap12, "Envelope") => Ok(Version::V12),
        _ => Err(reader.fail("").because(Problem::VersionMismatch).into()),
    }
}

// The envelope's content, to the end of the document: Header at most once, Body exactly once, nothing else.
fn content(reader: &mut Reader<'_>, version: Version, security: &mut Option<Security>) -> Read<Operation> {
    let soap = version.ns();
    let mut child = reader.child()?;
    if child.as_ref().is_some_and(|it| it.is(soap, "Header")) {
        header(reader, version, security)?;
        child = reader.child()?;
    }
    if !child.is_some_and(|it| it.is(soap, "Body")) {
        return Err(reader.fail("The envelope's Body is missing here."));
    }
    let Some(root) = reader.child()? else { return Err(reader.fail("The Body is empty.")) };
    let operation = dispatch(reader, &root)?;
    if reader.child()?.is_some() {
        return Err(reader.fail("The Body holds more than one element."));
    }
    if reader.child()?.is_some() {
        return Err(reader.fail("An element follows the Body."));
    }
    match reader.node()? {
        Node::Eof => Ok(operation),
        _ => Err(reader.fail("Something follows the envelope.")),
    }
}

fn header(reader: &mut Reader<'_>, version: Version, security: &mut Option<Security>) -> Read<()> {
    while let Some(block) = reader.child()? {
        let ours = for_us(&block, version);
        if ours && block.is(Ns::Wsse, "Security") {
            if security.replace(security::read(reader)?).is_some() {
                return Err(reader.fail("The Security header comes twice."));
            }
        } else if must_understand(reader, &block, version)? && ours {
            let problem = Problem::MustUnderstand { namespace: block.uri().to_owned(), name: block.name.to_owned() };
            return Err(reader.fail("").because(problem).into());
        } else {
            reader.skip()?;
        }
    }
    Ok(())
}

// SOAP 1.1, 4.2.3; SOAP 1.2 part 1, 5.2.3.
fn must_understand(reader: &Reader<'_>, block: &Element<'_>, version: Version) -> Read<bool> {
    match block.attribute(version.ns(), "mustUnderstand") {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(_) => Err(reader.fail("mustUnderstand is neither 0 nor 1.")),
    }
}

// Whether a block is meant for us, who are the last node: SOAP 1.1, 4.2.2; SOAP 1.2 part 1, 2.2.
fn for_us(block: &Element<'_>, version: Version) -> bool {
    match version {
        Version::V11 => {
            matches!(block.attribute(Ns::Soap11, "actor"), None | Some("" | "http://schemas.xmlsoap.org/soap/actor/next"))
        }
        Version::V12 => match block.attribute(Ns::Soap12, "role") {
            None | Some("") => true,
            Some(role) => matches!(role.strip_prefix("http://www.w3.org/2003/05/soap-envelope/role/"), Some("next" | "ultimateReceiver")),
        },
    }
}

fn dispatch(reader: &mut Reader<'_>, root: &Element<'_>) -> Read<Operation> {
    let (ping, style) = match (root.ns, root.name) {
        (Ns::Tpg, "OOBValidate") => (false, Root::Schema),
        (Ns::Tpg, "OOBValidateRq") => (false, Root::Tutorial),
        (Ns::Tpg, "Ping") => (true, Root::Schema),
        (Ns::Tpg, "PingRq") => (true, Root::Tutorial),
        _ => return Err(reader.fail("The Body's element is no operation of this service.")),
    };
    if ping {
        return Ok(Operation::Ping { root: style, text: request::ping(reader, style)? });
    }
    Ok(Operation::OobValidate { root: style, request: Box::new(request::oob_validate(reader)?) })
}
