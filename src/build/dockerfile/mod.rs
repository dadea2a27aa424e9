//! heroku.yml: from a source tree to images in a Docker Engine.
//!
//! In the order of a build: `tree` (the source, kept), heroku.yml itself, then for each image its `context` (with what
//! `dockerignore` leaves out) and its build.

mod context;
mod dockerignore;
mod tree;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::BuildError;
use super::silence::with_silence_notes;
use crate::docker::{Docker, ImageBuild, ImageName};
use crate::model::{DockerfilePath, HerokuYml, ProcessType};
use crate::transcript::Transcript;
use context::Context;
use dockerignore::Dockerignore;

pub use tree::Tree;

/// A build of images under way.
#[derive(Debug)]
pub struct ImagesBuild<'a> {
    pub docker: &'a Docker,
    pub transcript: &'a Transcript,
    pub deadline: Instant,
    /// Silence after which a note is printed.
    pub silence: Duration,
    pub memory_bytes: u64,
    /// 0 means all.
    pub cpus: u32,
}

/// Reads the tree's heroku.yml, and makes sure that the Dockerfiles it names are there.
pub async fn read_heroku_yml(tree: &Tree) -> Result<HerokuYml, BuildError> {
    let path = HerokuYml::PATH.to_owned();
    let mut found = tree.read(BTreeMap::from([(path, HerokuYml::MAX_BYTES as u64 + 1)])).await?;
    let text = found.remove(HerokuYml::PATH).ok_or(BuildError::NoHerokuYml)?;
    let file = HerokuYml::parse(&text).map_err(BuildError::HerokuYml)?;
    let dockerfiles = tree.read(file.images.values().map(|path| (path.to_string(), 0)).collect()).await?;
    match file.images.iter().find(|(_, path)| !dockerfiles.contains_key(path.as_str())) {
        Some((image, path)) => Err(BuildError::NoDockerfile { image: image.clone(), path: path.clone() }),
        None => Ok(file),
    }
}

impl ImagesBuild<'_> {
    /// Builds one of heroku.yml's images under a name, showing what the Engine says. Dropped, it ends the Engine's work.
    pub async fn build_image(
        &self,
        tree: &Tree,
        file: &HerokuYml,
        image: &ProcessType,
        name: &ImageName,
    ) -> Result<(), BuildError> {
        let dockerfile = &file.images[image];
        let context = Context { dockerfile: dockerfile.clone(), ignore: read_dockerignore(tree, dockerfile).await? };
        let job = ImageBuild {
            name: name.clone(),
            dockerfile: dockerfile.file_name().to_owned(),
            args: file.build_args.iter().map(|(key, value)| (key.to_string(), value.clone())).collect::<HashMap<_, _>>(),
            memory_bytes: self.memory_bytes,
            cpus: self.cpus,
        };
        let (tar, writing) = context.export(tree);
        let built = async {
            let (written, built) = tokio::join!(writing, self.docker.build(&job, tar, |piece| self.transcript.output(piece)));
            self.transcript.end_line();
            // An Engine that has failed reads no more, so that its own words come first.
            built.map_err(|error| BuildError::Docker { image: image.clone(), error })?;
            written
        };
        let built = with_silence_notes(self.transcript, self.silence, timeout_at(self.deadline, built)).await;
        built.unwrap_or_else(|_| Err(BuildError::ImageTime(image.clone())))
    }
}

/// That of the Dockerfile, `Dockerfile.dockerignore`, or else that of the folder.
async fn read_dockerignore(tree: &Tree, dockerfile: &DockerfilePath) -> Result<Dockerignore, BuildError> {
    let in_folder = match dockerfile.folder() {
        "" => ".dockerignore".to_owned(),
        folder => format!("{folder}/.dockerignore"),
    };
    let paths = [format!("{dockerfile}.dockerignore"), in_folder];
    let found = tree.read(paths.iter().map(|path| (path.clone(), Dockerignore::MAX_BYTES + 1)).collect()).await?;
    let Some((path, text)) = paths.iter().find_map(|path| found.get_key_value(path)) else { return Ok(Dockerignore::default()) };
    Dockerignore::parse(text).map_err(|why| BuildError::Dockerignore { path: path.clone(), why })
}
