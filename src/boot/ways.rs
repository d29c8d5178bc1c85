//! The ways out that settings ask for: carriers and relays, each behind a breaker, and subscribers.

use crate::config::{self, Settings};
use crate::connect::contract::{Connector, Sink};
use crate::connect::ees::EesSink;
use crate::connect::fcm::Fcm;
use crate::connect::gateway::Gateway;
use crate::connect::guarded::Guarded;
use crate::connect::sandbox::Sandbox;
use crate::connect::sendgrid::SendGrid;
use crate::connect::setting::{Now, Unusable};
use crate::connect::smtp::Smtp;
use crate::connect::webhook::Webhook;
use crate::connect::webpush::WebPush;
use crate::domain::event::Act;
use crate::domain::id::PublisherId;
use crate::engine::push::{Filter, Subscriber};
use crate::engine::routes::Routes;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::Duration;

/// Where messages and events go.
pub struct Ways {
    /// Messages.
    pub routes: Routes,
    /// Events.
    pub subscribers: Vec<Subscriber>,
}

/// Builds them. Test alerts end in a sink that keeps nothing but the last few.
pub fn build(settings: &Settings, now: Now) -> Result<Ways> {
    let gateway = settings.gateway.first().cloned();
    if settings.gateway.len() > 1 {
        tracing::warn!("only the first [[gateway]] is used; the others wait for routing by rules");
    }
    let sms = gateway.map(|it| named("gateway", Gateway::new(it))).transpose()?;
    let device = settings.fcm.clone().map(|it| named("fcm", Fcm::new(it, now.clone()))).transpose()?;
    let kept = crate::connect::sandbox::Settings { name: "test-sink".to_owned(), keep: 100 };
    let routes = Routes {
        sms: sms.map(|it| carrier(Arc::new(it), &now)),
        mail: mail(settings, &now)?.map(|it| carrier(it, &now)),
        device: device.map(|it| carrier(Arc::new(it), &now)),
        browser: browser(settings, &now)?.map(|it| carrier(it, &now)),
        test: Arc::new(Sandbox::new(&kept, now.clone())),
    };
    let subscribers = settings.subscriber.iter().map(|it| subscriber(it, &now)).collect::<Result<_>>()?;
    Ok(Ways { routes, subscribers })
}

// The settings have one of them at most.
fn mail(settings: &Settings, now: &Now) -> Result<Option<Arc<dyn Connector>>> {
    Ok(match (&settings.smtp, &settings.sendgrid) {
        (Some(it), _) => Some(Arc::new(named("smtp", Smtp::new(it))?)),
        (None, Some(it)) => Some(Arc::new(named("sendgrid", SendGrid::new(it.clone(), now.clone()))?)),
        (None, None) => None,
    })
}

// Whoever writes the page that browsers subscribe on needs our public key.
fn browser(settings: &Settings, now: &Now) -> Result<Option<Arc<dyn Connector>>> {
    let Some(it) = settings.webpush.clone() else { return Ok(None) };
    let push = named("webpush", WebPush::new(it, now.clone()))?;
    tracing::info!(public_key = push.public_key(), "browsers subscribe with this applicationServerKey");
    Ok(Some(Arc::new(push)))
}

fn named<T>(section: &str, built: Result<T, Unusable>) -> Result<T> {
    built.with_context(|| format!("[{section}]"))
}

fn carrier(connector: Arc<dyn Connector>, now: &Now) -> Arc<dyn Connector> {
    Arc::new(Guarded::new(connector, Default::default(), now.clone()))
}

fn subscriber(it: &config::Subscriber, now: &Now) -> Result<Subscriber> {
    let sink: Arc<dyn Sink> = match (&it.ees, &it.webhook) {
        (Some(ees), _) => Arc::new(named("subscriber.ees", EesSink::new(ees.clone(), now.clone()))?),
        (None, Some(webhook)) => Arc::new(named("subscriber.webhook", Webhook::new(webhook.clone(), now.clone()))?),
        (None, None) => anyhow::bail!("a [[subscriber]] needs [subscriber.ees] or [subscriber.webhook]"),
    };
    let filter = Filter {
        publisher: Some(PublisherId::from(it.publisher.as_str())),
        acts: if it.deliveries { Act::ALL.to_vec() } else { Vec::new() },
        ..Filter::default()
    };
    let patience = Duration::from_secs(u64::from(it.retry_hours) * 3_600);
    Ok(Subscriber { sink, filter, at_once: it.at_once, patience })
}
