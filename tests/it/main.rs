//! hoist's integration tests: one binary, so that it links once. `harness` starts daemons and drives real clients.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]
#![expect(clippy::disallowed_methods, reason = "tests start real clients and read where the stack is")]

mod harness;

mod architecture;

mod fuzz;
mod git;
mod git_fetch;
mod git_serve;
mod repo_upkeep;

mod engine;
mod engine_docker;
mod engine_escapes;
mod engine_isolation;
mod engine_layers;
mod engine_network;
mod engine_reserve;
mod engine_roots;
mod engine_sandbox;

mod access;
mod addons;
mod api;
mod api_world;
mod app_setups;
mod app_setups_addons;
mod audit;
mod authorizations;
mod build_cache;
mod builds_api;
mod ci;
mod ci_cli;
mod cli;
mod cli_advice;
mod cli_json;
mod completion;
mod conditions;
mod connections;
mod container_cli;
mod container_docker;
mod contract;
mod doors;
mod escapes;
mod facts;
mod following;
mod formation_api;
mod gc;
mod heroku;
mod ledger;
mod lfs;
mod meanwhile;
mod monorepos;
mod notifications;
mod openapi;
mod pipeline_rights;
mod pipeline_transfers;
mod pipelines_api;
mod pipelines_cli;
mod registry;
mod slug_images;
mod slug_images_engines;
mod source_folders;
mod stack_pull;
mod stacks_api;
mod tell;

mod apps;
mod buildpacks;
mod cancel;
mod container_release;
mod crash;
mod heroku_yml;
mod logs;
mod one_off;
mod pushes;
mod queue;
mod refusals;
mod release_phase;
mod release_phase_causes;
mod review_apps;
mod serve;
mod signed_pushes;
mod submodules;
mod terminal;
mod transcript;
mod upgrade;
mod webhooks;
mod webhooks_api;
mod webhooks_cli;
