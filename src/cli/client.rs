//! The Platform API over HTTP.

use std::cell::RefCell;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_rustls::rustls::crypto::ring;
use ureq::http::uri::Authority;
use ureq::http::{Method, Request, Response, StatusCode, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::typestate::WithoutBody;
use ureq::{Agent, Body, RequestBuilder, SendBody};

use super::error::CliError;
use super::nearest::nearest;
use super::{netrc, output};
use crate::api::types;
use crate::config;
use crate::model::Secret;

const CONNECT_TIME: Duration = Duration::from_secs(10);
/// For one whole request and its answer.
const REQUEST_TIME: Duration = Duration::from_mins(1);
/// Between two pieces of a stream: a build may be silent for longer than a request takes.
const SILENCE: Duration = Duration::from_mins(10);
/// More than hoist says of anything.
const MAX_DOCUMENT_BYTES: u64 = 64 * 1024 * 1024;
const ACCEPT: &str = "application/vnd.heroku+json; version=3";
/// What is to be shown as a whole wherever it is mentioned.
const EXPANSION: &str = "addon_service,plan";

/// The installation that `HOIST_URL` names.
pub(super) struct Server {
    url: String,
    /// `HOST:PORT` or `HOST`, which is also its name in `~/.netrc`.
    pub(super) authority: Authority,
}

impl Server {
    pub(super) fn of(settings: &config::Client) -> Result<Self, CliError> {
        let url = settings.url.trim_end_matches('/').to_owned();
        let uri: Uri = url.parse().map_err(|_| CliError::User(format!("HOIST_URL is not a URL: {url}")))?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http" | "https"), Some(authority)) => Ok(Self { authority: authority.clone(), url }),
            _ => Err(CliError::User(format!("HOIST_URL must look like https://hoist.example.com, not {url}"))),
        }
    }
}

/// A logged-in client.
pub(super) struct Client {
    agent: Agent,
    url: String,
    token: Secret,
    /// What hoist has warned of, told at the command's end: a line may be unfinished until then.
    warnings: RefCell<Vec<String>>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.warnings.take().iter().for_each(|text| output::warn(text));
    }
}

impl Client {
    /// Takes the address and the token from the environment, the token else from `~/.netrc`.
    pub(super) fn open() -> Result<Self, CliError> {
        let settings = config::Client::from_env();
        let server = Server::of(&settings)?;
        let token = match settings.api_key {
            Some(token) => Some(token),
            None => netrc::token(&netrc::path(settings.home)?, &server.authority)?,
        };
        let token = token.ok_or_else(|| {
            CliError::NotLoggedIn("not logged in: run hoist login, or set HOIST_API_KEY to your API token.".into())
        })?;
        Ok(Self::with_token(server, token))
    }

    /// For a token that is known already.
    pub(super) fn with_token(server: Server, token: Secret) -> Self {
        Self { agent: agent(server.authority.host()), url: server.url, token, warnings: RefCell::default() }
    }

    /// The token, for what is to be done with it besides requests.
    pub(super) fn token(&self) -> &Secret {
        &self.token
    }

    /// Where hoist is reached.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        read(&mut self.send(Method::GET, path, None, &())?)
    }

    /// A document, byte for byte.
    pub(super) fn document(&self, path: &str) -> Result<Vec<u8>, CliError> {
        let mut bytes = Vec::new();
        let body = self.send(Method::GET, path, None, &())?.into_body();
        let read = body.into_reader().take(MAX_DOCUMENT_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| CliError::User(format!("hoist's answer broke off ({error}). Try again.")))?;
        Ok(bytes)
    }

    /// The part of a list that a range asks for.
    pub(super) fn part<T: DeserializeOwned>(&self, path: &str, range: &str) -> Result<Vec<T>, CliError> {
        read(&mut self.send(Method::GET, path, Some(range), &())?)
    }

    /// A whole list, however many parts it comes in.
    pub(super) fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, CliError> {
        let mut items = Vec::new();
        let mut range = None;
        loop {
            let mut response = self.send(Method::GET, path, range.as_deref(), &())?;
            items.extend(read::<Vec<T>>(&mut response)?);
            match response.headers().get("next-range").and_then(|next| next.to_str().ok()) {
                Some(next) => range = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }

    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        read(&mut self.send(Method::POST, path, None, body)?)
    }

    /// The same, with one header of the answer.
    pub(super) fn post_for_header<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        header: &str,
    ) -> Result<(T, Option<String>), CliError> {
        let mut response = self.send(Method::POST, path, None, body)?;
        let value = response.headers().get(header).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok((read(&mut response)?, value))
    }

    pub(super) fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        read(&mut self.send(Method::PATCH, path, None, body)?)
    }

    pub(super) fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        read(&mut self.send(Method::PUT, path, None, body)?)
    }

    pub(super) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        read(&mut self.send(Method::DELETE, path, None, &())?)
    }

    /// Removes something in the way that the body says.
    pub(super) fn delete_with<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        let request = self.agent.delete(format!("{}{path}", self.url)).header("accept", ACCEPT);
        let request = request.header("accept-expansion", EXPANSION);
        let request = request.header("authorization", format!("Bearer {}", self.token.expose()));
        read(&mut self.accept(path, request.force_send_body().send_json(body))?)
    }

    /// Opens a stream that may go on for as long as a build does. Sent without the token: the URL is the permission.
    pub(super) fn stream(&self, url: &str) -> Result<impl Read + use<>, CliError> {
        open_stream(url, self.agent.get(url))
    }

    /// Opens a stream of server-sent events, behind the last one that was seen.
    pub(super) fn events(&self, url: &str, last_seen: Option<&str>) -> Result<impl Read + use<>, CliError> {
        let mut request = self.agent.get(url).header("accept", "text/event-stream");
        if let Some(id) = last_seen {
            request = request.header("last-event-id", id);
        }
        open_stream(url, request)
    }

    /// Asks the registry for something, which may be large. It goes by Basic authentication, as container engines do.
    /// Whether it was refused is for who knows how registries do that.
    pub(super) fn ask_registry(&self, path: &str, accept: &str) -> Result<Response<Body>, CliError> {
        let credentials = BASE64_STANDARD.encode(format!("_:{}", self.token.expose()));
        let request = self.agent.get(format!("{}{path}", self.url)).header("accept", accept);
        let request = patient(request.header("authorization", format!("Basic {credentials}")));
        request.call().map_err(|error| unreachable(&self.url, &error))
    }

    /// The public key of the images' signatures, which anybody may have.
    pub(super) fn signing_key(&self) -> Result<String, CliError> {
        let url = format!("{}/image-signing-key.pem", self.url);
        let mut response = self.agent.get(&url).call().map_err(|error| unreachable(&url, &error))?;
        refused(&mut response)?;
        let key = response.body_mut().read_to_string();
        key.map_err(|error| CliError::User(format!("hoist's answer can't be read, is HOIST_URL right? ({error})")))
    }

    /// Puts a file to an address that needs no token. Without a content type, as Heroku's storage wants it.
    pub(super) fn upload(&self, url: &str, bytes: u64, content: impl Read + 'static) -> Result<(), CliError> {
        let request = self
            .agent
            .put(url)
            .header("content-length", bytes.to_string())
            .config()
            .timeout_global(None)
            .timeout_recv_response(Some(REQUEST_TIME))
            .timeout_per_write(Some(REQUEST_TIME))
            .build();
        let mut response = request.send(SendBody::from_owned_reader(content)).map_err(|error| unreachable(url, &error))?;
        refused(&mut response)
    }

    /// Sends a request; `body` is left out where the method has none.
    fn send(&self, method: Method, path: &str, range: Option<&str>, body: &impl Serialize) -> Result<Response<Body>, CliError> {
        let mut request = Request::builder().uri(format!("{}{path}", self.url)).header("accept", ACCEPT);
        request = request.header("accept-expansion", EXPANSION);
        request = request.header("authorization", format!("Bearer {}", self.token.expose()));
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let has_body = matches!(method, Method::POST | Method::PATCH | Method::PUT);
        let request = request.method(method);
        let sent = if has_body {
            let body = serde_json::to_vec(body).map_err(anyhow::Error::from)?;
            let request = request.header("content-type", "application/json").body(body).map_err(anyhow::Error::from)?;
            self.agent.run(request)
        } else {
            self.agent.run(request.body(SendBody::none()).map_err(anyhow::Error::from)?)
        };
        self.accept(path, sent)
    }

    /// Takes an answer: what went wrong is an error, and what hoist warns of is kept for the end.
    fn accept(&self, path: &str, sent: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, CliError> {
        let mut response = sent.map_err(|error| unreachable(&self.url, &error))?;
        refused(&mut response).map_err(|error| self.with_advice(path, error))?;
        let warnings = response.headers().get_all("x-heroku-warning").iter();
        self.warnings.borrow_mut().extend(warnings.filter_map(|text| text.to_str().ok()).map(str::to_owned));
        Ok(response)
    }

    /// Adds to the answer that there is no such app which one may have been meant.
    fn with_advice(&self, path: &str, error: CliError) -> CliError {
        let CliError::Api { id, message, resource } = error else { return error };
        let typed = path.strip_prefix("/apps/").and_then(|rest| rest.split('/').next());
        let typed = typed.filter(|_| resource.as_deref() == Some("app"));
        // Without a list there is no advice; the error is what counts.
        let meant = typed.and_then(|typed| {
            let apps: Vec<types::App> = self.list("/users/~/apps").ok()?;
            nearest(typed, apps.into_iter().map(|app| app.name))
        });
        let advice = meant.map_or_else(String::new, |app| format!(" Did you mean {app}?"));
        CliError::Api { id, message: message + &advice, resource }
    }
}

/// For as long as it goes on, if only something comes now and then.
fn open_stream(url: &str, request: RequestBuilder<WithoutBody>) -> Result<impl Read + use<>, CliError> {
    let mut response = patient(request).call().map_err(|error| unreachable(url, &error))?;
    refused(&mut response)?;
    Ok(response.into_body().into_reader())
}

fn patient(request: RequestBuilder<WithoutBody>) -> RequestBuilder<WithoutBody> {
    request.config().timeout_global(None).timeout_recv_response(Some(REQUEST_TIME)).timeout_per_read(Some(SILENCE)).build()
}

fn agent(host: &str) -> Agent {
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT_TIME))
        .timeout_global(Some(REQUEST_TIME))
        .user_agent(concat!("hoist/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls);
    // A proxy could not reach this host's own loopback.
    if matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
        config = config.proxy(None);
    }
    config.build().new_agent()
}

pub(super) fn read<T: DeserializeOwned>(response: &mut Response<Body>) -> Result<T, CliError> {
    let body = response.body_mut().read_json();
    body.map_err(|error| CliError::User(format!("hoist's answer can't be read, is HOIST_URL right? ({error})")))
}

fn refused(response: &mut Response<Body>) -> Result<(), CliError> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let Ok(types::Error { id, message, resource }) = response.body_mut().read_json() else {
        return Err(CliError::User(format!("the server answered {status}, and not as hoist does. Is HOIST_URL right?")));
    };
    match status {
        StatusCode::UNAUTHORIZED => Err(CliError::NotLoggedIn(format!("{message} Check HOIST_API_KEY or ~/.netrc."))),
        _ => Err(CliError::Api { id, message, resource }),
    }
}

fn unreachable(url: &str, error: &ureq::Error) -> CliError {
    CliError::User(format!("can't reach hoist at {url}: {error}. Is it running, and is HOIST_URL right?"))
}
