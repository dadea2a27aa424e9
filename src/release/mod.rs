//! Releases: everything that appends to the ledger.
//!
//! `deploy` releases a build together with the ref that was pushed, `config` a change of config vars, `promote` another app's code. Every kind
//! ends in [`crate::db::releases::append`].

mod config;
mod deploy;
mod promote;

pub use config::{ConfigError, change_config, current_config};
pub use deploy::{Deploy, Pack, RefMove, ReleaseError, move_refs, release_deploy};
pub use promote::{Promote, PromoteError, promote};
