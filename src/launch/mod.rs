//! Webhooks: apps' events on their way to whoever asked for them.
//!
//! `webhooks` adds and changes one. The events and their deliveries are rows that were written with what happened
//! ([`crate::db::events`]); `worker` takes them from there, `hook` makes one attempt; `prune` forgets
//! what is old.
//!
//! Each delivery is made at least once: the daemon may be killed between a receiver's answer and its record, and tries again
//! then, under the same delivery's id. Deliveries to one webhook are made one after the other, in the order of their events.

mod hook;
mod prune;
mod worker;

mod webhooks;

use std::net::IpAddr;
use std::time::Duration;

use crate::model::{AttemptId, DeliveryId, Event, WebhookId};

pub use prune::prune;
pub use webhooks::{Change, NewWebhook, WebhookError, add_webhook, change_webhook, remove_webhook};
pub use worker::{Launcher, launch};

/// How deliveries are made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Networks that may be reached although they are private.
    pub allow_networks: Vec<(IpAddr, u8)>,
    /// At once.
    pub concurrent: usize,
    /// For one attempt.
    pub attempt_time: Duration,
    /// Wait after the first failed attempt.
    pub first_wait: Duration,
    /// How old a delivery may become.
    pub give_up_after: Duration,
    /// How old an event may become.
    pub event_age: Duration,
    pub events_per_app: u32,
}

/// An attempt that is about to be made: what its body tells.
#[derive(Debug, Clone)]
pub struct Occasion {
    pub event: Event,
    pub webhook: WebhookId,
    pub delivery: DeliveryId,
    pub attempt: AttemptId,
}

/// Why there is no body to send. hoist's fault.
pub type RenderError = Box<dyn std::error::Error + Send + Sync>;
