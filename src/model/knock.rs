//! What a door knows of a request before it knows who sends it.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use uuid::Uuid;

/// The address that a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// How a request comes: addresses that its answer tells begin with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// As it stands in an address.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A request's id, which its answer tells.
#[derive(Debug, Clone, Copy)]
pub struct RequestId(pub Uuid);

/// A request's path as it may stand in a log: without ids. Whoever knows that of a build or of a slug may read the log or
/// the archive, and an id says nothing that the request's own does not.
#[must_use]
pub fn without_ids(path: &str) -> String {
    path.split('/').map(|segment| if is_id(segment) { "*" } else { segment }).collect::<Vec<_>>().join("/")
}

fn is_id(segment: &str) -> bool {
    Uuid::try_parse(&percent_decode_str(segment).decode_utf8_lossy()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_do_not_stand_in_a_log() {
        let id = Uuid::new_v4();
        assert_eq!(without_ids(&format!("/streams/builds/{id}")), "/streams/builds/*");
        assert_eq!(without_ids(&format!("/streams/test-runs/{id}/setup")), "/streams/test-runs/*/setup");
        assert_eq!(without_ids(&format!("//blobs/slugs/{}/", id.simple())), "//blobs/slugs/*/");
        let escaped = id.to_string().replace('-', "%2D");
        assert_eq!(without_ids(&format!("/apps/shop/slugs/{escaped}")), "/apps/shop/slugs/*");
        assert_eq!(without_ids("/apps/shop/releases/12"), "/apps/shop/releases/12");
    }
}
