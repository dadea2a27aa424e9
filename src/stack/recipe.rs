//! What a stack is made of: `stacks/NAME/` of the source tree, carried inside the executable.

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::StackError;
use crate::model::{Digest, StackName};

static STACKS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/stacks");

/// A stack that mmdebstrap makes from a Debian mirror.
#[derive(Debug)]
pub(super) struct Recipe {
    pub manifest: Manifest,
    /// Shell scripts, each run with the root as `$1`: prepares the run root.
    pub setup: &'static str,
    /// Adds what the build root has over the run root.
    pub extend: &'static str,
    /// Packs the root as it stands.
    pub pack: &'static str,
    /// Over everything above: the same recipe need not be cooked twice.
    pub digest: Digest,
}

/// `stack.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub suite: String,
    /// Used unless the installation names another.
    pub mirror: String,
    /// Lines of `sources.list`, with `{mirror}` where the mirror's address goes.
    pub sources: Vec<String>,
    /// Later times of files are set back to this, in seconds since 1970.
    pub source_date_epoch: u64,
    pub run: Packages,
    pub build: Packages,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Packages {
    pub packages: Vec<String>,
}

/// Names the stacks that hoist knows how to make, sorted.
#[must_use]
pub fn recipes() -> Vec<&'static str> {
    let mut names: Vec<_> = STACKS.dirs().filter_map(|folder| folder.path().to_str()).collect();
    names.sort_unstable();
    names
}

/// Reads the recipe of a stack.
pub(super) fn read(name: &StackName) -> Result<Recipe, StackError> {
    let folder = STACKS
        .get_dir(name.as_str())
        .ok_or_else(|| StackError::NoRecipe { name: name.clone(), known: recipes().into_iter().map(str::to_owned).collect() })?;
    let bad = |why: String| StackError::BadRecipe { name: name.clone(), why };
    let text = |file: &str| {
        STACKS
            .get_file(format!("{name}/{file}"))
            .and_then(include_dir::File::contents_utf8)
            .ok_or_else(|| bad(format!("it has no readable {file}")))
    };
    Ok(Recipe {
        manifest: toml::from_str(text("stack.toml")?).map_err(|error| bad(error.to_string()))?,
        setup: text("setup.sh")?,
        extend: text("extend.sh")?,
        pack: text("pack.sh")?,
        digest: digest(folder),
    })
}

fn digest(folder: &Dir<'_>) -> Digest {
    let mut files: Vec<_> = folder.files().collect();
    files.sort_unstable_by_key(|file| file.path());
    let mut hash = Sha256::new();
    for file in files {
        // Lengths keep the bytes of one file from passing as another's.
        let path = file.path().to_string_lossy();
        for bytes in [path.as_bytes(), file.contents()] {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
    }
    Digest::from_bytes(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_reads() {
        assert!(recipes().contains(&"debian-12"));
        for name in recipes() {
            let recipe = read(&name.parse().unwrap()).unwrap();
            assert!(recipe.manifest.sources.iter().all(|line| line.contains("{mirror}")), "{name}");
            assert!(!recipe.manifest.run.packages.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_strange_name_is_told_what_there_is() {
        let error = read(&"plan-9".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "there is no recipe for the stack plan-9; there is one for debian-12");
    }
}
