//! `[webhooks]` and `[history]`: who is told what has happened to an app, and how long it is known.

use std::time::Duration;

use serde::Deserialize;

/// Webhooks. Their receivers are reached as builds are: private networks only where `[network]` allows them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// Most webhooks of one app. Default 20.
    pub per_app: usize,
    /// Deliveries under way at once, all apps together. Default 8.
    pub concurrent: usize,
    /// For one attempt, from the name's look-up to the answer. Default 15 s.
    #[serde(with = "humantime_serde")]
    pub attempt_time: Duration,
    /// Wait after the first failed attempt of a `sync` webhook; each further wait is twice as long, up to 3 h. Default 15 s.
    #[serde(with = "humantime_serde")]
    pub first_wait: Duration,
    /// When a delivery to a `sync` webhook is given up. Default 72 h.
    #[serde(with = "humantime_serde")]
    pub give_up_after: Duration,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            per_app: 20,
            concurrent: 8,
            attempt_time: Duration::from_secs(15),
            first_wait: Duration::from_secs(15),
            give_up_after: Duration::from_hours(72),
        }
    }
}

/// What is kept of what has happened to an app, for its log and its webhooks. The ledger is not touched by it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// Most events of one app. Default 10,000.
    pub events_per_app: u32,
    /// Age after which an event is forgotten. Default 30 days.
    #[serde(with = "humantime_serde")]
    pub event_age: Duration,
    /// Output of an app's processes that its log keeps, in bytes. Default 8 MiB.
    pub log_bytes: u64,
}

impl Default for History {
    fn default() -> Self {
        Self { events_per_app: 10_000, event_age: Duration::from_hours(30 * 24), log_bytes: 8 * 1024 * 1024 }
    }
}
