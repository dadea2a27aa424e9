//! The git server, with the real `git` as its client and as the judge of what it keeps.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

mod clients;
mod export;
mod fsck;
mod handmade;
mod hostile;
mod interrupted;
mod plain;
mod push;
mod server;
mod side_by_side;

pub(crate) use clients::{push as push_as, push_with_key};
pub(crate) use push::noise;
