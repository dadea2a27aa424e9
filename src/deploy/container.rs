//! A build on the stack `container`: the images that heroku.yml names, built by a Docker Engine and taken over from it.
//!
//! The transcript's lines are Heroku's (conventions 3.1, and transcripts of pushes that users have published).

mod names;

use std::collections::BTreeMap;

use tokio::time::{Instant, timeout_at};

use super::given::Given;
use super::queue::{Builder, Entry};
use super::{Built, Failure, Request, submodules};
use crate::build::{self, BuildError, ForNewApp, ImagesBuild, Tree};
use crate::ctx::Ctx;
use crate::db::registry::manifests::StoredManifest;
use crate::image::{self, KeptImage};
use crate::model::{Artifact, CacheChange, HerokuYml, OciImage, OciImageId, Phase, Process, ProcessImage, ProcessType};
use crate::release::NewManifest;
use crate::transcript::{Transcript, size};
use names::Names;

/// Builds and takes over with `builder`. May be dropped at any point: nothing but blobs that nobody refers to is left then, and
/// for a moment names in the Engine.
pub(super) async fn run(ctx: &Ctx, entry: &Entry, request: &Request, given: &Given, builder: Builder) -> Result<Built, Failure> {
    let transcript = &entry.transcript;
    let limits = &ctx.config.limits;
    let deadline = Instant::now() + limits.build_time;
    transcript.line("=== Fetching app code");
    let means = submodules::means_of(ctx, &request.app, &request.source, given.root.as_ref()).await?;
    let kept = async {
        let tree = Tree::of(&request.source, &means, transcript).await?;
        let file = build::read_heroku_yml(&tree).await?;
        Ok::<_, BuildError>((tree, file))
    };
    let kept = timeout_at(deadline, kept).await.unwrap_or(Err(BuildError::SourceTime));
    submodules::note_shown(ctx, &means.submodules).await?;
    let (tree, file) = kept?;
    entry.notes.begin(Phase::Compile);
    // What the pusher can put right comes first.
    ctx.docker.check().await?;
    let mut names = Names::new(&ctx.docker, &ctx.tasks, builder);
    let build = ImagesBuild {
        docker: &ctx.docker,
        transcript,
        deadline,
        silence: limits.build_silence,
        memory_bytes: limits.build_memory_bytes,
        cpus: limits.build_cpus,
    };
    for (number, (image, dockerfile)) in file.images.iter().enumerate() {
        transcript.line("");
        transcript.line(&format!("=== Building {image} ({dockerfile})"));
        let name = names.add(image, ctx.docker.name(entry.id, number));
        build.build_image(&tree, &file, image, name).await?;
    }
    entry.notes.begin(Phase::Pack);
    let mut images = BTreeMap::new();
    for (image, dockerfile) in &file.images {
        transcript.line("");
        transcript.line(&format!("=== Pushing {image} ({dockerfile})"));
        let keep = keep(ctx, transcript, names.of(image));
        let kept = timeout_at(deadline, keep).await.unwrap_or_else(|_| Err(BuildError::ImageTime(image.clone()).into()))?;
        images.insert(image.clone(), kept);
    }
    transcript.line("");
    transcript.section("Launching...");
    Ok(built(ctx, request, &file, &images))
}

async fn keep(ctx: &Ctx, transcript: &Transcript, name: &crate::docker::ImageName) -> Result<KeptImage, Failure> {
    let archive = ctx.docker.save(name).await?;
    let kept = image::keep_archive(archive, &ctx.store, ctx.config.limits.build_disk_bytes).await?;
    let layers_bytes = kept.manifest.layers.iter().map(|layer| layer.size_bytes).sum();
    transcript.line(&format!("{} layers, {}", kept.manifest.layers.len(), size(layers_bytes)));
    transcript.line(&format!("latest: digest: {} size: {}", kept.digest, kept.size_bytes));
    Ok(kept)
}

fn built(ctx: &Ctx, request: &Request, file: &HerokuYml, images: &BTreeMap<ProcessType, KeptImage>) -> Built {
    let processes = file.processes.iter().map(|(name, process)| (name, process, &images[&process.image]));
    let image = OciImage {
        id: OciImageId::new(),
        app: request.app.id,
        commit: request.source.commit(),
        process_types: processes.clone().map(|(name, process, image)| (name.clone(), process_image(process, image))).collect(),
        created_at: ctx.now(),
    };
    // Each process type has a repository of its own, also where two run in one image.
    let manifests = processes.map(|(name, _, image)| new_manifest(ctx, name, image)).collect();
    let cache = CacheChange::To(None);
    Built {
        artifact: Artifact::OciImage(image),
        statements: Vec::new(),
        manifests,
        cache,
        for_new_app: ForNewApp::default(),
        exported: None,
        is_again: false,
    }
}

fn process_image(process: &Process, image: &KeptImage) -> ProcessImage {
    ProcessImage {
        digest: image.digest,
        image_id: image.image_id,
        run: process.command.clone(),
        command: process.command.clone().unwrap_or_else(|| image.config.command()),
        working_dir: image.config.working_dir.clone(),
    }
}

fn new_manifest(ctx: &Ctx, process_type: &ProcessType, image: &KeptImage) -> NewManifest {
    let manifest = StoredManifest::new(&image.manifest, image.digest, image.size_bytes, ctx.now());
    let blobs = image.manifest.children().map(|blob| (blob.digest, blob.size_bytes)).collect();
    NewManifest { process_type: process_type.clone(), manifest, blobs }
}
