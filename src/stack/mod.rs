//! The root file systems that apps build and run on.
//!
//! `recipe.rs` reads what a stack is made of; `mmdebstrap.rs` makes it into two tars; `build.rs` turns a recipe into
//! an installed stack. `pull` makes one of images in a registry, which `registry` asks. `home.rs` is the folder of one stack,
//! `installed.rs` finds what is there, `pulled.rs` is what is known of one that was pulled, `inside.rs` reads in a root,
//! `layer.rs` keeps the layers of images, `newer.rs` says which stack follows, `unused.rs` removes what nobody needs any more.
//!
//! ```text
//! STACKS_DIR/NAME/lock                  held while a stack is being made
//!                /incoming/             the stack being made; swept by the next build
//!                /<digest>/{build,run}  unpacked roots, never changed; the folder is held by whoever runs on them
//!                         /run.tar.gz   the run root as a layer
//!                         /run.json     its digests
//!                         /layers/      or, of a stack that was pulled, its layers as they were
//!                         /image.json   and what is known of its images
//!                         /imaged       images stand on these layers
//!                /current.json          which digest is in use
//! ```

mod recipe;

mod build;
mod mmdebstrap;

mod pull;
mod registry;

mod home;
mod inside;
mod installed;
mod layer;
mod newer;
mod pulled;
mod unused;

pub use build::{Order, Rebuild, build};
pub use inside::open_inside;
pub use installed::{Held, Hold, Stack, find, hold, list};
pub use layer::{Layer, find_layers, note_image, open_layer};
pub use newer::newer;
pub use pull::{Pull, pull};
pub use pulled::{ImageNames, Pulled};
pub use recipe::recipes;
pub use registry::{KnownRegistry, Registries, RegistryError};
pub use unused::{remove, remove_unused};

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::EngineError;
use crate::model::{ImageName, StackName};

/// Why a stack cannot be made or found. Never a pusher's fault: all of it is for whoever runs the installation.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error("the stack {0} {advice}", advice = how_to_get(.0))]
    NotBuilt(StackName),
    #[error("`container` is what apps are on that bring images: choose another name for the stack")]
    NoStacksName(StackName),
    #[error("say which image the stack {0} is to be made of: `hoist stack:pull {0} IMAGE`")]
    NotPulled(StackName),
    #[error("{image} can't be pulled: {error}")]
    Registry { image: Box<ImageName>, error: Box<RegistryError> },
    #[error("{image} can't be a stack: {why}")]
    Unfit { image: Box<ImageName>, why: String },
    #[error("the stack {name} is in use: {why}")]
    Wanted { name: StackName, why: String },
    #[error("something runs on the stack {0}: remove it when that has ended")]
    InUse(StackName),
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
    #[error("{} is damaged: {why}; make the stack anew with `hoist stack:build --force`, or `hoist stack:pull`", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("cannot {what}")]
    Io { what: String, source: io::Error },
}

fn how_to_get(name: &StackName) -> String {
    if recipes().contains(&name.as_str()) {
        format!("has not been built here: run `hoist stack:build {name}`")
    } else {
        format!("is not here: run `hoist stack:pull {name} IMAGE`")
    }
}

/// Names what was being done, for [`Result::map_err`].
fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> StackError {
    move |source| StackError::Io { what: what.into(), source }
}
