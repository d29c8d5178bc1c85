//! Private PostgreSQL clusters for tests: real servers of the newest version that Debian has installed, on free ports of
//! 127.0.0.1, in a directory that goes away with them. Root runs them as the user `postgres`, since a server refuses to be root's.
//!
//! [`shared`] serves all tests of a process, each with a [`Cluster::database`] of its own. A test that kills, stops or promotes
//! makes its own cluster. [`latency::Proxy`] stands between a test and a server: slow, silent or cut.

#![allow(dead_code, reason = "each test file uses a part of this")]

pub mod certificates;
mod home;
pub mod latency;
pub mod processes;
mod standby;

use certificates::Certificates;
use countersign::store::postgres::Settings;
use countersign::store::postgres::settings::TlsMode;
use home::Home;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to start or stop. Generous: it bounds a failure, it times nothing.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The role that Countersign uses here: it owns its databases and may do nothing else.
pub const ROLE: &str = "countersign";
/// Its password (SCRAM); the superuser [`ADMIN`] needs none.
pub const PASSWORD: &str = "kQ4u7dYv0b1sX9aZr2Lm5w";
/// The superuser.
pub const ADMIN: &str = "postgres";

/// What all clusters share: little memory, nothing periodic, no Unix socket.
const SETTINGS: &str = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nshared_buffers = 32MB\nmax_connections = 200\n\
                        autovacuum_naptime = 1h\nlogging_collector = off\nlog_timezone = 'UTC'\ntimezone = 'UTC'\n";
/// Who may come in, and how.
const ACCESS: &str = "host all postgres 127.0.0.1/32 trust\nhost replication postgres 127.0.0.1/32 trust\n\
                      hostssl all certified 127.0.0.1/32 cert\nhost all all 127.0.0.1/32 scram-sha-256\n";
/// As [`ACCESS`], where the role must come by TLS.
const ACCESS_BY_TLS: &str = "host all postgres 127.0.0.1/32 trust\nhostssl all certified 127.0.0.1/32 cert\n\
                             hostssl all all 127.0.0.1/32 scram-sha-256\n";

/// A server and its data. Everything is killed and removed when it is dropped, and also when the test process dies.
pub struct Cluster {
    home: &'static Home,
    folder: PathBuf,
    port: u16,
    durable: bool,
    certificates: Option<Certificates>,
    running: Option<Child>,
    databases: AtomicU32,
}

/// The cluster that the tests of this process share; quick. Nobody may kill or stop it.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::quick)
}

impl Cluster {
    /// A cluster that never waits for the disk. What it committed outlives its processes, but not the machine's.
    pub fn quick() -> Self {
        Self::made(false, None)
    }

    /// A cluster that syncs every commit, as production does; and so do its standbys.
    pub fn durable() -> Self {
        Self::made(true, None)
    }

    /// A quick cluster where [`ROLE`] must come by TLS; see [`Self::certificates`].
    pub fn tls() -> Self {
        Self::made(false, Some(Certificates::new()))
    }

    /// The port on 127.0.0.1; it stays the same over [`Self::restart`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, as the settings have it.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A URL for [`ROLE`], with its password.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// A URL for the superuser.
    pub fn admin_url(&self, database: &str) -> String {
        format!("postgresql://{ADMIN}@127.0.0.1:{}/{database}", self.port)
    }

    /// What the store's settings are for this server and a database of it: by [`ROLE`], without TLS.
    pub fn settings(&self, database: &str) -> Settings {
        Settings {
            hosts: vec![self.host()],
            database: database.to_owned(),
            user: ROLE.to_owned(),
            password_file: Some(self.home.secret("password", PASSWORD)),
            tls: TlsMode::Off,
            ..Settings::default()
        }
    }

    /// A fresh, empty database that belongs to [`ROLE`]; its name.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"));
        name
    }

    /// What psql says to this, as the superuser: one line a row, `|` between columns. Panics when the server refuses.
    pub fn sql(&self, database: &str, text: &str) -> String {
        let mut psql = self.home.command("psql");
        psql.args(["-XAtqw", "-v", "ON_ERROR_STOP=1", "-d", &self.admin_url(database), "-c", text]);
        home::done(&mut psql).trim_end().to_owned()
    }

    /// What [`Self::tls`] was made with.
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("it was made by Cluster::tls")
    }

    /// Ends all processes at once, as a power cut does: nobody flushes, nobody says goodbye.
    pub fn kill(&mut self) {
        if let Some(mut postmaster) = self.running.take() {
            processes::kill_tree(postmaster.id());
            postmaster.wait().expect("the postmaster was started here");
            self.home.forget(postmaster.id());
        }
    }

    /// Ends it in order: what runs is aborted, everything is written.
    pub fn stop(&mut self) {
        let Some(mut postmaster) = self.running.take() else { return };
        processes::interrupt(postmaster.id());
        let started = Instant::now();
        while postmaster.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < PATIENCE, "it does not stop; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.home.forget(postmaster.id());
    }

    /// Starts it again over the same data and port; stops it before where it runs.
    pub fn restart(&mut self) {
        self.stop();
        self.launch().unwrap_or_else(|log| panic!("it does not start; its log:\n{log}"));
    }

    /// Stops all processes where they are (SIGSTOP), as a machine that hangs does. [`Self::resume`] lets them go on.
    pub fn pause(&self) {
        processes::pause_tree(self.postmaster());
    }

    /// See [`Self::pause`].
    pub fn resume(&self) {
        processes::resume_tree(self.postmaster());
    }

    /// Processor time that all processes of this server used so far, in user and system mode, those that are over included.
    /// The kernel counts in hundredths of a second.
    pub fn cpu_micros(&self) -> u64 {
        processes::cpu_micros(self.postmaster())
    }

    /// Its processes now: the postmaster and its children.
    pub fn processes(&self) -> Vec<u32> {
        processes::tree(self.postmaster())
    }

    /// Where its data are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the server said since it was made.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn postmaster(&self) -> u32 {
        self.running.as_ref().expect("it runs").id()
    }

    fn made(durable: bool, certificates: Option<Certificates>) -> Self {
        let home = Home::of_process();
        let mut cluster = Self::over(home, home.new_folder(), durable, certificates);
        home.copy(home.template(initialise), &cluster.data());
        if let Some(made) = &cluster.certificates {
            let settings = made.install(home, &cluster.folder);
            home.append(&cluster.data().join("postgresql.conf"), &settings);
            home.replace(&cluster.data().join("pg_hba.conf"), ACCESS_BY_TLS);
        }
        cluster.first_start();
        cluster
    }

    fn over(home: &'static Home, folder: PathBuf, durable: bool, certificates: Option<Certificates>) -> Self {
        Self { home, folder, port: 0, durable, certificates, running: None, databases: AtomicU32::new(0) }
    }

    // A free port may be somebody else's a moment later: then another.
    fn first_start(&mut self) {
        for _ in 0..20 {
            self.port = free_port();
            match self.launch() {
                Ok(()) => return,
                Err(log) if log.contains("Address already in use") => fs::write(self.folder.join("log"), "").unwrap(),
                Err(log) => panic!("it does not start; its log:\n{log}"),
            }
        }
        panic!("found no free port");
    }

    fn launch(&mut self) -> Result<(), String> {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let mut command = self.home.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        command.args(["-c", if self.durable { "fsync=on" } else { "fsync=off" }]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut postmaster = self.home.spawn(&mut command);
        let (id, started) = (postmaster.id(), Instant::now());
        while !self.is_ready(id) {
            if postmaster.try_wait().unwrap().is_some() {
                self.home.forget(id);
                return Err(self.log());
            }
            assert!(started.elapsed() < PATIENCE, "it does not get ready; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.running = Some(postmaster);
        Ok(())
    }

    // The server writes its state into the last line of this file (src/include/utils/pidfile.h in PostgreSQL).
    fn is_ready(&self, id: u32) -> bool {
        let state = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = state.lines();
        lines.next() == Some(&id.to_string()) && lines.nth(6).is_some_and(|it| it.trim_end() == "ready")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Makes the cluster that all others are copies of.
fn initialise(home: &Home, data: &Path) {
    let mut initdb = home.command("initdb");
    initdb.arg("-D").arg(data).args(["--username", ADMIN, "--encoding=UTF8", "--locale=C", "--auth=trust"]);
    home::done(initdb.args(["--data-checksums", "--no-sync"]));
    home.append(&data.join("postgresql.conf"), SETTINGS);
    home.replace(&data.join("pg_hba.conf"), ACCESS);
    let mut single = home.command("postgres");
    single.args(["--single", "-F", "-D"]).arg(data).arg("postgres");
    home::told(&mut single, &format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'\nCREATE ROLE certified LOGIN\n"));
}

// Below the ports that outgoing connections take, so that none of those sits on it when a cluster starts again.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 100).unwrap() * 100;
    loop {
        let port = 20_000 + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
