//! Changes over HTTP go into the same audit log as operators' commands.

use crate::admin::audit::{Audit, Entry, Step};
use crate::domain::time::Timestamp;
use crate::http::{self, Action, Trail};
use serde::Serialize;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// The audit log, as the HTTP side sees it.
pub struct Recorded(pub Arc<Audit>);

#[derive(Serialize)]
struct Peer<'a> {
    user: &'a str,
    address: IpAddr,
}

impl Trail for Recorded {
    fn write(&self, at: Timestamp, act: &Action, step: http::Step) -> io::Result<()> {
        let step = match step {
            http::Step::Started => Step::Started,
            http::Step::Done => Step::Done,
            http::Step::Failed => Step::Failed,
        };
        let peer = Peer { user: &act.user, address: act.address };
        self.0.write(at, peer, &Entry::new(act.action, act.arguments.clone()), step)
    }
}
