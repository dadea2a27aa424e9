//! What has happened to an app, in the API's shapes: as the resource was then (`resource`), and as webhooks are told
//! (`payload`).

mod payload;
mod resource;

pub(super) use payload::describe;
pub use payload::notification;
pub(super) use resource::{Resource, resource};
