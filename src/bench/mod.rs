//! `countersign bench`: what the product can do on this machine, measured from outside.
//!
//! A run starts a real server (`countersign serve`, this same executable) as a process of its own, over an installation made
//! for it, and loads its SOAP endpoint from here. So the kernel accounts the server's processor time apart from the
//! generator's. In reading order: [`options`] (what may be asked), [`installation`] and [`server`] (what is measured),
//! [`envelope`], [`phones`] and [`workload`] (what is sent), [`client`] and [`load`] (how), [`process`], [`disk`] and [`scrape`]
//! (what is looked at meanwhile), [`record`], [`report`] and [`plot`] (what comes out), [`life`] and [`peers`] (whole lives, and the
//! world around them), [`rest`] (the same over REST), `bus` (over Kafka), [`compare`] (beside the reference servers in `benches/reference`).

#[cfg(feature = "kafka")]
pub mod bus;
pub mod client;
pub mod compare;
pub mod disk;
pub mod envelope;
pub mod installation;
pub mod life;
pub mod load;
pub mod options;
pub mod peers;
pub mod phones;
pub mod plot;
pub mod process;
pub mod record;
pub mod report;
pub mod rest;
pub mod scrape;
pub mod server;
pub mod setup;
mod target;
pub mod workload;

#[path = "../../benches/reference/mod.rs"]
mod reference;

use anyhow::{Context, Result, bail};
use client::Connection;
use disk::Probe;
use envelope::Envelope;
use life::{Life, Replies};
use load::{Accept, Load, Measured};
use options::{Options, Part, Path, Reference};
use record::Percentiles;
use report::{Generator, Report, Requests, Server, Shape, Stages};
use scrape::Scrape;
use setup::Machine;
use std::rc::Rc;
use target::Target;
use workload::{Workload, failure};

/// Runs what the options say, and prints it. An error when a request was not acknowledged: then the figures mean nothing.
pub fn run(options: &Options) -> Result<()> {
    options.check()?;
    match options.part {
        Some(Part::ServeReference { reference: Reference::Echo, port }) => return reference::echo(port),
        Some(Part::ServeReference { reference: Reference::Parse, port }) => return reference::parse(port),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime can't start")?;
    runtime.block_on(async {
        tokio::select! {
            done = chosen(options) => done,
            _ = tokio::signal::ctrl_c() => bail!("interrupted; nothing was measured"),
        }
    })
}

async fn chosen(options: &Options) -> Result<()> {
    let paths: &[Path] = match options.part {
        Some(Part::Rest) => &[Path::RestCreate, Path::RestVerify],
        #[cfg(feature = "kafka")]
        Some(Part::Kafka) => &[Path::Kafka],
        _ => &[],
    };
    for path in paths {
        measure(&Options { path: *path, ..options.clone() }).await?;
    }
    if !paths.is_empty() {
        return Ok(());
    }
    if !options.reference {
        return measure(options).await;
    }
    let comparison = compare::run(options).await?;
    match options.json {
        true => println!("{}", serde_json::to_string_pretty(&comparison)?),
        false => print!("{comparison}"),
    }
    Ok(())
}

async fn measure(options: &Options) -> Result<()> {
    let machine = Machine::this();
    let mut target = Target::new(options).await?;
    let mut probe = target.folder().map(|it| Probe::new(&it)).transpose()?;
    probe.as_mut().map_or(Ok(()), Probe::run)?;
    let work = Work::new(options, &target).await?;
    work.check_first(&target).await?;
    let load = Load {
        addresses: target.addresses.clone(),
        connections: options.connections(),
        rate: options.rate,
        warm_up: options.warm_up(),
        duration: options.duration(),
        pids: target.pids().to_vec(),
        database: options.postgres_pid,
    };
    let scrape = target.scrape.take();
    let measured = measured(options, &load, (&work, &target), scrape).await?;
    probe.as_mut().map_or(Ok(()), Probe::run)?;
    let disk = probe.map(|it| it.found());
    let report = Report {
        measured: target.what(options),
        durability: target.durability(disk.as_ref()),
        requests: Requests::of(&measured),
        latency: Percentiles::of(&measured.record.times),
        stages: (options.path() == Path::Life).then(|| Stages::of(&measured.record)),
        errors: measured.record.errors.clone(),
        server: Server::of(&measured),
        generator: Generator::of(&measured, target.address.ip().is_loopback()),
        disk,
        load: shape(options, (&load, &measured), &work),
        machine,
    };
    let text = if options.json { serde_json::to_string_pretty(&report)? } else { report.to_string() };
    println!("{text}");
    if let Some(path) = &options.plot {
        std::fs::write(path, plot::draw(&report, &measured.record)).with_context(|| format!("--plot {}", path.display()))?;
    }
    judge(&report)
}

/// What is asked.
enum Work {
    Soap(Rc<Workload>),
    Rest(Rc<rest::Requests>),
    #[cfg(feature = "kafka")]
    Kafka(Rc<bus::Generate>),
}

impl Work {
    async fn new(options: &Options, target: &Target) -> Result<Self> {
        Ok(match options.path() {
            #[cfg(feature = "kafka")]
            Path::Kafka => {
                let cluster = target.bus.as_ref().context("only a server that the bench starts can be measured over Kafka")?;
                Self::Kafka(Rc::new(bus::Generate::new(cluster, target.address, &target.caller).await?))
            }
            Path::RestCreate | Path::RestVerify => Self::Rest(Rc::new(rest::Requests::new(&target.url, &target.caller)?)),
            _ => Self::Soap(Rc::new(workload_of(options, target)?)),
        })
    }

    async fn check_first(&self, target: &Target) -> Result<()> {
        match self {
            Self::Soap(work) => check_first(work, target).await,
            Self::Rest(work) => rest::Create(work.clone()).check(target.address).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(work) => work.check().await,
        }
    }
}

async fn measured(options: &Options, load: &Load, (work, target): (&Work, &Target), mut scrape: Option<Scrape>) -> Result<Measured> {
    let scrape = scrape.as_mut();
    let work = match work {
        Work::Soap(work) => work,
        #[cfg(feature = "kafka")]
        Work::Kafka(work) => return load::run(load, work.clone(), scrape).await,
        Work::Rest(work) if options.path() == Path::RestCreate => {
            return load::run(load, Rc::new(rest::Create(work.clone())), scrape).await;
        }
        Work::Rest(work) => {
            let ready = rest::Verify::prepare(work.clone(), target.address, (options.prepared, load.connections)).await?;
            return load::run(load, Rc::new(ready), scrape).await;
        }
    };
    let life = || Life::new(work.clone(), target.world.clone(), target.address, target.carrier_secret());
    match options.path() {
        Path::Life => load::run(load, Rc::new(life()), scrape).await,
        Path::Reply => {
            let replies = Replies::prepare(life(), options.prepared, load.connections).await?;
            load::run(load, Rc::new(replies), scrape).await
        }
        _ => load::run(load, Rc::new(Accept::new(work.clone())), scrape).await,
    }
}

fn workload_of(options: &Options, target: &Target) -> Result<Workload> {
    let envelopes = match &options.envelope {
        Some(path) => vec![Envelope::from_file(path)?],
        None => options.cases().into_iter().map(|it| Envelope::case(it, &target.caller)).collect(),
    };
    Workload::new(&target.url, &target.caller, envelopes, options.recipients())
}

// One request a use case, before anything is loaded: what is wrong with all of them is told once, and plainly.
async fn check_first(work: &Workload, target: &Target) -> Result<()> {
    let (mut connection, mut request) = (Connection::new(target.address), Vec::new());
    for _ in 0..work.kinds() {
        let index = work.next(&mut request);
        if let Some(kind) = failure(&connection.exchange(&request).await) {
            let case = match work.case(index) {
                0 => "the envelope file".to_owned(),
                number => format!("use case {number}"),
            };
            bail!("the first request of {case} was not acknowledged: {kind}. Check the URL, the user, the password and what is registered");
        }
    }
    Ok(())
}

fn shape(options: &Options, (load, measured): (&Load, &Measured), work: &Work) -> Shape {
    let work = match work {
        Work::Soap(work) => work,
        #[cfg(feature = "kafka")]
        Work::Kafka(_) => {
            return Shape {
                envelopes: "records that ask for an SMS of a template".to_owned(),
                auth: "none".to_owned(),
                ..Shape::of(load, measured)
            };
        }
        Work::Rest(work) => {
            return Shape {
                envelope_bytes: work.body_bytes(),
                envelopes: "an SMS with a text of the caller's, to phones in turn".to_owned(),
                auth: "HTTP Basic".to_owned(),
                ..Shape::of(load, measured)
            };
        }
    };
    let (recipients, recipient_use) = work.reuse();
    Shape {
        envelope_bytes: work.envelope_bytes(),
        envelopes: match &options.envelope {
            Some(path) => format!("envelope file {}", path.display()),
            None => format!("use cases {:?} in turn", options.cases()),
        },
        auth: match options.auth {
            envelope::Auth::Token => "UsernameToken and Timestamp in each".to_owned(),
            envelope::Auth::Basic => "HTTP Basic".to_owned(),
        },
        recipients,
        recipient_use: report::round(recipient_use, 2),
        ..Shape::of(load, measured)
    }
}

fn judge(report: &Report) -> Result<()> {
    let failed: u64 = report.errors.values().sum();
    if failed > 0 {
        bail!("{failed} requests were not acknowledged, so these figures mean nothing: see the errors above");
    }
    if report.requests.acknowledged == 0 {
        bail!("no request was acknowledged within the time measured; measure longer");
    }
    Ok(())
}
