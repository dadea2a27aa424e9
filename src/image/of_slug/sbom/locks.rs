//! What package managers have written down of what they installed: one reader per file. Those that are neither JSON nor TOML
//! stand in `lines`.
//!
//! All of it is the app's, and so a stranger's. Readers take time and memory in proportion to a file's length.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Package;
use super::lines::{gemfile_lock, go_mod, gradle_lockfile, pnpm_lock, requirements, yarn_lock};

/// Lists the packages that a lock file names; `None` when it is not what its name says.
type Reader = fn(&str) -> Option<Vec<Package>>;

/// The most packages of an app: several times as many as the largest have.
pub(super) const MAX_PACKAGES: usize = 20_000;
/// The longest name or version of a package, in bytes. npm's names end at 214.
const MAX_WORD_BYTES: usize = 256;

/// npm's own note of what lies in `node_modules`. Where it is, the lock file beside it counts for nothing: that names also
/// what could be there, such as tools of development that were pruned.
pub(super) const INSTALLED_BY_NPM: &str = "node_modules/.package-lock.json";
pub(super) const WANTED_OF_NPM: [&str; 2] = ["package-lock.json", "npm-shrinkwrap.json"];

/// By the path that the file has in the app's folder.
const READERS: [(&str, Reader); 14] = [
    (INSTALLED_BY_NPM, package_lock),
    ("package-lock.json", package_lock),
    ("npm-shrinkwrap.json", package_lock),
    ("pnpm-lock.yaml", |text| Some(pnpm_lock(text))),
    ("yarn.lock", |text| Some(yarn_lock(text))),
    ("requirements.txt", |text| Some(requirements(text))),
    ("Pipfile.lock", pipfile_lock),
    ("poetry.lock", python_lock),
    ("uv.lock", python_lock),
    ("Gemfile.lock", |text| Some(gemfile_lock(text))),
    ("Cargo.lock", cargo_lock),
    ("composer.lock", composer_lock),
    ("go.mod", |text| Some(go_mod(text))),
    ("gradle.lockfile", |text| Some(gradle_lockfile(text))),
];

/// Whether a lock file that can be read stands at this path of an app's folder.
pub(super) fn is_lock_file(path: &str) -> bool {
    READERS.iter().any(|(file, _)| *file == path)
}

/// Lists the packages that a lock file names; `None` when it can't be understood. What is no name or version of a package is
/// left out.
#[must_use]
pub fn read_lock_file(name: &str, text: &str) -> Option<Vec<Package>> {
    let (_, read) = READERS.iter().find(|(file, _)| *file == name)?;
    let mut packages = read(text)?;
    packages.retain(is_plain);
    (packages.len() <= MAX_PACKAGES).then_some(packages)
}

/// Whether name and version are single words, as all are that package managers write.
pub(super) fn is_plain(package: &Package) -> bool {
    [&package.name, &package.version]
        .into_iter()
        .all(|word| (1..=MAX_WORD_BYTES).contains(&word.len()) && !word.chars().any(|c| c.is_control() || c.is_whitespace()))
}

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
}

/// npm's (docs.npmjs.com, "package-lock.json"): a map by folder, and in version 1 a tree.
fn package_lock(text: &str) -> Option<Vec<Package>> {
    #[derive(Deserialize)]
    struct Lock {
        packages: Option<BTreeMap<String, Locked>>,
        #[serde(default)]
        dependencies: BTreeMap<String, Branch>,
    }
    let lock: Lock = json(text)?;
    let Some(folders) = lock.packages else { return Some(npm_tree(lock.dependencies)) };
    let package = |(folder, locked): (String, Locked)| {
        // The folder says the name, unless it is installed under another.
        let (_, in_folder) = folder.rsplit_once("node_modules/")?;
        Some(Package::new("npm", locked.name.unwrap_or_else(|| in_folder.to_owned()), locked.version?))
    };
    Some(folders.into_iter().filter_map(package).collect())
}

/// Of version 1.
#[derive(Deserialize)]
struct Branch {
    version: Option<String>,
    #[serde(default)]
    dependencies: BTreeMap<String, Branch>,
}

fn npm_tree(dependencies: BTreeMap<String, Branch>) -> Vec<Package> {
    let mut packages = Vec::new();
    let mut levels = vec![dependencies];
    while let Some(level) = levels.pop() {
        for (name, branch) in level {
            packages.extend(branch.version.map(|version| Package::new("npm", name, version)));
            levels.push(branch.dependencies);
        }
    }
    packages
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

/// Poetry's and uv's. uv's names the app itself, too.
fn python_lock(text: &str) -> Option<Vec<Package>> {
    let is_own = |source: &toml::Value| ["virtual", "editable", "directory"].iter().any(|place| source.get(place).is_some());
    let found = toml_lock(text)?.into_iter().filter(|locked| !locked.source.as_ref().is_some_and(is_own));
    Some(found.filter_map(|locked| Some(python(&locked.name, &locked.version?))).collect())
}

/// Cargo's. What has no source is the app itself.
fn cargo_lock(text: &str) -> Option<Vec<Package>> {
    let found = toml_lock(text)?.into_iter().filter(|locked| locked.source.is_some());
    Some(found.filter_map(|locked| Some(Package::new("cargo", locked.name, locked.version?))).collect())
}

#[derive(Deserialize)]
struct LockedByToml {
    name: String,
    version: Option<String>,
    source: Option<toml::Value>,
}

fn toml_lock(text: &str) -> Option<Vec<LockedByToml>> {
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        package: Vec<LockedByToml>,
    }
    let lock: Lock = toml::from_str(text).ok()?;
    Some(lock.package)
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
        let found = read_lock_file(file, text).unwrap();
        let found: Vec<_> = found.iter().map(|found| format!("{} {}", found.name, found.version)).collect();
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
        let uv = "[[package]]\nname = \"app\"\nversion = \"0.1.0\"\nsource = { virtual = \".\" }\n\n\
                  [[package]]\nname = \"flask\"\nversion = \"3.0.0\"\nsource = { registry = \"https://pypi.org/simple\" }\n";
        check("uv.lock", uv, &["flask 3.0.0"]);
    }

    #[test]
    fn gems_crates_and_php_packages_are_read() {
        check(
            "Gemfile.lock",
            "GEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.16.0-x86_64-linux)\n      racc (~> 1.4)\n    rack (3.0.0)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  rack (= 3.0.0)\n",
            &["nokogiri 1.16.0", "rack 3.0.0"],
        );
        let crates = "version = 4\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n\n\
                      [[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        check("Cargo.lock", crates, &["serde 1.0.0"]);
        check("composer.lock", r#"{"packages": [{"name": "monolog/monolog", "version": "v3.0.0"}]}"#, &["monolog/monolog 3.0.0"]);
    }

    #[test]
    fn yarn_tells_its_packages_in_both_of_its_forms() {
        let classic = "# yarn lockfile v1\n\n\"@a/b@^1.0.0\", \"@a/b@^1.2.0\":\n  version \"1.2.3\"\n  dependencies:\n    c \"^2\"\n\nc@^2:\n  version \"2.0.0\"\n";
        check("yarn.lock", classic, &["@a/b 1.2.3", "c 2.0.0"]);
        let berry = "__metadata:\n  version: 8\n\n\"@a/b@npm:^1.0.0\":\n  version: 1.2.3\n\n\"app@workspace:.\":\n  version: 0.0.0-use.local\n\n\
                     \"mine@npm:theirs@^3\":\n  version: 3.1.0\n";
        check("yarn.lock", berry, &["@a/b 1.2.3", "theirs 3.1.0"]);
    }

    #[test]
    fn go_and_gradle_tell_what_runs() {
        let text = "module example.com/app\n\ngo 1.22\n\nrequire github.com/a/b v1.2.3\nrequire (\n\tgithub.com/c/d v0.1.0 // indirect\n\tgithub.com/e/f v1.0.0\n)\n\
                    replace github.com/c/d => github.com/g/h v0.2.0\nreplace github.com/e/f v1.0.0 => ./local\n";
        check("go.mod", text, &["github.com/a/b v1.2.3", "github.com/g/h v0.2.0"]);
        let text = "# This is a Gradle generated file\norg.a:b:1.0=compileClasspath,runtimeClasspath\norg.c:d:2.0=testRuntimeClasspath\nempty=\n";
        check("gradle.lockfile", text, &["org.a/b 1.0"]);
    }

    #[test]
    fn what_no_package_manager_writes_is_left_out() {
        check("requirements.txt", "a\u{7}==1\nb==2\n", &["b 2"]);
        check("pnpm-lock.yaml", &format!("packages:\n  {}@1:\n  a@1:\n", "x".repeat(MAX_WORD_BYTES + 1)), &["a 1"]);
        let many = (0..=MAX_PACKAGES).map(|number| format!("p{number}==1\n")).collect::<Vec<_>>().concat();
        assert_eq!(read_lock_file("requirements.txt", &many), None);
        assert_eq!(read_lock_file("other.lock", ""), None);
    }
}
