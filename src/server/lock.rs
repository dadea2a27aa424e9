//! One daemon per data folder.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;

/// A daemon that was killed between the two halves of starting a helper leaves a child that holds the lock until it has
/// become the helper. That takes milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);

/// Holds the data folder for this process. The kernel lets go of it when the process ends, however it ends.
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Takes `DATA_DIR/lock`, or says which process has it once `patience` is over.
    pub(super) async fn take(data_dir: &Path, patience: Duration) -> anyhow::Result<Self> {
        let path = data_dir.join("lock");
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.with_context(|| format!("can't open {}", path.display()))?;
        let until = Instant::now() + patience;
        while let Err(error) = file.try_lock() {
            match error {
                TryLockError::WouldBlock if Instant::now() < until => tokio::time::sleep(POLL).await,
                TryLockError::WouldBlock => {
                    let mut holder = String::new();
                    file.read_to_string(&mut holder)?;
                    bail!("another hoist (process {}) serves {} already", holder.trim(), data_dir.display());
                }
                TryLockError::Error(error) => return Err(error).with_context(|| format!("can't lock {}", path.display())),
            }
        }
        // Who holds it, for the message above.
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_one_is_told_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), Duration::ZERO).await.unwrap();
        let error = Lock::take(dir.path(), Duration::ZERO).await.err().unwrap().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        Lock::take(dir.path(), Duration::ZERO).await.unwrap();
    }
}
