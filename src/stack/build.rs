//! From a recipe to an installed stack.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::home::{Home, ROOTS};
use super::installed::{Current, Stack, find, is_whole, read_current, write_current};
use super::layer::keep_layer;
use super::recipe::{self, Recipe};
use super::unused::remove_replaced;
use super::{StackError, io_error, mmdebstrap};
use crate::engine::Engine;
use crate::model::{Digest, StackName};

/// Which stack to make, and where.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub name: &'a StackName,
    /// May be shared by several daemons of one host.
    pub stacks_dir: &'a Path,
    /// Debian mirror to use in place of the recipe's, as `http://host/debian`.
    pub mirror: Option<&'a str>,
    pub rebuild: Rebuild,
}

/// When a stack that is there already is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuild {
    /// Only when its recipe is another one now.
    IfChanged,
    /// Always: picks up the distribution's newer packages.
    Always,
}

/// Makes a stack and puts it in use; hands lines of progress to `on_line`.
///
/// Builds that are running keep the roots they started from.
pub async fn build(order: Order<'_>, engine: &Engine, mut on_line: impl FnMut(&str) + Send) -> Result<Stack, StackError> {
    let recipe = recipe::read(order.name)?;
    let mirror = check_mirror(order.mirror.unwrap_or(&recipe.manifest.mirror))?;
    let home = Home::take(order.stacks_dir, order.name).await?;
    if order.rebuild == Rebuild::IfChanged
        && let Some(stack) = up_to_date(&order, &home.path, &recipe)
    {
        // A stack of an earlier hoist has none: it is made of the root that is there.
        keep_layer(&stack.run_root, recipe.manifest.source_date_epoch, engine).await?;
        return Ok(stack);
    }
    home.sweep(engine).await?;
    let made = make(&recipe, mirror, &home, engine, &mut on_line).await;
    home.sweep(engine).await?;
    let digest = made?;
    on_line("packing the layer of images...");
    let run_root = home.path.join(digest.hex()).join("run");
    keep_layer(&run_root, recipe.manifest.source_date_epoch, engine).await?;
    write_current(&home.path, &Current { digest: digest.to_string(), recipe: recipe.digest.to_string(), images: None })?;
    remove_replaced(&home, engine).await?;
    find(order.stacks_dir, order.name)
}

/// Cooks the recipe in `incoming/` and leaves the roots in the folder named by their digest.
async fn make(
    recipe: &Recipe,
    mirror: &str,
    home: &Home,
    engine: &Engine,
    on_line: &mut (impl FnMut(&str) + Send),
) -> Result<Digest, StackError> {
    let incoming = home.incoming();
    fs::create_dir(&incoming).map_err(io_error(format!("create {}", incoming.display())))?;
    mmdebstrap::make_tars(recipe, mirror, &incoming, on_line).await?;
    on_line("unpacking...");
    install(home, &incoming, engine).await
}

/// The mirror becomes part of a `sources.list` line, where a blank would start another field.
fn check_mirror(mirror: &str) -> Result<&str, StackError> {
    let web = mirror.starts_with("http://") || mirror.starts_with("https://");
    if web && mirror.chars().all(|c| c.is_ascii_graphic()) {
        Ok(mirror.trim_end_matches('/'))
    } else {
        Err(StackError::BadMirror(mirror.into()))
    }
}

/// The stack in use, if it is whole and made from this very recipe.
fn up_to_date(order: &Order<'_>, home: &Path, recipe: &Recipe) -> Option<Stack> {
    // Whatever is wrong with the stack that is there, making it again mends it.
    let current = read_current(home).ok()??;
    (current.recipe == recipe.digest.to_string()).then(|| find(order.stacks_dir, order.name).ok())?
}

/// Unpacks the two tars to the folder named by their digest, unless the very same stack is there already.
async fn install(home: &Home, incoming: &Path, engine: &Engine) -> Result<Digest, StackError> {
    let tars = [incoming.join("run.tar"), incoming.join("build.tar")];
    let digest = digest_of(tars).await?;
    if is_whole(&home.path, &digest) {
        return Ok(digest);
    }
    let roots = incoming.join("roots");
    fs::create_dir(&roots).map_err(io_error(format!("create {}", roots.display())))?;
    for root in ROOTS {
        let tar = incoming.join(format!("{root}.tar"));
        let file = tokio::fs::File::open(&tar).await.map_err(io_error(format!("open {}", tar.display())))?;
        engine.unpack_root(file, &roots.join(root)).await?;
    }
    home.place(&digest).await?;
    Ok(digest)
}

/// The digest of a stack: over its tars' digests, run before build.
async fn digest_of(tars: [PathBuf; 2]) -> Result<Digest, StackError> {
    let hash = move || -> io::Result<Digest> {
        let mut outer = Sha256::new();
        for tar in tars {
            outer.update(sha256(File::open(tar)?)?);
        }
        Ok(Digest::from_bytes(outer.finalize().into()))
    };
    tokio::task::spawn_blocking(hash).await.expect("hashing does not panic").map_err(io_error("read the stack's tars"))
}

fn sha256(mut file: File) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&buffer[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_digest_depends_on_each_tar_and_its_role() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
        fs::write(&a, "one").unwrap();
        fs::write(&b, "two").unwrap();
        let digest = digest_of([a.clone(), b.clone()]).await.unwrap();
        assert_ne!(digest, digest_of([b, a]).await.unwrap());
    }

    #[test]
    fn an_unchanged_recipe_is_not_cooked_twice() {
        let dir = tempfile::tempdir().unwrap();
        let name = "debian-12".parse().unwrap();
        let order = Order { name: &name, stacks_dir: dir.path(), mirror: None, rebuild: Rebuild::IfChanged };
        let recipe = recipe::read(&name).unwrap();
        let home = dir.path().join("debian-12");
        let digest = Digest::from_bytes([7; 32]);
        for root in ["build", "run"] {
            fs::create_dir_all(home.join(digest.hex()).join(root)).unwrap();
        }
        write_current(&home, &Current { digest: digest.to_string(), recipe: recipe.digest.to_string(), images: None }).unwrap();
        assert_eq!(up_to_date(&order, &home, &recipe).map(|stack| stack.digest), Some(digest));
        write_current(&home, &Current { digest: digest.to_string(), recipe: "older".into(), images: None }).unwrap();
        assert_eq!(up_to_date(&order, &home, &recipe), None);
    }

    #[test]
    fn a_mirror_cannot_smuggle_fields() {
        assert_eq!(check_mirror("http://mirror.test/debian/").unwrap(), "http://mirror.test/debian");
        for bad in ["http://a b", "file:///etc", "", "http://a\ndeb x"] {
            assert!(check_mirror(bad).is_err(), "{bad}");
        }
    }
}
