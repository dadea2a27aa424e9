//! Images: what is in them, apart from any registry and any engine's opinion of them.
//!
//! `config` is what an image says of itself, `archive` takes one over from a Docker Engine.

mod archive;
mod config;

pub use archive::{KeepError, KeptImage, keep_archive};
pub use config::ImageConfig;
