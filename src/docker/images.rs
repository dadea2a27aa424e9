//! Images in the Engine, which hoist keeps there no longer than it needs to read them.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::{ListImagesOptions, RemoveImageOptions};
use futures_util::TryStreamExt as _;
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use super::{ANSWER_TIME, Docker, DockerError};
use crate::model::BuildId;

/// Until the Engine begins to write an image out, which it may gather first.
const SAVE_TIME: Duration = Duration::from_mins(10);

/// What this installation's images are called before the owner's part.
const PREFIX: &str = "hoist-build";

/// The name of an image that is being built: of this installation, this build, and the image's place in it. A name rather
/// than a label, which would be part of the image: the same source would be another image each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName(pub(super) String);

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Docker {
    /// Names the `number`th image of a build.
    #[must_use]
    pub fn name(&self, build: BuildId, number: usize) -> ImageName {
        ImageName(format!("{}:{build}-{number}", self.repository()))
    }

    /// Reads an image as `docker save` writes it: a tar with its config, its layers and a list of both.
    pub async fn save(&self, name: &ImageName) -> Result<impl AsyncRead + Send + Unpin + use<>, DockerError> {
        let client = self.connect(SAVE_TIME).await?;
        Ok(StreamReader::new(client.export_image(&name.0).map_err(io::Error::other)))
    }

    /// Takes an image's name away. What it was made of stays as the next build's cache; one that is gone already is fine.
    pub async fn remove(&self, name: &ImageName) -> Result<(), DockerError> {
        let client = self.connect(ANSWER_TIME).await?;
        let options = RemoveImageOptions { noprune: true, ..RemoveImageOptions::default() };
        match client.remove_image(&name.0, Some(options), None).await {
            Ok(_) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes away the names that builds of this installation have left in a crash. Their containers end with their
    /// connection, which ended with the daemon. To be called before the first build only. Returns how many there were.
    pub async fn sweep(&self) -> Result<usize, DockerError> {
        let client = self.connect(ANSWER_TIME).await?;
        let filters = HashMap::from([("reference".to_owned(), vec![self.repository()])]);
        let images =
            client.list_images(Some(ListImagesOptions { filters: Some(filters), ..ListImagesOptions::default() })).await?;
        let own = format!("{}:", self.repository());
        let tags: Vec<_> = images.into_iter().flat_map(|image| image.repo_tags).filter(|tag| tag.starts_with(&own)).collect();
        for tag in &tags {
            self.remove(&ImageName(tag.clone())).await?;
        }
        Ok(tags.len())
    }

    fn repository(&self) -> String {
        format!("{PREFIX}/{}", self.0.owner)
    }
}
