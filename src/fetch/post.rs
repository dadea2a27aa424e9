//! Posts to an address that a stranger named.

use std::net::IpAddr;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::{Asker, Bounds, FetchError, Question, Url, Verb};

/// What is posted.
#[derive(Debug)]
pub struct Post {
    /// Names, and values that are fit for a header.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Posts, and returns the answer's status. The answer's body is not read: nobody here wants it. `time` is for all of it.
///
/// Dropping the future does not take back what is under way; it ends with its time.
pub async fn post(url: &Url, post: Post, allow_networks: Vec<(IpAddr, u8)>, time: Duration) -> Result<u16, FetchError> {
    let headers = post.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let question = Question { url: url.clone(), verb: Verb::Post(post.body), headers, authorization: None };
    // However large the answer is.
    let asker = Asker::new(&Bounds { allow_networks, max_bytes: u64::MAX, time });
    let posting = spawn_blocking(move || asker.begin(&question).map(|reply| reply.status));
    posting.await.unwrap_or_else(|panicked| Err(FetchError::Failed(panicked.to_string())))
}
