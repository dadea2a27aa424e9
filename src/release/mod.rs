//! Releases: everything that appends to the ledger.
//!
//! `deploy` releases a build together with the ref that was pushed, `config` a change of config vars, `create` code that
//! is there already: a slug or an image, the newest release once more, an earlier release; `images` other images for some process types;
//! `promote` another app's code; `following` has a push built for other apps too; `addons` and
//! `attachments` what databases an app has. Every kind ends in
//! [`crate::db::releases::append`]. A release whose code has a release command begins as pending; `phase` says so, and
//! records what became of it. `upload` brings slugs that were made elsewhere, `block` marks a release that nobody may go
//! back to, and `diff` compares two.

mod config;
mod create;
mod deploy;
mod following;
mod images;
mod phase;
mod promote;

mod addons;
mod attachments;

mod upload;

mod block;
mod diff;

pub use addons::{
    AddonError, abandon_addon, announce_addon, announce_rotation, complete_addon, complete_rotation, destroy_addon, forget_addon,
    leave_addons, rename_addon,
};
pub use attachments::{NewAttachment, Taken, attach, detach};
pub use block::{BlockError, block};
pub use config::{ConfigError, change_config, current_config};
pub use create::{Cause, CreateError, release_again, release_artifact, release_artifact_in, roll_back};
pub use deploy::{
    Deploy, NewManifest, Pack, RefMove, ReleaseError, move_refs, move_refs_together, release_deploy, release_deploy_strictly,
};
pub use diff::{Changes, Diff, Side, diff};
pub use images::{ImageChanges, record_images, release_images_in};
pub use phase::{Settled, expire, expired, first_status, settle_phase};
pub use promote::{Promote, PromoteError, promote};
pub use upload::{Archive, UPLOAD_TIME, UploadError, announce_slug, record_slug};
