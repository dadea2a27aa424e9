//! Posts to an address that a stranger named.

use std::net::IpAddr;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::{FetchError, Url, agent, why};

/// What is posted.
#[derive(Debug)]
pub struct Post {
    /// Names, and values that are fit for a header.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Posts, and returns the answer's status. Redirects are not followed, and the answer's body is not read: nobody here wants
/// it. `time` is for all of it.
///
/// Dropping the future does not take back what is under way; it ends with its time.
pub async fn post(url: &Url, post: Post, allow_networks: Vec<(IpAddr, u8)>, time: Duration) -> Result<u16, FetchError> {
    let url = url.clone();
    let posting = spawn_blocking(move || post_blocking(&url, &post, &allow_networks, time));
    posting.await.unwrap_or_else(|panicked| Err(FetchError::Failed(panicked.to_string())))
}

fn post_blocking(url: &Url, post: &Post, allow_networks: &[(IpAddr, u8)], time: Duration) -> Result<u16, FetchError> {
    let mut request = agent(allow_networks, time).post(url.as_str()).config().max_redirects(0).build();
    for (name, value) in &post.headers {
        request = request.header(*name, value);
    }
    let response = request.send(post.body.as_slice()).map_err(|error| why(&error, url))?;
    Ok(response.status().as_u16())
}
