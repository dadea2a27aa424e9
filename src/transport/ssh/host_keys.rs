//! The keys by which clients know this hoist again.

use std::path::{Path, PathBuf};

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::{self, LineEnding};
use russh::keys::{Algorithm, PrivateKey};

use crate::store::private_file;

/// No RSA: signing with one has a timing leak (RUSTSEC-2023-0071). No ECDSA: it gives its key away if ever a number is not
/// random, and nobody knows where its curves come from. All clients of the last ten years know ed25519.
const KEYS: [(&str, Algorithm); 1] = [("ssh_host_ed25519_key", Algorithm::Ed25519)];

/// The host keys, best first.
pub struct HostKeys(pub(super) Vec<PrivateKey>);

/// Why a host key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    #[error("can't read or write the host key {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("the host key {path} is damaged: restore it, or remove it to get a new one (clients will warn)")]
    Key { path: PathBuf, source: ssh_key::Error },
}

impl HostKeys {
    /// Reads the keys in the data folder, making those that are missing.
    pub fn open(data_dir: &Path) -> Result<Self, HostKeyError> {
        KEYS.iter().map(|(name, algorithm)| read_or_make(data_dir.join(name), algorithm)).collect::<Result<_, _>>().map(Self)
    }
}

fn read_or_make(path: PathBuf, algorithm: &Algorithm) -> Result<PrivateKey, HostKeyError> {
    match std::fs::read(&path) {
        Ok(pem) => PrivateKey::from_openssh(pem).map_err(|source| HostKeyError::Key { path, source }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(path, algorithm),
        Err(source) => Err(HostKeyError::File { path, source }),
    }
}

fn make(path: PathBuf, algorithm: &Algorithm) -> Result<PrivateKey, HostKeyError> {
    let made = PrivateKey::random(&mut safe_rng(), algorithm.clone()).and_then(|key| Ok((key.to_openssh(LineEnding::LF)?, key)));
    match made {
        Ok((pem, key)) => match private_file::write(&path, pem.as_bytes()) {
            Ok(()) => Ok(key),
            Err(source) => Err(HostKeyError::File { path, source }),
        },
        Err(source) => Err(HostKeyError::Key { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let prints = || {
            let keys = HostKeys::open(dir.path()).unwrap().0;
            keys.iter().map(|key| key.fingerprint(ssh_key::HashAlg::Sha256).to_string()).collect::<Vec<_>>()
        };
        assert_eq!(prints(), prints());
    }

    #[test]
    fn a_damaged_key_is_not_replaced_silently() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(KEYS[0].0), "-----BEGIN").unwrap();
        let error = HostKeys::open(dir.path()).err().unwrap();
        assert!(error.to_string().contains("ssh_host_ed25519_key"), "{error}");
    }
}
