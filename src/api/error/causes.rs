//! What the layers below refuse or can't do, as answers: each cause's status, and its words.

use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;

use super::ApiError;
use crate::addons::ProviderError;
use crate::apps::AppError;
use crate::auth::{AccessError, AuthError};
use crate::connections::{ConnectError, GitCredentialError, MOST_GIT_CREDENTIALS};
use crate::db::DbError;
use crate::deploy::{AddonFailure, ArchiveError, Failure, RunError, SetupError, StatementError, TestRunError};
use crate::image::UnusableImage;
use crate::launch::WebhookError;
use crate::model::{Invalid, ReleaseVersion, RollbackRefusal};
use crate::pipelines::PipelineError;
use crate::release::{AddonError, BlockError, ConfigError, CreateError, PromoteError, UploadError};
use crate::slug::ReceiveError;
use crate::stack::StackError;
use crate::tell::NotificationError;

fn stopping() -> ApiError {
    ApiError::Unavailable("hoist is being stopped. Try again in a minute.".into())
}

impl From<Invalid> for ApiError {
    fn from(Invalid(text): Invalid) -> Self {
        Self::InvalidParams(text)
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<ArchiveError> for ApiError {
    fn from(error: ArchiveError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<ConnectError> for ApiError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Connected(repo) => {
                Self::Conflict(format!("The app is connected to {repo} already: disconnect it first (hoist github:disconnect)."))
            }
            ConnectError::NotConnected => Self::NotFound("connection to a repository"),
            ConnectError::OtherServer(host) => Self::InvalidParams(format!(
                "The connection's token was given for another server than {host}, and is not shown to this one. Give a `token` for it, \
                 or take the old one away (null)."
            )),
            ConnectError::Url(invalid) => invalid.into(),
            ConnectError::NoBranch => Self::InvalidParams("`branch` is missing: say which one is to be deployed.".into()),
            ConnectError::Db(error) => error.into(),
        }
    }
}

impl From<GitCredentialError> for ApiError {
    fn from(error: GitCredentialError) -> Self {
        match error {
            GitCredentialError::Taken(url) => Self::Conflict(format!(
                "The app has a git credential for {url} already: remove it first (hoist git-credentials:remove {url})."
            )),
            GitCredentialError::TooMany => Self::InvalidParams(format!(
                "An app can have at most {MOST_GIT_CREDENTIALS} git credentials: remove one first, or give one for a whole host."
            )),
            GitCredentialError::Db(error) => error.into(),
        }
    }
}

/// A build that is not taken: what is said in a build's log does not come here.
impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Stopped => stopping(),
            Failure::QueueFull(most) => Self::Unavailable(format!(
                "Too many builds of this app are waiting already: at most {most} may. Try again when some have ended."
            )),
            failure => Self::Internal(Box::new(failure)),
        }
    }
}

impl From<StatementError> for ApiError {
    fn from(error: StatementError) -> Self {
        match error {
            StatementError::Db(error) => error.into(),
            StatementError::Store(error) => error.into(),
        }
    }
}

/// A blob that a row names and the store has not, or can't read.
impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Invalid(invalid) => invalid.into(),
            AppError::Db(error) => error.into(),
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Invalid(invalid) => invalid.into(),
            AuthError::Db(error) => error.into(),
        }
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NoSuchApp => Self::NotFound("app"),
            AccessError::Denied(denied) => Self::Forbidden(format!("{denied}.")),
            AccessError::Db(error) => error.into(),
        }
    }
}

impl From<ConfigError> for ApiError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Invalid(invalid) => invalid.into(),
            ConfigError::Db(error) => error.into(),
        }
    }
}

impl From<AddonError> for ApiError {
    fn from(error: AddonError) -> Self {
        match error {
            AddonError::Invalid(invalid) => invalid.into(),
            AddonError::Confirm(what) => Self::ConfirmationRequired(what),
            AddonError::Db(error) => error.into(),
        }
    }
}

impl From<AddonFailure> for ApiError {
    fn from(failure: AddonFailure) -> Self {
        match failure {
            AddonFailure::Refused(error) => error.into(),
            AddonFailure::Provider(error) => error.into(),
            AddonFailure::Stopped => stopping(),
            AddonFailure::Db(error) => error.into(),
            lost @ AddonFailure::Lost(_) => Self::Internal(Box::new(lost)),
        }
    }
}

/// A server of add-ons that fails is the operator's to mend. Logged where it was asked.
impl From<ProviderError> for ApiError {
    fn from(error: ProviderError) -> Self {
        match error {
            error @ ProviderError::NotOffered(_) => Self::InvalidParams(error.to_string()),
            ProviderError::Busy => Self::Unavailable("Too many add-ons are being changed at once. Try again in a minute.".into()),
            error => Self::Unavailable(format!(
                "This is not your fault: {error}. Tell whoever runs this installation, or try again later."
            )),
        }
    }
}

impl From<PipelineError> for ApiError {
    fn from(error: PipelineError) -> Self {
        match error {
            PipelineError::Invalid(invalid) => invalid.into(),
            PipelineError::Db(error) => error.into(),
        }
    }
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::NothingToRelease => {
                Self::InvalidParams("The newest release has no code to release again. Deploy some first.".into())
            }
            CreateError::NoSuchRelease => Self::NotFound("release"),
            CreateError::NoSuchProcessType(_) => Self::NotFound("process_type"),
            CreateError::NoSuchArtifact => Self::NotFound("artifact"),
            CreateError::NotPushed => Self::InvalidParams(
                "The push of this code was strict, and is not accepted before its release command succeeds. Push it again."
                    .into(),
            ),
            CreateError::Db(error) => error.into(),
            refused @ CreateError::Rollback(_) => Self::Internal(Box::new(refused)),
        }
    }
}

impl From<UnusableImage> for ApiError {
    fn from(error: UnusableImage) -> Self {
        match error {
            UnusableImage::Unfit(why) => {
                Self::InvalidParams(format!("The image can't be used: {why}. Build it again and push it."))
            }
            error => Self::Internal(Box::new(error)),
        }
    }
}

impl From<PromoteError> for ApiError {
    fn from(error: PromoteError) -> Self {
        match error {
            PromoteError::Invalid(invalid) => invalid.into(),
            PromoteError::Db(error) => error.into(),
        }
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::TooMany(most) => {
                Self::InvalidParams(format!("An app can have at most {most} webhooks. Remove one with webhooks:remove first."))
            }
            WebhookError::Db(error) => error.into(),
        }
    }
}

impl From<NotificationError> for ApiError {
    fn from(error: NotificationError) -> Self {
        match error {
            NotificationError::TooMany(most) => Self::InvalidParams(format!(
                "An app can have at most {most} notifications. Remove one with notifications:remove first."
            )),
            NotificationError::Address(invalid) => invalid.into(),
            NotificationError::Stranger(email) => Self::InvalidParams(format!(
                "hoist writes to those who work on the app, and {email} does not: give them access first (hoist access:add {email} \
                 -p view), or ask whoever runs hoist to allow all of their domain, in the section [smtp] of hoist.toml."
            )),
            NotificationError::Db(error) => error.into(),
        }
    }
}

impl ApiError {
    /// Names the field in front of what is wrong with it.
    pub(in crate::api) fn unfit(field: &'static str) -> impl Fn(Invalid) -> Self {
        move |Invalid(why)| Self::InvalidParams(format!("The {field} can't be used: {why}."))
    }

    /// Why the app can't go back to a release, and what to do instead.
    pub(in crate::api) fn of_rollback(version: ReleaseVersion, error: CreateError) -> Self {
        let CreateError::Rollback(refusal) = error else { return error.into() };
        let why: String = match refusal {
            RollbackRefusal::Current => "it is the current release. Name an earlier one.".into(),
            RollbackRefusal::Blocked { reason } => format!("it is blocked ({reason}). Name another one."),
            RollbackRefusal::Pending => "its release command has not ended yet. Wait for it, or name another one.".into(),
            RollbackRefusal::Failed => "it failed. Name one that succeeded.".into(),
            RollbackRefusal::Expired => {
                "it has expired, something else was released before its command had ended. Deploy its commit again.".into()
            }
            RollbackRefusal::Addons { difference } => {
                format!(
                    "its add-ons are not those of now: {difference}. Attach and detach until they are the same, or name another."
                )
            }
            RollbackRefusal::NoCode => "there is no code in it. Name one with a slug or an image.".into(),
        };
        Self::InvalidParams(format!("Cannot roll back to {version}: {why}"))
    }
}

impl From<BlockError> for ApiError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Already { reason } => {
                Self::InvalidParams(format!("This release is blocked already, which can't be changed: {reason}"))
            }
            BlockError::Db(error) => error.into(),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Already => Self::Conflict("Another archive was uploaded for this slug meanwhile.".into()),
            UploadError::Db(error) => error.into(),
        }
    }
}

impl From<ReceiveError> for ApiError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::TooLarge { limit_bytes } => Self::SlugTooLarge(format!(
                "The slug's archive is larger than {} MiB. Leave out what the app does not need.",
                limit_bytes >> 20
            )),
            ReceiveError::ContentTooLarge { limit_bytes } => {
                Self::SlugTooLarge(format!("The slug's archive unpacks to more than {} MiB.", limit_bytes >> 20))
            }
            ReceiveError::Read(_) => Self::BadRequest("The slug's archive did not come to its end. Upload it again.".into()),
            ReceiveError::Checksum { .. } => Self::InvalidParams(format!("Nothing was kept: {error}. Upload it again.")),
            ReceiveError::NoArchive(_) => {
                Self::InvalidParams("This is not a whole gzip-compressed tar. Make it with `tar czf slug.tgz ./app`.".into())
            }
            ReceiveError::BadEntry(_) | ReceiveError::TooManyEntries => {
                Self::InvalidParams(format!("The slug's archive can't be used: {error}. Make it with `tar czf slug.tgz ./app`."))
            }
            ReceiveError::Store(error) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<StackError> for ApiError {
    fn from(error: StackError) -> Self {
        match error {
            StackError::NotBuilt(name) => Self::InvalidParams(format!(
                "The stack {name} has not been built here. Whoever runs this installation can: `hoist stack:build {name}`."
            )),
            error => Self::Internal(Box::new(error)),
        }
    }
}

impl From<RunError> for ApiError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::NoCode => Self::InvalidParams("The app has no code to run a command in. Push it first.".into()),
            RunError::TooMany(most) => Self::InvalidParams(format!(
                "Cannot run more than {most} one-off commands at once. Wait for one to end, or stop one with ps:stop."
            )),
            RunError::Stopped => stopping(),
            error @ (RunError::Db(_) | RunError::Output(_)) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<SetupError> for ApiError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::TooMany(most) => Self::InvalidParams(format!(
                "Cannot set up more than {most} apps at once. Wait until one of your setups has ended."
            )),
            SetupError::Stopped => stopping(),
            SetupError::App(error) => error.into(),
            SetupError::Db(error) => error.into(),
        }
    }
}

impl From<TestRunError> for ApiError {
    fn from(error: TestRunError) -> Self {
        match error {
            TestRunError::TooMany(most) => Self::InvalidParams(format!(
                "Cannot have more than {most} test runs of one pipeline at once. Wait for one to end, or cancel one."
            )),
            TestRunError::Stopped => stopping(),
            TestRunError::Db(error) => error.into(),
        }
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            _ => Self::BadRequest("The request's body could not be read to its end.".into()),
        }
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Data => Self::InvalidParams(format!("The request's body does not fit: {error}.")),
            _ => Self::BadRequest(format!("The request's body is not valid JSON: {error}.")),
        }
    }
}
