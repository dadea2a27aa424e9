//! hoist: `git push` in, recorded release out.
//!
//! The module list below follows one push from the door to the ground; imports go only downward, which
//! `tests/it/architecture.rs` holds against a table.

// The composition root.
pub mod config;
pub mod ctx;
pub mod server;
pub mod telemetry;

// Doors: who knocks.
pub mod api;
pub mod cli;
pub mod forge;
pub mod registry;
pub mod transport;

// The spine.
pub mod deploy;

// Stages: one verb each, strangers to one another.
pub mod addons;
pub mod apps;
pub mod audit;
pub mod auth;
pub mod build;
pub mod connections;
pub mod gc;
pub mod image;
pub mod launch;
pub mod lfs;
pub mod pipelines;
pub mod release;
pub mod repos;
pub mod run;
pub mod slug;
pub mod stack;
pub mod tell;

// Ground: the world, wrapped.
pub mod db;
pub mod docker;
pub mod engine;
pub mod fetch;
pub mod git;
pub mod outbox;
pub mod store;
pub mod tarball;
pub mod transcript;

// Plain data and pure rules.
pub mod model;
