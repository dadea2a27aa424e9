//! The git server, with the real `git` as its client and as the judge of what it keeps.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

mod export;
mod handmade;
mod hostile;
mod push;
mod server;
