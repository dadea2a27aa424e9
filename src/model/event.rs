//! What happens to an app, as its webhooks and its log tell it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{AccountId, AppId, AppName, EventId, Invalid};

mod facts;

pub use facts::{AddonBefore, AddonFacts, AppFacts, AttachmentFacts, CollaboratorFacts, Facts, FormationFacts};

/// What a webhook can ask for, Heroku's `include` (heroku-api 6). Domains and SNI endpoints are not in it: hoist has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Entity {
    Addon,
    AddonAttachment,
    App,
    Build,
    Collaborator,
    Dyno,
    Formation,
    Release,
    /// What becomes of a dyno once it has been made.
    DynoState,
}

impl Entity {
    /// Every one, in the order in which they are listed to users.
    pub const ALL: [Self; 9] = [
        Self::Addon,
        Self::AddonAttachment,
        Self::App,
        Self::Build,
        Self::Collaborator,
        Self::Dyno,
        Self::Formation,
        Self::Release,
        Self::DynoState,
    ];

    /// Heroku's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Addon => "api:addon",
            Self::AddonAttachment => "api:addon-attachment",
            Self::App => "api:app",
            Self::Build => "api:build",
            Self::Collaborator => "api:collaborator",
            Self::Dyno => "api:dyno",
            Self::Formation => "api:formation",
            Self::Release => "api:release",
            Self::DynoState => "dyno",
        }
    }

    /// The kind of resource that `data` is.
    #[must_use]
    pub fn resource(self) -> &'static str {
        self.as_str().trim_start_matches("api:")
    }
}

impl FromStr for Entity {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|entity| entity.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Invalid(format!("`{}` is nothing that a webhook can include. Known are: {known}.", text.escape_debug()))
        })
    }
}

impl TryFrom<String> for Entity {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Entity> for &'static str {
    fn from(entity: Entity) -> Self {
        entity.as_str()
    }
}

/// What was done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Create,
    Update,
    Destroy,
}

impl Change {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Destroy => "destroy",
        }
    }
}

impl FromStr for Change {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [Self::Create, Self::Update, Self::Destroy];
        all.into_iter().find(|action| action.as_str() == text).ok_or_else(|| Invalid(format!("`{text}` is no action")))
    }
}

/// Something that has happened to an app.
#[derive(Debug, Clone)]
pub struct Event {
    /// The order in which events were recorded, of all apps together.
    pub number: i64,
    pub id: EventId,
    pub app: AppId,
    /// As it was then.
    pub app_name: AppName,
    pub action: Change,
    /// Who made it happen.
    pub by: AccountId,
    pub facts: Facts,
    pub created_at: OffsetDateTime,
}

impl Event {
    /// Under which name webhooks ask for it.
    #[must_use]
    pub fn entity(&self) -> Entity {
        self.facts.entity(self.action)
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DynoId;

    #[test]
    fn names_are_read_as_they_are_written() {
        for entity in Entity::ALL {
            assert_eq!(entity.as_str().parse(), Ok(entity));
        }
        let refused = "api:domain".parse::<Entity>().unwrap_err().0;
        assert!(refused.contains("`api:domain`") && refused.contains("api:addon, ") && refused.ends_with(", dyno."), "{refused}");
        assert_eq!((Entity::Release.resource(), Entity::DynoState.resource()), ("release", "dyno"));
    }

    #[test]
    fn a_dyno_is_made_once_and_changes_its_state_then() {
        let dyno = Facts::Dyno { id: DynoId::new() };
        let entities = [Change::Create, Change::Update, Change::Destroy].map(|action| dyno.entity(action));
        assert_eq!(entities, [Entity::Dyno, Entity::DynoState, Entity::DynoState]);
    }
}
