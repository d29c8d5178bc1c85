//! The demonstration: everything on loopback, with a bank, its customers, and a virtual handset.

use super::data::Data;
use super::house::{Front, House};
use super::operations::register_recipients;
use super::stage::Backstage;
use super::trail::Recorded;
use super::ways::Ways;
use super::{now, prepare, stop_on_signal};
use crate::admin::audit::Audit;
use crate::config::Store;
use crate::connect::sandbox::Sandbox;
use crate::demo::{self, registration};
use crate::dialect::{Dialect, Settings as DialectSettings};
use crate::engine::outbox::Term;
use crate::engine::routes::Routes;
use crate::engine::tally::Tally;
use crate::http::{Credentials, Gateway, Gateways, Operators, Settings};
use crate::registration::read;
use crate::vault::Vault;
use anyhow::{Context, Result, anyhow, bail};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs the demonstration on `listen`, with its data in `data` (`None`: a directory of its own below the system's temporary
/// one, which stays for the next start).
pub async fn demo(listen: SocketAddr, data: Option<PathBuf>) -> Result<()> {
    demo::check_listen(listen)?;
    // There is no settings file here; the variable is the same as for `serve`.
    prepare(std::env::var("COUNTERSIGN__LOG__LEVEL").as_deref().unwrap_or("warn"))?;
    let data = data.unwrap_or_else(|| std::env::temp_dir().join("countersign-demo"));
    let vault = Arc::new(root(&data)?);
    let registered = read(&registration::files()).map_err(|_| anyhow!("the demonstration's registration is broken"))?;
    let term = Term::default();
    let settings = Settings { listen, ..Settings::default() };
    let store = Store { dir: data.join("store"), ..Store::default() };
    let store = Data::open(&store, (term.lease, settings.auth.nonces), vault.clone()).await?;
    let sandbox = Sandbox::new(&Default::default(), now());
    let way = Arc::new(sandbox.clone());
    let routes = Routes::only(way);
    let tally = Tally::new(store.counters(), vault.clone());
    let house = House::build(tally.clone(), (vault.clone(), store, term), registered.registry, Ways { routes, subscribers: Vec::new() });
    register_recipients(&house.engine, registered.recipients).await?;
    let stage = Arc::new(Backstage {
        engine: house.engine.clone(),
        outbox: house.outbox.clone(),
        sandbox,
        publisher: "demo".into(),
        stop: house.stop.clone(),
    });
    let front = Front {
        credentials: Arc::new(Credentials::new(&registered.credentials, vault.clone(), &settings.auth, tally)),
        operators: Operators::new(Some(("demo".to_owned(), crate::domain::code::Secret::new("demo"))), None, vault),
        gateways: gateways()?,
        http: settings,
        pace: Default::default(),
        trail: Arc::new(Recorded(Arc::new(Audit::open(&data.join("store"))?))),
        metrics: Default::default(),
        extra: Some(Box::new(move |router| demo::add(router, stage))),
    };
    let bound = house.open(front).await?;
    welcome(bound.server.address(), &data);
    tokio::spawn(stop_on_signal(house.stop.clone())?);
    house.run(bound).await;
    Ok(())
}

// The key lies beside the store, not in it.
fn root(data: &Path) -> Result<Vault> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("the data directory {}", data.display()))?;
    // The default place is shared: what somebody else put there is not ours to trust.
    let (owner, me) = (std::fs::metadata(data)?.uid(), std::fs::metadata("/proc/self")?.uid());
    if owner != me {
        bail!("{} belongs to another user; give a directory of your own with --data", data.display());
    }
    let file = data.join("root.key");
    if file.exists() { Ok(Vault::from_file(&file)?) } else { Ok(Vault::init_file(&file)?) }
}

fn gateways() -> Result<Gateways> {
    let settings: DialectSettings =
        toml::from_str("name = \"sandbox\"\npreset = \"sandbox\"\nproof = \"networks\"\nnetworks = [\"127.0.0.0/8\", \"::1/128\"]\n")?;
    let dialect = Dialect::new(settings).map_err(|error| anyhow!(error))?;
    Gateways::new(vec![Gateway { dialect, secrets: Vec::new() }]).map_err(|error| anyhow!(error))
}

fn welcome(address: SocketAddr, data: &Path) {
    let text = format!(
        "Countersign demo is ready.\n\
         \n\
         \x20 handset   http://{address}/handset\n\
         \x20 SOAP      http://{address}/jxchange/2008/ServiceGateway/IMS.svc  (user demo, password demo; ?wsdl)\n\
         \x20 events    http://{address}/v1/events?after=0\n\
         \x20 data      {}\n\
         \n\
         Ctrl-C stops it.\n",
        data.display()
    );
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
