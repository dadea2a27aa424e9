//! What a build of an archive was asked to build.

use std::fmt;
use std::str::FromStr;

use super::{CommitId, Digest, Invalid};

/// What the source's author calls it: a commit, a tag, anything. At most 200 characters, none of them a control
/// character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceVersion(String);

impl SourceVersion {
    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The commit that the version names, if it is a full object id.
    #[must_use]
    pub fn commit(&self) -> Option<CommitId> {
        self.0.parse().ok()
    }

    /// As a release's description names it: eight digits of a commit, anything else whole (conventions 3.8).
    #[must_use]
    pub fn short(&self) -> String {
        self.commit().map_or_else(|| self.0.clone(), |commit| commit.short().to_owned())
    }
}

impl FromStr for SourceVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let good = (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if good { Ok(Self(text.to_owned())) } else { Err(Invalid("A version has 1 to 200 characters in one line.".into())) }
    }
}

impl fmt::Display for SourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An archive's SHA-256 as the API writes it: `SHA256:<64 hex>`; the bare digits are read as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum(pub Digest);

impl FromStr for Checksum {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let digits =
            text.split_once(':').map_or(Some(text), |(name, digits)| name.eq_ignore_ascii_case("sha256").then_some(digits));
        let digest = digits.and_then(|digits| format!("sha256:{}", digits.to_ascii_lowercase()).parse().ok());
        let refuse = || Invalid(format!("`{}` is not a checksum: it must be SHA256: and 64 hex digits.", text.escape_debug()));
        digest.map(Self).ok_or_else(refuse)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", self.0.hex())
    }
}

/// The archive of a build, as its author describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceBlob {
    pub url: String,
    pub checksum: Option<Checksum>,
    pub version: Option<SourceVersion>,
    pub version_description: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_shown_short_and_other_versions_whole() {
        let short = |text: &str| text.parse::<SourceVersion>().unwrap().short();
        assert_eq!(short("0123456789012345678901234567890123456789"), "01234567");
        assert_eq!(short("v1.2.3-rc1"), "v1.2.3-rc1");
        for bad in ["", "a\nb", &"x".repeat(201)] {
            assert!(bad.parse::<SourceVersion>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn checksums_are_sha256() {
        let hex = "0a".repeat(32);
        for good in [format!("SHA256:{hex}"), format!("sha256:{}", hex.to_uppercase()), hex.clone()] {
            assert_eq!(good.parse::<Checksum>().unwrap().to_string(), format!("SHA256:{hex}"));
        }
        for bad in ["", "SHA256:", "MD5:0a", "SHA1:0a0a", &format!("SHA512:{hex}"), &hex[1..]] {
            assert!(bad.parse::<Checksum>().is_err(), "{bad}");
        }
    }
}
