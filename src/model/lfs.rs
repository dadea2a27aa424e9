//! What Git LFS keeps outside of git, and whose turn it is to change a file that can't be merged.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Digest, Invalid};

/// A file that is kept by Git LFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LfsObject {
    pub digest: Digest,
    pub size_bytes: u64,
}

/// What is done with files of Git LFS. Who may send them may get them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LfsOperation {
    Download,
    Upload,
}

impl LfsOperation {
    /// Git LFS's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Upload => "upload",
        }
    }
}

impl FromStr for LfsOperation {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = || Invalid(format!("`{}` is no operation of Git LFS: use upload or download", text.escape_debug()));
        [Self::Download, Self::Upload].into_iter().find(|operation| operation.as_str() == text).ok_or_else(refuse)
    }
}

/// The path of a file that is locked, from the root of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockPath(String);

impl LockPath {
    /// As long as Linux's `PATH_MAX`.
    const MAX_BYTES: usize = 4095;

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LockPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LockPath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > Self::MAX_BYTES || text.contains(char::is_control) {
            return Err(Invalid(format!("A path has 1 to {} bytes, and no control characters.", Self::MAX_BYTES)));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_send_may_get() {
        assert!(LfsOperation::Upload > LfsOperation::Download);
        assert_eq!("upload".parse(), Ok(LfsOperation::Upload));
        assert!("Upload".parse::<LfsOperation>().is_err());
    }

    #[test]
    fn a_path_is_one_line() {
        assert_eq!("art/a b.psd".parse::<LockPath>().unwrap().as_str(), "art/a b.psd");
        for bad in ["", "a\nb", "a\0", &"x".repeat(4096)] {
            assert!(bad.parse::<LockPath>().is_err(), "{bad:?}");
        }
    }
}
