//! What happens to apps: their webhooks, their notifications and their logs.

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with};

use super::about;
use crate::api::{log_sessions, notifications, webhook_deliveries, webhooks};
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route("/apps/{app}/log-sessions", post_with(log_sessions::create, about("Ask for the app's log")))
        .api_route(
            "/apps/{app}/notifications",
            get_with(notifications::list, about("Who is told of the app's releases")).post_with(
                notifications::create,
                about("Tell a URL or an address of the app's releases, or run a command in each"),
            ),
        )
        .api_route(
            "/apps/{app}/notifications/{notification}",
            delete_with(notifications::destroy, about("Tell somebody no more")),
        )
        .api_route(
            "/apps/{app}/webhook-deliveries",
            get_with(webhook_deliveries::list, about("What is told to the app's webhooks")),
        )
        .api_route(
            "/apps/{app}/webhook-deliveries/{delivery}",
            get_with(webhook_deliveries::info, about("A delivery to a webhook")),
        )
        .api_route("/apps/{app}/webhook-events", get_with(webhook_deliveries::list_events, about("What has happened to the app")))
        .api_route(
            "/apps/{app}/webhook-events/{event}",
            get_with(webhook_deliveries::event_info, about("Something that has happened to the app")),
        )
        .api_route(
            "/apps/{app}/webhooks",
            get_with(webhooks::list, about("The app's webhooks"))
                .post_with(webhooks::create, about("Tell a URL what happens to the app")),
        )
        .api_route(
            "/apps/{app}/webhooks/{webhook}",
            get_with(webhooks::info, about("A webhook"))
                .patch_with(webhooks::update, about("Change a webhook"))
                .delete_with(webhooks::destroy, about("Remove a webhook")),
        )
}
