//! An installation for one test: a database of its own, and the API over it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use hoist::addons::Addons;
use hoist::auth::Rates;
use hoist::build::{CacheFolders, SourceFolders};
use hoist::config::{Config, PlaceArgs, ServeArgs};
use hoist::ctx::Ctx;
use hoist::db::Db;
use hoist::deploy::{Builds, Dynos, Packs, TestRuns};
use hoist::docker::Docker;
use hoist::engine::{Engine, Kind, Settings};
use hoist::git::{Fetches, Nonces};
use hoist::image::Roots;
use hoist::image::of_slug::SigningKey;
use hoist::model::{Account, Limits, Secret};
use hoist::server::{addon_settings, docker_settings, provider_settings};
use hoist::slug::LastSlugs;
use hoist::store::Store;
use hoist::tell::Providers;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::contract::Contract;

pub(crate) struct World {
    pub(crate) ctx: Ctx,
    pub(crate) router: Router,
    contract: Contract,
    _dir: TempDir,
}

/// A user of it.
pub(crate) struct User {
    pub(crate) account: Account,
    pub(crate) token: Secret,
}

/// An answer, its body parsed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::told_to_listen_on(None).await
    }

    /// The address is what the installation tells; whoever wants an answer there has to serve the router.
    pub(crate) async fn told_to_listen_on(http_listen: Option<SocketAddr>) -> Self {
        Self::configured("", http_listen).await
    }

    /// One with more in its `hoist.toml`.
    pub(crate) async fn configured(config: &str, http_listen: Option<SocketAddr>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = format!("app_url = \"https://{{app}}.example.com/\"\n{config}");
        std::fs::write(dir.path().join("hoist.toml"), config).unwrap();
        let place = PlaceArgs { data_dir: Some(dir.path().into()), ..PlaceArgs::default() };
        let config = Config::load(&ServeArgs { place, http_listen, ..ServeArgs::default() }).unwrap();
        let settings = Settings {
            kind: Kind::Local,
            helper: env!("CARGO_BIN_EXE_hoist").into(),
            work_dir: config.data_dir.join("work"),
            ca_bundle: None,
            allow_networks: Vec::new(),
        };
        let (store, engine) = (Store::open(config.data_dir.join("blobs")).unwrap(), Engine::open(settings).await.unwrap());
        let images = config.data_dir.join("images");
        let ctx = Ctx {
            docker: Docker::new(docker_settings(&config)),
            roots: Roots::open(images, engine.clone(), store.clone(), &config.limits).await.unwrap(),
            cache_folders: CacheFolders::open(config.data_dir.join("caches"), engine.clone(), store.clone(), &config.limits)
                .await
                .unwrap(),
            source_folders: SourceFolders::open(config.data_dir.join("sources"), engine.clone(), &config.limits).await.unwrap(),
            last_slugs: LastSlugs::open(config.data_dir.join("last-slugs")).unwrap(),
            nonces: Nonces::new(),
            fetches: Fetches::new(1),
            rates: Rates::new(&config.limits),
            addons: Addons::open(addon_settings(&config)).unwrap(),
            providers: Providers::open(provider_settings(&config)).unwrap(),
            builds: Builds::new(&Limits { concurrent_builds: 1, queued_builds_per_app: 1, ..config.limits.clone() }),
            packs: Packs::default(),
            dynos: Dynos::new(1, 2),
            test_runs: TestRuns::default(),
            db: Db::open(&config.data_dir).await.unwrap(),
            store,
            engine,
            signing_key: SigningKey::open(&config.data_dir).unwrap(),
            helper: env!("CARGO_BIN_EXE_hoist").into(),
            stopping: CancellationToken::new(),
            killing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            config: Arc::new(config),
        };
        let router = hoist::api::router(ctx.clone());
        let described = answer(&router, Request::get("/openapi.json").body(Body::empty()).unwrap()).await;
        Self { contract: Contract::new(described.body), router, ctx, _dir: dir }
    }

    /// Replaces the rate limits.
    pub(crate) fn limit(&mut self, limits: &Limits) {
        self.ctx.rates = Rates::new(limits);
        self.router = hoist::api::router(self.ctx.clone());
    }

    pub(crate) async fn user(&self, email: &str) -> User {
        let (account, token) = hoist::auth::add_user(&self.ctx.db, &email.parse().unwrap(), None, self.ctx.now()).await.unwrap();
        User { account, token }
    }

    /// Sends one request; `body` may be any text, also such as no client would send.
    pub(crate) async fn send(&self, user: &User, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", user.token.expose()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.raw(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// Sends one request. The answer is as the API describes it, or this panics.
    pub(crate) async fn raw(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = answer(&self.router, request).await;
        self.contract.hold(&method, &path, answer.status, &answer.body);
        answer
    }

    pub(crate) async fn get(&self, user: &User, path: &str) -> Answer {
        self.send(user, Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(&self, user: &User, path: &str, body: Value) -> Answer {
        self.send(user, Method::POST, path, &[], &body.to_string()).await
    }

    pub(crate) async fn patch(&self, user: &User, path: &str, body: Value) -> Answer {
        self.send(user, Method::PATCH, path, &[], &body.to_string()).await
    }

    pub(crate) async fn delete(&self, user: &User, path: &str) -> Answer {
        self.send(user, Method::DELETE, path, &[], "").await
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// `STATUS ID: MESSAGE` of an error.
    pub(crate) fn error(&self) -> String {
        format!("{} {}: {}", self.status.as_u16(), text(&self.body["id"]), text(&self.body["message"]))
    }

    /// The body, with what differs from run to run replaced.
    pub(crate) fn normal(&self) -> String {
        normal(&serde_json::to_string_pretty(&self.body).unwrap())
    }
}

async fn answer(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    Answer { status: parts.status, headers: parts.headers, body }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Replaces ids by ID and times by TIME, and cuts off what permits an address.
pub(crate) fn normal(text: &str) -> String {
    text.split('"')
        .map(|part| part.split_once("?expires=").map_or(part, |(address, _)| address))
        .map(|part| {
            if is_id(part) {
                "ID"
            } else if is_time(part) {
                "TIME"
            } else {
                part
            }
        })
        .collect::<Vec<_>>()
        .join("\"")
}

fn is_id(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

fn is_time(text: &str) -> bool {
    text.len() == 20 && text.starts_with("20") && text.ends_with('Z') && text.as_bytes()[10] == b'T'
}
