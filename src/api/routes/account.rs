//! Accounts, and their keys.

use aide::axum::ApiRouter;
use aide::axum::routing::{get, get_with, post_with};

use super::about;
use crate::api::{account, apps, audit_events, keys, oauth_authorizations, pipeline_couplings};
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route(
            "/account",
            get_with(account::info, about("Your account")).patch_with(account::update, about("Change your account")),
        )
        .api_route("/account/rate-limits", get_with(account::rate_limits, about("How many more requests you may make now")))
        .api_route("/users/{user}", get_with(account::user_info, about("You, or somebody whom you work with, by address or id")))
        .api_route("/users/{user}/apps", get_with(apps::list_of_user, about("The apps that you own or collaborate on")))
        .api_route(
            "/users/{user}/pipeline-couplings",
            get_with(pipeline_couplings::list_of_user, about("The places of your apps in pipelines")),
        )
        .api_route("/account/keys", get_with(keys::list, about("Your SSH keys")).post_with(keys::create, about("Add an SSH key")))
        .api_route(
            "/account/keys/{key}",
            get_with(keys::info, about("An SSH key")).delete_with(keys::destroy, about("Remove an SSH key")),
        )
        .api_route(
            "/oauth/authorizations",
            get_with(oauth_authorizations::list, about("Your API tokens, without the tokens themselves"))
                .post_with(oauth_authorizations::create, about("Make an API token")),
        )
        .api_route(
            "/oauth/authorizations/{authorization}",
            get_with(oauth_authorizations::info, about("An API token"))
                .patch_with(oauth_authorizations::update, about("Describe an API token anew"))
                .delete_with(oauth_authorizations::destroy, about("Revoke an API token")),
        )
        .api_route(
            "/oauth/authorizations/{authorization}/actions/regenerate-tokens",
            post_with(oauth_authorizations::regenerate, about("Replace an API token by another")),
        )
        .route("/oauth/sessions/{session}", get(oauth_authorizations::session).delete(oauth_authorizations::session))
        .api_route("/account/audit-events", get_with(audit_events::of_account, about("What you did, from where")))
}
