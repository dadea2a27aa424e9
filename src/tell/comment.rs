//! The one comment on a pull request: made once, and then changed.

use ring::hmac;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::TellError;
use super::api::{Api, PAGE};
use super::build::News;
use super::gitlab;
use crate::db::Cipher;
use crate::model::{AppId, FullName, Provider};

/// What the marks' key is for.
const PURPOSE: &str = "comments on pull requests";
/// As much of a mark as nobody guesses.
const MARK_BYTES: usize = 16;

#[derive(Debug, Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    body: String,
}

/// By which hoist knows its comment again: nobody else can make one that hoist takes for it before hoist has made its own,
/// which is the older one then.
pub(super) fn mark(cipher: &Cipher, app: AppId, pull_request: u64) -> String {
    let tag = hmac::sign(&cipher.signing_key(PURPOSE), format!("{app} {pull_request}").as_bytes());
    format!("<!-- hoist {} -->", hex::encode(&tag.as_ref()[..MARK_BYTES]))
}

/// Says in the comment with this mark what has become of the pull request, and makes the comment if there is none.
pub(super) async fn set_comment(
    api: &Api<'_>,
    (provider, repository): (Provider, &FullName),
    pull_request: u64,
    mark: &str,
    news: &News,
) -> Result<(), TellError> {
    let body = json!({ "body": format!("{mark}\n{}", text(news)) });
    let issue = match provider {
        Provider::GitLab => format!("{}/merge_requests/{pull_request}/notes", gitlab::project(repository)),
        _ => format!("/repos/{repository}/issues/{pull_request}/comments"),
    };
    let list = match provider {
        Provider::GitHub => api.pages(&format!("{issue}?per_page={PAGE}"), PAGE, |page: Vec<Comment>| page).await?,
        Provider::GitLab => {
            let oldest_first = format!("{issue}?sort=asc&order_by=created_at&per_page={PAGE}");
            api.pages(&oldest_first, PAGE, |page: Vec<Comment>| page).await?
        }
        // They know no pages here.
        Provider::Gitea | Provider::Forgejo => api.get(&issue).await?,
    };
    let own = list.iter().find(|comment| comment.body.starts_with(mark)).map(|comment| comment.id);
    match (own, provider) {
        (None, _) => api.post::<IgnoredAny>(&issue, &body).await,
        (Some(id), Provider::GitLab) => api.put(&format!("{issue}/{id}"), &body).await,
        (Some(id), _) => api.patch(&format!("/repos/{repository}/issues/comments/{id}"), &body).await,
    }
    .map(drop)
}

/// In Markdown.
fn text(news: &News) -> String {
    let (app, words, commit, build) = (&news.app, &news.description, news.commit.short(), &news.build_url);
    let open = news.app_url.as_ref().filter(|_| news.is_deployed()).map(|url| format!(" · [Open the app]({url})"));
    format!("**{app}** on hoist: {words} (commit {commit}) · [Build]({build}){}", open.unwrap_or_default())
}
