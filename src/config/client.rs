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

/// Whether a program watches rather than a person: `CI`, as every service of the kind sets it.
#[must_use]
pub fn is_ci() -> bool {
    variable("CI").is_some()
}

/// What kind of terminal the user has: `TERM`.
#[must_use]
pub fn terminal_kind() -> Option<String> {
    variable("TERM")
}
