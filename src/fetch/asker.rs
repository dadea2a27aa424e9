//! Asks HTTP servers that a stranger named, and hands out what they answer as it comes.

use std::io::{self, Read};

use ureq::http::header::{CONTENT_TYPE, LOCATION};
use ureq::http::{HeaderName, Response};
use ureq::{Agent, Body, BodyReader};

use super::{Bounds, FetchError, MAX_REDIRECTS, Url, agent, why};
use crate::model::Secret;

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    pub url: &'a Url,
    /// Names, and values that are fit for a header.
    pub headers: &'a [(&'a str, &'a str)],
    /// The header `Authorization`, for the URL's own server: one that it redirects to does not get it.
    pub authorization: Option<&'a Secret>,
    /// What is posted; without it, the question is a GET. Only a GET follows redirects.
    pub body: Option<&'a [u8]>,
}

/// What a server answers.
pub struct Reply {
    pub status: u16,
    /// Whose answer it is, after all redirects.
    pub url: Url,
    /// Without parameters; empty when the server does not say.
    pub content_type: String,
    body: BodyReader<'static>,
    most_bytes: u64,
    left_bytes: u64,
}

/// Asks within bounds, and blocks for it. Connections are kept for the next question.
#[derive(Debug, Clone)]
pub struct Asker {
    agent: Agent,
    max_bytes: u64,
}

impl Asker {
    /// All questions together may take the time of `bounds`, each answer be as large as it says.
    #[must_use]
    pub fn new(bounds: &Bounds) -> Self {
        Self { agent: agent(&bounds.allow_networks, bounds.time), max_bytes: bounds.max_bytes }
    }

    /// Asks, and returns the answer, whatever its status, once it begins.
    pub fn ask(&self, ask: &Question<'_>) -> Result<Reply, FetchError> {
        let mut url = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(ask, &url).map_err(|error| why(&error, &url))?;
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            match location.filter(|_| response.status().is_redirection() && ask.body.is_none()) {
                Some(location) => url = url.join(location).ok_or(FetchError::Redirects)?,
                None => return Ok(self.answer(response, url)),
            }
        }
        Err(FetchError::Redirects)
    }

    fn send(&self, ask: &Question<'_>, url: &Url) -> Result<Response<Body>, ureq::Error> {
        let authorization =
            ask.authorization.filter(|_| url.is_same_server(ask.url)).map(|secret| ("authorization", secret.expose()));
        let headers = ask.headers.iter().copied().chain(authorization);
        // Each redirect is looked at above, where it is known whose the credentials are.
        match ask.body {
            None => {
                let mut request = self.agent.get(url.as_str()).config().max_redirects(0).build();
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                request.call()
            }
            Some(body) => {
                let mut request = self.agent.post(url.as_str()).config().max_redirects(0).build();
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                request.send(body)
            }
        }
    }

    fn answer(&self, response: Response<Body>, url: Url) -> Reply {
        let text = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let content_type = text(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let status = response.status().as_u16();
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        Reply { status, url, content_type, body, most_bytes: self.max_bytes, left_bytes: self.max_bytes }
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
