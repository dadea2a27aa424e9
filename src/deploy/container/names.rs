//! The names that a build's images have in the Engine.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::super::queue::Builder;
use crate::docker::{Docker, ImageName};
use crate::model::ProcessType;

/// How long the Engine may take to forget a build's images before the builder is given to the next build all the same.
const FORGET_TIME: Duration = Duration::from_mins(1);

/// Names of images, and the builder that their build has. Dropped, they are taken away in a task of its own, and then the
/// builder is free.
#[derive(Debug)]
pub(super) struct Names {
    docker: Docker,
    /// Owns that task.
    tasks: TaskTracker,
    by_image: BTreeMap<ProcessType, ImageName>,
    /// There until this is dropped.
    builder: Option<Builder>,
}

impl Names {
    pub(super) fn new(docker: &Docker, tasks: &TaskTracker, builder: Builder) -> Self {
        Self { docker: docker.clone(), tasks: tasks.clone(), by_image: BTreeMap::new(), builder: Some(builder) }
    }

    /// Notes a name before there is an image of it: from then on it may be there.
    pub(super) fn add(&mut self, image: &ProcessType, name: ImageName) -> &ImageName {
        self.by_image.entry(image.clone()).insert_entry(name).into_mut()
    }

    pub(super) fn of(&self, image: &ProcessType) -> &ImageName {
        &self.by_image[image]
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        let (docker, builder) = (self.docker.clone(), self.builder.take());
        let names: Vec<_> = std::mem::take(&mut self.by_image).into_values().collect();
        self.tasks.spawn(async move {
            let forget = async {
                for name in &names {
                    docker.remove(name).await?;
                }
                Ok(())
            };
            match tokio::time::timeout(FORGET_TIME, forget).await {
                Ok(Ok(())) => {}
                Ok(Err::<_, crate::docker::DockerError>(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        error,
                        "a build's images are still named in the Docker Engine; the next start takes them away"
                    );
                }
                Err(_) => tracing::warn!("the Docker Engine does not answer: a build's images are still named in it"),
            }
            drop(builder);
        });
    }
}
