//! What package managers have written down of what they installed: one reader per file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Package;

/// Lists the packages that a lock file names; `None` when it is not what its name says.
pub(super) type Reader = fn(&str) -> Option<Vec<Package>>;

/// By the name that the file has in the app's folder.
pub(super) const READERS: [(&str, Reader); 10] = [
    ("package-lock.json", package_lock),
    ("npm-shrinkwrap.json", package_lock),
    ("pnpm-lock.yaml", pnpm_lock),
    ("requirements.txt", |text| Some(requirements(text))),
    ("Pipfile.lock", pipfile_lock),
    ("poetry.lock", |text| toml_lock(text, python)),
    ("uv.lock", |text| toml_lock(text, python)),
    ("Gemfile.lock", |text| Some(gemfile_lock(text))),
    ("Cargo.lock", |text| toml_lock(text, |name, version| Package::new("cargo", name, version))),
    ("composer.lock", composer_lock),
];

/// A package of Python's, whose names are compared without regard to case and to which of `-_.` is used (PEP 503).
pub(super) fn python(name: &str, version: &str) -> Package {
    let parts: Vec<_> = name.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect();
    Package::new("pypi", parts.join("-").to_ascii_lowercase(), version)
}

fn json<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Something that has a version, if it is not linked to.
#[derive(Deserialize)]
struct Locked {
    name: Option<String>,
    version: Option<String>,
    /// Of version 1 of npm's format.
    #[serde(default)]
    dependencies: serde_json::Value,
}

/// npm's (docs.npmjs.com, "package-lock.json"): a map by folder, and in version 1 a tree.
fn package_lock(text: &str) -> Option<Vec<Package>> {
    #[derive(Deserialize)]
    struct Lock {
        packages: Option<BTreeMap<String, Locked>>,
        dependencies: Option<BTreeMap<String, Locked>>,
    }
    let lock: Lock = json(text)?;
    let Some(folders) = lock.packages else { return Some(npm_tree(lock.dependencies.unwrap_or_default())) };
    let package = |(folder, locked): (String, Locked)| {
        // The folder says the name, unless it is installed under another.
        let (_, in_folder) = folder.rsplit_once("node_modules/")?;
        Some(Package::new("npm", locked.name.unwrap_or_else(|| in_folder.to_owned()), locked.version?))
    };
    Some(folders.into_iter().filter_map(package).collect())
}

fn npm_tree(dependencies: BTreeMap<String, Locked>) -> Vec<Package> {
    let mut packages = Vec::new();
    let mut levels = vec![dependencies];
    while let Some(level) = levels.pop() {
        for (name, locked) in level {
            packages.extend(locked.version.map(|version| Package::new("npm", name, version)));
            levels.extend(serde_json::from_value::<BTreeMap<String, Locked>>(locked.dependencies).ok());
        }
    }
    packages
}

/// pnpm's: keys `/name@version`, in later versions `name@version`, with what it was resolved against in brackets.
fn pnpm_lock(text: &str) -> Option<Vec<Package>> {
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        packages: BTreeMap<String, serde_yaml::Value>,
    }
    let lock: Lock = serde_yaml::from_str(text).ok()?;
    let package = |key: &String| {
        let key = key.trim_start_matches('/').split('(').next()?;
        // The first character may be the `@` of a scope.
        let at = key.rfind('@').filter(|at| *at > 0)?;
        Some(Package::new("npm", &key[..at], &key[at + 1..]))
    };
    Some(lock.packages.keys().filter_map(package).collect())
}

/// pip's: only what is pinned is known, `name[extra]==1.0 ; marker  # comment`.
fn requirements(text: &str) -> Vec<Package> {
    let package = |line: &str| {
        let line = line.split(['#', ';', '\\']).next()?;
        let (name, version) = line.split_once("==")?;
        let name = name.split('[').next()?.trim();
        let version = version.trim_start_matches('=').split_whitespace().next()?;
        (!name.starts_with('-') && !version.contains(['*', ','])).then(|| python(name, version))
    };
    text.lines().filter_map(package).collect()
}

fn pipfile_lock(text: &str) -> Option<Vec<Package>> {
    #[derive(Deserialize)]
    struct Lock {
        default: BTreeMap<String, Locked>,
    }
    let lock: Lock = json(text)?;
    let package = |(name, locked): (String, Locked)| Some(python(&name, locked.version?.trim_start_matches("==")));
    Some(lock.default.into_iter().filter_map(package).collect())
}

/// Cargo's, Poetry's and uv's, which are alike in this.
fn toml_lock(text: &str, package: fn(&str, &str) -> Package) -> Option<Vec<Package>> {
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        package: Vec<Locked>,
    }
    let lock: Lock = toml::from_str(text).ok()?;
    Some(lock.package.into_iter().filter_map(|locked| Some(package(&locked.name?, &locked.version?))).collect())
}

/// Bundler's: `    name (version)` below `specs:`, four blanks deep; what each needs stands deeper. A platform may follow the
/// version, as in `1.2.3-x86_64-linux`.
fn gemfile_lock(text: &str) -> Vec<Package> {
    let package = |line: &str| {
        let spec = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' '))?;
        let (name, version) = spec.strip_suffix(')')?.split_once(" (")?;
        Some(Package::new("gem", name, version.split('-').next()?))
    };
    text.lines().filter_map(package).collect()
}

fn composer_lock(text: &str) -> Option<Vec<Package>> {
    #[derive(Deserialize)]
    struct Lock {
        packages: Vec<Locked>,
    }
    let lock: Lock = json(text)?;
    let package = |locked: Locked| Some(Package::new("composer", locked.name?, locked.version?.trim_start_matches('v')));
    Some(lock.packages.into_iter().filter_map(package).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the reader of a file of this name finds in a text.
    fn check(file: &str, text: &str, expected: &[&str]) {
        let (_, reader) = READERS.iter().find(|(name, _)| *name == file).unwrap();
        let found: Vec<_> = reader(text).unwrap().iter().map(|found| format!("{} {}", found.name, found.version)).collect();
        assert_eq!(found, expected, "{file}");
    }

    #[test]
    fn npm_lists_by_folder_or_as_a_tree() {
        check(
            "package-lock.json",
            r#"{"lockfileVersion": 3, "packages": {"": {"name": "app", "version": "1.0.0"},
                "node_modules/@a/b": {"version": "1.2.3"}, "node_modules/c": {"version": "2.0.0"},
                "node_modules/c/node_modules/d": {"version": "3.0.0"}, "node_modules/mine": {"link": true},
                "packages/mine": {"version": "0.1.0"}}}"#,
            &["@a/b 1.2.3", "c 2.0.0", "d 3.0.0"],
        );
        check(
            "npm-shrinkwrap.json",
            r#"{"dependencies": {"c": {"version": "2.0.0", "dependencies": {"d": {"version": "3.0.0"}}}}}"#,
            &["c 2.0.0", "d 3.0.0"],
        );
        check("pnpm-lock.yaml", "packages:\n  /@a/b@1.2.3(c@1.0.0): {}\n  d@3.0.0: {}\n", &["@a/b 1.2.3", "d 3.0.0"]);
    }

    #[test]
    fn python_says_which_versions_are_pinned() {
        let text = "Flask[async]==3.0.0 ; python_version > '3.8'\n-r other==1\nzope.interface===6.1 \\\n    --hash=sha256:ab\nfree\nx==1.*\n";
        check("requirements.txt", text, &["flask 3.0.0", "zope-interface 6.1"]);
        check(
            "Pipfile.lock",
            r#"{"default": {"Flask": {"version": "==3.0.0"}, "mine": {"path": "."}}, "develop": {"pytest": {"version": "==8"}}}"#,
            &["flask 3.0.0"],
        );
        check("poetry.lock", "[[package]]\nname = \"Flask\"\nversion = \"3.0.0\"\n", &["flask 3.0.0"]);
    }

    #[test]
    fn gems_crates_and_php_packages_are_read() {
        check(
            "Gemfile.lock",
            "GEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.16.0-x86_64-linux)\n      racc (~> 1.4)\n    rack (3.0.0)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  rack (= 3.0.0)\n",
            &["nokogiri 1.16.0", "rack 3.0.0"],
        );
        check("Cargo.lock", "version = 4\n[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\n", &["serde 1.0.0"]);
        check("composer.lock", r#"{"packages": [{"name": "monolog/monolog", "version": "v3.0.0"}]}"#, &["monolog/monolog 3.0.0"]);
    }
}
