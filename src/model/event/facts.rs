//! What events keep of what they are about.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Change, Entity};
use crate::model::{
    AccountId, AddonId, AddonName, AddonState, AppId, AppName, AttachmentId, AttachmentName, BuildId, ConfigKey, DynoId,
    Permissions, Plan, ProcessType, ReleaseId, ReleaseStatus, StackName,
};

/// What an event is about, and what of it can't be read from append-only rows later.
///
/// The API's shape of the resource is made when somebody asks for it: the database knows no wire format, and an event that
/// nobody asks for costs one small row. It is the state as of the event all the same, because whatever can change stands
/// here, and the rest (releases, builds, slugs, dynos) never does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Facts {
    App(AppFacts),
    /// Created, it is pending; updated, it has its one outcome.
    Build {
        id: BuildId,
    },
    Collaborator(CollaboratorFacts),
    /// Created, it is starting; updated, it is up; destroyed, it has its one end.
    Dyno {
        id: DynoId,
    },
    Formation(FormationFacts),
    Release {
        id: ReleaseId,
        status: ReleaseStatus,
        /// None when it was just made.
        previous: Option<ReleaseStatus>,
    },
    Addon(AddonFacts),
    /// Of the app that uses the add-on, which may be another than the add-on's own.
    AddonAttachment(AttachmentFacts),
}

/// An app as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppFacts {
    pub name: AppName,
    pub owner: AccountId,
    pub stack: StackName,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub updated_at: OffsetDateTime,
    /// The current one.
    pub release: Option<ReleaseId>,
    pub repo_bytes: u64,
    /// What it was called before, if that was changed.
    pub previous_name: Option<AppName>,
}

/// A collaborator as they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollaboratorFacts {
    pub account: AccountId,
    pub permissions: Permissions,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub updated_at: OffsetDateTime,
    /// What they might do before, if that was changed.
    pub previous: Option<Permissions>,
}

/// The scale of a process type as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FormationFacts {
    pub process_type: ProcessType,
    pub quantity: u32,
    pub size: String,
    /// Quantity and size as they were set before.
    pub previous: Option<(u32, String)>,
    /// The current one, which has the command.
    pub release: Option<ReleaseId>,
}

/// An add-on as it was, without its address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddonFacts {
    pub id: AddonId,
    pub name: AddonName,
    pub plan: Plan,
    pub state: AddonState,
    /// Those that it gave to its own app.
    pub config_vars: Vec<ConfigKey>,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub updated_at: OffsetDateTime,
    /// None when it was just made, or is gone.
    pub previous: Option<AddonBefore>,
}

/// What an update of an add-on has changed, as it was before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddonBefore {
    Name(AddonName),
    State(AddonState),
}

/// An attachment as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttachmentFacts {
    pub id: AttachmentId,
    pub name: AttachmentName,
    pub addon: AddonId,
    pub addon_name: AddonName,
    pub plan: Plan,
    /// The add-on's own app.
    pub owner: AppId,
    pub owner_name: AppName,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub created_at: OffsetDateTime,
}

impl Facts {
    /// Under which name webhooks ask for this.
    #[must_use]
    pub fn entity(&self, action: Change) -> Entity {
        match (self, action) {
            (Self::Addon(_), _) => Entity::Addon,
            (Self::AddonAttachment(_), _) => Entity::AddonAttachment,
            (Self::App(_), _) => Entity::App,
            (Self::Build { .. }, _) => Entity::Build,
            (Self::Collaborator(_), _) => Entity::Collaborator,
            (Self::Dyno { .. }, Change::Create) => Entity::Dyno,
            (Self::Dyno { .. }, Change::Update | Change::Destroy) => Entity::DynoState,
            (Self::Formation(_), _) => Entity::Formation,
            (Self::Release { .. }, _) => Entity::Release,
        }
    }
}
