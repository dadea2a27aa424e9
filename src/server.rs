//! Not written yet.

use crate::config::Config;

/// Runs the daemon until it is told to stop.
pub async fn serve(_config: Config) -> anyhow::Result<()> {
    anyhow::bail!("not written yet")
}
