//! From an image in a registry to an installed stack, without any container engine.
//!
//! In the order of a pull: `fetch` finds the images and fetches their layers, `unpack` makes a root of them, `own_layer` is
//! what hoist adds to it, and `probe` sees whether anything could be started there.

mod fetch;
mod own_layer;
mod probe;
mod unpack;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::home::Home;
use super::installed::{Current, Stack, find, is_whole, read_current, write_current};
use super::pulled::{ImageNames, ImageRecord, LAYERS, Record, write_record};
use super::registry::{Image, Registries, RegistryError};
use super::unused::remove_replaced;
use super::{StackError, io_error, layer};
use crate::engine::Engine;
use crate::model::{Digest, ImageName, Limits, Platform, StackName};
use fetch::{Found, fetch_layers, find_images};
use probe::probe;
use unpack::{add_own_layer, unpack};

/// Which stack is to be made of which images.
#[derive(Debug, Clone, Copy)]
pub struct Pull<'a> {
    pub name: &'a StackName,
    /// May be shared by several daemons of one host.
    pub stacks_dir: &'a Path,
    /// What apps are built in. Default: what the stack was pulled from before.
    pub image: Option<&'a ImageName>,
    /// What apps run in. Default: the image of the same name without `-build`; if it has no such name, the same one.
    pub run_image: Option<&'a ImageName>,
    /// For which machines. Default: what it was before, of a stack whose images are not named anew; this host's otherwise.
    pub platform: Option<&'a Platform>,
    pub registries: &'a Registries,
    pub limits: &'a Limits,
}

/// Pulls a stack and puts it in use; hands lines of progress to `on_line`.
///
/// The stack's digest is that of what was pulled: if a name stands for the same images as before, and all of them is there,
/// nothing is done. Builds that are running keep the roots they started from.
pub async fn pull(order: Pull<'_>, engine: &Engine, mut on_line: impl FnMut(&str) + Send) -> Result<Stack, StackError> {
    if order.name.is_container() {
        return Err(StackError::NoStacksName(order.name.clone()));
    }
    let names = names(&order)?;
    let home = Home::take(order.stacks_dir, order.name).await?;
    home.sweep(engine).await?;
    let made = make(&order, &names, &home, engine, &mut on_line).await;
    home.sweep(engine).await?;
    let digest = match made {
        Ok(digest) => digest,
        Err(error) => {
            // A name that never became a stack leaves nothing.
            if read_current(&home.path)?.is_none() {
                let removed = home.remove();
                removed.unwrap_or_else(|error| tracing::warn!(%error, "what was pulled in vain can't be removed"));
            }
            return Err(error);
        }
    };
    write_current(&home.path, &Current { digest: digest.to_string(), recipe: String::new(), images: Some(names) })?;
    remove_replaced(&home, engine).await?;
    find(order.stacks_dir, order.name)
}

/// Which images are meant.
fn names(order: &Pull<'_>) -> Result<ImageNames, StackError> {
    let before = read_current(&order.stacks_dir.join(order.name.as_str()))?.and_then(|current| current.images);
    let meant = match (order.image, before) {
        (Some(build), _) => ImageNames {
            build: build.clone(),
            run: build.run_image().unwrap_or_else(|| build.clone()),
            platform: Platform::of_this_host(),
        },
        (None, Some(before)) => before,
        (None, None) => return Err(StackError::NotPulled(order.name.clone())),
    };
    Ok(ImageNames {
        run: order.run_image.cloned().unwrap_or(meant.run),
        platform: order.platform.cloned().unwrap_or(meant.platform),
        ..meant
    })
}

async fn make(
    order: &Pull<'_>,
    names: &ImageNames,
    home: &Home,
    engine: &Engine,
    on_line: &mut (impl FnMut(&str) + Send),
) -> Result<Digest, StackError> {
    let mut found = find_images(order, names, on_line).await?;
    let digest = digest_of(&found);
    if is_whole(&home.path, &digest) && is_kept_whole(home.path.join(digest.hex())).await? {
        on_line("these images are there already");
        return Ok(digest);
    }
    let roots = home.incoming().join("roots");
    let layers = roots.join(LAYERS);
    fs::create_dir_all(&layers).map_err(io_error(format!("create {}", layers.display())))?;
    let fetched = home.incoming().join("fetched");
    fs::create_dir(&fetched).map_err(io_error(format!("create {}", fetched.display())))?;
    found = fetch_layers(order, names, found, &fetched, on_line).await?;

    let run_root = roots.join("run");
    on_line(&format!("unpacking {}...", names.run));
    let mut size_bytes = unpack(&found.run, &names.run, &fetched, &run_root, order.limits, engine).await?;
    let mut kept = unpack::keep_layers(&found.run, &fetched, &layers).map_err(io_error("keep the image's layers"))?;
    kept.push(add_own_layer(&names.run, &run_root, Some(&layers), engine).await?);
    probe(&names.run, &run_root, &found.run.config.env, order.limits, engine).await?;
    let build_root = roots.join("build");
    if let Some(image) = &found.build {
        on_line(&format!("unpacking {}...", names.build));
        // What both have in common is with the layers that stay.
        size_bytes += unpack_build(image, &names.build, (&fetched, &layers), &build_root, order.limits, engine).await?;
        add_own_layer(&names.build, &build_root, None, engine).await?;
        probe(&names.build, &build_root, &image.config.env, order.limits, engine).await?;
    } else {
        symlink("run", &build_root).map_err(io_error("make a link"))?;
    }
    let record = |image: &Image| ImageRecord { digest: image.digest, env: image.config.env.clone() };
    let run = record(&found.run);
    let build = found.build.as_ref().map_or_else(|| run.clone(), record);
    write_record(&roots, &Record { build, run, layers: kept, size_bytes })?;
    home.place(&digest).await?;
    Ok(digest)
}

async fn is_kept_whole(folder: PathBuf) -> Result<bool, StackError> {
    let look = move || layer::is_kept_whole(&folder);
    tokio::task::spawn_blocking(look).await.expect("reading does not panic").map_err(io_error("read the stack's layers"))
}

async fn unpack_build(
    image: &Image,
    name: &ImageName,
    (fetched, kept): (&Path, &Path),
    dest: &Path,
    limits: &Limits,
    engine: &Engine,
) -> Result<u64, StackError> {
    for layer in &image.manifest.layers {
        let (path, stays) = (fetched.join(layer.digest.hex()), kept.join(layer.digest.hex()));
        if !path.exists() {
            fs::hard_link(&stays, &path).map_err(io_error(format!("link {}", stays.display())))?;
        }
    }
    unpack(image, name, fetched, dest, limits, engine).await
}

/// The digest of a stack: of the one image that it was pulled from, or over the digests of both, run before build.
fn digest_of(found: &Found) -> Digest {
    let Some(build) = &found.build else { return found.run.digest };
    let mut hash = Sha256::new();
    for image in [&found.run, build] {
        hash.update(hex::decode(image.digest.hex()).expect("made as hex"));
    }
    Digest::from_bytes(hash.finalize().into())
}

/// Says which image it is about.
fn of_image(name: &ImageName) -> impl FnOnce(RegistryError) -> StackError {
    let image = name.clone();
    move |error| StackError::Registry { image: Box::new(image), error: Box::new(error) }
}

#[cfg(test)]
mod tests;
