//! A stand-in for GitHub and its kin on loopback: keeps what it is told as they do, and shows the test each request.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::{Moment, Stop};

const PATIENCE: Duration = Duration::from_mins(1);

/// A forge that anybody may ask.
pub(crate) struct ForgeApi {
    pub(crate) address: SocketAddr,
    pub(crate) kept: Arc<Kept>,
    asked: mpsc::UnboundedReceiver<Asked>,
}

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) headers: HeaderMap,
    /// `METHOD /PATH?QUERY`.
    pub(crate) line: String,
    pub(crate) body: Value,
}

/// What it has been told.
pub(crate) struct Kept {
    pub(crate) state: Mutex<Told>,
    /// One is taken for each answer.
    answers: Semaphore,
    stop: Arc<Stop>,
    show: mpsc::UnboundedSender<Asked>,
}

#[derive(Default)]
pub(crate) struct Told {
    /// The next answers to what is not a GET, instead of doing it.
    pub(crate) refusals: VecDeque<(u16, Value)>,
    /// The next answers, whatever is asked, with these headers.
    pub(crate) limits: VecDeque<(u16, Vec<(&'static str, String)>)>,
    /// What a GET of a commit's statuses, or of its check runs, gives, page by page.
    pub(crate) statuses: Vec<Value>,
    pub(crate) check_runs: Vec<Value>,
    /// The same of single commits.
    pub(crate) ci: HashMap<String, Ci>,
    /// The statuses that commits were given, each with its commit.
    pub(crate) set_statuses: Vec<(String, Value)>,
    pub(crate) deployments: Vec<Value>,
    /// Their numbers and states.
    pub(crate) deployment_statuses: Vec<(u64, String)>,
    /// Tokens, and the repository whose code each may read.
    pub(crate) readers: Vec<(&'static str, &'static str)>,
    /// Their numbers and texts.
    pub(crate) comments: Vec<(u64, String)>,
}

/// What a commit's CI says, page by page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ci {
    pub(crate) statuses: Vec<Value>,
    pub(crate) check_runs: Vec<Value>,
    /// On the first page.
    pub(crate) check_suites: Vec<Value>,
}

impl ForgeApi {
    pub(crate) fn start() -> Self {
        Self::start_with(Arc::default())
    }

    /// One that may stop at a question.
    pub(crate) fn start_with(stop: Arc<Stop>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, (show, asked)) = (listener.local_addr().unwrap(), mpsc::unbounded_channel());
        let kept = Arc::new(Kept { state: Mutex::default(), answers: Semaphore::new(10_000), stop, show });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&kept));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
            });
        });
        Self { address, kept, asked }
    }

    /// The lines of a `hoist.toml` that make it this kind of forge.
    pub(crate) fn config(&self, section: &str) -> String {
        format!(
            "[network]\nallow = [\"127.0.0.1\"]\n[webhooks]\nfirst_wait = \"20ms\"\n[{section}]\napi_url = \"http://{}\"\n",
            self.address
        )
    }

    /// The next request.
    pub(crate) async fn next(&mut self) -> Asked {
        timeout(PATIENCE, self.asked.recv()).await.expect("nothing came").unwrap()
    }

    /// The next so many requests that are not a GET, as [`Asked::words`].
    pub(crate) async fn take(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.len() < count {
            let asked = self.next().await;
            if !asked.line.starts_with("GET ") {
                lines.push(asked.words());
            }
        }
        lines
    }

    /// Does what is asked, but answers nobody until [`ForgeApi::go_on`].
    pub(crate) fn hold(&self) {
        self.kept.answers.forget_permits(usize::MAX);
    }

    /// Answers once while it holds.
    pub(crate) fn answer_one(&self) {
        self.kept.answers.add_permits(1);
    }

    pub(crate) fn go_on(&self) {
        self.kept.answers.add_permits(10_000);
    }

    /// Answers the next request with these headers, and does not do it.
    pub(crate) fn limit(&self, status: u16, headers: &[(&'static str, String)]) {
        self.kept.state.lock().unwrap().limits.push_back((status, headers.to_vec()));
    }

    /// Answers the next request that is not a GET so, and does not do it.
    pub(crate) fn refuse(&self, status: u16, message: &str) {
        self.kept.state.lock().unwrap().refusals.push_back((status, json!({ "message": message })));
    }
}

impl Asked {
    /// The request's line with what its body says of a state.
    pub(crate) fn words(&self) -> String {
        let word = |name: &str| self.body[name].as_str().unwrap_or_default();
        let said = [word("state"), word("context"), word("name"), word("environment"), word("description"), word("body")];
        let said: Vec<_> = said.into_iter().filter(|word| !word.is_empty()).collect();
        format!("{} {}", self.line, said.join(" ")).trim_end().to_owned()
    }
}

async fn answer(State(kept): State<Arc<Kept>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let line = format!("{} {}", parts.method, parts.uri);
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default();
    let asked = Asked { headers: parts.headers, line, body };
    let stop = kept.stop.meets(&asked.words());
    if stop == Some(Moment::Asked) {
        return pending().await;
    }
    let page = query.split('&').find_map(|pair| pair.strip_prefix("page=")).map_or(1, |page| page.parse().unwrap());
    let token = asked.headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let (status, headers, said) = {
        let mut told = kept.state.lock().unwrap();
        let limit = told.limits.pop_front();
        let refusal = if limit.is_some() || parts.method == "GET" { None } else { told.refusals.pop_front() };
        if let Some((status, headers)) = limit {
            (status, headers, json!({ "message": "You have exceeded a rate limit." }))
        } else {
            let (status, said) = match refusal {
                _ if path.ends_with("/branches") => told.branches(&path, token),
                Some(refusal) => refusal,
                None => told.answer(parts.method.as_str(), &path, page, &asked.body),
            };
            (status, Vec::new(), said)
        }
    };
    kept.show.send(asked).ok();
    if stop.is_some() {
        return pending().await;
    }
    kept.answers.acquire().await.unwrap().forget();
    let mut response = (StatusCode::from_u16(status).unwrap(), axum::Json(said)).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

impl Told {
    /// The branches of a repository, of which there are none, for whoever may read it; others are told that there is no such.
    fn branches(&self, path: &str, token: Option<&str>) -> (u16, Value) {
        let may = |(one, repo): &(&str, &str)| token == Some(one) && path == format!("/repos/{repo}/branches");
        if self.readers.iter().any(may) { (200, json!([])) } else { (404, json!({ "message": "Not Found" })) }
    }

    /// Does what is asked. What is listed has all its entries on the first page, but for statuses and check runs.
    fn answer(&mut self, method: &str, path: &str, page: usize, body: &Value) -> (u16, Value) {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let number = parts.last().and_then(|last| last.parse::<u64>().ok());
        let first = |all: Value| if page == 1 { all } else { json!([]) };
        match (method, parts.as_slice()) {
            ("POST", [.., "deployments", id, "statuses"]) => {
                self.deployment_statuses.push((id.parse().unwrap(), body["state"].as_str().unwrap().to_owned()));
                (201, json!({ "id": 1 }))
            }
            ("POST", [.., "statuses", commit]) => {
                self.set_statuses.push(((*commit).to_owned(), body.clone()));
                (201, json!({ "id": 1 }))
            }
            ("GET", [.., "deployments"]) => (200, first(json!(self.deployments))),
            ("POST", [.., "deployments"]) => {
                let mut deployment = body.clone();
                deployment["id"] = json!(self.deployments.len() + 1);
                self.deployments.push(deployment.clone());
                (201, deployment)
            }
            ("GET", [.., "comments" | "notes"]) => {
                let comments = self.comments.iter().map(|(id, body)| json!({ "id": id, "body": body })).collect();
                (200, first(comments))
            }
            ("POST", [.., "comments" | "notes"]) => {
                let id = self.comments.len() as u64 + 1;
                self.comments.push((id, body["body"].as_str().unwrap().to_owned()));
                (201, json!({ "id": id }))
            }
            ("PATCH" | "PUT", [.., "comments" | "notes", _]) => {
                let found = self.comments.iter_mut().find(|(id, _)| Some(*id) == number);
                let Some((_, text)) = found else { return (404, json!({ "message": "Not Found" })) };
                body["body"].as_str().unwrap().clone_into(text);
                (200, json!({ "id": number }))
            }
            ("GET", [.., "installation"]) => (200, json!({ "id": 7 })),
            ("POST", ["app", "installations", "7", "access_tokens"]) => {
                (201, json!({ "token": "ghs_opens", "expires_at": "2999-01-01T00:00:00Z" }))
            }
            ("GET", [.., commit, "status" | "statuses"]) => {
                let pages = self.ci.get(*commit).map_or(&self.statuses, |ci| &ci.statuses);
                (200, pages.get(page - 1).cloned().unwrap_or_default())
            }
            ("GET", [.., commit, "check-runs"]) => {
                let pages = self.ci.get(*commit).map_or(&self.check_runs, |ci| &ci.check_runs);
                (200, pages.get(page - 1).cloned().unwrap_or_default())
            }
            ("GET", [.., commit, "check-suites"]) => {
                let suites = self.ci.get(*commit).map(|ci| ci.check_suites.clone()).unwrap_or_default();
                (200, json!({ "check_suites": suites }))
            }
            _ => (404, json!({ "message": "Not Found" })),
        }
    }
}
