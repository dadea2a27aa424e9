//! The one integration test binary: everything below is seen from outside the library.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod engine;
mod engine_network;
mod engine_sandbox;
