//! Where a Dockerfile lies in the app's folder.

use std::fmt;

use serde::Deserialize;

use super::super::Invalid;

/// The path of a Dockerfile inside of the app: relative, without `.` and `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct DockerfilePath(String);

impl DockerfilePath {
    /// Linux's `PATH_MAX`.
    const MAX_BYTES: usize = 4095;

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that it is in, which is what the image is built from: empty for the app's own. "The Docker build context
    /// is always set to the directory containing the Dockerfile and cannot be configured independently" (Dev Center).
    #[must_use]
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Its name in that folder.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }
}

impl fmt::Display for DockerfilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for DockerfilePath {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let refuse = |why| Err(Invalid(format!("`{}` is not the path of a Dockerfile: {why}", text.escape_debug())));
        if text.starts_with('/') || text.split('/').any(|part| part == "..") {
            return refuse("it has to be inside of the app's folder");
        }
        if text.len() > Self::MAX_BYTES || text.contains('\0') {
            return refuse("it is too long or holds a NUL byte");
        }
        if text.ends_with('/') || text.ends_with("/.") {
            return refuse("it names a folder");
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.is_empty() { refuse("it names no file") } else { Ok(Self(parts.join("/"))) }
    }
}
