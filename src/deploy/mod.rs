//! The spine: from a pushed commit, or an archive, to a recorded release.
//!
//! `submit` records a build and starts it, `carry_out` sees it to its outcome; `run` below is the build itself, one step a line, or
//! `container` where images are built. `queue` keeps the builds of one app in order and those of all apps within the host's means,
//! `turn` is what one waits for; `site` is where one runs; `failure` holds every reason for which a push is refused, before its
//! build and in it, and the words; `cancel` stops one; `archive` keeps the log; `ahead` makes things ready for the next build of an
//! app; `recover` is what a start after a crash does.
//! `given` is what a build has besides its source, and `unchanged` spares one that would make the same again; `notes` is how long
//! each step took, and what else is known of it.
//!
//! `phase` carries out what an appended release still needs, whatever caused it; `run` runs one-off commands, and
//! `rendezvous` is where a client attaches to one; `process` is what both have in common, one command of a release, and `program` which;
//! `dynos` knows those that run, and `app_log` is what they all put out. `setup` makes an app as its app.json says, and
//! `test_run` runs an app's tests; `manifest` is what both make of app.json. `review_apps` makes, updates and takes away those of
//! pipelines.
//!
//! `buildpacks` finds out which buildpacks build an app, and fetches them.
//!
//! `lfs` finds the files of Git LFS that a pushed commit needs. `remote` asks other git servers, and `submodules` is what hoist
//! shows them for an app's code. `statements` is what is said of a slug. `slug_image` makes a release the image that a registry
//! hands out, and `image_blobs` keeps it.
//!
//! `trigger` takes up what was told of repositories that apps are connected to, `following` the pushes to apps that others follow.
//!
//! `addons` makes and removes databases for apps, which are causes of releases too; `first_deploy` those that a buildpack asks
//! for. `notify` runs the commands that somebody wants to be run in each release.

mod addons;
mod ahead;
mod app_log;
mod archive;
mod buildpacks;
mod cancel;
mod carry_out;
mod container;
mod dynos;
mod failure;
mod first_deploy;
mod following;
mod given;
mod image_blobs;
mod image_tags;
mod lfs;
mod manifest;
mod notes;
mod notify;
mod phase;
mod process;
mod program;
mod queue;
mod recover;
mod remote;
mod rendezvous;
mod request;
mod review_apps;
mod run;
mod setup;
mod site;
mod slug_image;
mod statements;
mod submit;
mod submodules;
mod test_run;
mod trigger;
mod turn;
mod unchanged;

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::build::{self, Build, CacheFolder, Discovered, ForNewApp, Started, TakenSource};
use crate::ctx::Ctx;
use crate::engine::{Environment, Spec};
use crate::fetch;
use crate::git::{Changes, Exported};
use crate::image::of_slug::{Contents, Inventory};
use crate::model::{AppId, Artifact, CacheChange, Phase, ProcessTypes, Slug, SlugId, SlugStatement};
use crate::release::NewManifest;
use crate::slug::{self, Packed};
use crate::stack::{self, Stack};
use crate::transcript::size;
use given::Given;
use queue::{Builder, Entry};
use site::Site;
use statements::Made;

/// A log's reader, which doors show to pushers.
pub use crate::transcript::{AppLog, Follower, OutputLine, OutputLines};
pub use addons::{AddonFailure, NewAddon, create_addon, destroy_addon, destroy_app, rotate_addon, settle as settle_addons};
pub use app_log::app_log;
pub use archive::{ArchiveError, Log, open_dyno_log, open_log, open_release_log, open_test_log, purge_cache};
pub use buildpacks::{Meaning, Packs, meaning_of};
pub use cancel::{Cancelled, cancel};
pub use dynos::{Dyno, DynoEnd, Dynos};
pub use failure::{Failure, MissingLfs};
pub use following::{Fate, deploy_followers, fate, followers_of};
pub use image_blobs::open_image_blob;
pub use image_tags::{release_tags, resolve_image_tag};
pub use lfs::{find_lfs_objects, forget_unneeded_lfs};
pub use notify::run_hook;
pub use phase::begin_phase;
pub use process::ProcessFailure;
pub use queue::Builds;
pub use recover::recover;
pub use remote::find_remote_ref;
pub use rendezvous::RENDEZVOUS_MARK;
pub use request::Request;
pub use review_apps::find_branch;
pub use run::{RunError, RunRequest, attach, run_attached, run_detached};
pub use setup::{SetupError, SetupRequest, submit_setup};
pub use slug_image::SlugImageError;
pub use statements::{StatementError, read_statement};
pub use submit::{End, Ticket, submit};
pub use test_run::{TestRunError, TestRunRequest, TestRuns, cancel_test_run, submit_test_run};
pub use trigger::deploy_triggers;

/// For a source that is fetched; it is part of the build's own time.
const FETCH_TIME: Duration = Duration::from_mins(5);

/// What a build gives: everything that the release needs.
#[derive(Debug)]
struct Built {
    artifact: Artifact,
    /// What is said of a slug.
    statements: Vec<SlugStatement>,
    /// What an image is made of.
    manifests: Vec<NewManifest>,
    cache: CacheChange,
    for_new_app: ForNewApp,
    /// What is known of the source, if it was looked at.
    exported: Option<Exported>,
    /// Whether the slug is an earlier one, and nothing was built.
    is_again: bool,
}

/// Builds and packs with `builder`. May be dropped at any point: nothing but blobs that nobody refers to is left then.
async fn run(ctx: &Ctx, entry: &Entry, request: &Request, given: &Given, builder: Builder) -> Result<Built, Failure> {
    entry.notes.begin(Phase::Export);
    if request.app.stack.is_container() {
        return Box::pin(container::run(ctx, entry, request, given, builder)).await;
    }
    let (id, transcript) = (entry.id, &entry.transcript);
    let held = stack::hold(&ctx.config.stacks_dir, &request.app.stack)?;
    let stack = held.stack.clone();
    transcript.section(&format!("Building on the {} stack", stack.name));
    let folder = match &request.cache {
        Some(cache) => ctx.cache_folders.get(cache).await,
        None => None,
    };
    let spec = environment_spec(ctx, &format!("build-{id}"), &stack);
    let source = ctx.source_folders.take(request.app.id, &request.source, given.root.as_ref()).await;
    let Started { environment, cache, mut source } = build::start(&ctx.engine, spec, folder, source).await?;
    if let Some(source) = &source {
        let _ = entry.source_base.set(source.base().clone());
    }
    let changes = source.as_mut().and_then(TakenSource::changes);
    let site = Site::new(format!("build-{id}"), &ctx.tasks, environment, builder).with_stack(held.into_hold());
    let site = site.with_groundwork(cache, source);
    let build = new_build(ctx, entry, request, (&stack, site.environment()));
    let prepared = (site.cache(), changes);
    // On the heap: the future of a whole build is large.
    let built = build.in_time(Box::pin(build_and_pack(ctx, entry, request, &stack, &build, given, prepared))).await;
    entry.notes.reported(build.take_reports());
    built
}

async fn build_and_pack(
    ctx: &Ctx,
    entry: &Entry,
    request: &Request,
    stack: &Stack,
    build: &Build<'_>,
    given: &Given,
    (cache_folder, changes): (Option<&CacheFolder>, Option<Changes>),
) -> Result<Built, Failure> {
    let means = submodules::means_of(ctx, &request.app, &request.source, given.root.as_ref()).await?;
    let put = tokio::try_join!(
        build::put_source(build, &request.source, &means, changes),
        build::put_env_dir(build, &given.config),
        restore_cache(ctx, request, build, cache_folder),
    );
    submodules::note_shown(ctx, &means.submodules).await?;
    let (exported, (), restored) = put?;
    let notes = &entry.notes;
    notes.cache_restored(restored);
    notes.begin(Phase::Detect);
    let packs = buildpacks::find_and_select(ctx, entry.id, request, build, &given.config).await?;
    notes.begin(Phase::Compile);
    let compiled = build::compile(build, packs).await?;
    let Discovered { process_types, for_new_app } = build::discover_process_types(build, &compiled).await?;
    notes.begin(Phase::Pack);
    let save_cache = async { Ok(build::save_cache(build, &ctx.store, ctx.config.limits.build_disk_bytes).await?) };
    let ((packed, contents), (cache, saved_bytes)) = tokio::try_join!(pack(ctx, request.app.id, build), save_cache)?;
    let slug = new_slug(ctx, request, stack, &packed, process_types, compiled.language);
    notes.cache_saved(saved_bytes);
    notes.begin(Phase::Store);
    let statements = statements::make(ctx, entry.id, request, stack, &slug, Made::Now(contents)).await?;
    let (artifact, manifests, exported) = (Artifact::Slug(slug), Vec::new(), Some(exported));
    Ok(Built { artifact, statements, manifests, cache, for_new_app, exported, is_again: false })
}

/// Unpacks the cache where it is not there from the beginning; returns its size in bytes, if there is one.
async fn restore_cache(
    ctx: &Ctx,
    request: &Request,
    build: &Build<'_>,
    folder: Option<&CacheFolder>,
) -> Result<Option<u64>, build::BuildError> {
    match folder {
        Some(folder) => Ok(folder.tar_bytes().await),
        None => build::restore_cache(build, &ctx.store, request.cache.as_ref()).await,
    }
}

async fn pack(ctx: &Ctx, app: AppId, build: &Build<'_>) -> Result<(Packed, Contents), Failure> {
    let limits = &ctx.config.limits;
    build.transcript.line("");
    build.transcript.section("Compressing...");
    let tar = build.environment.take_out(&build.dir).await?;
    let (packed, inventory) = slug::pack(tar, &ctx.store, &ctx.last_slugs.of(app), limits, Inventory::default()).await?;
    build.transcript.detail(&format!("Done: {}", size(packed.size_bytes)));
    build.transcript.section("Launching...");
    if packed.size_bytes > limits.slug_warning_bytes {
        let (is, soft) = (packed.size_bytes >> 20, limits.slug_warning_bytes >> 20);
        let text = format!("Warning: Your slug size ({is} MB) exceeds our soft limit ({soft} MB) which may affect boot time.");
        build.transcript.warning(&text);
    }
    Ok((packed, inventory.contents()))
}

fn source_means(ctx: &Ctx) -> build::Means<'_> {
    let limits = &ctx.config.limits;
    let allow_networks = ctx.config.network.allow.iter().map(|network| (network.address, network.bits)).collect();
    let bounds = fetch::Bounds { allow_networks, max_bytes: limits.source_bytes, time: FETCH_TIME };
    build::Means {
        store: &ctx.store,
        bounds,
        max_files: limits.source_files,
        submodules: build::SubmoduleAccess::default(),
        root: None,
    }
}

fn environment_spec(ctx: &Ctx, name: &str, stack: &Stack) -> Spec {
    let limits = &ctx.config.limits;
    Spec {
        root: stack.build_root.clone(),
        name: name.to_owned(),
        memory_bytes: limits.build_memory_bytes,
        pids: limits.build_pids,
        cpus: limits.build_cpus,
        disk_bytes: limits.build_disk_bytes,
        network: true,
    }
}

fn new_build<'a>(
    ctx: &Ctx,
    entry: &'a Entry,
    request: &'a Request,
    (stack, environment): (&'a Stack, &'a Environment),
) -> Build<'a> {
    let limits = &ctx.config.limits;
    Build {
        environment,
        transcript: &entry.transcript,
        dir: build::dir_of(request.app.id),
        stack: &stack.name,
        stack_env: &stack.build_env,
        source_version: request.source.version(),
        request_id: entry.id.to_string(),
        deadline: Instant::now() + limits.build_time,
        time_limit: limits.build_time,
        silence: limits.build_silence,
        language: Mutex::default(),
        reports: Mutex::default(),
    }
}

fn new_slug(ctx: &Ctx, request: &Request, stack: &Stack, packed: &Packed, process_types: ProcessTypes, language: String) -> Slug {
    Slug {
        id: SlugId::new(),
        app: request.app.id,
        digest: packed.digest,
        content_digest: packed.content_digest,
        size_bytes: packed.size_bytes,
        stack: stack.name.clone(),
        stack_digest: stack.digest,
        commit: request.source.commit(),
        process_types,
        language: Some(language),
        created_at: ctx.now(),
    }
}
