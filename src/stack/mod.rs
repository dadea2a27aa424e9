//! The root file systems that apps build and run on.
//!
//! `recipe.rs` reads what a stack is made of; `mmdebstrap.rs` makes it into two tars; `build.rs` turns a recipe into
//! an installed stack; `installed.rs` finds what is there; `layer.rs` keeps the run root as an image's layer.
//!
//! ```text
//! STACKS_DIR/NAME/lock                  held while a stack is being made
//!                /incoming/             the stack being made; swept by the next build
//!                /<digest>/{build,run}  unpacked roots, never changed
//!                         /run.tar.gz   the run root as a layer
//!                         /run.json     its digests
//!                /current.json          which digest is in use
//! ```

mod recipe;

mod build;
mod installed;
mod layer;
mod mmdebstrap;

pub use build::{Order, Rebuild, build};
pub use installed::{Stack, find, list};
pub use layer::{Layer, find_layer, open_layer};
pub use recipe::recipes;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::EngineError;
use crate::model::StackName;

/// Why a stack cannot be made or found. Never a pusher's fault: all of it is for whoever runs the installation.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error("the stack {0} has not been built here: run `hoist stack:build {0}`")]
    NotBuilt(StackName),
    #[error("there is no recipe for the stack {name}; there is one for {}", known.join(", "))]
    NoRecipe { name: StackName, known: Vec<String> },
    #[error("the recipe of {name} is wrong: {why}")]
    BadRecipe { name: StackName, why: String },
    #[error("`{0}` is not the address of a Debian mirror, such as http://deb.debian.org/debian")]
    BadMirror(String),
    #[error("mmdebstrap is not installed: run `apt-get install mmdebstrap`, and `uidmap` for use by an ordinary user")]
    NoTool,
    #[error("mmdebstrap ended with {status}; its last words were:\n{last_words}")]
    ToolFailed { status: String, last_words: String },
    #[error("mmdebstrap was not done after {} minutes", .0.as_secs() / 60)]
    ToolTimedOut(Duration),
    #[error("another process has been making this stack for {} minutes (it holds {})", waited.as_secs() / 60, lock.display())]
    Busy { lock: PathBuf, waited: Duration },
    #[error("{} is damaged: {why}; rebuild the stack with --force", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("cannot {what}")]
    Io { what: String, source: io::Error },
}

/// Names what was being done, for [`Result::map_err`].
fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> StackError {
    move |source| StackError::Io { what: what.into(), source }
}
