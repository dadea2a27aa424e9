//! Root file systems as images, and the networks of the containers that are made of them: found by their labels.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::{CreateImageOptions, InspectNetworkOptions, ListImagesOptions, ListNetworksOptions};
use futures_util::TryStreamExt as _;
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use super::{ANSWER_TIME, Docker, DockerError, ImageName};

/// Bytes of a root handed over at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// How long the Engine may take to unpack a root.
const IMPORT_TIME: Duration = Duration::from_mins(15);

/// What hoist's images, containers and networks are told from others' by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    name: &'static str,
    value: String,
}

impl Label {
    #[must_use]
    pub fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into() }
    }

    pub(super) fn pair(&self) -> (String, String) {
        (self.name.to_owned(), self.value.clone())
    }

    pub(super) fn filter(&self) -> HashMap<String, Vec<String>> {
        HashMap::from([("label".to_owned(), vec![format!("{}={}", self.name, self.value)])])
    }

    /// As an instruction of a Dockerfile.
    fn instruction(&self) -> String {
        let value = self.value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
        format!("LABEL {}=\"{value}\"", self.name)
    }
}

/// An image as a listing has it.
#[derive(Debug, Clone)]
pub struct Listed {
    pub name: ImageName,
    pub labels: HashMap<String, String>,
}

impl Docker {
    /// The name of the image of a root that `key` (letters and digits) stands for.
    #[must_use]
    pub fn root_name(&self, key: &str) -> ImageName {
        ImageName(format!("hoist-stack/{}:{key}", self.0.owner))
    }

    /// Whether there is an image of this name.
    pub async fn has_image(&self, name: &ImageName) -> Result<bool, DockerError> {
        let found = self.connect(ANSWER_TIME).await?.inspect_image(&name.0).await;
        is_there(found.map(drop).map_err(DockerError::from))
    }

    /// Makes an image of a tar of its files, all or nothing.
    pub async fn import(
        &self,
        name: &ImageName,
        labels: &[Label],
        tar: impl AsyncRead + Send + 'static,
    ) -> Result<(), DockerError> {
        let client = self.connect(IMPORT_TIME).await?;
        let (repository, tag) = name.0.rsplit_once(':').expect("a name of ours has a tag");
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
            changes: labels.iter().map(Label::instruction).collect(),
            ..CreateImageOptions::default()
        };
        let body = bollard::body_try_stream(ReaderStream::with_capacity(tar, PIECE_BYTES));
        let importing = client.create_image(Some(options), Some(body), None).try_for_each(|_| async { Ok(()) });
        match tokio::time::timeout(IMPORT_TIME, importing).await {
            Ok(imported) => Ok(imported?),
            Err(_) => Err(DockerError::TooLate { what: "unpack a root file system", time: IMPORT_TIME }),
        }
    }

    /// The images that carry a label.
    pub async fn images_with(&self, label: &Label) -> Result<Vec<Listed>, DockerError> {
        let client = self.connect(ANSWER_TIME).await?;
        let options = ListImagesOptions { filters: Some(label.filter()), ..ListImagesOptions::default() };
        let images = client.list_images(Some(options)).await?;
        let named = images.into_iter().flat_map(|image| {
            let labels = image.labels;
            image.repo_tags.into_iter().map(move |tag| Listed { name: ImageName(tag), labels: labels.clone() })
        });
        Ok(named.collect())
    }

    /// Sees to it that there is a network of this name, whose containers do not reach one another through the Engine.
    pub async fn make_network(&self, name: &str, label: &Label) -> Result<(), DockerError> {
        let client = self.connect(ANSWER_TIME).await?;
        let found = client.inspect_network(name, None::<InspectNetworkOptions>).await;
        if is_there(found.map(drop).map_err(DockerError::from))? {
            return Ok(());
        }
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            enable_ipv6: Some(false),
            options: Some(HashMap::from([("com.docker.network.bridge.enable_icc".to_owned(), "false".to_owned())])),
            labels: Some(HashMap::from([label.pair()])),
            ..NetworkCreateRequest::default()
        };
        client.create_network(request).await?;
        Ok(())
    }

    /// Removes the networks that carry a label, but for those that others use.
    pub async fn remove_networks_with(&self, label: &Label) -> Result<(), DockerError> {
        let client = self.connect(ANSWER_TIME).await?;
        let options = ListNetworksOptions { filters: Some(label.filter()) };
        for network in client.list_networks(Some(options)).await? {
            let Some(id) = network.id else { continue };
            if let Err(error) = is_there(client.remove_network(&id).await.map_err(DockerError::from)) {
                // Somebody else's container may be in it: it serves as it is.
                tracing::warn!(network = id, error = &error as &dyn std::error::Error, "a Docker network can't be removed");
            }
        }
        Ok(())
    }
}

/// Whether what was asked about is there.
fn is_there(found: Result<(), DockerError>) -> Result<bool, DockerError> {
    match found {
        Ok(()) => Ok(true),
        Err(error) if error.is_missing() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_instructions_of_a_dockerfile() {
        let label = Label::new("hoist.root", r#"/a "b" $c\d"#);
        assert_eq!(label.instruction(), r#"LABEL hoist.root="/a \"b\" \$c\\d""#);
    }
}
