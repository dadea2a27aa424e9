//! The two doors that git knocks on. They find out who it is and which app is meant, then both do the same.
//!
//! In reading order: `listener` accepts for both. HTTP: `http` serves a connection, which `tls` may wrap and `idle`
//! watches; `request` stamps each request; `smart_http` is git's part, `lfs` Git LFS's, `health` the operator's. SSH: `ssh`. In the
//! end each holds an account, an app's name (`app_path`) and a byte stream, and goes on in `push` or `fetch`.

pub mod listener;

pub mod http;
mod idle;
mod request;
pub mod tls;

pub mod health;
pub mod signing_key;
pub mod smart_http;

pub mod ssh;

pub mod lfs;

mod app_path;
mod decide;
pub mod fetch;
mod find;
pub mod push;
