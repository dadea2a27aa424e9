//! Tests at hoist's own boundary, with the real clients: git, ssh, curl.
#![expect(clippy::unwrap_used, reason = "the harness is a test, too")]
#![expect(clippy::disallowed_methods, reason = "tests start the clients")]

mod doors;
