//! Push certificates (gitprotocol-pack(5), "Push Certificate"): the commands of `git push --signed`, signed by the pusher.

use russh::keys::ssh_key::{Algorithm, HashAlg, PublicKey, SshSig};

use super::ProtocolError;
use super::advertise::Advertised;
use crate::model::PushCertificate;

/// How a certificate begins.
const VERSION: &[u8] = b"certificate version 0.1\n";

/// How signatures begin, and those that SSH keys make.
const BEGIN: &[u8] = b"-----BEGIN ";
const BEGIN_SSH: &[u8] = b"-----BEGIN SSH SIGNATURE-----";

/// Most bytes of the header and of the signature. It is kept for ever.
const MAX_PART: usize = 64 * 1024;

/// What is said of a push that is signed with `OpenPGP` or X.509. `push.gpgSign=if-asked` signs so wherever a server takes
/// certificates, for the sake of any who can read them: git's own server lets such a push in, too, and proves nothing by it.
pub(super) const UNVERIFIED: &str = "warning: hoist verifies what SSH keys have signed, and this push is signed \
     in another way: it is taken as unsigned.\n\
     To sign with a key that hoist knows: git config gpg.format ssh; git config user.signingKey ~/.ssh/id_ed25519.pub\n";

/// What git signs in; a signature that was made for something else is none here.
const NAMESPACE: &str = "git";

/// A certificate that has the form of one. Nobody has looked at the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// All of it, as it came.
    text: Vec<u8>,
    /// Where in it the commands and the signature begin.
    commands_at: usize,
    signature_at: usize,
    nonce: Option<String>,
    options: Vec<String>,
}

/// Why a certificate does not prove who pushes what. The texts are shown to the pusher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("the signature can't be read: {0}")]
    Unreadable(String),
    #[error("the signature is made with SHA-1, which is not safe: use a newer ssh-keygen, or an ed25519 key")]
    Sha1,
    #[error("the signature is not valid: what was received is not what was signed")]
    Invalid,
    #[error("the certificate is not one of this push: hoist has not just given out its nonce, or it was used. Push again.")]
    Nonce,
    /// git's own words.
    #[error("inconsistent push options")]
    Options,
}

/// Reads a certificate: all lines between `push-cert` and `push-cert-end`.
///
/// # Errors
/// When it has not the form of one.
pub fn parse_certificate(text: Vec<u8>) -> Result<Certificate, ProtocolError> {
    let bad = ProtocolError::Certificate;
    let header = text.strip_prefix(VERSION).ok_or(bad("it does not begin with its version"))?;
    let end = header.windows(2).position(|pair| pair == b"\n\n").ok_or(bad("its header has no end"))?;
    let (mut nonce, mut options) = (None, Vec::new());
    for line in header[..end].split(|byte| *byte == b'\n') {
        let value = |key: &[u8]| line.strip_prefix(key).map(|value| String::from_utf8_lossy(value).into_owned());
        nonce = nonce.or_else(|| value(b"nonce "));
        options.extend(value(b"push-option "));
    }
    let commands_at = VERSION.len() + end + 2;
    let is_begin = |start: usize| text[start..].starts_with(BEGIN);
    let mut starts =
        text[commands_at..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| commands_at + at + 1);
    let signature_at = starts.find(|start| is_begin(*start)).ok_or(bad("it has no commands or no signature"))?;
    if commands_at > MAX_PART || text.len() - signature_at > MAX_PART {
        return Err(bad("it is too large"));
    }
    Ok(Certificate { text, commands_at, signature_at, nonce, options })
}

impl Certificate {
    /// The commands, a line each.
    pub fn commands(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.text[self.commands_at..self.signature_at].split_inclusive(|byte| *byte == b'\n');
        lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line))
    }

    /// Checks that it is one of this push, and who has signed it. Whose key that is, the caller has to find out. `None` when it
    /// is not an SSH key's signature: nobody can tell then.
    pub(super) fn verify(
        &self,
        options: &[String],
        advertised: &Advertised,
    ) -> Result<Option<PushCertificate>, CertificateError> {
        if self.options != options {
            return Err(CertificateError::Options);
        }
        let (payload, signature) = self.text.split_at(self.signature_at);
        if !signature.starts_with(BEGIN_SSH) {
            return Ok(None);
        }
        // The reader of PEM takes one line break at the end and no more.
        let pem = [signature.trim_ascii_end(), b"\n"].concat();
        let signature = SshSig::from_pem(pem).map_err(|error| CertificateError::Unreadable(error.to_string()))?;
        if signature.algorithm() == (Algorithm::Rsa { hash: None }) {
            return Err(CertificateError::Sha1);
        }
        let key = PublicKey::from(signature.public_key().clone());
        key.verify(NAMESPACE, payload, &signature).map_err(|_| CertificateError::Invalid)?;
        // Last: it is good once.
        if !self.nonce.as_deref().is_some_and(|nonce| advertised.nonce.redeem(nonce, advertised.greeting)) {
            return Err(CertificateError::Nonce);
        }
        Ok(Some(PushCertificate { fingerprint: key.fingerprint(HashAlg::Sha256).to_string(), text: self.text.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::PrivateKey;
    use russh::keys::key::safe_rng;
    use russh::keys::ssh_key::LineEnding;
    use time::OffsetDateTime;

    use super::*;
    use crate::git::Greeting;
    use crate::git::nonce::Nonces;

    const COMMAND: &str = "0000000000000000000000000000000000000000 1111111111111111111111111111111111111111 refs/heads/x";

    fn advertised() -> Advertised {
        let nonce = Nonces::new().give("shop", OffsetDateTime::UNIX_EPOCH);
        Advertised { refs: Vec::new(), nonce, greeting: Greeting::Stream }
    }

    /// What is signed, for a nonce.
    fn payload(nonce: &str) -> String {
        format!(
            "certificate version 0.1\npusher a <a@example.com> 1 +0000\npushee ssh://h/x\nnonce {nonce}\npush-option strict\n\n{COMMAND}\n"
        )
    }

    fn sign(payload: &str, namespace: &str) -> (PrivateKey, Vec<u8>) {
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let signature = key.sign(namespace, HashAlg::Sha512, payload.as_bytes()).unwrap().to_pem(LineEnding::LF).unwrap();
        (key, [payload, &signature, "\n"].concat().into_bytes())
    }

    fn verify(text: Vec<u8>, advertised: &Advertised) -> Result<Option<PushCertificate>, CertificateError> {
        parse_certificate(text).unwrap().verify(&["strict".to_owned()], advertised)
    }

    #[test]
    fn a_good_one_tells_its_key() {
        let advertised = advertised();
        let (key, text) = sign(&payload(&advertised.nonce.text()), "git");
        let certificate = parse_certificate(text.clone()).unwrap();
        assert_eq!(certificate.commands().collect::<Vec<_>>(), [COMMAND.as_bytes()]);
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        assert_eq!(verify(text.clone(), &advertised), Ok(Some(PushCertificate { fingerprint, text: text.clone() })));
        assert_eq!(verify(text, &advertised), Err(CertificateError::Nonce), "shown again");
    }

    #[test]
    fn what_proves_nothing_is_refused_or_counts_for_nothing() {
        let advertised = advertised();
        let nonce = advertised.nonce.text();
        let (_, text) = sign(&payload(&nonce), "git");
        let text = String::from_utf8(text).unwrap();
        let changed = text.replace("refs/heads/x", "refs/heads/y");
        assert_eq!(verify(changed.into_bytes(), &advertised), Err(CertificateError::Invalid));
        let (_, elsewhere) = sign(&payload(&nonce), "file");
        assert_eq!(verify(elsewhere, &advertised), Err(CertificateError::Invalid));
        let (_, old) = sign(&payload("1-00"), "git");
        assert_eq!(verify(old, &advertised), Err(CertificateError::Nonce));
        let (_, none) = sign(&payload(&nonce).replace("nonce", "once"), "git");
        assert_eq!(verify(none, &advertised), Err(CertificateError::Nonce));
        let (_, options) = sign(&payload(&nonce).replace("push-option strict\n", ""), "git");
        assert_eq!(verify(options, &advertised), Err(CertificateError::Options));
        for other in ["PGP SIGNATURE", "PGP MESSAGE", "SIGNED MESSAGE"].map(|other| text.replace("SSH SIGNATURE", other)) {
            assert_eq!(verify(other.clone().into_bytes(), &advertised), Ok(None));
            let options = other.replace("push-option strict\n", "");
            assert_eq!(verify(options.into_bytes(), &advertised), Err(CertificateError::Options));
        }
        let cut = text[..text.len() - 60].to_owned();
        assert!(matches!(verify(cut.into_bytes(), &advertised), Err(CertificateError::Unreadable(_))));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let (_, good) = sign(&payload("1"), "git");
        let good = String::from_utf8(good).unwrap();
        for bad in [
            String::new(),
            good.replace("version 0.1", "version 9"),
            good.replace("\n\n", "\n"),
            good.replace(COMMAND, "").replace("\n\n\n", "\n\n").replace("-----BEGIN", "----BEGIN"),
            good.split("-----").next().unwrap().to_owned(),
            good.replace("pusher a", &"a".repeat(MAX_PART)),
            good + &"x".repeat(MAX_PART),
        ] {
            assert!(matches!(parse_certificate(bad.clone().into_bytes()), Err(ProtocolError::Certificate(_))), "{bad}");
        }
    }
}
