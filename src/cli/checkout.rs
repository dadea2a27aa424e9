//! The git repository that the user stands in, and its remotes. Read and edited without git, by git's rules for its
//! configuration file.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use gix_config::{File, Source};
use gix_lock::acquire::Fail;

use super::error::CliError;

/// A repository's configuration.
#[derive(Debug)]
pub(super) struct Checkout {
    path: PathBuf,
    config: File,
}

/// Where a repository is.
#[derive(Debug)]
pub(super) struct GitDirs {
    pub(super) git_dir: PathBuf,
    /// Of a linked work tree: the repository that it was made from, which has its configuration and objects.
    pub(super) common_dir: Option<PathBuf>,
}

impl GitDirs {
    /// Finds the repository of the current folder; `None` outside of any.
    pub(super) fn here() -> Result<Option<Self>, CliError> {
        let Ok((found, _trust)) = gix_discover::upwards(".".as_ref()) else { return Ok(None) };
        let (git_dir, _) = found.into_repository_and_work_tree_directories();
        let common = gix_discover::path::from_plain_file(&git_dir.join("commondir")).transpose();
        let common_dir = common.context("can't read git's commondir")?.map(|common| git_dir.join(common));
        Ok(Some(Self { git_dir, common_dir }))
    }
}

impl Checkout {
    /// Finds the repository of the current folder; `None` outside of any.
    pub(super) fn here() -> Result<Option<Self>, CliError> {
        let Some(GitDirs { git_dir, common_dir }) = GitDirs::here()? else { return Ok(None) };
        let path = common_dir.unwrap_or(git_dir).join("config");
        let config = File::from_path_no_includes(path.clone(), Source::Local);
        let config = config.map_err(|error| CliError::User(format!("can't read {}: {error}", path.display())))?;
        Ok(Some(Self { path, config }))
    }

    /// The app that a remote's URL names.
    pub(super) fn app_of(&self, remote: &str) -> Option<String> {
        let url = self.config.raw_value_by("remote", remote, "url").ok()?;
        app_of_url(&url.to_string())
    }

    /// Points a remote to a URL, making it if need be.
    pub(super) fn set_remote(&mut self, remote: &str, url: &str) -> Result<(), CliError> {
        let mut section = self.config.section_mut_or_create_new("remote", remote).map_err(unfit)?;
        section.set("url", url).map_err(unfit)?;
        if section.value("fetch").is_none() {
            section.push("fetch", format!("+refs/heads/*:refs/remotes/{remote}/*").as_str()).map_err(unfit)?;
        }
        self.save()
    }

    /// The remotes of hoist that name the app.
    pub(super) fn remotes_of(&self, app: &str) -> Vec<(String, String)> {
        let Some(sections) = self.config.sections_by_name("remote") else { return Vec::new() };
        let remotes = sections.filter_map(|section| {
            let url = section.value("url")?.to_string();
            let remote = section.header().subsection_name()?.to_string();
            (app_of_url(&url).as_deref() == Some(app)).then_some((remote, url))
        });
        remotes.collect()
    }

    /// Removes a remote.
    pub(super) fn remove_remote(&mut self, remote: &str) -> Result<(), CliError> {
        while self.config.remove_section("remote", remote).is_some() {}
        self.save()
    }

    /// Writes the file as git does: under its lock, whole or not at all, with the mode that it had.
    fn save(&self) -> Result<(), CliError> {
        let save = || -> anyhow::Result<()> {
            let mode = std::fs::metadata(&self.path)?.permissions().mode();
            let mut lock = gix_lock::File::acquire_to_update_resource(&self.path, Fail::Immediately, None, 0)
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            lock.with_mut(|file| {
                file.write_all(&self.config.to_bstring())?;
                file.set_permissions(std::fs::Permissions::from_mode(mode))
            })?;
            lock.commit().map_err(|error| anyhow::anyhow!("{error}"))?;
            Ok(())
        };
        Ok(save().with_context(|| format!("can't write {}", self.path.display()))?)
    }
}

fn unfit(error: impl std::fmt::Display) -> CliError {
    CliError::User(format!("the git remote can't be set: {error}"))
}

/// The app in `ssh://git@HOST/APP.git`, `https://HOST/APP.git` or `git@HOST:APP.git`.
fn app_of_url(url: &str) -> Option<String> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => url.split_once(':')?.1,
    };
    let app = path.trim_matches('/').strip_suffix(".git").unwrap_or(path);
    app.parse::<crate::model::AppName>().ok().map(|app| app.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_is_read_from_every_form_of_url() {
        for good in [
            "ssh://git@localhost:2222/example.git",
            "https://localhost:5000/example.git",
            "http://127.0.0.1:5000/example.git/",
            "git@localhost:example.git",
        ] {
            assert_eq!(app_of_url(good).as_deref(), Some("example"), "{good}");
        }
        for bad in ["", "example", "https://github.com/someone/example.git", "/srv/example.git", "https://host/"] {
            assert_eq!(app_of_url(bad), None, "{bad}");
        }
    }
}
