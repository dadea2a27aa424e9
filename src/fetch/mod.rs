//! Fetches what strangers name by a URL, posts to it (`post`), asks there and reads the answers whole or as they come
//! (`asker`), or runs a command there (`ssh`), without lending them this host's place in its network.
//!
//! Names are resolved here, the addresses checked (`address`), and the connection is made to what was checked: between
//! the two, a name cannot come to mean something else. That holds for each redirect as well. No proxy is used, as it
//! would resolve the names itself. A server that whoever runs hoist has named may be anywhere, and behind a proxy
//! ([`Asker::of_own_server`]).

mod address;
mod asker;
mod post;
mod ssh;
mod url;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio_rustls::rustls::crypto::ring;
use tokio_util::sync::CancellationToken;
use ureq::config::Config;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error, Proxy};

pub use asker::{Answer, Asker, Question, Reply, Verb};
pub use post::{Post, post};
pub use ssh::{RemoteCommand, run_remotely};
pub use url::{BadUrl, Url};

const MAX_REDIRECTS: u32 = 5;
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Until the answer begins: some sites pack their archives only then.
const ANSWER_TIME: Duration = Duration::from_mins(1);
/// Between two pieces.
const SILENCE: Duration = Duration::from_secs(30);
const PIECE_BYTES: usize = 256 * 1024;

/// What may be fetched.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Networks that may be reached although they are private.
    pub allow_networks: Vec<(IpAddr, u8)>,
    pub max_bytes: u64,
    /// For all of it.
    pub time: Duration,
}

/// Why there is nothing. But for the last, it is for whoever gave the URL to mend.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("there is no host {0}")]
    NoHost(String),
    #[error("{0} is a private address, or this host's own")]
    Private(String),
    #[error("the server answered {0}")]
    Status(u16),
    #[error("it is redirected more than {MAX_REDIRECTS} times")]
    Redirects,
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    #[error("it took too long")]
    TimedOut,
    #[error("{0} did not show a key that is known to be its own")]
    UnknownHost(String),
    #[error("the server does not know the key")]
    Login,
    /// The server did not show that it is the one, or speaks no TLS at all.
    #[error("{0}")]
    Tls(String),
    #[error("{0}")]
    Failed(String),
    #[error("what was fetched can't be kept")]
    Keep(#[source] io::Error),
}

/// Fetches the answer to a question to the end of `file`. Dropping the future ends the work at the next piece.
pub async fn fetch(question: Question, bounds: Bounds, file: File) -> Result<(), FetchError> {
    let wanted = CancellationToken::new();
    let _ends_with_this = wanted.clone().drop_guard();
    let fetching = spawn_blocking(move || fetch_blocking(&question, &bounds, file, &wanted));
    fetching.await.unwrap_or_else(|panicked| Err(FetchError::Keep(io::Error::other(panicked))))
}

fn fetch_blocking(question: &Question, bounds: &Bounds, mut file: File, unwanted: &CancellationToken) -> Result<(), FetchError> {
    let mut reply = Asker::new(bounds).begin(question)?;
    if reply.status != 200 {
        return Err(FetchError::Status(reply.status));
    }
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = match reply.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(reply.explain(error)),
        };
        if unwanted.is_cancelled() {
            return Err(FetchError::Failed("nobody waits for it any more".into()));
        }
        file.write_all(&piece[..length]).map_err(FetchError::Keep)?;
    }
}

/// Connects to the addresses that `resolver` gives, through `proxy` if there is one.
fn agent(resolver: Checked, proxy: Option<Proxy>) -> Agent {
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(proxy)
        .timeout_connect(Some(CONNECT_TIME))
        .timeout_recv_response(Some(ANSWER_TIME))
        .timeout_per_read(Some(SILENCE))
        .user_agent(concat!("hoist/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build();
    Agent::with_parts(config, DefaultConnector::default(), resolver)
}

/// Resolves names to the addresses among theirs that hoist may connect to.
#[derive(Debug, Default)]
struct Checked {
    allowed: Vec<(IpAddr, u8)>,
    /// Hosts with their ports that may be anywhere.
    own: Vec<(String, u16)>,
}

impl Checked {
    fn is_own(&self, uri: &ureq::http::Uri) -> bool {
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        self.own.iter().any(|(host, own_port)| uri.host() == Some(host.as_str()) && port == *own_port)
    }
}

/// Every address of a host is refused.
#[derive(Debug, thiserror::Error)]
#[error("{0} is private")]
struct AllPrivate(String);

impl Resolver for Checked {
    fn resolve(&self, uri: &ureq::http::Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let resolved = DefaultResolver::default().resolve(uri, config, timeout)?;
        if self.is_own(uri) {
            return Ok(resolved);
        }
        let mut checked = self.empty();
        for address in resolved.iter().filter(|address| address::may_connect(address.ip(), &self.allowed)) {
            checked.push(*address);
        }
        if checked.is_empty() {
            return Err(Error::Other(Box::new(AllPrivate(uri.host().unwrap_or_default().to_owned()))));
        }
        Ok(checked)
    }
}

/// In words that never hold the whole URL, which may be signed.
fn why(error: &Error, url: &Url) -> FetchError {
    match error {
        Error::HostNotFound => FetchError::NoHost(url.host().to_owned()),
        Error::Timeout(_) => FetchError::TimedOut,
        Error::TooManyRedirects | Error::RedirectFailed => FetchError::Redirects,
        Error::Other(other) => match other.downcast_ref::<AllPrivate>() {
            Some(AllPrivate(host)) => FetchError::Private(host.clone()),
            None => FetchError::Failed(other.to_string()),
        },
        Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(inner) => why(inner, url),
            // What getaddrinfo says of a name that is unknown has no kind of its own.
            None if error.raw_os_error().is_none() && error.to_string().contains("failed to lookup address") => {
                FetchError::NoHost(url.host().to_owned())
            }
            None if is_of_tls(error) => FetchError::Tls(error.to_string()),
            None => FetchError::Failed(error.to_string()),
        },
        Error::Rustls(_) => FetchError::Tls(error.to_string()),
        other => FetchError::Failed(other.to_string()),
    }
}

fn is_of_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<tokio_rustls::rustls::Error>)
}
