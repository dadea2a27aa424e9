//! `git push -o …`: what the pusher asks for beyond the push itself (design 2.9).

use std::collections::BTreeMap;

use super::{ConfigKey, Invalid, Secret};

/// The push options of one push, checked. They are strangers' text: typed here once, never put into a header, an
/// environment name or a shell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub struct PushOptions {
    /// Build with an empty cache.
    pub clear_cache: bool,
    /// Return as soon as the build is queued.
    pub detach: bool,
    /// Stop the build when the pusher goes away.
    pub cancel_on_disconnect: bool,
    /// Fail the push where Heroku would accept it without deploying.
    pub strict: bool,
    /// Do everything but release.
    pub dry_run: bool,
    /// Config vars that become part of this release (`None` unsets).
    pub config: BTreeMap<ConfigKey, Option<Secret>>,
}

impl PushOptions {
    /// The options as they were given, of config vars the names alone.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let flags = [
            (self.clear_cache, "cache=clear"),
            (self.detach, "detach"),
            (self.cancel_on_disconnect, "cancel-on-disconnect"),
            (self.strict, "strict"),
            (self.dry_run, "dry-run"),
        ];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word.to_owned());
        flags.chain(self.config.keys().map(|key| format!("config:{key}"))).collect()
    }

    /// Reads the options as git sends them, one text each.
    ///
    /// # Errors
    /// When one is unknown or malformed: guessing at what a pusher wanted of production would be worse than asking.
    pub fn parse<'a>(options: impl IntoIterator<Item = &'a str>) -> Result<Self, Invalid> {
        let mut parsed = Self::default();
        for option in options {
            match option {
                "cache=clear" => parsed.clear_cache = true,
                "detach" => parsed.detach = true,
                "cancel-on-disconnect" => parsed.cancel_on_disconnect = true,
                "strict" => parsed.strict = true,
                "dry-run" => parsed.dry_run = true,
                _ => {
                    let (key, value) = option.strip_prefix("config:").and_then(|pair| pair.split_once('=')).ok_or_else(|| {
                        Invalid(format!(
                            "unknown push option `{}`: known are cache=clear, detach, cancel-on-disconnect, strict, dry-run and config:KEY=VALUE",
                            option.split('=').next().unwrap_or_default().escape_debug()
                        ))
                    })?;
                    // `config:KEY=` unsets, as `heroku config:set KEY=` can't: an empty value is no use to anyone.
                    let value = (!value.is_empty()).then(|| Secret::new(value));
                    parsed.config.insert(key.parse()?, value);
                }
            }
        }
        if parsed.detach && parsed.cancel_on_disconnect {
            return Err(Invalid("push options detach and cancel-on-disconnect exclude each other".into()));
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = PushOptions::parse(["cache=clear", "strict", "config:A=b=c", "config:B="]).expect("known options");
        assert!(options.clear_cache && options.strict && !options.detach);
        assert_eq!(options.words(), ["cache=clear", "strict", "config:A", "config:B"], "and no values");
        let config: Vec<_> =
            options.config.iter().map(|(key, value)| (key.as_str(), value.as_ref().map(Secret::expose))).collect();
        assert_eq!(config, [("A", Some("b=c")), ("B", None)]);
    }

    #[test]
    fn unknown_options_are_refused_without_their_value() {
        let error = PushOptions::parse(["confg:TOKEN=hush"]).unwrap_err().to_string();
        assert!(error.contains("confg:TOKEN") && !error.contains("hush"), "{error}");
        assert!(PushOptions::parse(["config:1=x"]).is_err());
        assert!(PushOptions::parse(["detach", "cancel-on-disconnect"]).is_err());
    }
}
