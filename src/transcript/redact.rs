//! Taking secrets out of text.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::model::SourceRoot;

/// Shorter values are left alone: taking every `1` or `web` out would make a log unreadable and protect nothing.
const SHORTEST: usize = 6;

/// Values that are long enough but ordinary words of configuration, not secrets.
const ORDINARY: [&str; 10] = [
    "production",
    "development",
    "staging",
    "enabled",
    "disabled",
    "default",
    "warning",
    "C.UTF-8",
    "en_US.UTF-8",
    "en_GB.UTF-8",
];

/// Replaces every known secret in a text by its config var's name, `[DATABASE_URL]`.
#[derive(Debug, Clone)]
pub struct Redactor {
    finder: Option<AhoCorasick>,
    replacements: Vec<String>,
    longest: usize,
}

impl Redactor {
    /// Takes the secrets as pairs of name and value. Of a value with several lines, each line is a secret.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        // A folder of the source is in every other line, and in the repository anyway.
        let secrets = secrets.into_iter().filter(|(name, _)| *name != SourceRoot::VARIABLE);
        let lines = secrets.flat_map(|(name, value)| value.lines().map(move |line| (name, line.trim())));
        let (names, patterns): (Vec<_>, Vec<_>) =
            lines.filter(|(_, line)| line.len() >= SHORTEST && !ORDINARY.contains(line)).unzip();
        let longest = patterns.iter().map(|pattern| pattern.len()).max().unwrap_or(0);
        let finder = (!patterns.is_empty()).then(|| {
            // Of two secrets at one place the longer one goes, or the rest of it would stay.
            AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns).expect("64 KiB of config vars are few")
        });
        Self { finder, replacements: names.iter().map(|name| format!("[{name}]")).collect(), longest }
    }

    /// The length of the longest secret, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Returns `text` without the secrets.
    #[must_use]
    pub fn redact(&self, text: &[u8]) -> Vec<u8> {
        match &self.finder {
            Some(finder) => finder.replace_all_bytes(text, &self.replacements),
            None => text.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secrets: &[(&str, &str)], text: &str, expected: &str) {
        let redactor = Redactor::new(secrets.iter().copied());
        assert_eq!(String::from_utf8(redactor.redact(text.as_bytes())).unwrap(), expected);
    }

    #[test]
    fn secrets_go_and_words_stay() {
        check(&[("TOKEN", "s3cret-value")], "a s3cret-value, twice: s3cret-value", "a [TOKEN], twice: [TOKEN]");
        check(&[("N", "1"), ("RACK_ENV", "production"), ("E", "")], "1 in production", "1 in production");
        check(&[("A", "secret"), ("B", "secret-longer")], "secret-longer secret", "[B] [A]");
        check(&[("PROJECT_PATH", "apps/web")], "in apps/web", "in apps/web");
        check(&[("KEY", "-----BEGIN-----\nabcdefgh\n")], "key: abcdefgh", "key: [KEY]");
    }
}
