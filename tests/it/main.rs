//! The one integration test binary: features at their boundary.

mod api;
mod api_world;
mod cli;
