//! Identifiers: random (version 4) UUIDs, one type per thing so that they can't be mixed up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Invalid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a new random identifier.
            #[expect(clippy::new_without_default, reason = "a default that differs every time would surprise")]
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::new_v4())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Uuid::try_parse(text).map(Self).map_err(|_| Invalid(format!("`{text}` is not an id")))
            }
        }
    };
}

id!(
    /// Identifies a user of this installation.
    AccountId
);
id!(
    /// Identifies an add-on, also across renames.
    AddonId
);
id!(
    /// Identifies an attachment of an add-on to an app.
    AttachmentId
);
id!(
    /// Identifies an app, also across renames.
    AppId
);
id!(
    /// Identifies an authorization, whatever its token.
    AuthorizationId
);
id!(
    /// Identifies a build.
    BuildId
);
id!(
    /// Identifies a dyno: one run of a command.
    DynoId
);
id!(
    /// Identifies a release.
    ReleaseId
);
id!(
    /// Identifies a slug.
    SlugId
);
id!(
    /// Identifies the images of a release.
    OciImageId
);
id!(
    /// Identifies an uploaded source, and allows to read it.
    SourceId
);
id!(
    /// Allows to upload one source.
    UploadId
);
id!(
    /// Identifies the upload of an image's blob.
    BlobUploadId
);
id!(
    /// Identifies a lock of Git LFS.
    LfsLockId
);
id!(
    /// Identifies a pipeline.
    PipelineId
);
id!(
    /// Identifies an app's place in a pipeline.
    CouplingId
);
id!(
    /// Identifies a promotion.
    PromotionId
);
id!(
    /// Identifies one app's part in a promotion.
    PromotionTargetId
);
id!(
    /// Identifies the setup of an app from its app.json.
    AppSetupId
);
id!(
    /// Identifies a review app, also before there is an app.
    ReviewAppId
);
id!(
    /// Identifies a test run, and allows to read its output.
    TestRunId
);
id!(
    /// Identifies something that has happened to an app.
    EventId
);
id!(
    /// Identifies a webhook.
    WebhookId
);
id!(
    /// Identifies one event on its way to one webhook.
    DeliveryId
);
id!(
    /// Identifies one attempt of a delivery.
    AttemptId
);
id!(
    /// Identifies who is told of an app's releases.
    NotificationId
);
id!(
    /// Identifies a connection to a repository on a forge.
    ConnectionId
);
id!(
    /// Identifies a deploy from such a repository.
    TriggerId
);
id!(
    /// Identifies a push to an app, as it is to be deployed to another that follows it.
    FollowerDeployId
);
id!(
    /// Identifies what hoist shows another git server for an app's submodules.
    GitCredentialId
);
