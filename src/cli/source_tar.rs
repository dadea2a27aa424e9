//! A folder as a `.tar.gz`, for a build of what is in it now.

use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::path::Path;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use ignore::WalkBuilder;

use super::error::CliError;

/// Packs a folder into a file without a name, which stands at its start. What git would not commit stays out, unless
/// `with_ignored`; so does git's own folder.
pub(super) fn pack(dir: &Path, with_ignored: bool) -> Result<File, CliError> {
    if !dir.is_dir() {
        return Err(CliError::User(format!("{} is not a folder", dir.display())));
    }
    let packed = pack_into(tempfile::tempfile().context("can't make a temporary file")?, dir, with_ignored);
    Ok(packed.with_context(|| format!("can't pack {}", dir.display()))?)
}

fn pack_into(file: File, dir: &Path, with_ignored: bool) -> anyhow::Result<File> {
    let mut tar = tar::Builder::new(GzEncoder::new(io::BufWriter::new(file), Compression::default()));
    // Links as they are: the server refuses those that lead out, and says so.
    tar.follow_symlinks(false);
    // The archive's own folder first: hoist then takes the app to begin there, even if all of it is in one folder.
    tar.append_dir("./", dir)?;
    let mut walk = WalkBuilder::new(dir);
    walk.standard_filters(false).git_ignore(!with_ignored).git_exclude(!with_ignored);
    // In a repository as git does, from the repository's own folder on. A folder that is in none speaks for itself alone.
    let is_in_repository = is_in_repository(dir)?;
    walk.require_git(is_in_repository).parents(is_in_repository);
    // Of a repository within the repository, too: nobody can commit it.
    walk.filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git");
    walk.sort_by_file_name(Ord::cmp);
    for entry in walk.build() {
        let entry = entry?;
        let path = entry.path().strip_prefix(dir)?;
        if entry.depth() > 0 && entry.file_type().is_some_and(|kind| kind.is_dir() || kind.is_file() || kind.is_symlink()) {
            tar.append_path_with_name(entry.path(), path)?;
        }
    }
    let mut file = tar.into_inner()?.finish()?;
    file.flush()?;
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

fn is_in_repository(dir: &Path) -> io::Result<bool> {
    Ok(dir.canonicalize()?.ancestors().any(|folder| folder.join(".git").exists()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(dir: &Path, with_ignored: bool) -> Vec<String> {
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(pack(dir, with_ignored).unwrap()));
        let entries = tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        entries.collect()
    }

    fn write(dir: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn what_git_ignores_stays_out() {
        let dir = tempfile::tempdir().unwrap();
        let files =
            [(".gitignore", "*.log\n"), (".env", ""), ("a.log", ""), ("src/x", ""), (".git/config", ""), ("src/.git", "")];
        write(dir.path(), &files);
        symlink("src/x", dir.path().join("link")).unwrap();
        assert_eq!(names(dir.path(), false), ["./", ".env", ".gitignore", "link", "src", "src/x"]);
        assert_eq!(names(dir.path(), true), ["./", ".env", ".gitignore", "a.log", "link", "src", "src/x"]);
        assert!(pack(&dir.path().join("nowhere"), false).is_err());
    }

    #[test]
    fn only_the_repository_says_what_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[(".gitignore", "*\n"), ("plain/a", ""), ("repo/.git/config", ""), ("repo/.gitignore", "*.log\n")]);
        write(
            dir.path(),
            &[("repo/app/a", ""), ("repo/app/a.log", ""), ("repo/.git/info/exclude", "*.tmp\n"), ("repo/app/a.tmp", "")],
        );
        assert_eq!(names(&dir.path().join("plain"), false), ["./", "a"], "it is in no repository");
        assert_eq!(names(&dir.path().join("repo/app"), false), ["./", "a"], "it is in one, which begins above it");
    }
}
