//! What a release runs: a slug, or an image for each process type.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{AppId, CommitId, Digest, OciImageId, ProcessType, ProcessTypes, Slug, SlugId, StackName};

/// The images of an app's process types, released together: Heroku's OCI image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciImage {
    pub id: OciImageId,
    pub app: AppId,
    pub commit: Option<CommitId>,
    pub process_types: BTreeMap<ProcessType, ProcessImage>,
    pub created_at: OffsetDateTime,
}

/// What runs for one process type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessImage {
    /// The manifest's, which stands in the app's repository of this process type.
    pub digest: Digest,
    /// The config's, by which docker and the Heroku CLI name an image.
    pub image_id: Digest,
    /// What a shell in the image is told to run in place of the image's own command.
    pub run: Option<String>,
    /// What is shown as its command: `run`, or what the image says.
    pub command: String,
    /// The folder in which it is run.
    pub working_dir: String,
}

/// Which slug or image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtifactId {
    Slug(SlugId),
    OciImage(OciImageId),
}

/// A slug or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Artifact {
    Slug(Slug),
    OciImage(OciImage),
}

impl OciImage {
    /// The image that stands for all of them: `web`'s, or else the first.
    #[must_use]
    pub fn default_process(&self) -> Option<(&ProcessType, &ProcessImage)> {
        let web = self.process_types.iter().find(|(name, _)| name.is_web());
        web.or_else(|| self.process_types.first_key_value())
    }

    /// The commands as they are shown.
    #[must_use]
    pub fn commands(&self) -> ProcessTypes {
        self.process_types.iter().map(|(name, image)| (name.clone(), image.command.clone())).collect()
    }
}

impl Artifact {
    #[must_use]
    pub fn id(&self) -> ArtifactId {
        match self {
            Self::Slug(slug) => ArtifactId::Slug(slug.id),
            Self::OciImage(image) => ArtifactId::OciImage(image.id),
        }
    }

    /// Which slug it is, if it is one.
    #[must_use]
    pub fn slug(&self) -> Option<SlugId> {
        match self {
            Self::Slug(slug) => Some(slug.id),
            Self::OciImage(_) => None,
        }
    }

    /// The commit that it was built from.
    #[must_use]
    pub fn commit(&self) -> Option<&CommitId> {
        match self {
            Self::Slug(slug) => slug.commit.as_ref(),
            Self::OciImage(image) => image.commit.as_ref(),
        }
    }

    /// The commands of its process types, as they are shown.
    #[must_use]
    pub fn process_types(&self) -> ProcessTypes {
        match self {
            Self::Slug(slug) => slug.process_types.clone(),
            Self::OciImage(image) => image.commands(),
        }
    }

    /// The stack that it runs on; images bring their own.
    #[must_use]
    pub fn stack(&self) -> StackName {
        match self {
            Self::Slug(slug) => slug.stack.clone(),
            Self::OciImage(_) => StackName::container(),
        }
    }

    /// What is to be run before a release of this becomes current, as it is shown (conventions 3.4).
    #[must_use]
    pub fn release_command(&self) -> Option<&str> {
        match self {
            Self::Slug(slug) => slug.release_command(),
            Self::OciImage(image) => {
                let release = image.process_types.iter().find(|(name, _)| name.is_release());
                release.map(|(_, image)| image.command.as_str())
            }
        }
    }
}
