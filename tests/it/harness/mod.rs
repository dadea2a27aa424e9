//! What the tests share: a daemon of their own (`daemon`), a user's work tree and git (`work_tree`), builds that wait
//! for the test (`gated`), the real Heroku CLI (`heroku`), images (`image`), a terminal (`terminal`), the release's processes
//! run in the run stack (`slug`), git servers such as GitHub's (`forge`) and what stands in for their APIs (`forge_api`), both of which
//! can stop at a question (`stop`), a
//! receiver of webhooks (`receiver`), a mail server (`mail_server`), the servers of add-ons (`servers`), a Docker Engine
//! (`docker`), and whole transcripts made comparable (`normalise`).

mod daemon;
mod docker;
mod forge;
mod forge_api;
mod forge_ssh;
mod gated;
mod heroku;
mod image;
mod mail_server;
mod namespaces;
mod normalise;
mod receiver;
mod servers;
mod slug;
mod stop;
mod terminal;
mod work_tree;

use std::path::PathBuf;

pub(crate) use daemon::{Daemon, User, run};
pub(crate) use docker::Docker;
pub(crate) use forge::{Forge, Manner};
pub(crate) use forge_api::{Asked, Ci, ForgeApi};
pub(crate) use gated::{Gated, until, until_log};
pub(crate) use heroku::Heroku;
pub(crate) use image::{Packing, PushedImage, TestImage, basic};
pub(crate) use mail_server::MailServer;
pub(crate) use namespaces::run_again_in;
pub(crate) use normalise::normalise;
pub(crate) use receiver::Receiver;
pub(crate) use servers::{Redis, postgresql};
pub(crate) use slug::page_of;
pub(crate) use stop::{Moment, Stop};
pub(crate) use terminal::Terminal;
pub(crate) use work_tree::{Pushed, WorkTree, interrupt, ssh_command, wait};

/// The hoist executable under test.
pub(crate) const HOIST: &str = env!("CARGO_BIN_EXE_hoist");

/// A fixture of the project.
pub(crate) fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// Where `make test` has put the stacks.
pub(crate) fn stacks_dir() -> PathBuf {
    let dir = std::env::var_os("HOIST_STACKS_DIR").expect("HOIST_STACKS_DIR is not set: run the tests with `make test`");
    PathBuf::from(dir)
}
