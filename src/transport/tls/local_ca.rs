//! A certificate authority of one host, for HTTPS on loopback: `ca.pem` and its key in the data folder.
//!
//! The Heroku CLI writes `https://` remotes even for a plain HTTP API. Whoever trusts `ca.pem` can use them. The CA
//! is bound by name constraints to this host's own loopback names: a stolen key is of no use anywhere else.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints, SanType,
};
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tracing::error;

use super::TlsError;
use crate::ctx::Ctx;
use crate::store::private_file;

const DAY: Duration = Duration::from_hours(24);
const CA_LIFE: Duration = Duration::from_hours(24 * 3650);
const SERVER_LIFE: Duration = Duration::from_hours(24 * 90);
const RENEW_AFTER: Duration = Duration::from_hours(24 * 60);

/// The names of this host. Those below `localhost` are what the Heroku CLI makes of `HEROKU_HOST=localhost`; its Node.js takes
/// no wildcard just below a top-level name.
const NAMES: [&str; 7] = ["localhost", "api.localhost", "git.localhost", "registry.localhost", "*.localhost", "127.0.0.1", "::1"];

/// Makes the server certificate that each TLS connection is shown, and another one before it ends.
pub(super) struct LocalCa {
    issuer: Issuer<'static, KeyPair>,
    ctx: Ctx,
    path: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    certificate: Arc<CertifiedKey>,
    made: Instant,
}

impl LocalCa {
    /// Opens the CA in the data folder, making it at first use.
    pub(super) fn open(ctx: &Ctx) -> Result<Self, TlsError> {
        let path = ctx.config.data_dir.join("ca.pem");
        let key = read_or_make(ctx, &path)?;
        let issuer = Issuer::new(authority(ctx), key);
        let current = Mutex::new(Current { certificate: issue(&issuer, ctx)?, made: Instant::now() });
        Ok(Self { issuer, ctx: ctx.clone(), path, current })
    }

    /// The file that clients trust.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl ResolvesServerCert for LocalCa {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.made.elapsed() > RENEW_AFTER {
            match issue(&self.issuer, &self.ctx) {
                Ok(certificate) => *current = Current { certificate, made: Instant::now() },
                Err(error) => error!(error = &error as &dyn std::error::Error, "can't renew the local certificate"),
            }
        }
        Some(Arc::clone(&current.certificate))
    }
}

impl fmt::Debug for LocalCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalCa({})", self.path.display())
    }
}

fn read_or_make(ctx: &Ctx, ca: &Path) -> Result<KeyPair, TlsError> {
    let path = ctx.config.data_dir.join("ca-key.pem");
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        |source| TlsError::File { path, source }
    };
    if ca.try_exists().map_err(failed(ca))? {
        match std::fs::read_to_string(&path) {
            Ok(pem) => return KeyPair::from_pem(&pem).map_err(|source| TlsError::CaKey { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(TlsError::File { path, source }),
        }
    }
    let key = KeyPair::generate()?;
    let certificate = authority(ctx).self_signed(&key)?;
    // The key first: a certificate without its key would be trusted and then be of no use.
    private_file::write(&path, key.serialize_pem().as_bytes()).map_err(failed(&path))?;
    std::fs::write(ca, certificate.pem()).map_err(failed(ca))?;
    Ok(key)
}

/// The CA itself. What a server certificate takes over from it (name, key identifier) does not change with time.
fn authority(ctx: &Ctx) -> CertificateParams {
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "hoist local CA");
    ca.not_before = ctx.now() - DAY;
    ca.not_after = ctx.now() + CA_LIFE;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".into()),
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 128)),
        ],
        excluded_subtrees: Vec::new(),
    });
    ca
}

fn issue(issuer: &Issuer<'static, KeyPair>, ctx: &Ctx) -> Result<Arc<CertifiedKey>, TlsError> {
    let mut server = CertificateParams::new(NAMES.map(String::from))?;
    let listen = SanType::IpAddress(ctx.config.http_listen.ip());
    if !server.subject_alt_names.contains(&listen) {
        server.subject_alt_names.push(listen);
    }
    server.distinguished_name.push(DnType::CommonName, "hoist on localhost");
    server.not_before = ctx.now() - DAY;
    server.not_after = ctx.now() + SERVER_LIFE;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, issuer)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    Ok(Arc::new(CertifiedKey::from_der(vec![certificate.der().clone()], key, &ring::default_provider())?))
}
