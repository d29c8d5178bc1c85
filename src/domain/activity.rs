//! What happened to a challenge, as one timeline that an operator reads at night: no code, no text, no whole address.

use super::aggregate::Aggregate;
use super::assurance::{Standing, verdict};
use super::challenge::{Challenge, Level, Mode, State};
use super::contact::Channel;
use super::delivery::{Delivery, Purpose, Status};
use super::direct::Message;
use super::event::Event;
use super::inbound::Inbound;
use super::time::Timestamp;
use super::verdict::Verdict;
use std::fmt::Write as _;

/// The timeline of an aggregate, oldest first, a line each, under a short heading.
pub fn timeline(aggregate: &Aggregate) -> String {
    let (mut out, mut lines) = match aggregate {
        Aggregate::Challenge(challenge) => (challenge_heading(challenge), challenge_lines(challenge)),
        Aggregate::Inbound(inbound) => (inbound_heading(inbound), Vec::new()),
    };
    let deliveries = aggregate.deliveries();
    lines.extend(aggregate.events().iter().map(|it| (it.at, event_line(it, deliveries))));
    lines.sort_by_key(|(at, _)| *at);
    for (at, line) in lines {
        let _ = writeln!(out, "  {at}  {line}");
    }
    for delivery in deliveries {
        let _ = writeln!(out, "  {}", delivery_line(delivery));
    }
    if let Some(challenge) = aggregate.challenge() {
        out.push_str(&assurance_lines(challenge));
    }
    out
}

fn challenge_heading(it: &Challenge) -> String {
    let level = match &it.level {
        Level::Native { alert, version, recipient, .. } => format!("alert \"{alert}\" {version} to recipient {recipient}"),
        Level::Explicit { phone } => format!("text to {}", phone.masked()),
        Level::Direct(direct) => {
            let what = match &direct.message {
                Message::Text => "text".to_owned(),
                Message::Template(it) => format!("template \"{}\" {}", it.name, it.version),
            };
            let client = direct.client.as_ref().map(|it| format!(" for client {it}")).unwrap_or_default();
            format!("{what} by {} to {}{client}", direct.channel.name(), direct.address.masked())
        }
    };
    let mode = match it.mode {
        Mode::TwoWay => "TwoWay",
        Mode::OneWay => "OneWay",
        Mode::OnCall => "verified by a call",
    };
    let state = match it.state {
        State::Open => format!("open until {}", it.expires_at),
        State::Ended { outcome, at } => format!("{} at {at}", outcome.code()),
    };
    let test = if it.test { ", test" } else { "" };
    let ids = [("tracking", &it.tracking_id), ("correlation", &it.bus_correl_id)];
    let ids: String = ids.iter().filter_map(|(name, id)| id.as_ref().map(|id| format!("  {name} id {id}\n"))).collect();
    format!(
        "challenge {}: {state}\n  {mode}{test}, {level}\n  publisher {}, institution {}, product {}\n{ids}  wrong answers {} of {}, expires {}\n",
        it.id, it.publisher, it.institution, it.product, it.attempts, it.attempts_allowed, it.expires_at
    )
}

fn inbound_heading(it: &Inbound) -> String {
    format!(
        "message {} from {} at {}: {}\n  publisher {}, institution {}\n",
        it.id,
        it.from.masked(),
        it.at,
        said(it.verdict),
        it.publisher,
        it.institution
    )
}

fn challenge_lines(it: &Challenge) -> Vec<(Timestamp, String)> {
    let opened = (it.opened_at, "opened".to_owned());
    let came = if it.mode == Mode::OnCall { "answer" } else { "reply" };
    let replies = it.seen.iter().filter(|it| !it.is_wish()).map(|seen| (seen.at, format!("{came}: {}", said(seen.verdict))));
    [opened].into_iter().chain(replies).collect()
}

fn event_line(event: &Event, deliveries: &[Delivery]) -> String {
    let to = event.delivery.and_then(|id| deliveries.iter().find(|it| it.id == id)).map(|it| format!(" ({})", it.address.masked()));
    format!("{} {}: {}{}", event.act.number(), event.act.code(), event.feedback, to.unwrap_or_default())
}

fn delivery_line(it: &Delivery) -> String {
    let channel = match it.channel {
        Channel::Sms => "SMS",
        Channel::Mail => "mail",
        Channel::Push => "push",
    };
    let what = if it.purpose == Purpose::Challenge { "challenge" } else { "answer" };
    let status = match &it.status {
        Status::Queued { next_at } => format!("waits until {next_at}"),
        Status::Accepted { at, provider_id } => format!("accepted at {at} as {}", provider_id.as_deref().unwrap_or("(no id)")),
        Status::Undeliverable { at } => format!("undeliverable since {at}"),
        Status::Expired { at } => format!("expired at {at}"),
        Status::Cancelled { at } => format!("taken back at {at}"),
    };
    format!("delivery {}: {channel} {what} to {}, {status}, {} failed tries", it.id, it.address.masked(), it.tries)
}

// What was met in one line; what was missed with the reason.
fn assurance_lines(challenge: &Challenge) -> String {
    let findings = verdict(challenge);
    let of = |standing| findings.iter().filter(move |it| it.standing == standing);
    let met: Vec<_> = of(Standing::Met).map(|it| format!("{} {}", it.source, it.clause)).collect();
    let mut out = format!("  assurance: met {}\n", met.join(", "));
    for it in of(Standing::Missed) {
        let _ = writeln!(out, "  assurance: missed {} {}: {}", it.source, it.clause, it.why);
    }
    out
}

fn said(verdict: Verdict) -> String {
    match verdict {
        Verdict::Verified => "right".to_owned(),
        Verdict::Wrong { left } => format!("wrong, {left} attempts left"),
        Verdict::Failed => "wrong, no attempts left".to_owned(),
        Verdict::Denied => "\"it was not me\"".to_owned(),
        Verdict::Expired => "right, but too late".to_owned(),
        Verdict::Superseded => "an older code".to_owned(),
        Verdict::Unread => "no answer in it".to_owned(),
        Verdict::Stopped => "STOP".to_owned(),
        Verdict::Helped => "HELP".to_owned(),
        Verdict::Started => "START".to_owned(),
        Verdict::NoSession => "no open session".to_owned(),
        Verdict::Blocked => "not judged: too many failures".to_owned(),
    }
}
