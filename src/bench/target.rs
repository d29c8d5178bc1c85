//! The server that is loaded: one that was started for it, or one that runs already.

#[cfg(feature = "kafka")]
use super::bus;
use super::disk::Disk;
use super::envelope::Caller;
use super::installation::{Installation, Peers, USER, on_postgres};
use super::life::Waiting;
use super::options::{Options, Path};
use super::peers;
use super::scrape::Scrape;
use super::server::{Server, operate};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use url::Url;

/// The path of the contract.
const IMS: &str = "/jxchange/2008/ServiceGateway/IMS.svc";

/// The server that is loaded.
pub(super) struct Target {
    /// Where requests go.
    pub url: Url,
    /// The same, resolved.
    pub address: SocketAddr,
    /// Who asks.
    pub caller: Caller,
    /// Its metrics, where they can be read.
    pub scrape: Option<Scrape>,
    /// What comes in at the stand-ins around a server that was started.
    pub world: Arc<Waiting>,
    /// The addresses of all its nodes.
    pub addresses: Vec<SocketAddr>,
    // The servers go before their directory does.
    servers: Vec<Server>,
    installation: Option<Installation>,
    /// The cluster whose records a server takes that was started for it.
    #[cfg(feature = "kafka")]
    pub bus: Option<bus::Cluster>,
    pids: Vec<u32>,
    on_postgres: bool,
}

impl Target {
    /// Starts a server, or finds the one that the options name.
    pub(super) async fn new(options: &Options) -> Result<Self> {
        match &options.url {
            Some(url) => Self::known(options, url).await,
            None => Self::own(options).await,
        }
    }

    async fn known(options: &Options, url: &Url) -> Result<Self> {
        anyhow::ensure!(url.scheme() == "http", "--url must begin with http://; TLS is not what is measured here");
        let host = url.host_str().context("--url has no host")?.trim_matches(['[', ']']);
        let port = url.port_or_known_default().context("--url has no port")?;
        let address = tokio::net::lookup_host((host, port)).await?.next().with_context(|| format!("{host} has no address"))?;
        options.may_load(address)?;
        let read =
            |path: &PathBuf| std::fs::read_to_string(path).map(|it| it.trim().to_owned()).with_context(|| path.display().to_string());
        let password = options.password_file.as_ref().map(read).transpose()?.unwrap_or_default();
        let caller = Caller { user: options.user.clone().unwrap_or_else(|| USER.to_owned()), password, auth: options.auth };
        let scrape = options.metrics_token_file.as_ref().map(read).transpose()?.map(|it| Scrape::new(address, &it));
        Ok(Self {
            url: url.clone(),
            address,
            caller,
            scrape,
            world: Arc::default(),
            addresses: vec![address],
            servers: Vec::new(),
            installation: None,
            #[cfg(feature = "kafka")]
            bus: None,
            pids: options.pid.into_iter().collect(),
            on_postgres: false,
        })
    }

    async fn own(options: &Options) -> Result<Self> {
        let world = Arc::<Waiting>::default();
        let peers = Peers { web: peers::web(world.clone()).await?, relay: peers::relay().await? };
        let place = options.store.clone().unwrap_or_else(std::env::temp_dir);
        #[cfg(feature = "kafka")]
        let bus = (options.path() == Path::Kafka).then(bus::Cluster::start).transpose()?;
        let mut more = String::new();
        #[cfg(feature = "kafka")]
        bus.iter().for_each(|it| more.push_str(&it.settings()));
        if let Some(file) = &options.postgres {
            more.push_str(&on_postgres(file)?);
        }
        let installation = Installation::new(&place, &peers, (options.postgres.is_some(), &more))?;
        let mut servers = vec![Server::serve(&installation, 0)?];
        for file in installation.recipients(options.recipients())? {
            operate(
                &installation,
                0,
                &["load".as_ref(), "--apply".as_ref(), installation.path("registration").as_os_str(), file.as_os_str()],
            )?;
        }
        for node in 1..options.nodes {
            servers.push(Server::serve(&installation, node)?);
        }
        for node in (0..options.nodes).filter(|_| options.pauses()) {
            operate(&installation, node, &["outbox", "pause"])?;
        }
        let (address, secrets) = (servers[0].address, &installation.secrets);
        let caller = Caller { user: USER.to_owned(), password: secrets.password.clone(), auth: options.auth };
        let scrape = Some(Scrape::new(address, &secrets.metrics));
        let url = format!("http://{address}{IMS}").parse()?;
        let addresses = servers.iter().map(|it| it.address).collect();
        let pids = servers.iter().map(Server::pid).collect();
        let on_postgres = options.postgres.is_some();
        Ok(Self {
            url,
            address,
            caller,
            scrape,
            world,
            addresses,
            servers,
            installation: Some(installation),
            #[cfg(feature = "kafka")]
            bus,
            pids,
            on_postgres,
        })
    }

    /// Its processes.
    pub(super) fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// The secret that signs replies to it.
    pub(super) fn carrier_secret(&self) -> &str {
        self.installation.as_ref().map_or("", |it| &it.secrets.carrier)
    }

    /// A directory on its disk.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.installation.as_ref().map(|it| it.path(""))
    }

    /// What is measured of it.
    pub(super) fn what(&self, options: &Options) -> String {
        let nodes = match self.servers.len() {
            _ if !self.on_postgres => String::new(),
            1 => "on PostgreSQL, ".to_owned(),
            count => format!("{count} nodes on PostgreSQL, "),
        };
        let what = self.path(options);
        format!("{nodes}{what}")
    }

    fn path(&self, options: &Options) -> String {
        match (self.servers.first(), options.path()) {
            (None, _) => format!("the server at {}, as it is", self.url),
            (Some(_), Path::Accept) => {
                "accept path: from the request to its durable answer; subscriber and history on, outbox paused".to_owned()
            }
            (Some(_), Path::RestCreate) => {
                "create over REST: from the request to its durable answer; subscriber and history on, outbox paused".to_owned()
            }
            #[cfg(feature = "kafka")]
            (Some(_), Path::Kafka) => {
                "generate over Kafka: from the record to its durable answer; subscriber and history on, outbox paused".to_owned()
            }
            (Some(_), Path::RestVerify) => {
                "verify over REST: a right code, from the request to its durable verdict; what is over goes to history".to_owned()
            }
            (Some(_), Path::HandOver) => "accept path, while messages go out to carrier and relay and are settled".to_owned(),
            (Some(_), Path::Reply) => {
                "reply: from the gateway's signed request to the outcome at the subscriber; what was answered goes to history".to_owned()
            }
            (Some(_), Path::Life) => {
                "whole life: request, hand-over, settling, signed reply, outcome, event at the subscriber, removal to history".to_owned()
            }
        }
    }

    /// What an acknowledged request had survived.
    pub(super) fn durability(&self, disk: Option<&Disk>) -> String {
        if self.on_postgres {
            return "each request was answered after its challenge, message and event were committed by the database, as durably as that \
                    is set; several shared one transaction"
                .to_owned();
        }
        match (!self.servers.is_empty(), disk.map(|it| it.file_system.as_str())) {
            (true, Some(volatile @ ("tmpfs" | "ramfs"))) => {
                format!("none: {volatile} is memory; name a directory on a disk by --store")
            }
            (true, Some(system)) => format!(
                "each request was answered after its challenge, message and event were written and synced (fdatasync) on {system}; \
                 several shared one sync"
            ),
            _ => "unknown: this server is not ours, and only its answers were seen".to_owned(),
        }
    }
}
