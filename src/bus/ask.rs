//! What a record asks for (contract `otp-bus.md`, generate in and validate in).

use super::body::{Member, Members, Unreadable};
use super::record::Record;
use crate::domain::code::Secret;
use crate::domain::contact::Channel;
use crate::domain::request::{Asked, TemplateName};

/// The header, and the member, that names a process.
pub const PROCESS: &str = "processInstanceId";
/// Most bytes of what is answered as it came: a process, a client, a channel.
const NAME_MAX: usize = 256;
/// Members of generate in that are no parameters of the template.
const OWN: [&str; 6] = [PROCESS, "templateName", "channel", "language", "recipient", "contentParams"];

/// `processInstanceId`, ready to be written: a JSON number or text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process(String);

/// What is answered as it came, whatever else is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Echo {
    /// Whose answer it is.
    pub process: Option<Process>,
    /// `clientId`
    pub client: Option<String>,
    /// `channel`
    pub channel: Option<String>,
}

/// A code is to be made and sent.
#[derive(Debug)]
pub struct Generate {
    /// What the answer repeats.
    pub echo: Echo,
    /// What is asked, without what settings add.
    pub asked: Asked,
}

/// What was typed is to be judged.
#[derive(Debug)]
pub struct Validate {
    /// What the answer repeats.
    pub echo: Echo,
    /// Whose code.
    pub client: String,
    /// How it was sent.
    pub channel: Channel,
    /// What was typed.
    pub typed: Secret,
}

/// A record that is no request. It is answered where it names a process, and a dead letter otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// What the answer repeats.
    pub echo: Echo,
    /// One English sentence; never a part of the record.
    pub why: String,
}

impl Process {
    /// As JSON.
    pub fn json(&self) -> &str {
        &self.0
    }

    fn of_header(text: &str) -> Option<Self> {
        let text = text.trim();
        // A JSON number has no zeros before it.
        let is_number = text.len() <= 64 && text.bytes().all(|it| it.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
        match text.len() {
            1..=NAME_MAX if is_number => Some(Self(text.to_owned())),
            1..=NAME_MAX => Self::of_text(text),
            _ => None,
        }
    }

    fn of_member(member: &Member) -> Option<Self> {
        match member {
            Member::Text(text) if (1..=NAME_MAX).contains(&text.expose().len()) => Self::of_text(text.expose()),
            Member::Number(number) if number.len() <= 64 => Some(Self(number.clone())),
            _ => None,
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        serde_json::to_string(text).ok().map(Self)
    }
}

/// Reads generate in.
pub fn generate(record: &Record) -> Result<Generate, Malformed> {
    let (members, content, echo) = read(record)?;
    let wrong = |why: &str| Malformed { echo: echo.clone(), why: why.to_owned() };
    let Some(name) = text(members.get("templateName")) else { return Err(wrong("templateName is missing, or no text.")) };
    let language = match members.get("language") {
        Member::Nothing => None,
        other => Some(text(other).ok_or_else(|| wrong("language is no text."))?),
    };
    let asked = Asked {
        channel: echo.channel.clone(),
        recipient: value(members.get("recipient")),
        template: Some(TemplateName { name, language: language.clone() }),
        parameters: parameters(&members, content.as_ref()),
        locale: language,
        client: echo.client.clone(),
        ..Asked::default()
    };
    Ok(Generate { echo, asked })
}

/// Reads validate in.
pub fn validate(record: &Record) -> Result<Validate, Malformed> {
    let (members, _, echo) = read(record)?;
    let wrong = |why: &str| Malformed { echo: echo.clone(), why: why.to_owned() };
    let Some(client) = echo.client.clone().filter(|it| !it.is_empty()) else { return Err(wrong("clientId is missing, or no text.")) };
    let Some(channel) = echo.channel.as_deref().and_then(Channel::parse) else {
        return Err(wrong("channel is not one of SMS, MAIL, PUSH."));
    };
    let typed = value(members.get("otp")).filter(|it| !it.expose().trim().is_empty() && it.expose().len() <= NAME_MAX);
    let Some(typed) = typed else { return Err(wrong("otp is missing, empty or no text.")) };
    Ok(Validate { echo, client, channel, typed })
}

type Read<'a> = (Members<'a>, Option<Members<'a>>, Echo);

fn read(record: &Record) -> Result<Read<'_>, Malformed> {
    let process = record.header(PROCESS).and_then(Process::of_header);
    let unreadable =
        |process: Option<Process>, why: Unreadable| Malformed { echo: Echo { process, ..Echo::default() }, why: why.to_string() };
    if !record.fits() {
        return Err(unreadable(process.filter(|_| record.headers_fit()), Unreadable::TooLarge));
    }
    let members = Members::read(&record.value).map_err(|why| unreadable(process.clone(), why))?;
    let process = Process::of_member(&members.get(PROCESS)).or(process);
    let content = match members.inner("contentParams").transpose() {
        Ok(content) => content,
        Err(why) => return Err(unreadable(process, why)),
    };
    let client = name(members.get("clientId")).or_else(|| content.as_ref().and_then(|it| name(it.get("clientId"))));
    let echo = Echo { process, client, channel: text(members.get("channel")) };
    Ok((members, content, echo))
}

// `contentParams`, and for the older form any other member. What is nested is no value for a template.
fn parameters(members: &Members<'_>, content: Option<&Members<'_>>) -> Vec<(String, Secret)> {
    let mut all: Vec<(String, Secret)> = Vec::new();
    let others = members.iter().filter(|(name, _)| !OWN.contains(name));
    for (name, member) in content.into_iter().flat_map(Members::iter).chain(others) {
        if let Some(value) = value(member)
            && !all.iter().any(|it| it.0 == name)
        {
            all.push((name.to_owned(), value));
        }
    }
    all
}

fn value(member: Member) -> Option<Secret> {
    match member {
        Member::Text(text) => Some(text),
        Member::Number(number) => Some(Secret::new(number)),
        Member::Flag(flag) => Some(Secret::new(flag.to_string())),
        Member::Nothing | Member::Nested | Member::Broken => None,
    }
}

fn text(member: Member) -> Option<String> {
    match member {
        Member::Text(text) if text.expose().len() <= NAME_MAX => Some(text.expose().to_owned()),
        _ => None,
    }
}

// A client may be a number that somebody wrote without quotes.
fn name(member: Member) -> Option<String> {
    match member {
        Member::Number(number) if number.len() <= NAME_MAX => Some(number),
        other => text(other),
    }
}
