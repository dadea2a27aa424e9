//! Finds images and fetches their layers, on a thread for blocking work, saying how far it is.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::of_image;
use crate::model::{Descriptor, ImageName};
use crate::stack::StackError;
use crate::stack::layer::folders;
use crate::stack::pull::Pull;
use crate::stack::pulled::{ImageNames, LAYERS};
use crate::stack::registry::{Image, RegistryError, fetch_blob, find_image};

/// Lines that may wait for their reader.
const LINES_WAITING: usize = 16;
/// After how many bytes of a layer it is said again how far it is.
const STEP_BYTES: u64 = 64 * 1024 * 1024;

/// The images that a stack is made of.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) run: Image,
    /// None where apps are built in the same one.
    pub(super) build: Option<Image>,
}

/// Finds out what the images are.
pub(super) async fn find_images(
    order: &Pull<'_>,
    names: &ImageNames,
    on_line: &mut (impl FnMut(&str) + Send),
) -> Result<Found, StackError> {
    let (registries, names) = (order.registries.clone(), names.clone());
    let most = order.limits.image_blob_bytes;
    blocking(on_line, move |lines| {
        let find = |name: &ImageName| {
            lines.say(&format!("pulling {name}"));
            find_image(&registries, name, &names.platform, most, &mut |line: &str| lines.say(line)).map_err(of_image(name))
        };
        let build = find(&names.build)?;
        if names.build == names.run {
            return Ok(Found { run: build, build: None });
        }
        let run = find(&names.run)?;
        let is_same = run.digest == build.digest;
        Ok(Found { run, build: (!is_same).then_some(build) })
    })
    .await
}

/// Fetches to `dir` what the images are made of, each layer to a file that is called by its digest.
pub(super) async fn fetch_layers(
    order: &Pull<'_>,
    names: &ImageNames,
    mut found: Found,
    dir: &Path,
    on_line: &mut (impl FnMut(&str) + Send),
) -> Result<Found, StackError> {
    let (names, dir, home) = (names.clone(), dir.to_owned(), order.stacks_dir.join(order.name.as_str()));
    let (most, most_of_one) = (order.limits.image_bytes, order.limits.image_blob_bytes);
    blocking(on_line, move |lines| {
        let fetch = |image: &mut Image, name: &ImageName| {
            let task = Task { dir: &dir, home: &home, most_of_one, lines };
            task.fetch_image(image, most).map_err(of_image(name))
        };
        fetch(&mut found.run, &names.run)?;
        if let Some(build) = &mut found.build {
            fetch(build, &names.build)?;
        }
        Ok(found)
    })
    .await
}

/// What is said meanwhile.
struct Lines(mpsc::Sender<String>);

impl Lines {
    fn say(&self, line: &str) {
        // Who is not there any more is noticed by the bytes.
        let _ = self.0.blocking_send(line.to_owned());
    }

    fn is_read(&self) -> bool {
        !self.0.is_closed()
    }
}

/// Does blocking work, and hands on what it says.
async fn blocking<T: Send + 'static>(
    on_line: &mut (impl FnMut(&str) + Send),
    work: impl FnOnce(&Lines) -> Result<T, StackError> + Send + 'static,
) -> Result<T, StackError> {
    let (lines, mut said) = mpsc::channel(LINES_WAITING);
    let working = tokio::task::spawn_blocking(move || work(&Lines(lines)));
    while let Some(line) = said.recv().await {
        on_line(&line);
    }
    working.await.expect("fetching does not panic")
}

struct Task<'a> {
    dir: &'a Path,
    /// The stack's folder: layers of what was pulled before lie there.
    home: &'a Path,
    most_of_one: u64,
    lines: &'a Lines,
}

impl Task<'_> {
    fn fetch_image(&self, image: &mut Image, most: u64) -> Result<(), RegistryError> {
        let (layers, Image { manifest, client, .. }) = (image.manifest.layers.len(), image);
        let all: u64 = manifest.layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.size_bytes));
        let largest = manifest.layers.iter().map(|layer| layer.size_bytes).max().unwrap_or_default();
        for (what, bytes, most) in [("it has", all, most), ("one of its layers has", largest, self.most_of_one)] {
            if bytes > most {
                let why = format!("{what} {bytes} bytes, and may have {most} (`image_bytes`, `image_blob_bytes` below [limits])");
                return Err(RegistryError::Unfit(crate::model::Invalid(why)));
            }
        }
        for (index, layer) in manifest.layers.iter().enumerate() {
            let dest = self.dir.join(layer.digest.hex());
            if dest.exists() {
                continue;
            }
            let shown = format!("layer {} of {layers}", index + 1);
            if self.is_known(layer, &dest) {
                self.lines.say(&format!("{shown} is here already"));
                continue;
            }
            self.lines.say(&format!("fetching {shown} ({})", mib(layer.size_bytes)));
            let mut file = File::create(&dest).map_err(RegistryError::Keep)?;
            let mut said = 0;
            fetch_blob(client, layer, &mut file, |bytes| {
                if bytes >= said + STEP_BYTES {
                    said = bytes;
                    self.lines.say(&format!("fetching {shown}: {} of {}", mib(bytes), mib(layer.size_bytes)));
                }
                self.lines.is_read()
            })?;
        }
        Ok(())
    }

    /// Whether a layer was pulled before, which is then at `dest`, too. What it unpacks to is checked as it is for others.
    fn is_known(&self, layer: &Descriptor, dest: &Path) -> bool {
        let of_stack = |stack: PathBuf| stack.join(LAYERS).join(layer.digest.hex());
        let is_it = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == layer.size_bytes);
        // Where they can't be read, it is fetched.
        let stacks = folders(self.home).unwrap_or_default();
        stacks.into_iter().map(of_stack).filter(is_it).any(|path| fs::hard_link(path, dest).is_ok())
    }
}

fn mib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1024 * 1024);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_mebibytes() {
        assert_eq!([0, 1, 1024 * 1024, 157_286_400].map(mib), ["0.0 MiB", "0.1 MiB", "1.0 MiB", "150.0 MiB"]);
    }
}
