//! What the name of a buildpack stands for.

use crate::build::{builtin, official_place};
use crate::config::Config;
use crate::model::{BuildpackPlace, BuildpackRef};

/// Where a buildpack comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// It comes with hoist, under this name.
    Builtin(String),
    /// It is a folder of the app.
    InApp(String),
    At(BuildpackPlace),
}

/// Says where a buildpack comes from; `None` when there is none of this name.
///
/// A registered name means what the configuration says; `heroku/NAME` otherwise hoist's own pack of that name, which is what
/// people have in their apps today, and only where there is none the one that Heroku has.
#[must_use]
pub fn meaning_of(config: &Config, buildpack: &BuildpackRef) -> Option<Meaning> {
    let builtin = |name: &str| builtin::names().contains(&name).then(|| Meaning::Builtin(name.to_owned()));
    match buildpack {
        BuildpackRef::Builtin(name) => builtin(name),
        BuildpackRef::InApp(path) => Some(Meaning::InApp(path.clone())),
        BuildpackRef::At(place) => Some(Meaning::At(place.clone())),
        BuildpackRef::Registered(name) => {
            let configured = config.buildpacks.registry.get(name).cloned().map(Meaning::At);
            let own = || (name.namespace() == "heroku").then(|| builtin(name.name())).flatten();
            configured.or_else(own).or_else(|| official_place(name).map(Meaning::At))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PlaceArgs;

    fn config(registry: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hoist.toml"), format!("[buildpacks.registry]\n{registry}\n")).unwrap();
        Config::load_place(&PlaceArgs { data_dir: Some(dir.path().to_owned()), ..PlaceArgs::default() }).unwrap()
    }

    fn meaning(config: &Config, name: &str) -> String {
        match meaning_of(config, &name.parse().unwrap()) {
            Some(Meaning::Builtin(name)) => format!("hoist's {name}"),
            Some(Meaning::InApp(path)) => format!("the app's {path}"),
            Some(Meaning::At(place)) => place.to_string(),
            None => "nothing".into(),
        }
    }

    #[test]
    fn the_configuration_comes_before_hoist_and_hoist_before_heroku() {
        let plain = config("");
        assert_eq!(meaning(&plain, "heroku/nodejs"), "hoist's nodejs");
        assert_eq!(meaning(&plain, "heroku/dotnet"), "https://github.com/heroku/heroku-buildpack-dotnet");
        assert_eq!(meaning(&plain, "acme/go"), "nothing");
        assert_eq!((meaning(&plain, "cobol"), meaning(&plain, "./pack")), ("nothing".into(), "the app's pack".into()));
        let said = config("\"heroku/nodejs\" = \"https://h/nodejs.tgz\"\n\"acme/go\" = \"https://h/go.git#v2\"");
        assert_eq!(meaning(&said, "heroku/nodejs"), "https://h/nodejs.tgz");
        assert_eq!(meaning(&said, "acme/go"), "https://h/go.git#v2");
        assert_eq!(meaning(&said, "hoist/nodejs"), "hoist's nodejs");
    }
}
