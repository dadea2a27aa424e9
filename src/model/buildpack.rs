//! Which buildpacks an app is built with.

use std::fmt;
use std::str::FromStr;

use super::Invalid;

/// How an app names a buildpack (conventions 3.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BuildpackRef {
    /// A built-in pack, by its folder's name in `buildpacks/`; written `hoist/NAME` or plain `NAME`.
    Builtin(String),
    /// A folder of the app itself, for developing a pack beside its app; written `./path`.
    InApp(String),
}

impl FromStr for BuildpackRef {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.strip_prefix("urn:buildpack:").unwrap_or(text);
        if let Some(path) = text.strip_prefix("./") {
            let good = !path.is_empty()
                && path.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.chars().any(char::is_control));
            return if good {
                Ok(Self::InApp(path.to_owned()))
            } else {
                Err(Invalid(format!("`{}` is not a path inside the app", text.escape_debug())))
            };
        }
        // `heroku/NAME` names the built-in pack of that language: what people have in their apps today.
        let name = text.strip_prefix("hoist/").or_else(|| text.strip_prefix("heroku/")).unwrap_or(text);
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if !name.is_empty() && name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(allowed)
        {
            Ok(Self::Builtin(name.to_owned()))
        } else {
            Err(Invalid(format!(
                "`{}` is not a buildpack: use the name of a built-in one, such as hoist/nodejs, or ./path for one inside the app",
                text.escape_debug()
            )))
        }
    }
}

impl fmt::Display for BuildpackRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(name) => write!(f, "hoist/{name}"),
            Self::InApp(path) => write!(f, "./{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builtin_packs_have_three_spellings() {
        for text in ["nodejs", "hoist/nodejs", "heroku/nodejs", "urn:buildpack:heroku/nodejs"] {
            assert_eq!(text.parse(), Ok(BuildpackRef::Builtin("nodejs".into())), "{text}");
        }
    }

    #[test]
    fn paths_stay_inside_the_app() {
        assert_eq!("./packs/mine".parse(), Ok(BuildpackRef::InApp("packs/mine".into())));
        for bad in ["./", "./../x", "./a/../b", "./a//b", "/etc", "../x", "--flag", "a b", "UPPER"] {
            assert!(bad.parse::<BuildpackRef>().is_err(), "{bad}");
        }
    }
}
