//! What is said of a slug: made when it is built, and kept beside it.

use std::io::{self, BufReader, Read as _};
use std::path::Path;

use tokio::io::AsyncReadExt as _;
use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;

use super::{Failure, Request};
use crate::build::{Origin, Source};
use crate::ctx::Ctx;
use crate::db;
use crate::image::of_slug::{self, Code, Contents, Listing, SlugOrigin, StackPackages};
use crate::model::{AppName, BuildId, Checksum, Digest, Slug, SlugId, SlugStatement, StatementKind};
use crate::slug;
use crate::stack::{self, Stack};

/// How a slug came about.
pub(super) enum Made {
    /// It was built, and this was seen in it.
    Now(Contents),
    /// It is an earlier one again.
    Earlier(SlugId),
}

/// Makes all that is said of a slug.
pub(super) async fn make(
    ctx: &Ctx,
    build: BuildId,
    request: &Request,
    stack: &Stack,
    slug: &Slug,
    made: Made,
) -> Result<Vec<SlugStatement>, Failure> {
    let mut options = request.options.words();
    if let Made::Earlier(earlier) = &made {
        options.push(format!("skip-unchanged:{earlier}"));
    }
    let sbom = make_sbom(ctx, &request.app.name, slug, stack, made).await?;
    let provenance = make_provenance(ctx, build, request, slug, &sbom, options).await?;
    Ok(vec![sbom, provenance])
}

/// Lists what is in it.
async fn make_sbom(ctx: &Ctx, app: &AppName, slug: &Slug, stack: &Stack, made: Made) -> Result<SlugStatement, Failure> {
    let listing = async {
        let packages = packages_of_stack(&stack.run_root).await?;
        match made {
            Made::Now(contents) => Ok(Listing::new(&packages, &contents)),
            Made::Earlier(earlier) => list(ctx, earlier, &slug.digest, &packages).await,
        }
    };
    let kept = async {
        let sbom = of_slug::slug_sbom(app, slug, &listing.await?);
        Ok(keep(ctx, StatementKind::Sbom, &sbom).await?)
    };
    kept.await.map_err(|error| match error {
        StatementError::Db(error) => error.into(),
        StatementError::Store(source) => Failure::Io { what: "what is in the slug can't be listed", source },
    })
}

/// Lists what is in a slug on a stack of these packages: from what was kept of it, or else from the slug itself.
pub(super) async fn list(ctx: &Ctx, slug: SlugId, blob: &Digest, stack: &StackPackages) -> Result<Listing, StatementError> {
    let kept = read_statement(ctx, slug, StatementKind::Sbom).await?;
    match kept.and_then(|kept| Listing::again(stack, &kept)) {
        Some(listing) => Ok(listing),
        None => Ok(Listing::new(stack, &packages_of_app(ctx, blob).await?)),
    }
}

/// Signs where it comes from.
async fn make_provenance(
    ctx: &Ctx,
    build: BuildId,
    request: &Request,
    slug: &Slug,
    sbom: &SlugStatement,
    options: Vec<String>,
) -> Result<SlugStatement, Failure> {
    let app = &request.app;
    let recorded = db::builds::get(&mut *ctx.db.read().await?, app.id, build).await?;
    let ended_at = ctx.now();
    let origin = SlugOrigin {
        app: &app.name,
        slug,
        build,
        account: request.by.id,
        code: code(ctx, request),
        builder: ctx.config.public_url.as_deref(),
        buildpacks: recorded.as_ref().map(|build| build.used.as_slice()).unwrap_or_default(),
        options,
        sbom: &sbom.digest,
        started_at: recorded.as_ref().map_or(ended_at, |build| build.created_at),
        ended_at,
    };
    let provenance = of_slug::slug_provenance(&ctx.signing_key, &origin);
    let kept = keep(ctx, StatementKind::Provenance, &provenance).await;
    kept.map_err(|source| Failure::Io { what: "where the slug comes from can't be recorded", source })
}

/// What was built, so that others can find it.
fn code(ctx: &Ctx, request: &Request) -> Code {
    match &request.source {
        Source::Git(git) => {
            let app = &request.app.name;
            let own = ctx.config.public_url.as_ref().map(|url| format!("git+{url}/{app}.git"));
            Code::Commit { repository: own.unwrap_or_else(|| format!("git+urn:hoist:app:{app}")), id: git.commit.clone() }
        }
        Source::Remote(remote) => {
            let url = remote.commit.remote.url.to_string();
            // `USER@HOST:PATH` is no URI.
            let uri = if url.contains("://") { url } else { format!("ssh://{}", url.replacen(':', "/", 1)) };
            Code::Commit { repository: format!("git+{uri}"), id: remote.commit.id.clone() }
        }
        Source::Archive(archive) => Code::Archive(match archive.origin {
            Origin::Stored(digest) => Some(digest),
            // It was held against this.
            Origin::Url(_) => archive.blob.checksum.map(|Checksum(digest)| digest),
        }),
    }
}

async fn keep(ctx: &Ctx, kind: StatementKind, statement: &[u8]) -> io::Result<SlugStatement> {
    let (digest, size_bytes) = ctx.store.put(statement).await?;
    Ok(SlugStatement { kind, digest, size_bytes })
}

/// Reads what is said of a slug; none when it was made elsewhere, or before hoist kept such statements.
pub async fn read_statement(ctx: &Ctx, slug: SlugId, kind: StatementKind) -> Result<Option<Vec<u8>>, StatementError> {
    let statement = db::slug_statements::get(&mut *ctx.db.read().await?, slug, kind).await?;
    let Some(statement) = statement else { return Ok(None) };
    let mut bytes = Vec::new();
    ctx.store.open_blob(&statement.digest).await?.read_to_end(&mut bytes).await?;
    Ok(Some(bytes))
}

/// Why a statement can't be read: hoist's fault.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    #[error(transparent)]
    Db(#[from] db::DbError),
    #[error("cannot read what is said of the slug")]
    Store(#[from] io::Error),
}

/// What package managers have left in a slug.
async fn packages_of_app(ctx: &Ctx, slug: &Digest) -> io::Result<Contents> {
    let tar = SyncIoBridge::new(slug::open_tar(&ctx.store, slug).await?);
    spawn_blocking(move || of_slug::packages_in_slug(BufReader::new(tar))).await.map_err(io::Error::other)?
}

/// dpkg's list has half a MiB in a large stack.
const MAX_STATUS_BYTES: u64 = 64 * 1024 * 1024;

/// What is installed in the root file system that a slug runs in; nothing if that is no Debian, or its list can't be understood: the
/// stack may be anybody's image.
pub(super) async fn packages_of_stack(run_root: &Path) -> io::Result<StackPackages> {
    let run_root = run_root.to_owned();
    let list = move || {
        let Some(status) = stack::open_inside(&run_root, "var/lib/dpkg/status")? else { return Ok(StackPackages::default()) };
        let packages = match of_slug::debian_packages(BufReader::new(status.take(MAX_STATUS_BYTES))) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(%error, stack = %run_root.display(), "a stack's list of packages can't be understood");
                return Ok(StackPackages::default());
            }
            listed => listed?,
        };
        let os_release = stack::open_inside(&run_root, "etc/os-release")?;
        let distribution = os_release.map(of_slug::distribution).transpose()?.flatten();
        Ok(StackPackages { distribution, packages })
    };
    spawn_blocking(list).await.map_err(io::Error::other)?
}
