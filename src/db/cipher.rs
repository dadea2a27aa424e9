//! Encryption at rest of config vars: ChaCha20-Poly1305 under one key per installation.

use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::DbError;

const KEY_LEN: usize = 32;

/// Seals and opens small secrets. Cheap to clone.
#[derive(Clone)]
pub struct Cipher(Arc<Keys>);

struct Keys {
    sealing: LessSafeKey,
    /// What keys for other purposes are derived from.
    root: Prk,
}

impl Cipher {
    /// Reads the key file, making one (mode 0600) at first use.
    pub(super) fn open(path: &Path) -> Result<Self, DbError> {
        let key = read_or_make(path).map_err(|source| DbError::Key { path: path.display().to_string(), source })?;
        let root = Prk::new_less_safe(HKDF_SHA256, &key);
        let sealing = UnboundKey::new(&CHACHA20_POLY1305, &key).expect("the key has the algorithm's length");
        Ok(Self(Arc::new(Keys { sealing: LessSafeKey::new(sealing), root })))
    }

    /// A key to sign with, of its own for each purpose (RFC 5869).
    #[must_use]
    pub fn signing_key(&self, purpose: &str) -> hmac::Key {
        let info = [purpose.as_bytes()];
        self.0.root.expand(&info, hmac::HMAC_SHA256).expect("a digest's length is not too long").into()
    }

    /// Encrypts `plain`; `context` must be given again to open it, so that a snapshot can't be moved to another row.
    #[must_use]
    pub fn seal(&self, context: &str, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).expect("the kernel gives random bytes");
        let mut sealed = plain.to_vec();
        self.0
            .sealing
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context.as_bytes()), &mut sealed)
            .expect("a config snapshot is far below the algorithm's limit");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Decrypts what [`Cipher::seal`] made; `None` when it was changed, moved or made under another key.
    #[must_use]
    pub fn open_sealed(&self, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = sealed.to_vec();
        let plain = self.0.sealing.open_in_place(nonce, Aad::from(context.as_bytes()), &mut buffer).ok()?;
        Some(plain.to_vec())
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher")
    }
}

fn read_or_make(path: &Path) -> io::Result<[u8; KEY_LEN]> {
    match std::fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a key has 32 bytes")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(error) => Err(error),
    }
}

fn make(path: &Path) -> io::Result<[u8; KEY_LEN]> {
    let mut key = [0; KEY_LEN];
    SystemRandom::new().fill(&mut key).expect("the kernel gives random bytes");
    let dir = path.parent().expect("the key lies in the data folder");
    let mut file = tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).tempfile_in(dir)?;
    file.write_all(&key)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => {
            std::fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(dir)?.sync_all()?;
            Ok(key)
        }
        // Another process of this installation was first; its key is the one that counts.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => read_or_make(path),
        Err(error) => Err(error.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_text_opens_only_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let cipher = Cipher::open(&dir.path().join("key")).unwrap();
        let mut sealed = cipher.seal("release 1", b"TOKEN=hush");
        assert!(!sealed.windows(4).any(|window| window == b"hush"));
        assert_eq!(cipher.open_sealed("release 1", &sealed).as_deref(), Some(b"TOKEN=hush".as_slice()));
        assert_eq!(cipher.open_sealed("release 2", &sealed), None);
        let again = Cipher::open(&dir.path().join("key")).unwrap();
        assert!(again.open_sealed("release 1", &sealed).is_some());
        *sealed.last_mut().unwrap() ^= 1;
        assert_eq!(cipher.open_sealed("release 1", &sealed), None);
        assert_eq!(cipher.open_sealed("release 1", b"short"), None);
    }

    #[test]
    fn each_purpose_has_its_own_key_which_stays() {
        let dir = tempfile::tempdir().unwrap();
        let sign = |purpose| {
            let cipher = Cipher::open(&dir.path().join("key")).unwrap();
            hmac::sign(&cipher.signing_key(purpose), b"text").as_ref().to_vec()
        };
        assert_eq!(sign("addresses"), sign("addresses"));
        assert_ne!(sign("addresses"), sign("images"));
    }
}
