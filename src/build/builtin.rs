//! The buildpacks that come with hoist, carried inside the executable.

use std::io;

use include_dir::{Dir, DirEntry, include_dir};

static BUILDPACKS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/buildpacks");

/// In the order in which they are asked: an app of Ruby with a `package.json` for its assets is a Ruby app, and the
/// packs that need nothing but a page or a Procfile come last.
const DETECTION_ORDER: [&str; 12] =
    ["ruby", "nodejs", "clojure", "python", "java", "gradle", "scala", "php", "go", "rust", "static", "procfile"];

/// Names the built-in buildpacks in detection order.
#[must_use]
pub fn names() -> Vec<&'static str> {
    DETECTION_ORDER.to_vec()
}

/// Packs a built-in buildpack: its folder's content and the packs' shared `lib/`, always the same bytes. `None` when
/// there is no such pack.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "it cannot: the folders are fixed when compiling, and memory takes all writes")]
pub fn tar(name: &str) -> Option<Vec<u8>> {
    if !DETECTION_ORDER.contains(&name) {
        return None;
    }
    let pack = BUILDPACKS.get_dir(name)?;
    let lib = BUILDPACKS.get_dir("lib").expect("the shared library has a folder");
    let mut files = files_below(pack, &format!("{name}/"));
    files.extend(files_below(lib, ""));
    files.sort_unstable();
    Some(pack_files(&files).expect("memory takes all writes, and our own paths are short"))
}

fn pack_files(files: &[(String, &[u8])]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        // `include_dir` does not keep modes.
        header.set_mode(if path.starts_with("bin/") { 0o755 } else { 0o644 });
        tar.append_data(&mut header, path, *bytes)?;
    }
    tar.into_inner()
}

/// Every file below a folder, its path without the prefix.
fn files_below<'a>(dir: &Dir<'a>, prefix: &str) -> Vec<(String, &'a [u8])> {
    let mut files = Vec::new();
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(dir) => files.extend(files_below(dir, prefix)),
            DirEntry::File(file) => {
                let path = file.path().to_str().expect("our own paths are UTF-8");
                files.push((path.strip_prefix(prefix).unwrap_or(path).to_owned(), file.contents()));
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(bytes: &[u8]) -> Vec<(String, u32)> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.path().unwrap().to_str().unwrap().to_owned(), entry.header().mode().unwrap())
        });
        entries.collect()
    }

    #[test]
    fn each_pack_has_its_scripts_and_the_shared_library() {
        for name in names() {
            let tar = tar(name).unwrap();
            let entries = entries(&tar);
            for script in ["bin/compile", "bin/detect", "bin/release"] {
                assert!(entries.contains(&(script.into(), 0o755)), "{name}: {script}");
            }
            assert!(entries.contains(&("lib/output.sh".into(), 0o644)), "{name}");
            assert_eq!(Some(tar), super::tar(name), "{name} differs from one time to the next");
        }
    }

    #[test]
    fn folders_that_are_no_packs_are_not_offered() {
        for name in ["lib", "nosuch", ""] {
            assert_eq!(tar(name), None, "{name}");
        }
        let folders = BUILDPACKS.dirs().map(|dir| dir.path().to_str().unwrap()).filter(|name| *name != "lib");
        let (mut folders, mut names): (Vec<_>, Vec<_>) = (folders.collect(), names());
        folders.sort_unstable();
        names.sort_unstable();
        assert_eq!(folders, names);
    }
}
