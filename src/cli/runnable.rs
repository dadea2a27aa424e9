//! What of a release runs on an engine of the user's own: an image per process type, how many of each, and the config.

use std::collections::BTreeMap;

use clap::Args;

use super::client::Client;
use super::error::CliError;
use super::images::{self, Registry};
use super::releases;
use super::target::{Target, app_path};
use crate::api::types::{Formation, OciImage, Release, Slug};
use crate::model::ProcessType;

/// Where processes of type web listen: `PORT`.
pub(super) const PORT: u16 = 5000;
/// The process type that takes requests.
pub(super) const WEB: &str = "web";
/// The process type that runs once, before the others.
const RELEASE: &str = "release";

#[derive(Debug, Args)]
pub(super) struct RunnableArgs {
    /// Version or id of the release; the current one if none is given
    release: Option<String>,
    #[command(flatten)]
    target: Target,
    /// Print the values of config vars too, which are secrets
    #[arg(long)]
    with_config: bool,
}

/// How config vars are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    Names,
    Values,
}

impl RunnableArgs {
    pub(super) fn secrecy(&self) -> Secrecy {
        if self.with_config { Secrecy::Values } else { Secrecy::Names }
    }
}

/// A release, as another engine may run it.
#[derive(Debug)]
pub(super) struct Runnable {
    pub(super) app: String,
    pub(super) version: u32,
    pub(super) registry: Registry,
    /// Without the release command.
    pub(super) processes: Vec<Process>,
    pub(super) release_command: Option<Process>,
    /// Config vars, always with their values.
    pub(super) config: BTreeMap<String, String>,
}

/// The processes of one type.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) kind: ProcessType,
    pub(super) quantity: u32,
    /// `HOST/APP/TYPE`
    pub(super) image: String,
    /// Of the image's manifest, where the release says it; images of slugs are made when they are asked for.
    digest: Option<String>,
}

/// The digests of process types' images, as far as they are known.
type Digests = BTreeMap<ProcessType, Option<String>>;

impl Process {
    pub(super) fn is_web(&self) -> bool {
        self.kind.as_str() == WEB
    }
}

impl Runnable {
    pub(super) fn find(client: &Client, args: &RunnableArgs) -> Result<Self, CliError> {
        let app = args.target.app()?;
        let path = app_path(&app);
        let release = find_release(client, &path, args.release.as_deref())?;
        let kinds = process_types(client, &path, &release)?;
        let formation: Vec<Formation> = client.list(&format!("{path}/formation"))?;
        let config = client.get(&format!("{path}/releases/{}/config-vars", release.version))?;
        let quantity = |kind: &ProcessType| quantity(&formation, kind);
        Ok(Self::of(&release.app.name, release.version, Registry::of(client)?, kinds, quantity, config))
    }

    fn of(
        app: &str,
        version: u32,
        registry: Registry,
        kinds: Digests,
        quantity: impl Fn(&ProcessType) -> u32,
        config: BTreeMap<String, String>,
    ) -> Self {
        let process = |(kind, digest): (ProcessType, _)| {
            let image = registry.image(app, kind.as_str());
            Process { quantity: quantity(&kind), kind, image, digest }
        };
        let (phase, processes): (Vec<_>, _) = kinds.into_iter().map(process).partition(|one| one.kind.as_str() == RELEASE);
        let release_command = phase.into_iter().next();
        Self { app: app.into(), version, registry, processes, release_command, config }
    }

    /// The tag of this release's images.
    pub(super) fn tag(&self) -> String {
        format!("v{}", self.version)
    }

    /// The image of a process by the digest of its manifest: nobody can put another in its place.
    pub(super) fn pinned(&self, client: &Client, process: &Process) -> Result<String, CliError> {
        let digest = match &process.digest {
            Some(digest) => digest.clone(),
            None => images::manifest_digest(client, &self.app, process.kind.as_str(), &self.tag())?,
        };
        Ok(format!("{}@{digest}", process.image))
    }
}

fn find_release(client: &Client, app: &str, wanted: Option<&str>) -> Result<Release, CliError> {
    let path = format!("{app}/releases");
    if wanted.is_some() {
        return releases::find(client, &path, wanted);
    }
    let releases: Vec<Release> = client.list(&path)?;
    let current = releases.into_iter().find(|release| release.current);
    current.ok_or_else(|| CliError::User("The app has no current release.".into()))
}

fn process_types(client: &Client, app: &str, release: &Release) -> Result<Digests, CliError> {
    if let Some(image) = &release.oci_image {
        let images: Vec<OciImage> = client.list(&format!("{app}/oci-images/{}", image.id))?;
        let process_types = images.into_iter().flat_map(|image| image.process_types);
        return Ok(process_types.map(|(kind, process)| (kind, process.digest)).collect());
    }
    let Some(slug) = &release.slug else {
        return Err(CliError::User(format!("v{} has no code: deploy the app first.", release.version)));
    };
    let slug: Slug = client.get(&format!("{app}/slugs/{}", slug.id))?;
    Ok(slug.process_types.into_keys().map(|kind| (kind, None)).collect())
}

/// As the app is scaled now; types that it has no more are as new ones: one of web, none of the others.
fn quantity(formation: &[Formation], kind: &ProcessType) -> u32 {
    let scaled = formation.iter().find(|one| one.kind == kind.as_str());
    scaled.map_or_else(|| u32::from(kind.as_str() == WEB), |one| one.quantity)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Version 12 of the app shop, with two of each process and a secret.
    pub(in crate::cli) fn shop<const N: usize>(kinds: [&str; N]) -> Runnable {
        let registry = Registry::at(&"https://hoist.example.com".parse().unwrap());
        let kinds = kinds.map(|kind| (kind.parse().unwrap(), None)).into();
        let config = BTreeMap::from([("SECRET".to_owned(), "pa$$word".to_owned())]);
        Runnable::of("shop", 12, registry, kinds, |_| 2, config)
    }

    #[test]
    fn types_that_are_gone_are_scaled_as_new_ones() {
        let kind = |text: &str| text.parse().unwrap();
        assert_eq!(quantity(&[], &kind("web")), 1);
        assert_eq!(quantity(&[], &kind("worker")), 0);
    }
}
