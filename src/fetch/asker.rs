//! Asks HTTP servers that a stranger named, and hands out what they answer as it comes.

use std::io::{self, Read};
use std::time::Instant;

use tokio::task::spawn_blocking;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use ureq::http::{HeaderMap, HeaderName, Response};
use ureq::{Agent, Body, BodyReader, Proxy, RequestBuilder};

use super::{Bounds, Checked, FetchError, MAX_REDIRECTS, Url, agent, why};
use crate::model::Secret;

/// What is done with the address. Only a GET follows redirects: what is sent is meant for this address alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post(Vec<u8>),
    Put(Vec<u8>),
    Patch(Vec<u8>),
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    pub url: Url,
    pub verb: Verb,
    /// Names, and values that are fit for a header.
    pub headers: Vec<(String, String)>,
    /// The header `Authorization`, for the URL's own server: one that it redirects to does not get it.
    pub authorization: Option<Secret>,
}

impl Question {
    /// Asks for what is at a URL, and says nothing else.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self { url, verb: Verb::Get, headers: Vec::new(), authorization: None }
    }
}

/// What a server answers, as it comes.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// Whose answer it is, after all redirects.
    pub url: Url,
    /// Without parameters; empty when the server does not say.
    pub content_type: String,
    body: BodyReader<'static>,
    most_bytes: u64,
    left_bytes: u64,
}

/// What a server has answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Asks within bounds. Connections are kept for the next question.
#[derive(Debug, Clone)]
pub struct Asker {
    agent: Agent,
    max_bytes: u64,
    /// `None` when that is later than clocks tell.
    until: Option<Instant>,
}

impl Asker {
    /// All questions together may take the time of `bounds` from now on, each answer be as large as it says.
    #[must_use]
    pub fn new(bounds: &Bounds) -> Self {
        Self::with(bounds, agent(Checked { allowed: bounds.allow_networks.clone(), own: Vec::new() }, None))
    }

    /// As [`Asker::new`], for a server that whoever runs hoist has named: it may be at any address, and what it redirects to
    /// only where others may be. Unless it is on this host, it is asked through the proxy that the environment names
    /// (`HTTPS_PROXY`, `NO_PROXY`), which resolves names itself.
    #[must_use]
    pub fn of_own_server(bounds: &Bounds, server: &Url) -> Self {
        let proxy = if server.is_loopback() { None } else { Proxy::try_from_env() };
        let proxys = proxy.as_ref().map(|proxy| (proxy.host().to_owned(), proxy.port()));
        let own = [Some((server.host().to_owned(), server.port())), proxys].into_iter().flatten().collect();
        Self::with(bounds, agent(Checked { allowed: bounds.allow_networks.clone(), own }, proxy))
    }

    fn with(bounds: &Bounds, agent: Agent) -> Self {
        Self { agent, max_bytes: bounds.max_bytes, until: Instant::now().checked_add(bounds.time) }
    }

    /// Asks, and returns the answer, whatever its status, once it has come whole.
    ///
    /// Dropping the future does not take back what is under way; it ends with its time.
    pub async fn ask(&self, question: Question) -> Result<Answer, FetchError> {
        let asker = self.clone();
        let asking = spawn_blocking(move || asker.begin(&question)?.read_whole());
        asking.await.unwrap_or_else(|panicked| Err(FetchError::Failed(panicked.to_string())))
    }

    /// Asks, and returns the answer, whatever its status, once it begins. Blocks.
    pub fn begin(&self, question: &Question) -> Result<Reply, FetchError> {
        let mut url = question.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(question, &url).map_err(|error| why(&error, &url))?;
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            match location.filter(|_| response.status().is_redirection() && question.verb == Verb::Get) {
                Some(location) => url = url.join(location).ok_or(FetchError::Redirects)?,
                None => return self.reply(response, url),
            }
        }
        Err(FetchError::Redirects)
    }

    fn send(&self, question: &Question, url: &Url) -> Result<Response<Body>, ureq::Error> {
        let (agent, url_text) = (&self.agent, url.as_str());
        match &question.verb {
            Verb::Get => self.prepare(agent.get(url_text), question, url).call(),
            Verb::Post(body) => self.prepare(agent.post(url_text), question, url).send(body.as_slice()),
            Verb::Put(body) => self.prepare(agent.put(url_text), question, url).send(body.as_slice()),
            Verb::Patch(body) => self.prepare(agent.patch(url_text), question, url).send(body.as_slice()),
        }
    }

    fn prepare<B>(&self, request: RequestBuilder<B>, question: &Question, url: &Url) -> RequestBuilder<B> {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        // Each redirect is looked at above, where it is known whose the credentials are.
        let mut request = request.config().max_redirects(0).timeout_global(left).build();
        for (name, value) in &question.headers {
            request = request.header(name, value);
        }
        match question.authorization.as_ref().filter(|_| url.is_same_server(&question.url)) {
            Some(secret) => request.header("authorization", secret.expose()),
            None => request,
        }
    }

    fn reply(&self, response: Response<Body>, url: Url) -> Result<Reply, FetchError> {
        let text = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if text(CONTENT_LENGTH).parse().is_ok_and(|bytes: u64| bytes > self.max_bytes) {
            return Err(FetchError::TooLarge(self.max_bytes));
        }
        let content_type = text(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let (parts, body) = response.into_parts();
        let (status, headers, body) = (parts.status.as_u16(), parts.headers, body.into_with_config().limit(u64::MAX).reader());
        Ok(Reply { status, headers, url, content_type, body, most_bytes: self.max_bytes, left_bytes: self.max_bytes })
    }
}

impl Reply {
    /// What is wrong with an answer that broke off, in the words of this module.
    #[must_use]
    pub fn explain(&self, error: io::Error) -> FetchError {
        match error.downcast::<FetchError>() {
            Ok(error) => error,
            Err(error) => why(&ureq::Error::from(error), &self.url),
        }
    }

    fn read_whole(mut self) -> Result<Answer, FetchError> {
        let mut body = Vec::new();
        match self.read_to_end(&mut body) {
            Ok(_) => Ok(Answer { status: self.status, headers: self.headers, body }),
            Err(error) => Err(self.explain(error)),
        }
    }
}

impl Read for Reply {
    /// Fails as soon as the answer is larger than it may be.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(bytes)?;
        self.left_bytes = match self.left_bytes.checked_sub(read as u64) {
            Some(left) => left,
            None => return Err(io::Error::other(FetchError::TooLarge(self.most_bytes))),
        };
        Ok(read)
    }
}
