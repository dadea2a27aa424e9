//! The client's settings: where hoist is, and the token.

use std::path::PathBuf;

use super::variable;
use crate::model::Secret;

/// What the client reads from its environment.
#[derive(Debug, Clone)]
pub struct Client {
    /// `HOIST_URL`. Default `http://127.0.0.1:5000`.
    pub url: String,
    /// `HOIST_API_KEY`. Not a flag: every user of a host can read a process's arguments.
    pub api_key: Option<Secret>,
    pub home: Option<PathBuf>,
}

impl Client {
    /// Reads the environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            url: variable("HOIST_URL").unwrap_or_else(|| "http://127.0.0.1:5000".into()),
            api_key: variable("HOIST_API_KEY").map(Secret::new),
            home: std::env::home_dir(),
        }
    }
}
