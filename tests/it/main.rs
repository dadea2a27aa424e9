//! The one integration test binary: everything below is seen from outside the library.

mod engine;
mod engine_network;
mod engine_sandbox;
