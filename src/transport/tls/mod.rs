//! TLS of the HTTP door: with the configured certificate, or on loopback with one from a local CA.

mod local_ca;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::{Error as PemError, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::ResolvesServerCert;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{self, ServerConfig};
use tracing::{info, warn};

use crate::config::Tls;
use crate::ctx::Ctx;
use local_ca::LocalCa;

/// Why the HTTP door can't speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path} has no PEM of the kind that is needed there")]
    Pem { path: PathBuf, source: PemError },
    #[error("the certificate in {certificate} can't be used with the key in {key}")]
    Pair { certificate: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("can't keep the local CA in {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("the local CA's key {path} can't be used: remove it and ca.pem to get new ones")]
    CaKey { path: PathBuf, source: rcgen::Error },
    #[error("can't make a certificate")]
    Make(#[from] rcgen::Error),
    #[error("can't set TLS up")]
    Rustls(#[from] rustls::Error),
}

/// Prepares TLS; `None` when there is no certificate and none can be made that anybody would trust.
pub fn acceptor(ctx: &Ctx) -> Result<Option<TlsAcceptor>, TlsError> {
    let listen = ctx.config.http_listen;
    let certificates: Arc<dyn ResolvesServerCert> = match &ctx.config.tls {
        Some(files) => Arc::new(SingleCertAndKey::from(read_pair(files)?)),
        None if listen.ip().is_loopback() => {
            let ca = LocalCa::open(ctx)?;
            info!("HTTPS clients on this host can trust {}", ca.path().display());
            Arc::new(ca)
        }
        None => {
            warn!("{listen} is reachable from outside, but no [tls] certificate is configured: plain HTTP only");
            return Ok(None);
        }
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn read_pair(files: &Tls) -> Result<CertifiedKey, TlsError> {
    let pem = |path: &Path, source| TlsError::Pem { path: path.to_path_buf(), source };
    let chain = CertificateDer::pem_file_iter(&files.certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|source| pem(&files.certificate, source))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| pem(&files.key, source))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|source| TlsError::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })
}
