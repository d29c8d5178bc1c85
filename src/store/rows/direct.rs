//! Stored forms of what was asked for over REST or Kafka, and since which form there are words for it.

use crate::domain::aggregate::Aggregate;
use crate::domain::challenge::{Check, Level, Mode, Shape, Verifier};
use crate::domain::contact::Channel;
use crate::domain::direct::{Direct, Message, TemplateRef};
use crate::store::codec::{Decoder, Encoder, Malformed};
use crate::store::form::Form;
use crate::store::parts;

/// The oldest form that has words for an aggregate.
pub(crate) fn oldest(it: &Aggregate) -> Form {
    let is_new = it.challenge().is_some_and(|it| {
        let verifier = |it: &Verifier| matches!(it.shape, Shape::Alphanumeric(_)) || matches!(it.check, Check::Any { .. });
        matches!(it.level, Level::Direct(_)) || it.mode == Mode::OnCall || it.verifier.as_ref().is_some_and(verifier)
    });
    let pushed = || it.deliveries().iter().any(|it| it.channel == Channel::Push);
    if is_new || pushed() { Form::Three } else { Form::OLDEST }
}

pub(super) fn put_direct(out: &mut Encoder, it: &Direct) {
    parts::put_channel(out, it.channel);
    out.address(&it.address);
    let template = match &it.message {
        Message::Text => None,
        Message::Template(template) => Some(template),
    };
    out.option(template, |out, it| {
        out.text(&it.name);
        parts::put_channel(out, it.kind);
        out.option(it.language.as_deref(), Encoder::text);
        out.number(it.version.into());
    });
    [&it.locale, &it.reference, &it.client].into_iter().for_each(|text| out.option(text.as_deref(), Encoder::text));
}

pub(super) fn direct(from: &mut Decoder<'_>) -> Result<Direct, Malformed> {
    from.since(Form::Three)?;
    let template = |from: &mut Decoder<'_>| {
        let (name, kind) = (from.text()?, parts::channel(from)?);
        Ok(TemplateRef { name, kind, language: from.option(Decoder::text)?, version: from.small()? })
    };
    Ok(Direct {
        channel: parts::channel(from)?,
        address: from.address()?,
        message: from.option(template)?.map_or(Message::Text, Message::Template),
        locale: from.option(Decoder::text)?,
        reference: from.option(Decoder::text)?,
        client: from.option(Decoder::text)?,
    })
}
