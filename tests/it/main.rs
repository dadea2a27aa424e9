//! The one integration test binary: hoist from outside, with the real clients.

mod git;
