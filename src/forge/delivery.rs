//! A request of a forge, taken apart.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answer::Refusal;
use super::{Candidate, gitlab, hub, signature};
use crate::connections::Signer;
use crate::model::{Delivered, NamedRepository, Provider, Secret};

/// The largest delivery, in bytes: GitHub's own limit.
pub(super) const MAX_BYTES: usize = 25 * 1024 * 1024;
/// For all of a delivery to arrive. Forges give up after ten seconds.
const READ_TIME: Duration = Duration::from_secs(10);
/// The longest id of a delivery.
const MAX_ID: usize = 200;

/// What a forge has sent. Nothing in it is believed yet.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) provider: Provider,
    /// The forge's own id of it.
    pub(super) id: String,
    /// The forge's word for what has happened.
    pub(super) event: String,
    pub(super) headers: HeaderMap,
    /// As it came.
    pub(super) body: Bytes,
    /// The JSON in it: all of it, or what stands in a form's `payload`.
    pub(super) json: Bytes,
    /// For as long as it is in memory.
    #[expect(dead_code, reason = "it is held, and given back when this is dropped")]
    room: OwnedSemaphorePermit,
}

/// What a delivery says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Which repositories it is about.
    pub(super) repositories: Vec<NamedRepository>,
    pub(super) delivered: Delivered,
}

impl Delivery {
    /// Reads a request to its end, into the room that there is, in bytes.
    pub(super) async fn read(provider: Provider, request: Request, room: Arc<Semaphore>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let (id, event) = names(provider, &parts.headers)?;
        let too_large = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if too_large.is_some_and(|bytes| bytes > MAX_BYTES) {
            return Err(Refusal::TooLarge(MAX_BYTES));
        }
        let (body, room) = timeout(READ_TIME, read_to_end(body, room)).await.map_err(|_| Refusal::Slow)??;
        let json = if is_form(&parts.headers) { payload_of_form(&body)? } else { body.clone() };
        Ok(Self { provider, id, event, headers: parts.headers, body, json, room })
    }

    #[cfg(test)]
    pub(super) fn made_of(provider: Provider, headers: HeaderMap, body: &'static str) -> Self {
        let room = Arc::new(Semaphore::new(0)).try_acquire_many_owned(0).unwrap();
        Self { provider, id: "d".into(), event: "push".into(), headers, body: body.into(), json: body.into(), room }
    }

    /// Tells whether it is about the GitHub App, which nobody but GitHub tells of.
    pub(super) fn is_of_the_app(&self) -> bool {
        self.provider == Provider::GitHub && matches!(self.event.as_str(), "installation" | "installation_repositories")
    }

    /// Reads what it says, away from the threads that serve others.
    pub(super) async fn parse(self: &Arc<Self>) -> Result<Told, Refusal> {
        let delivery = Arc::clone(self);
        let parsing = spawn_blocking(move || match delivery.provider {
            Provider::GitLab => gitlab::parse(&delivery.event, &delivery.json),
            Provider::GitHub | Provider::Gitea | Provider::Forgejo => hub::parse(&delivery.event, &delivery.json),
        });
        parsing.await.unwrap_or_else(|panicked| Err(Refusal::Broken(panicked)))
    }

    /// Leaves those of the candidates with whose secret this is signed; if it is with the GitHub App's, those that were proved and
    /// are about the same repository, as the App hears of repositories that not everybody here may know of. Refused if it is with
    /// neither.
    pub(super) async fn prove(
        self: &Arc<Self>,
        candidates: Vec<Candidate>,
        app_secret: Option<Secret>,
    ) -> Result<Vec<(Candidate, Signer)>, Refusal> {
        let delivery = Arc::clone(self);
        let proving = spawn_blocking(move || {
            if candidates.is_empty() && app_secret.is_none() {
                // The time of the answer must not tell either that nothing is connected.
                signature::is_signed(&delivery, &Secret::new("nobody's"));
            }
            let is_the_apps = app_secret.is_some_and(|secret| signature::is_signed(&delivery, &secret));
            let signer = |candidate: &Candidate| match candidate {
                candidate if is_the_apps && candidate.is_the_apps() => Some(Signer::App),
                candidate => signature::is_signed(&delivery, &candidate.webhook_secret).then_some(Signer::Connection),
            };
            let proved = candidates.into_iter().filter_map(|candidate| signer(&candidate).map(|signer| (candidate, signer)));
            let proved: Vec<_> = proved.collect();
            if proved.is_empty() && !is_the_apps { Err(Refusal::NotProved) } else { Ok(proved) }
        });
        proving.await.unwrap_or_else(|panicked| Err(Refusal::Broken(panicked)))
    }
}

/// Reads a body of up to [`MAX_BYTES`], taking the room that it needs as it comes.
async fn read_to_end(body: Body, room: Arc<Semaphore>) -> Result<(Bytes, OwnedSemaphorePermit), Refusal> {
    let take = async |bytes: usize| {
        let bytes = u32::try_from(bytes).map_err(|_| Refusal::TooLarge(MAX_BYTES))?;
        Arc::clone(&room).acquire_many_owned(bytes).await.map_err(|_| Refusal::Busy)
    };
    let (mut read, mut taken, mut pieces) = (BytesMut::new(), take(0).await?, body.into_data_stream());
    while let Some(piece) = pieces.next().await {
        // The forge has gone away.
        let piece = piece.map_err(|_| Refusal::Slow)?;
        if read.len() + piece.len() > MAX_BYTES {
            return Err(Refusal::TooLarge(MAX_BYTES));
        }
        taken.merge(take(piece.len()).await?);
        read.extend_from_slice(&piece);
    }
    Ok((read.freeze(), taken))
}

/// The id of the delivery and the forge's word for what has happened, by the headers of each forge.
fn names(provider: Provider, headers: &HeaderMap) -> Result<(String, String), Refusal> {
    let (ids, event): (&[&'static str], _) = match provider {
        Provider::GitHub => (&["x-github-delivery"], "x-github-event"),
        // The first is the delivery's own and stays when it is repeated; the second is the event's, of GitLab before 17.4.
        Provider::GitLab => (&["idempotency-key", "x-gitlab-event-uuid"], "x-gitlab-event"),
        Provider::Gitea => (&["x-gitea-delivery"], "x-gitea-event"),
        Provider::Forgejo => (&["x-forgejo-delivery", "x-gitea-delivery"], "x-forgejo-event"),
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| text.len() <= MAX_ID);
    let id = ids.iter().find_map(|name| text(name)).filter(|id| !id.is_empty()).ok_or(Refusal::NoHeader(ids[0]))?;
    Ok((id.to_owned(), text(event).ok_or(Refusal::NoHeader(event))?.to_owned()))
}

/// Whether the forge was told to send a form: GitHub does so unless told otherwise.
fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

fn payload_of_form(body: &[u8]) -> Result<Bytes, Refusal> {
    let payload = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload");
    let (_, payload) = payload.ok_or_else(|| Refusal::Malformed("the form has no `payload`".into()))?;
    Ok(payload.into_owned().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(content_type: &str, body: impl Into<Body>) -> Result<Delivery, Refusal> {
        let request = Request::post("/github/webhook").header("x-github-delivery", "d1").header("x-github-event", "ping");
        let request = request.header("content-type", content_type).body(body.into()).unwrap();
        Delivery::read(Provider::GitHub, request, Arc::new(Semaphore::new(MAX_BYTES))).await
    }

    #[tokio::test]
    async fn json_comes_as_it_is_or_in_a_form() {
        assert_eq!(read("application/json", "{}").await.unwrap().json, "{}");
        let sent = "x=1&payload=%7B%22a%22%3A+1%7D";
        let form = read("application/x-www-form-urlencoded; charset=utf-8", sent).await.unwrap();
        assert_eq!((&*form.json, &*form.body), (&b"{\"a\": 1}"[..], sent.as_bytes()), "the body as it was signed");
        assert!(matches!(read("application/x-www-form-urlencoded", "x=1").await, Err(Refusal::Malformed(_))));
    }

    #[tokio::test]
    async fn what_is_too_large_is_not_kept() {
        assert!(matches!(read("application/json", vec![b' '; MAX_BYTES + 1]).await, Err(Refusal::TooLarge(MAX_BYTES))));
        assert!(read("application/json", vec![b' '; MAX_BYTES]).await.is_ok());
    }

    #[tokio::test]
    async fn room_is_taken_for_what_is_there_and_given_back() {
        let room = Arc::new(Semaphore::new(10));
        let request = || Request::post("/").header("x-github-delivery", "d1").header("x-github-event", "ping");
        let read = |body: &'static str| Delivery::read(Provider::GitHub, request().body(body.into()).unwrap(), Arc::clone(&room));
        let kept = read("{\"a\": 1}").await.unwrap();
        assert_eq!(room.available_permits(), 2);
        drop(kept);
        assert_eq!(room.available_permits(), 10);
    }

    #[test]
    fn each_forge_has_headers_of_its_own() {
        let of = |provider, headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            names(provider, &headers).ok()
        };
        let pair = |id: &str, event: &str| Some((id.to_owned(), event.to_owned()));
        let gitlab = [("idempotency-key", "i1"), ("x-gitlab-event-uuid", "e1"), ("x-gitlab-event", "Push Hook")];
        assert_eq!(of(Provider::GitLab, &gitlab), pair("i1", "Push Hook"));
        assert_eq!(of(Provider::GitLab, &gitlab[1..]), pair("e1", "Push Hook"));
        let forgejo = [("x-forgejo-event", "push"), ("x-forgejo-delivery", "f1"), ("x-github-delivery", "f1")];
        assert_eq!(of(Provider::Forgejo, &forgejo), pair("f1", "push"));
        assert_eq!(of(Provider::GitHub, &forgejo), None, "another forge's event");
        assert_eq!(of(Provider::Gitea, &[("x-gitea-event", "push")]), None, "no id");
    }
}
