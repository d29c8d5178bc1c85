//! (to come)

use crate::config::Settings;
use crate::telemetry;
use anyhow::{Result, bail};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Runs the server until it is told to stop.
pub async fn serve(settings: Settings) -> Result<()> {
    telemetry::begin(&settings.log.level).map_err(anyhow::Error::msg)?;
    bail!("the server is not part of this build ({})", settings.source.display())
}

/// Runs the demonstration on `listen`, with its data in `data` (`None`: a temporary directory).
pub async fn demo(listen: SocketAddr, data: Option<PathBuf>) -> Result<()> {
    let _ = data;
    bail!("the demonstration is not part of this build ({listen})")
}

/// Makes a new root key at `out`.
pub fn init_keys(out: &Path) -> Result<()> {
    bail!("keys are not part of this build ({})", out.display())
}

/// Restores the backup at `from` into the empty or absent directory `into`; the text says what was restored.
pub async fn restore(from: &Path, into: &Path) -> Result<String> {
    bail!("restore is not part of this build ({} to {})", from.display(), into.display())
}
