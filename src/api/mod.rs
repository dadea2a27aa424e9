//! The Platform API, version 3, in Heroku's shape, so that its clients (the Heroku CLI among them) work unchanged.
//!
//! `routes` is the table of all routes, and `openapi` describes them. `guard` looks up who asks and counts, `audited` records;
//! `extract` reads for which app, and the body; `range` reads which part of a list; then one file per noun, and `streams`
//! with `log_stream` (one log), `log_sessions` (all of an app's); `absent` is what Heroku has and hoist has not; `types` is
//! the wire, and `events` what has happened, for webhooks and the log. `answer` says more than
//! `200 OK`, `error` is every answer that is not a success, `marks` what every answer carries (`Request-Id`, `ETag`),
//! `conditions` what HTTP lets a client say besides (`If-Match`, `Accept`), `urls` the addresses that answers tell.
//!
//! Rules: an app that is not yours is answered like one that does not exist. Config values are in no log line and no
//! error. Unknown fields and media type variants are ignored, as Heroku does.

mod openapi;
mod routes;

mod audited;
mod guard;

mod answer;
mod extract;
mod permit;
mod range;

mod absent;
mod account;
mod addon_attachments;
mod addon_find;
mod addon_services;
mod addons;
mod app_setups;
mod apps;
mod audit_events;
mod buildpack_installations;
mod buildpacks;
mod builds;
mod collaborators;
mod config_vars;
mod connection_fields;
mod connections;
mod domains;
mod dyno_sizes;
mod dynos;
mod events;
mod filters;
mod formation;
mod git_credentials;
mod keys;
mod ledger;
mod log_sessions;
mod log_stream;
mod notifications;
mod oauth_authorizations;
mod oci_images;
mod pipeline_config_vars;
mod pipeline_couplings;
mod pipeline_promotions;
mod pipeline_repo;
mod pipeline_rights;
mod pipeline_transfers;
mod pipelines;
mod regions;
mod releases;
mod review_app_config;
mod review_apps;
mod slugs;
mod sources;
mod stacks;
mod streams;
mod test_runs;
pub mod types;
mod webhook_deliveries;
mod webhooks;

mod conditions;
mod error;
mod marks;
mod urls;

pub use conditions::with_method_override;
pub use events::notification;
pub use routes::router;
