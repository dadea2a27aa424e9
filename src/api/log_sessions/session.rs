//! What was asked for, sealed into the address of the log.
//!
//! No session is kept anywhere: its address is encrypted and signed under this installation's key, so that nobody can make
//! or change one, and is as good after a restart as before. It is a permission, and expires.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::filter::Filter;
use crate::api::error::ApiError;
use crate::api::types::NewLogSession;
use crate::db::Cipher;
use crate::model::AppId;

/// How long a log can be followed: long enough for who watches, and not for good for who has lost the app meanwhile.
const TIME: Duration = Duration::hours(1);
const DEFAULT_LINES: u32 = 100;
/// As many as Heroku keeps.
const MOST_LINES: u32 = 1500;
/// More than any name of a dyno.
const NAME_BYTES: usize = 200;
/// In which place alone a session can be opened.
const CONTEXT: &str = "log session";

/// A permission to read an app's log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) app: AppId,
    pub(super) lines: u32,
    pub(super) tail: bool,
    pub(super) filter: Filter,
    /// In seconds since 1970.
    expires_at: i64,
}

impl Session {
    pub(super) fn new(app: AppId, new: NewLogSession, now: OffsetDateTime) -> Result<Self, ApiError> {
        let names = [&new.dyno, &new.process_type, &new.source];
        if names.iter().any(|name| name.as_ref().is_some_and(|name| name.len() > NAME_BYTES)) {
            return Err(ApiError::InvalidParams(format!("A dyno, type or source has at most {NAME_BYTES} bytes.")));
        }
        let given = |name: Option<String>| name.filter(|name| !name.is_empty());
        Ok(Self {
            app,
            lines: new.lines.unwrap_or(DEFAULT_LINES).clamp(1, MOST_LINES),
            tail: new.tail.unwrap_or(false),
            filter: Filter::new(given(new.dyno).or(given(new.process_type)), given(new.source)),
            expires_at: (now + TIME).unix_timestamp(),
        })
    }

    /// What stands in the address.
    pub(super) fn seal(&self, cipher: &Cipher) -> String {
        let plain = serde_json::to_vec(self).expect("names and numbers are JSON");
        BASE64_URL_SAFE_NO_PAD.encode(cipher.seal(CONTEXT, &plain))
    }

    /// What [`Session::seal`] has made, if it has not expired.
    pub(super) fn open(cipher: &Cipher, sealed: &str, now: OffsetDateTime) -> Option<Self> {
        let plain = cipher.open_sealed(CONTEXT, &BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?)?;
        let session: Self = serde_json::from_slice(&plain).ok()?;
        (now.unix_timestamp() < session.expires_at).then_some(session)
    }

    /// For how long it is good.
    pub(super) fn time_left(&self, now: OffsetDateTime) -> std::time::Duration {
        std::time::Duration::from_secs(u64::try_from(self.expires_at - now.unix_timestamp()).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Db;

    #[tokio::test]
    async fn a_session_is_nobodys_to_make_and_expires() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        let (cipher, now) = (db.cipher(), OffsetDateTime::UNIX_EPOCH);
        let new = NewLogSession { lines: Some(9999), ..NewLogSession::default() };
        let session = Session::new(AppId::new(), new, now).unwrap();
        let sealed = session.seal(cipher);
        let opened = Session::open(cipher, &sealed, now).unwrap();
        assert_eq!((opened.app, opened.lines, opened.tail), (session.app, 1500, false));
        assert!(Session::open(cipher, &sealed, now + TIME - Duration::SECOND).is_some());
        assert!(Session::open(cipher, &sealed, now + TIME).is_none());
        let backwards: String = sealed.chars().rev().collect();
        for bad in ["", "x", "%%%", &sealed[..sealed.len() - 2], backwards.as_str()] {
            assert!(Session::open(cipher, bad, now).is_none(), "{bad}");
        }
    }
}
