//! Heroku's own buildpacks, by the names that its registry gives them, and where their sources are.

use crate::model::{BuildpackPlace, RegisteredName};

/// Namespaces and names.
const NAMES: [(&str, &[&str]); 2] = [
    (
        "heroku",
        &[
            "chrome-for-testing",
            "chromedriver",
            "clojure",
            "dotnet",
            "go",
            "google-chrome",
            "gradle",
            "java",
            "jvm",
            "metrics",
            "nodejs",
            "pgbouncer",
            "php",
            "python",
            "ruby",
            "scala",
        ],
    ),
    (
        "heroku-community",
        &[
            "apt",
            "awscli",
            "chrome-for-testing",
            "cli",
            "inline",
            "locale",
            "multi-procfile",
            "nginx",
            "static",
            "xvfb-google-chrome",
        ],
    ),
];

/// Where one of them is; `None` for any other name.
#[must_use]
pub fn official_place(name: &RegisteredName) -> Option<BuildpackPlace> {
    let (_, names) = NAMES.iter().find(|(namespace, _)| *namespace == name.namespace())?;
    let repository = match name.name() {
        "jvm" => "jvm-common",
        other => other,
    };
    names.contains(&name.name()).then(|| {
        let url = format!("https://github.com/heroku/heroku-buildpack-{repository}");
        url.parse().expect("a repository's URL")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_that_there_are() {
        let place = |name: &str| official_place(&name.parse().unwrap()).map(|place| place.to_string());
        assert_eq!(place("heroku/go").as_deref(), Some("https://github.com/heroku/heroku-buildpack-go"));
        assert_eq!(place("heroku-community/apt").as_deref(), Some("https://github.com/heroku/heroku-buildpack-apt"));
        assert_eq!(place("heroku/jvm").as_deref(), Some("https://github.com/heroku/heroku-buildpack-jvm-common"));
        assert_eq!((place("heroku/cobol"), place("acme/go")), (None, None));
    }
}
