//! What operators' commands do to API keys.

use crate::admin::Outcome;
use crate::admin::keys::Keys as Command;
use crate::domain::scope::{Scope, Scopes};
use crate::domain::time::Timestamp;
use crate::engine::keys::{Keys, Made, Record, Wish};
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;

const DAY: i64 = 24 * 3_600 * 1_000;

/// Carries a command out.
pub async fn run(keys: &Keys, now: Timestamp, command: Command) -> Outcome {
    match command {
        Command::Create { id, publisher, scopes, label, allow, life } => {
            let wish = Wish {
                id: id.clone(),
                publisher: publisher.as_str().into(),
                label,
                scopes: scopes.iter().map(|it| scope(it)).collect::<Result<_, _>>()?,
                allow: allow.iter().map(|it| network(it)).collect::<Result<_, _>>()?,
                life: Duration::from_secs(life),
            };
            keys.create(wish).await.map(|made| shown(&id, &made)).map_err(|it| it.to_string())
        }
        Command::Rotate { id, new, life, overlap } => {
            let spans = (Duration::from_secs(life), Duration::from_secs(overlap));
            let made = keys.rotate(&id, new.clone(), spans).await.map_err(|it| it.to_string())?;
            Ok(format!(
                "{}The key {id} ends in {overlap} seconds at the latest: have its user change to the new one.\n",
                shown(&new, &made)
            ))
        }
        Command::Revoke { id } => match keys.revoke(&id).await {
            Ok(()) => Ok(format!("The key {id} counts no more: here at once, at other nodes within 5 seconds.\n")),
            Err(refused) => Err(refused.to_string()),
        },
        Command::List { publisher } => {
            let all = keys.all().await.map_err(|it| it.to_string())?;
            let mine = all.iter().filter(|it| publisher.as_deref().is_none_or(|name| it.1.publisher.as_str() == name));
            let lines: Vec<_> = mine.map(|(id, record, used)| line(id, (record, *used), now)).collect();
            Ok(format!("{}{} keys.\n", lines.concat(), lines.len()))
        }
    }
}

// The key stands alone in the first line.
fn shown(id: &str, made: &Made) -> String {
    let it = &made.record;
    format!(
        "{}\nThe key {id} of {} may {}, comes from {}, and ends {}. It is shown this once, and kept nowhere: store it where secrets are.\n",
        made.text.expose(),
        it.publisher,
        names(it.scopes),
        networks(it),
        it.expires_at
    )
}

fn line(id: &str, (it, used): (&Record, Option<i64>), now: Timestamp) -> String {
    let state = match it.revoked_at {
        Some(_) => "revoked",
        None if it.is_live(now) => "live",
        None => "expired",
    };
    let day = |at: Timestamp| at.to_utc().format("%Y-%m-%d").to_string();
    let used = used.map_or("never".to_owned(), |it| day(Timestamp::from_millis(it.saturating_mul(DAY))));
    format!(
        "{id} {} {state} {} from {} made {} ends {} used {used} {:?}\n",
        it.publisher,
        names(it.scopes),
        networks(it),
        day(it.created_at),
        it.ends_at(),
        it.label
    )
}

fn names(scopes: Scopes) -> String {
    scopes.iter().map(Scope::name).collect::<Vec<_>>().join(",")
}

fn networks(it: &Record) -> String {
    match it.allow.is_empty() {
        true => "anywhere".to_owned(),
        false => it.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    let known = || names(Scopes::all()).replace(',', ", ");
    Scope::parse(text).ok_or_else(|| format!("{text:?} is no scope; there are {}", known()))
}

// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = |_| text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(address).map_err(|_| format!("{text:?} is no network; write one like 10.1.0.0/16, or an address"))
}
