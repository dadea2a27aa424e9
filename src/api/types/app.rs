//! Apps, who works on them and the stacks they can use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NamedRef, Never, Timestamp, UserRef};
use crate::model::AppId;

/// `GET /apps/APP`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct App {
    pub acm: bool,
    pub archived_at: Option<Timestamp>,
    pub buildpack_provided_description: Option<String>,
    /// What the next build uses.
    pub build_stack: NamedRef,
    /// Not in the schema; the Heroku CLI asks for `complete`.
    pub create_status: String,
    pub created_at: Timestamp,
    /// hoist's own addition: the app with whose pushes this one is deployed too; missing for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    pub generation: NamedRef,
    /// hoist's own addition: where to push over SSH.
    pub git_ssh_url: String,
    pub git_url: String,
    pub id: AppId,
    pub internal_routing: Option<bool>,
    pub maintenance: bool,
    pub name: String,
    pub organization: Option<NamedRef>,
    pub owner: UserRef,
    pub region: NamedRef,
    /// When the current release was made.
    pub released_at: Option<Timestamp>,
    /// Bytes of the packs pushed so far.
    pub repo_size: u64,
    /// hoist's own addition: the folder of the source that the app is built from; missing for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// hoist's own addition: whether the slug is released again when a push has changed nothing of what it is made of; missing for
    /// no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip_unchanged: bool,
    /// Bytes of the current release's slug.
    pub slug_size: u64,
    pub space: Never,
    /// What the current release runs on.
    pub stack: NamedRef,
    pub team: Option<NamedRef>,
    pub updated_at: Timestamp,
    /// Where the app answers; empty when the installation does not say.
    pub web_url: String,
}

/// `POST /apps`. What else clients send (region, feature flags) has no meaning here and is ignored.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewApp {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

/// `PATCH /apps/APP`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct AppChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_stack: Option<String>,
    /// hoist's own addition: the folder of the source that the app is built from; empty for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// hoist's own addition: whether the slug is released again when a push has changed nothing of what it is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_unchanged: Option<bool>,
    /// hoist's own addition: name or id of the app with whose pushes this one is deployed too; empty for none. Who says so has to
    /// be allowed to manage both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
}

/// `GET /apps/APP/collaborators`, which lists the owner too.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Collaborator {
    pub app: NamedRef,
    pub created_at: Timestamp,
    pub id: String,
    pub permissions: Vec<Permission>,
    /// `owner` or `collaborator`.
    pub role: String,
    pub updated_at: Timestamp,
    pub user: UserRef,
}

/// What a collaborator may do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Permission {
    pub name: String,
    pub description: String,
}

/// `POST /apps/APP/collaborators`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewCollaborator {
    /// Address or id of the account.
    pub user: String,
    /// `view` goes without saying. Absent means what every collaborator gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
}

/// `PATCH /apps/APP/collaborators/USER`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CollaboratorChange {
    pub permissions: Vec<String>,
}

/// `GET /stacks`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Stack {
    pub created_at: Timestamp,
    pub default: bool,
    pub id: String,
    pub name: String,
    pub state: String,
    pub updated_at: Timestamp,
}
