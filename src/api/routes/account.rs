//! Accounts, and their keys.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;

use super::about;
use crate::api::{account, apps, keys, pipeline_couplings};
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route("/account", get_with(account::info, about("Your account")))
        .api_route("/users/{user}", get_with(account::user_info, about("Your account, by its address or id")))
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
}
