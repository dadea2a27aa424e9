//! Which Dockerfiles a folder has, and which of them is built for which process type.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use crate::cli::error::CliError;
use crate::model::ProcessType;

const DOCKERFILE: &str = "Dockerfile";
/// `Dockerfile.dockerignore` lists what `Dockerfile` does not need.
const NOT_A_TYPE: &str = "dockerignore";

/// An image that is to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) process_type: ProcessType,
    pub(super) dockerfile: PathBuf,
}

/// The one of `folder`'s own Dockerfile.
pub(super) fn of_folder(folder: &Path, process_type: &ProcessType) -> Result<Job, CliError> {
    let dockerfile = folder.join(DOCKERFILE);
    if !dockerfile.is_file() {
        return Err(CliError::User(format!(
            "No images to push: there is no {DOCKERFILE} in {}. With --recursive, each {DOCKERFILE}.TYPE is built.",
            folder.display()
        )));
    }
    Ok(Job { process_type: process_type.clone(), dockerfile })
}

/// Every `Dockerfile.TYPE` in a folder and those below it, hidden ones left out, by its process type; the nearest first.
pub(super) fn below(folder: &Path) -> Result<BTreeMap<ProcessType, Vec<PathBuf>>, CliError> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for entry in WalkBuilder::new(folder).standard_filters(false).hidden(true).build() {
        let entry = entry.map_err(anyhow::Error::from)?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if let Some(process_type) = process_type_of(entry.path()).filter(|_| is_file) {
            found.entry(process_type).or_default().push((entry.depth(), entry.into_path()));
        }
    }
    let nearest_first = |mut paths: Vec<(usize, PathBuf)>| {
        paths.sort();
        paths.into_iter().map(|(_, path)| path).collect()
    };
    Ok(found.into_iter().map(|(process_type, paths)| (process_type, nearest_first(paths))).collect())
}

fn process_type_of(path: &Path) -> Option<ProcessType> {
    let process_type = path.file_name()?.to_str()?.strip_prefix(DOCKERFILE)?.strip_prefix('.')?;
    process_type.parse().ok().filter(|_| process_type != NOT_A_TYPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "FROM scratch\n").unwrap();
        }
        folder
    }

    fn found(files: &[&str]) -> Vec<String> {
        let folder = folder(files);
        let found = below(folder.path()).unwrap();
        let inside = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
        found.iter().map(|(name, paths)| format!("{name}: {}", paths.iter().map(inside).collect::<Vec<_>>().join(" "))).collect()
    }

    #[test]
    fn the_ending_of_its_name_says_what_a_dockerfile_is_for() {
        let files = ["Dockerfile.web", "jobs/Dockerfile.worker", "jobs/deep/Dockerfile.my-clock", ".gitignore"];
        assert_eq!(
            found(&files),
            ["my-clock: jobs/deep/Dockerfile.my-clock", "web: Dockerfile.web", "worker: jobs/Dockerfile.worker"]
        );
    }

    #[test]
    fn what_is_nearer_comes_first() {
        assert_eq!(
            found(&["a/b/Dockerfile.web", "z/Dockerfile.web", "a/Dockerfile.web"]),
            ["web: a/Dockerfile.web z/Dockerfile.web a/b/Dockerfile.web"]
        );
    }

    #[test]
    fn other_files_are_no_dockerfiles_for_a_type() {
        let files = [
            "Dockerfile",
            "Dockerfile.web.dockerignore",
            "Dockerfile.dockerignore",
            "MyDockerfile.web",
            "Dockerfile.",
            ".git/Dockerfile.web",
        ];
        assert_eq!(found(&files), [""; 0]);
        let folder = folder(&["docs/a.txt"]);
        std::fs::create_dir(folder.path().join("Dockerfile.web")).unwrap();
        assert!(below(folder.path()).unwrap().is_empty(), "a folder is no file");
    }

    #[test]
    fn a_folder_without_a_dockerfile_has_nothing_to_build() {
        let web = "web".parse().unwrap();
        let folder = folder(&["Dockerfile.web"]);
        assert!(of_folder(folder.path(), &web).is_err());
        std::fs::write(folder.path().join("Dockerfile"), "").unwrap();
        assert_eq!(of_folder(folder.path(), &web).unwrap().dockerfile, folder.path().join("Dockerfile"));
    }
}
