//! Signatures by the installation's own key, in the format of cosign (`SIGNATURE_SPEC.md`, simple signing): whoever has
//! the public key verifies them with `cosign verify --key`, or with openssl.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey as _};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;

use super::artifact::{Artifact, Parts, attach, cosign_tag};
use super::{digest_of, to_json};
use crate::model::{Descriptor, Digest};
use crate::store::private_file;

/// In the data folder: PKCS #8, as PEM.
const KEY_FILE: &str = "image-signing.key";

/// What stands before the point in an uncompressed P-256 key (RFC 5480, section 2: `id-ecPublicKey`, `secp256r1`).
const P256_KEY_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00,
];

const SIGNATURE_TYPE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
/// Of the layer whose signature it is.
pub const SIGNATURE_KEY: &str = "dev.cosignproject.cosign/signature";

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("can't use the key file {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the key file {} holds no ECDSA P-256 key: put the right one back, or remove it to have a new one made", path.display())]
    NoKey { path: PathBuf, source: rcgen::Error },
    #[error("can't make a key")]
    Make(#[source] rcgen::Error),
}

/// What somebody took for the public key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no ECDSA P-256 public key in PEM: take what `hoist releases:signing-key` prints")]
pub struct NotAKey;

/// An ECDSA P-256 key. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey(Arc<KeyPair>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Reads the key of an installation, making one (mode 0600) at first use. Blocks.
    pub fn open(data_dir: &Path) -> Result<Self, KeyError> {
        let path = data_dir.join(KEY_FILE);
        let failed = |source| KeyError::File { path: path.clone(), source };
        match std::fs::read_to_string(&path) {
            Ok(pem) => match KeyPair::from_pkcs8_pem_and_sign_algo(&pem, &PKCS_ECDSA_P256_SHA256) {
                Ok(key) => Ok(Self(Arc::new(key))),
                Err(source) => Err(KeyError::NoKey { path, source }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(KeyError::Make)?;
                private_file::write(&path, key.serialize_pem().as_bytes()).map_err(failed)?;
                Ok(Self(Arc::new(key)))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The public key, as PEM (`SubjectPublicKeyInfo`).
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        self.0.public_key_pem()
    }

    /// Signs the SHA-256 of some bytes: ECDSA in ASN.1 DER, in base64.
    pub(super) fn sign(&self, bytes: &[u8]) -> String {
        BASE64_STANDARD.encode(self.0.sign(bytes).expect("the kernel gives random bytes"))
    }
}

/// Tells whether a signature is that of this image, by the public key in a PEM file. Fails when that holds no ECDSA P-256 key.
pub fn verify(public_key_pem: &str, payload: &[u8], signature: &str, image: &Digest) -> Result<bool, NotAKey> {
    Ok(is_signed(public_key_pem, payload, signature)? && signed_digest(payload) == Some(*image))
}

/// Tells whether a signature, in base64, is of these bytes.
pub(super) fn is_signed(public_key_pem: &str, bytes: &[u8], signature: &str) -> Result<bool, NotAKey> {
    let key = public_key(public_key_pem)?;
    let point = key.as_ref().strip_prefix(&P256_KEY_INFO).ok_or(NotAKey)?;
    let Ok(signature) = BASE64_STANDARD.decode(signature) else { return Ok(false) };
    Ok(UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(bytes, &signature).is_ok())
}

/// What a public key is known by: the SHA-256 of its DER, as `openssl pkey -pubin -outform DER | sha256sum` tells.
pub fn key_digest(public_key_pem: &str) -> Result<Digest, NotAKey> {
    Ok(digest_of(public_key(public_key_pem)?.as_ref()))
}

fn public_key(pem: &str) -> Result<SubjectPublicKeyInfoDer<'static>, NotAKey> {
    SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| NotAKey)
}

/// The image that a payload is about.
fn signed_digest(payload: &[u8]) -> Option<Digest> {
    let payload: serde_json::Value = serde_json::from_slice(payload).ok()?;
    payload["critical"]["image"]["docker-manifest-digest"].as_str()?.parse().ok()
}

/// Signs the image that `subject` names, and that users find as `reference`, which is `HOST/APP/TYPE`.
#[must_use]
pub fn signature(key: &SigningKey, reference: &str, subject: &Descriptor) -> Artifact {
    let payload = to_json(&json!({
        "critical": {
            "identity": { "docker-reference": reference },
            "image": { "docker-manifest-digest": subject.digest },
            "type": "cosign container image signature",
        },
        "optional": null,
    }));
    // As cosign writes it: an image of one layer, which is the payload.
    let config = to_json(&json!({
        "architecture": "",
        "config": {},
        "created": "0001-01-01T00:00:00Z",
        "history": [{ "created": "0001-01-01T00:00:00Z" }],
        "os": "",
        "rootfs": { "diff_ids": [digest_of(&payload)], "type": "layers" },
    }));
    let annotations = BTreeMap::from([(SIGNATURE_KEY.to_owned(), key.sign(&payload))]);
    attach(
        subject,
        Parts {
            artifact_type: SIGNATURE_TYPE,
            config: Some((CONFIG_TYPE, config)),
            media_type: PAYLOAD_TYPE,
            content: payload,
            annotations,
            tag: Some(cosign_tag(subject, "sig")),
        },
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::image::of_slug::descriptor_of;
    use crate::model::{ImageManifest, ManifestType};

    #[test]
    fn the_key_is_made_once_and_nobody_else_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::open(dir.path()).unwrap();
        let path = dir.path().join(KEY_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SigningKey::open(dir.path()).unwrap().public_key_pem(), key.public_key_pem());
        assert!(key.public_key_pem().starts_with("-----BEGIN PUBLIC KEY-----"));
        std::fs::write(&path, "nonsense").unwrap();
        assert!(matches!(SigningKey::open(dir.path()), Err(KeyError::NoKey { .. })), "a lost key is not replaced in silence");
    }

    #[test]
    fn a_signature_is_of_this_image_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::open(dir.path()).unwrap();
        let subject = descriptor_of(ManifestType::OciManifest.as_str(), b"image");
        let signed = signature(&key, "hoist.example.com/my-app/web", &subject);
        let manifest = ImageManifest::parse(&signed.manifest, None).unwrap();
        assert_eq!((manifest.subject.unwrap().digest, manifest.artifact_type.as_deref()), (subject.digest, Some(SIGNATURE_TYPE)));
        assert_eq!(signed.tag.unwrap().as_str(), format!("sha256-{}.sig", subject.digest.hex()));

        let payload = &signed.blobs[1];
        let json: serde_json::Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(json["critical"]["image"]["docker-manifest-digest"], subject.digest.to_string());
        assert_eq!(json["critical"]["identity"]["docker-reference"], "hoist.example.com/my-app/web");
        assert_eq!(manifest.layers[0].digest, digest_of(payload));
        let text = &manifest.layers[0].annotations[SIGNATURE_KEY];
        let pem = key.public_key_pem();
        let check = |payload: &[u8], image: Digest| verify(&pem, payload, text, &image).unwrap();
        assert!(check(payload, subject.digest));
        assert!(!check(payload, digest_of(b"another")), "a signature of another image");
        let mut changed = payload.clone();
        changed[20] ^= 1;
        assert!(!check(&changed, subject.digest));
        let other = SigningKey::open(tempfile::tempdir().unwrap().path()).unwrap().public_key_pem();
        assert!(!verify(&other, payload, text, &subject.digest).unwrap(), "another's key");
        assert!(verify("no key", payload, text, &subject.digest).is_err());
    }
}
