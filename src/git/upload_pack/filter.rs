//! What a partial clone leaves out (git-rev-list(1), `--filter`).

use percent_encoding::percent_decode_str;

use super::FetchError;
use super::request::{quote, refuse};

/// Most filters that one may be combined of.
const MOST_PARTS: usize = 16;

/// Objects that are not sent unless they are asked for by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// Files of this size and above; 0: all of them.
    blob_limit: Option<u64>,
    omits_trees: bool,
}

impl Filter {
    /// Reads `blob:none`, `blob:limit=SIZE`, `tree:0`, and what is combined of them.
    pub(super) fn read(text: &str) -> Result<Self, FetchError> {
        let mut filter = Self::default();
        match text.strip_prefix("combine:") {
            None => filter.add(text)?,
            Some(parts) if parts.split('+').count() > MOST_PARTS => return refuse("too many filters are combined"),
            Some(parts) => {
                for part in parts.split('+') {
                    filter.add(&percent_decode_str(part).decode_utf8_lossy())?;
                }
            }
        }
        Ok(filter)
    }

    fn add(&mut self, text: &str) -> Result<(), FetchError> {
        let limit = match text.split_once('=') {
            _ if text == "blob:none" => 0,
            _ if text == "tree:0" => {
                self.omits_trees = true;
                0
            }
            Some(("blob:limit", size)) => match read_size(size) {
                Some(size) => size,
                None => return refuse(&format!("invalid filter-spec '{}'", quote(text))),
            },
            // In git's own words, with which it refuses what its configuration does not allow.
            _ => match text.strip_prefix("tree:").map(str::parse::<u64>) {
                Some(Ok(depth)) => return refuse(&format!("tree filter allows max depth 0, but got {depth}")),
                Some(Err(_)) => return refuse(&format!("invalid filter-spec '{}'", quote(text))),
                None => return refuse(&format!("filter '{}' not supported", quote(text.split('=').next().unwrap_or_default()))),
            },
        };
        self.blob_limit = Some(self.blob_limit.map_or(limit, |other| other.min(limit)));
        Ok(())
    }

    /// The size of the smallest file that is left out, if any are.
    pub(super) fn blob_limit(&self) -> Option<u64> {
        self.blob_limit
    }

    /// Whether nothing but commits and tags is sent.
    pub(super) fn omits_trees(&self) -> bool {
        self.omits_trees
    }

    /// Whether everything is sent.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A number with one of git's units.
fn read_size(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => (&text[..text.len() - 1], 1 << 10),
        b'm' => (&text[..text.len() - 1], 1 << 20),
        b'g' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_there_are() {
        let read = |text| Filter::read(text).map(|filter| (filter.blob_limit(), filter.omits_trees()));
        assert_eq!(read("blob:none").unwrap(), (Some(0), false));
        assert_eq!(read("blob:limit=1k").unwrap(), (Some(1024), false));
        assert_eq!(read("blob:limit=0").unwrap(), (Some(0), false));
        assert_eq!(read("tree:0").unwrap(), (Some(0), true));
        assert_eq!(read("combine:blob:limit=2M+blob%3Alimit=3").unwrap(), (Some(3), false));
        assert!(Filter::default().is_none() && !Filter::read("blob:limit=9g").unwrap().is_none());
    }

    #[test]
    fn filters_that_there_are_not() {
        for (text, words) in [
            ("tree:1", "tree filter allows max depth 0, but got 1"),
            ("tree:x", "invalid filter-spec 'tree:x'"),
            ("blob:limit=1x", "invalid filter-spec 'blob:limit=1x'"),
            ("blob:limit=99999999999g", "invalid filter-spec"),
            ("blob:limit=", "invalid filter-spec"),
            ("sparse:oid=main", "filter 'sparse:oid' not supported"),
            ("object:type=tag", "filter 'object:type' not supported"),
            ("combine:", "filter '' not supported"),
        ] {
            let error = Filter::read(text).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(Filter::read(&format!("combine:{}", "blob:none+".repeat(20))).is_err());
    }
}
