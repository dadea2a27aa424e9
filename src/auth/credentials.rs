//! What stands in an `Authorization` header.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::model::Secret;

/// A token, and the user name that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name of `Basic`, if it is not empty. Any will do.
    pub user: Option<String>,
    pub token: Secret,
}

impl Credentials {
    /// Reads `Bearer TOKEN`, or `Basic` with the token as the password of any user. `None` for anything else.
    #[must_use]
    pub fn read(header: &str) -> Option<Self> {
        let (scheme, value) = header.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self { user: None, token: Secret::new(value.trim()) });
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let plain = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
        let (user, password) = plain.split_once(':')?;
        Some(Self { user: Some(user.to_owned()).filter(|user| !user.is_empty()), token: Secret::new(password) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_in_three_forms() {
        let read = |header: &str| Credentials::read(header).map(|found| (found.user, found.token.expose().to_owned()));
        let basic = |plain: &str| read(&format!("Basic {}", BASE64_STANDARD.encode(plain)));
        let token = |user: Option<&str>| Some((user.map(str::to_owned), "t0".to_owned()));
        assert_eq!(read("Bearer t0"), token(None));
        assert_eq!(read("bearer  t0 "), token(None));
        assert_eq!(basic(":t0"), token(None));
        assert_eq!(basic("a@example.com:t0"), token(Some("a@example.com")));
        assert_eq!(basic("_:t0:1"), Some((Some("_".into()), "t0:1".into())));
        for bad in ["", "Bearer", "Digest t0", "Basic ???", "t0"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(basic("no colon"), None);
    }
}
