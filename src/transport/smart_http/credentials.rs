//! The API token in a request's `Authorization` header.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::model::Secret;

/// Reads `Basic` (any user name, the token as password) or `Bearer`.
pub(super) fn token(headers: &HeaderMap) -> Option<Secret> {
    let (scheme, value) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(Secret::new(value.trim())),
        "basic" => {
            let decoded = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
            decoded.split_once(':').map(|(_user, password)| Secret::new(password))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_and_curl_send_tokens_in_these_ways() {
        let read = |value: &str| token(&HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]));
        let token = Some(Secret::new("hoist-1:2"));
        assert_eq!(read("Bearer hoist-1:2"), token);
        assert_eq!(read(&format!("Basic {}", BASE64_STANDARD.encode("anyone:hoist-1:2"))), token);
        assert_eq!(read(&format!("basic {}", BASE64_STANDARD.encode(":hoist-1:2"))), token);
        for bad in ["", "Bearer", "Basic ???", "Negotiate abc", &format!("Basic {}", BASE64_STANDARD.encode("no colon"))] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
