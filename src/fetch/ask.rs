//! Asks an HTTP API, and reads its answer whole.

use std::net::IpAddr;
use std::time::Duration;

use tokio::task::spawn_blocking;
use ureq::{Agent, Body, Error, http};

use super::{FetchError, Url, agent, why};

/// What is done with the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post(Vec<u8>),
    Put(Vec<u8>),
    Patch(Vec<u8>),
}

/// A question.
#[derive(Debug, Clone)]
pub struct Ask {
    pub url: Url,
    pub verb: Verb,
    /// Names, and values that are fit for a header.
    pub headers: Vec<(&'static str, String)>,
}

/// What is said to it.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

/// How far an answer is waited for.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Networks that may be reached although they are private.
    pub allow_networks: Vec<(IpAddr, u8)>,
    /// Of the answer.
    pub max_bytes: u64,
    /// For all of it.
    pub time: Duration,
}

/// Asks. Redirects are not followed: what comes with the question is meant for this address alone.
///
/// Dropping the future does not take back what is under way; it ends with its time.
pub async fn ask(ask: Ask, patience: Patience) -> Result<Answer, FetchError> {
    let asking = spawn_blocking(move || ask_blocking(&ask, &patience));
    asking.await.unwrap_or_else(|panicked| Err(FetchError::Failed(panicked.to_string())))
}

fn ask_blocking(ask: &Ask, patience: &Patience) -> Result<Answer, FetchError> {
    let agent = agent(&patience.allow_networks, patience.time);
    let response = send(&agent, ask).map_err(|error| why(&error, &ask.url))?;
    let (parts, body) = response.into_parts();
    let (status, headers) = (parts.status.as_u16(), parts.headers);
    match body.into_with_config().limit(patience.max_bytes).read_to_vec() {
        Ok(body) => Ok(Answer { status, headers, body }),
        Err(Error::BodyExceedsLimit(_)) => Err(FetchError::TooLarge(patience.max_bytes)),
        Err(error) => Err(why(&error, &ask.url)),
    }
}

fn send(agent: &Agent, ask: &Ask) -> Result<http::Response<Body>, Error> {
    let url = ask.url.as_str();
    let (request, body) = match &ask.verb {
        Verb::Get => {
            let mut request = agent.get(url).config().max_redirects(0).build();
            for (name, value) in &ask.headers {
                request = request.header(*name, value);
            }
            return request.call();
        }
        Verb::Post(body) => (agent.post(url), body),
        Verb::Put(body) => (agent.put(url), body),
        Verb::Patch(body) => (agent.patch(url), body),
    };
    let mut request = request.config().max_redirects(0).build();
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    request.send(body.as_slice())
}
