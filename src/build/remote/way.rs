//! How a git server is reached: over HTTP with a token, or over SSH with a key.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::timeout;
use tokio_util::io::SyncIoBridge;

use super::RemoteError;
use crate::fetch::{self, Asker, FetchError, Question, Reply, Url, Verb, run_remotely};
use crate::git::{ClientError, Connection, Exchange};
use crate::model::{Credentials, Remote, RemoteScheme, RemoteUrl, Secret};

/// For what a command at the other end says once its output has ended.
pub(super) const END_TIME: Duration = Duration::from_secs(5);

/// Has `talk` talk to the server.
pub(super) async fn converse<T>(
    remote: &Remote,
    bounds: &fetch::Bounds,
    talk: impl AsyncFnOnce(Connection) -> Result<T, ClientError>,
) -> Result<T, RemoteError> {
    match remote.url.scheme() {
        RemoteScheme::Ssh => over_ssh(remote, bounds, talk).await,
        RemoteScheme::Https | RemoteScheme::Http => over_http(remote, bounds, talk).await,
    }
}

async fn over_ssh<T>(
    remote: &Remote,
    bounds: &fetch::Bounds,
    talk: impl AsyncFnOnce(Connection) -> Result<T, ClientError>,
) -> Result<T, RemoteError> {
    let (command, stream) = run_over_ssh(remote, "git-upload-pack", "", bounds).await?;
    let (output, input) = tokio::io::split(stream);
    let connection =
        Connection::Stream { input: Box::new(SyncIoBridge::new(input)), output: Box::new(SyncIoBridge::new(output)) };
    match talk(connection).await {
        // The words are beside the output when the server does not come to speak git.
        Err(ClientError::Protocol(why)) => match timeout(END_TIME, command.end()).await {
            Ok(Ok(words)) if !words.is_empty() => Err(RemoteError::Git(ClientError::Refused(words.escape_debug().to_string()))),
            Ok(Err(error)) => Err(error.into()),
            _ => Err(RemoteError::Git(ClientError::Protocol(why))),
        },
        talked => talked.map_err(RemoteError::Git),
    }
}

/// Runs `PROGRAM 'PATH' ARGUMENT` on the server.
pub(super) async fn run_over_ssh(
    remote: &Remote,
    program: &str,
    argument: &str,
    bounds: &fetch::Bounds,
) -> Result<(fetch::RemoteCommand, tokio::io::DuplexStream), RemoteError> {
    let Credentials::Key(key) = &remote.credentials else {
        return Err(RemoteError::NeedsKey(remote.url.to_string()));
    };
    // A `RemoteUrl`'s path has nothing in it that ends the quotes.
    let command = format!("{program} '{}'{argument}", remote.url.path());
    Ok(run_remotely(&remote.url, key, &command, bounds).await?)
}

async fn over_http<T>(
    remote: &Remote,
    bounds: &fetch::Bounds,
    talk: impl AsyncFnOnce(Connection) -> Result<T, ClientError>,
) -> Result<T, RemoteError> {
    let trouble = Arc::new(Mutex::new(None));
    // Whoever takes the pack bounds its size, and whoever talks what comes before.
    let asker = Asker::new(&fetch::Bounds { max_bytes: u64::MAX, ..bounds.clone() });
    let mut carrier =
        Carrier { asker, own: url_below(&remote.url, "")?, base: url_below(&remote.url, "")?, authorization: basic(remote) };
    let note = Arc::clone(&trouble);
    let carry = move |exchange: Exchange| carrier.carry(exchange, &note).map_err(|error| put_aside(error, &note));
    let talked = talk(Connection::Http(Box::new(carry))).await;
    // What went wrong on the way says more than what became of it.
    let trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
    talked.map_err(|error| trouble.unwrap_or(RemoteError::Git(error)))
}

/// The URL of something below a repository's.
pub(super) fn url_below(url: &RemoteUrl, suffix: &str) -> Result<Url, RemoteError> {
    Ok(format!("{}{suffix}", url.to_string().trim_end_matches('/')).parse()?)
}

/// A token as GitHub wants it, whatever kind it is; GitLab, Gitea and Forgejo do not look at the name beside it.
pub(in crate::build) fn basic(remote: &Remote) -> Option<Secret> {
    let (username, token) = match &remote.credentials {
        Credentials::Token(token) => ("x-access-token", token),
        Credentials::Login { username, token } => (username.as_str(), token),
        Credentials::None | Credentials::Key(_) => return None,
    };
    Some(Secret::new(format!("Basic {}", STANDARD.encode(format!("{username}:{}", token.expose())))))
}

type Trouble = Mutex<Option<RemoteError>>;

/// Keeps what went wrong in a thread of git's, which would make words of it.
fn put_aside(error: RemoteError, trouble: &Trouble) -> io::Error {
    let told = io::Error::other(error.to_string());
    trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    told
}

/// Carries git's questions to an HTTP server.
struct Carrier {
    asker: Asker,
    /// The server that may see the credentials.
    own: Url,
    /// Where the repository is: somewhere else, if the first answer came from there.
    base: Url,
    authorization: Option<Secret>,
}

impl Carrier {
    fn carry(&mut self, exchange: Exchange, trouble: &Arc<Trouble>) -> Result<Box<dyn Read + Send>, RemoteError> {
        let (suffix, content_type) = (exchange.suffix(), exchange.content_type());
        let url: Url = format!("{}/{suffix}", self.base).parse()?;
        let mut headers = vec![("git-protocol", "version=2"), ("accept", content_type)];
        let verb = match exchange {
            Exchange::Discover => Verb::Get,
            Exchange::Command(command) => {
                headers.push(("content-type", "application/x-git-upload-pack-request"));
                Verb::Post(command)
            }
        };
        let is_discovery = verb == Verb::Get;
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let authorization = self.authorization.clone().filter(|_| url.is_same_server(&self.own));
        let answer = self.asker.begin(&Question { url, verb, headers, authorization })?;
        check_status(answer.status)?;
        if answer.content_type != content_type {
            let is = answer.content_type.escape_debug().take(100).collect::<String>();
            return Err(RemoteError::Git(ClientError::Protocol(format!("its answer is of type '{is}'"))));
        }
        if is_discovery {
            // git, too, takes the repository to be where its refs were found.
            let found = answer.url.as_str().strip_suffix(suffix).map(|base| base.trim_end_matches('/').parse());
            self.base = found.ok_or(FetchError::Redirects)??;
        }
        Ok(Box::new(Heard { answer, trouble: Arc::clone(trouble) }))
    }
}

/// Tells who is to mend what.
pub(super) fn check_status(status: u16) -> Result<(), RemoteError> {
    match status {
        200 => Ok(()),
        401 | 403 => Err(RemoteError::Denied(status)),
        404 => Err(RemoteError::NoRepository),
        status => Err(RemoteError::Status(status)),
    }
}

/// An answer that is being heard.
struct Heard {
    answer: Reply,
    trouble: Arc<Trouble>,
}

impl Read for Heard {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.answer.read(bytes) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                Err(put_aside(self.answer.explain(error).into(), &self.trouble))
            }
            read => read,
        }
    }
}
