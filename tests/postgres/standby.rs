//! A synchronous standby: what the primary acknowledges is on both.

use super::{Cluster, PATIENCE, home};
use std::time::Instant;

impl Cluster {
    /// A copy that follows this one by streaming (with a slot), and takes reads. From now on a commit here is acknowledged only
    /// after the standby has it on its disk too, so without the standby commits wait.
    pub fn standby(&self) -> Self {
        let name = format!("standby_{}", self.port);
        let mut standby = Self::over(self.home, self.home.new_folder(), self.durable, None);
        let mut backup = self.home.command("pg_basebackup");
        backup.arg("-D").arg(standby.data()).args(["-X", "stream", "-c", "fast", "-R", "-C", "-S", &name, "--no-sync"]);
        let primary = format!("host=127.0.0.1 port={} user={} application_name={name}", self.port, super::ADMIN);
        home::done(backup.args(["-d", &primary]));
        standby.first_start();
        self.sql("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'"));
        self.sql("postgres", "SELECT pg_reload_conf()");
        let started = Instant::now();
        while self.sql("postgres", "SELECT sync_state FROM pg_stat_replication") != "sync" {
            assert!(started.elapsed() < PATIENCE, "the standby does not follow; its log:\n{}", standby.log());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        standby
    }

    /// Makes a standby a primary, and waits until it takes writes. It waits for no standby of its own.
    pub fn promote(&self) {
        let mut control = self.home.command("pg_ctl");
        home::done(control.args(["promote", "-w", "-s", "-D"]).arg(self.data()));
    }
}
