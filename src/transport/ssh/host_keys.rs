//! The keys by which clients know this hoist again.

use std::path::{Path, PathBuf};

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::{self, LineEnding};
use russh::keys::{Algorithm, PrivateKey};

use crate::store::private_file;

/// What is made where there is none. No RSA: signing with one has a timing leak (RUSTSEC-2023-0071). All clients of the last
/// ten years know ed25519.
const ED25519: (&str, Algorithm) = ("ssh_host_ed25519_key", Algorithm::Ed25519);

/// What is used where there is one: those who know an older hoist by it know it again, and clients that are bound to FIPS 140
/// know nothing better. None is made, as an ECDSA key gives itself away if ever a number is not random, and nobody knows where
/// its curves come from.
const ECDSA: &str = "ssh_host_ecdsa_key";

/// The host keys, best first.
pub struct HostKeys(pub(super) Vec<PrivateKey>);

/// Why a host key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    #[error("can't read or write the host key {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("the host key {path} can't be used: restore it, or remove it to do without or get a new one (clients will warn)")]
    Key { path: PathBuf, source: ssh_key::Error },
}

impl HostKeys {
    /// Reads the keys in the data folder, making the one that there must be.
    pub fn open(data_dir: &Path) -> Result<Self, HostKeyError> {
        let (name, algorithm) = ED25519;
        let path = data_dir.join(name);
        let best = match read(&path, |found| *found == algorithm)? {
            Some(key) => key,
            None => make(path, algorithm)?,
        };
        let other = read(&data_dir.join(ECDSA), |found| matches!(found, Algorithm::Ecdsa { .. }))?;
        Ok(Self([best].into_iter().chain(other).collect()))
    }
}

/// Reads a key, if there is one, of the algorithm that its file is for.
fn read(path: &Path, is_right: impl FnOnce(&Algorithm) -> bool) -> Result<Option<PrivateKey>, HostKeyError> {
    let pem = match std::fs::read(path) {
        Ok(pem) => pem,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(HostKeyError::File { path: path.to_owned(), source }),
    };
    let key = PrivateKey::from_openssh(pem).and_then(|key| match key.algorithm() {
        _ if key.is_encrypted() => Err(ssh_key::Error::Encrypted),
        algorithm if !is_right(&algorithm) => Err(ssh_key::Error::AlgorithmUnsupported { algorithm }),
        _ => Ok(key),
    });
    key.map(Some).map_err(|source| HostKeyError::Key { path: path.to_owned(), source })
}

fn make(path: PathBuf, algorithm: Algorithm) -> Result<PrivateKey, HostKeyError> {
    let made = PrivateKey::random(&mut safe_rng(), algorithm).and_then(|key| Ok((key.to_openssh(LineEnding::LF)?, key)));
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
    use russh::keys::EcdsaCurve;

    use super::*;

    fn prints(dir: &Path) -> Vec<String> {
        let keys = HostKeys::open(dir).unwrap().0;
        keys.iter().map(|key| key.fingerprint(ssh_key::HashAlg::Sha256).to_string()).collect()
    }

    #[test]
    fn keys_stay_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let first = prints(dir.path());
        assert_eq!((first.len(), &prints(dir.path())), (1, &first));
    }

    #[test]
    fn an_ecdsa_key_is_used_where_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let best = prints(dir.path());
        let made = make(dir.path().join(ECDSA), Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 }).unwrap();
        assert_eq!(prints(dir.path()), [best, vec![made.fingerprint(ssh_key::HashAlg::Sha256).to_string()]].concat());
    }

    #[test]
    fn a_key_that_can_not_be_used_is_not_replaced_silently() {
        let other = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let locked = other.encrypt(&mut safe_rng(), "passphrase").unwrap();
        let [other, locked] = [other, locked].map(|key| key.to_openssh(LineEnding::LF).unwrap().to_string());
        for (name, content) in
            [(ED25519.0, "-----BEGIN"), (ECDSA, "-----BEGIN"), (ECDSA, other.as_str()), (ED25519.0, locked.as_str())]
        {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(name), content).unwrap();
            let error = HostKeys::open(dir.path()).err().unwrap();
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(std::fs::read_to_string(dir.path().join(name)).unwrap(), content);
        }
    }
}
