//! `[addons]`: the servers on which apps get databases.

use serde::Deserialize;

use super::variable;
use crate::model::Secret;

/// Servers of add-ons. A service whose server is not named is not offered. The addresses hold passwords: they can be given
/// by the environment instead, and are no flags, because every user of a host can read a process's arguments.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Addons {
    /// PostgreSQL server (13 or newer) for `hoist-postgresql`, as a user who may create databases and roles:
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. It should be hoist's own: everybody who was not let in by name is kept
    /// out of DATABASE and `template1`. Also `HOIST_ADDONS_POSTGRESQL_URL`, which wins. Default: none.
    pub postgresql_url: Option<Secret>,
    /// `HOST:PORT` of that server as apps reach it. Default: as hoist does.
    pub postgresql_public_address: Option<String>,
    /// Redis server (7 or newer) for `hoist-redis`, as a user who may do everything: `redis://:PASSWORD@HOST:PORT`. It must
    /// be hoist's own, ask for a password, and have a file to keep its users in. Also `HOIST_ADDONS_REDIS_URL`, which wins.
    /// Default: none.
    pub redis_url: Option<Secret>,
    /// `HOST:PORT` of that server as apps reach it. Default: as hoist does.
    pub redis_public_address: Option<String>,
}

impl Addons {
    /// Puts what the environment says over what the file says.
    pub(super) fn or_environment(mut self) -> Self {
        let secret = |name| variable(name).map(Secret::new);
        self.postgresql_url = secret("HOIST_ADDONS_POSTGRESQL_URL").or(self.postgresql_url);
        self.redis_url = secret("HOIST_ADDONS_REDIS_URL").or(self.redis_url);
        self
    }
}
