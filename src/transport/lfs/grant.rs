//! What a client shows instead of its key or token: good for a while, for one app, and for one operation or file there.
//!
//! None is kept anywhere: it is sealed under this installation's key, as the registry's tokens are. It names the key or token
//! that it was given for, and ends with that. What it is for is no right: those are asked for with each request.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::db::Cipher;
use crate::model::{AppId, AuthorizationId, Credential, LfsObject, LfsOperation};

/// Clients ask for another one of themselves. As long as a hundred large files may wait for their turn.
const TIME: Duration = Duration::minutes(30);
/// In which place alone one can be opened.
const CONTEXT: &str = "git lfs";

/// What is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    holder: Holder,
    app: AppId,
    purpose: Purpose,
    /// In seconds since 1970.
    expires_at: i64,
}

/// What it was given for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Holder {
    Authorization(AuthorizationId),
    /// By its fingerprint.
    SshKey(String),
}

/// What it is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// To ask where files are; who may send them may also ask for those that are there.
    Api(LfsOperation),
    Upload(LfsObject),
    Download(LfsObject),
}

impl Purpose {
    /// To get a file, or to send it.
    pub(super) fn of(operation: LfsOperation, object: LfsObject) -> Self {
        match operation {
            LfsOperation::Upload => Self::Upload(object),
            LfsOperation::Download => Self::Download(object),
        }
    }
}

impl Grant {
    pub(super) fn new(credential: &Credential, app: AppId, purpose: Purpose, now: OffsetDateTime) -> Self {
        let holder = match credential {
            Credential::Authorization(id) => Holder::Authorization(*id),
            Credential::SshKey(fingerprint) => Holder::SshKey(fingerprint.clone()),
            Credential::Uid(_) => unreachable!("nobody comes to a door as a user of the host"),
        };
        Self { holder, app, purpose, expires_at: (now + TIME).unix_timestamp() }
    }

    /// What [`Grant::seal`] has made, also if it has expired.
    pub(super) fn open(cipher: &Cipher, text: &str) -> Option<Self> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&cipher.open_sealed(CONTEXT, &sealed)?).ok()
    }

    pub(super) fn has_expired(&self, now: OffsetDateTime) -> bool {
        now.unix_timestamp() >= self.expires_at
    }

    /// An address with this grant, as Git LFS has them.
    pub(super) fn link(&self, cipher: &Cipher, href: &str) -> Value {
        let expires_at = OffsetDateTime::from_unix_timestamp(self.expires_at).ok().and_then(|time| time.format(&Rfc3339).ok());
        json!({
            "href": href,
            "header": {"Authorization": format!("Bearer {}", self.seal(cipher))},
            "expires_in": TIME.whole_seconds(),
            "expires_at": expires_at,
        })
    }

    pub(super) fn holder(&self) -> &Holder {
        &self.holder
    }

    pub(super) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whether it may be shown in this app for an operation.
    pub(super) fn is_for(&self, app: AppId, operation: LfsOperation) -> bool {
        let allowed = match self.purpose {
            Purpose::Api(allowed) => allowed,
            Purpose::Upload(_) => LfsOperation::Upload,
            Purpose::Download(_) => LfsOperation::Download,
        };
        self.app == app && allowed >= operation
    }

    fn seal(&self, cipher: &Cipher) -> String {
        let plain = serde_json::to_vec(self).expect("names and numbers are JSON");
        BASE64_URL_SAFE_NO_PAD.encode(cipher.seal(CONTEXT, &plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Db;

    #[tokio::test]
    async fn a_grant_is_for_one_app_and_one_thing_and_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        let (app, start) = (AppId::new(), OffsetDateTime::UNIX_EPOCH);
        let key = Credential::SshKey("SHA256:x".into());
        let grant = |operation| Grant::new(&key, app, Purpose::Api(operation), start);
        let (upload, download) = (grant(LfsOperation::Upload), grant(LfsOperation::Download));
        assert!(upload.is_for(app, LfsOperation::Upload) && upload.is_for(app, LfsOperation::Download));
        assert!(!download.is_for(app, LfsOperation::Upload) && download.is_for(app, LfsOperation::Download));
        assert!(!upload.is_for(AppId::new(), LfsOperation::Upload));

        let link = upload.link(db.cipher(), "https://h/shop.git/info/lfs");
        assert_eq!(link["expires_at"], "1970-01-01T00:30:00Z");
        assert_eq!((&link["href"], &link["expires_in"]), (&json!("https://h/shop.git/info/lfs"), &json!(1800)));
        let text = link["header"]["Authorization"].as_str().unwrap().strip_prefix("Bearer ").unwrap();
        let opened = Grant::open(db.cipher(), text).unwrap();
        assert_eq!(opened, upload);
        assert!(!opened.has_expired(start + Duration::seconds(1799)) && opened.has_expired(start + Duration::seconds(1800)));
        assert_eq!(Grant::open(db.cipher(), &text[1..]), None);
        assert_eq!(Grant::open(db.cipher(), "hoist-0"), None);
    }
}
