//! The OTP flows over Kafka, where settings ask for them and the program was built with them.

use super::house::House;
use crate::config::Settings;
use crate::domain::id::{InstitutionId, PublisherId};
use crate::registration::Registered;
use crate::vault::Vault;
use anyhow::{Result, bail};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// Checks that the flows could run; connects to nobody.
pub fn check(settings: &Settings, registered: &Registered) -> Result<()> {
    let Some(kafka) = &settings.kafka else { return Ok(()) };
    if kafka.topics().map_err(|why| anyhow::anyhow!("[kafka] {why}"))?.is_none() {
        return Ok(());
    }
    let Some(publisher) = registered.registry.publishers.get(&PublisherId::from(kafka.publisher.as_str())) else {
        bail!("[kafka] publisher = {:?}: no registration file registers it; correct the name", kafka.publisher);
    };
    let known = |it: &String| publisher.institutions.contains_key(&InstitutionId::from(it.as_str()));
    if let Some(unknown) = kafka.institution.iter().find(|it| !known(it)) {
        bail!("[kafka] institution = {unknown:?}: the publisher {:?} serves no such institution; correct it", kafka.publisher);
    }
    client(kafka)
}

#[cfg(feature = "kafka")]
fn client(kafka: &crate::bus::Settings) -> Result<()> {
    crate::bus::check(kafka).map_err(|why| anyhow::anyhow!("[kafka] {why}"))
}

#[cfg(not(feature = "kafka"))]
fn client(_: &crate::bus::Settings) -> Result<()> {
    bail!("[kafka] is set, but this program was built without Kafka: build it with the feature `kafka`, or remove the section")
}

/// Has the flows run in the house; gives the registry with their metrics.
#[cfg(feature = "kafka")]
pub fn add(settings: &Settings, house: &House, vault: Arc<Vault>) -> Result<Registry> {
    use crate::bus::{Bus, metrics::Metrics};
    let mut registry = Registry::default();
    let Some(kafka) = &settings.kafka else { return Ok(registry) };
    let metrics = Metrics::registered(&mut registry);
    let made = Bus::new(kafka, (house.engine.clone(), vault), metrics).map_err(|why| anyhow::anyhow!("[kafka] {why}"))?;
    match made {
        Some(bus) => house.add("bus", bus.run(house.stop.clone())),
        None => tracing::info!("[kafka] names no topics: the bus is off"),
    }
    Ok(registry)
}

/// As with the feature `kafka`, without any flow.
#[cfg(not(feature = "kafka"))]
pub fn add(_: &Settings, _: &House, _: Arc<Vault>) -> Result<Registry> {
    Ok(Registry::default())
}
