//! The composition root: everything is opened, started and stopped here, in this order.

mod lock;
mod repositories;
mod settings;
mod upkeep;

pub use settings::{addon_settings, docker_settings, engine_settings, provider_settings, registry_settings, teller};

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::addons::Addons;
use crate::api;
use crate::auth::Rates;
use crate::build::{CacheFolders, SourceFolders};
use crate::config::Config;
use crate::ctx::Ctx;
use crate::db::Db;
use crate::deploy::{self, Builds, Dynos, Packs, TestRuns};
use crate::docker::Docker;
use crate::engine::Engine;
use crate::forge;
use crate::git::{Fetches, Nonces};
use crate::image::Roots;
use crate::image::of_slug::SigningKey;
use crate::launch;
use crate::registry;
use crate::slug::LastSlugs;
use crate::store::Store;
use crate::telemetry;
use crate::tell::{self, Providers};
use crate::transport::listener::Listener;
use crate::transport::ssh::HostKeys;
use crate::transport::{health, http, lfs, signing_key, smart_http, ssh, tls};
use lock::Lock;
use settings::allowed_networks;

/// How long pushes and builds may go on after SIGTERM.
const GRACE: Duration = Duration::from_secs(30);
/// How long they have to end in order once they are killed.
const KILL_TIME: Duration = Duration::from_secs(10);
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// A running daemon.
pub struct Server {
    ctx: Ctx,
    http: SocketAddr,
    ssh: SocketAddr,
    _lock: Lock,
}

/// Runs the daemon until SIGTERM or SIGINT. A second signal ends what runs at once.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::log_to_stderr();
    let mut signals = Signals::new().context("can't listen for signals")?;
    let server = Server::start(config).await?;
    writeln!(std::io::stdout(), "hoist is ready http={} ssh={}", server.http, server.ssh).context("can't write to stdout")?;
    signals.next().await;
    server.stop(GRACE, signals.next()).await;
    Ok(())
}

impl Server {
    /// Opens everything, mends what a crash has left, and opens the doors last.
    pub async fn start(mut config: Config) -> anyhow::Result<Self> {
        telemetry::start();
        let lock = Lock::take(&config.data_dir, lock::PATIENCE).await?;
        let places = Arc::new(Semaphore::new(config.limits.connections));
        let http = Listener::bind("http", config.http_listen, Arc::clone(&places)).await?;
        let ssh = Listener::bind("ssh", config.ssh_listen, places).await?;
        // Port 0 asks for any: from here on the configuration names the real ones.
        (config.http_listen, config.ssh_listen) = (http.local_addr()?, ssh.local_addr()?);
        let ctx = open(config).await?;
        deploy::recover(&ctx).await.context("can't mend what the last stop left")?;
        let tls = tls::acceptor(&ctx)?;
        let keys = HostKeys::open(&ctx.config.data_dir)?;
        let server = Self { http: http.local_addr()?, ssh: ssh.local_addr()?, ctx: ctx.clone(), _lock: lock };
        ctx.tasks.spawn(http::run(http, tls, routes(&ctx), ctx.clone()));
        ctx.tasks.spawn(ssh::run(ssh, keys, ctx.clone()));
        ctx.tasks.spawn(launch_webhooks(ctx.clone()));
        ctx.tasks.spawn(deploy::deploy_triggers(ctx.clone()));
        ctx.tasks.spawn(deploy::deploy_followers(ctx.clone()));
        ctx.tasks.spawn(tell_back(ctx.clone()));
        upkeep::start(&ctx);
        info!(http = %server.http, ssh = %server.ssh, data_dir = %ctx.config.data_dir.display(), "hoist has started");
        Ok(server)
    }

    /// The long-lived handles.
    #[must_use]
    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// The HTTP door's address.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The SSH door's address.
    #[must_use]
    pub fn ssh(&self) -> SocketAddr {
        self.ssh
    }

    /// Takes nothing new, lets what runs end for as long as `grace`, or until `impatient` ends, then kills it.
    pub async fn stop(self, grace: Duration, impatient: impl Future<Output = ()>) {
        let tasks = &self.ctx.tasks;
        info!("stopping: pushes and builds have {grace:?} to end");
        self.ctx.stopping.cancel();
        tasks.close();
        tokio::select! {
            () = tasks.wait() => {}
            () = tokio::time::sleep(grace) => warn!("{} tasks are still running: killing them", tasks.len()),
            () = impatient => warn!("asked twice: killing {} tasks", tasks.len()),
        }
        self.ctx.killing.cancel();
        if timeout(KILL_TIME, tasks.wait()).await.is_err() {
            warn!("{} tasks did not end: what they did is mended at the next start", tasks.len());
        }
        if timeout(CLOSE_TIME, self.ctx.db.close()).await.is_err() {
            warn!("the database did not close in time");
        }
        info!("stopped");
    }
}

async fn open(config: Config) -> anyhow::Result<Ctx> {
    let helper = std::env::current_exe().context("can't find hoist's own executable")?;
    let db = Db::open(&config.data_dir).await?;
    let store = Store::open(config.data_dir.join("blobs"))?;
    let signing_key = SigningKey::open(&config.data_dir)?;
    let engine = Engine::open(engine_settings(&config, &config.data_dir.join("work"))?).await?;
    let docker = Docker::new(docker_settings(&config));
    let cache_folders = CacheFolders::open(config.data_dir.join("caches"), engine.clone(), store.clone(), &config.limits).await?;
    let source_folders = SourceFolders::open(config.data_dir.join("sources"), engine.clone(), &config.limits).await?;
    let last_slugs = LastSlugs::open(config.data_dir.join("last-slugs"))?;
    let roots = Roots::open(config.data_dir.join("images"), engine.clone(), store.clone(), &config.limits).await?;
    let addons = Addons::open(addon_settings(&config))?;
    let providers = Providers::open(provider_settings(&config))?;
    let builds = Builds::new(&config.limits);
    let dynos = Dynos::new(config.limits.concurrent_builds, config.limits.concurrent_runs);
    Ok(Ctx {
        packs: Packs::default(),
        nonces: Nonces::new(),
        // Whoever fetches shares the processors with builds, but need not wait for one another's disk.
        fetches: Fetches::new(2 * std::thread::available_parallelism().map_or(1, usize::from)),
        rates: Rates::new(&config.limits),
        config: Arc::new(config),
        db,
        store,
        signing_key,
        engine,
        docker,
        roots,
        cache_folders,
        source_folders,
        last_slugs,
        addons,
        providers,
        helper,
        stopping: CancellationToken::new(),
        killing: CancellationToken::new(),
        builds,
        dynos,
        test_runs: TestRuns::default(),
        tasks: TaskTracker::new(),
    })
}

/// Delivers what has happened to who asked for it. What a receiver reads is the API's to say.
async fn launch_webhooks(ctx: Ctx) {
    let webhooks = &ctx.config.webhooks;
    let settings = launch::Settings {
        allow_networks: allowed_networks(&ctx.config),
        concurrent: webhooks.concurrent,
        attempt_time: webhooks.attempt_time,
        first_wait: webhooks.first_wait,
        give_up_after: webhooks.give_up_after,
        event_age: ctx.config.history.event_age,
        events_per_app: ctx.config.history.events_per_app,
    };
    let launcher = launch::Launcher {
        db: ctx.db.clone(),
        settings,
        now: Ctx::now_utc,
        stopping: ctx.stopping.clone(),
        killing: ctx.killing.clone(),
    };
    let render = move |occasion| {
        let ctx = ctx.clone();
        async move { api::notification(&ctx, &occasion).await }
    };
    launch::launch(launcher, render).await;
}

/// Tells others what has become of builds and releases. Where a command is run is the spine's to say.
async fn tell_back(ctx: Ctx) {
    let run = {
        let ctx = ctx.clone();
        move |hook| {
            let ctx = ctx.clone();
            async move { deploy::run_hook(&ctx, hook).await.map_err(Into::into) }
        }
    };
    tell::tell(teller(&ctx), run).await;
}

/// Everything that the HTTP door answers.
fn routes(ctx: &Ctx) -> Router {
    let routes = api::router(ctx.clone())
        .merge(smart_http::routes(ctx.clone()))
        .merge(lfs::routes(ctx.clone()))
        .merge(health::routes(ctx.clone()))
        .merge(signing_key::routes(ctx.clone()))
        .merge(registry::routes(ctx.clone()))
        .merge(forge::routes(ctx.clone()));
    api::with_method_override(routes)
}

/// The signals that ask hoist to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
