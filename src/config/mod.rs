//! Configuration: `hoist.toml`, then the environment, then flags; the later wins. Read once, before anything opens.
//!
//! Every key is documented in [`File`] with its default; `hoist serve --help` lists the flags and variables.

mod addons;
mod address;
mod buildpacks;
mod client;
mod docker;
mod network;
mod providers;
mod registries;
mod smtp;
mod stacks;
mod webhooks;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::model::{Limits, RegistryName, StackName};

pub use addons::Addons;
pub use address::client_host;
pub use buildpacks::Buildpacks;
pub use client::{Client, is_ci, terminal_kind};
pub use docker::{Docker, DockerBuilder, DockerHost, DockerPull};
pub use network::Network;
pub use providers::{Forge, GitHub};
pub use registries::{DockerLogins, Registry};
pub use smtp::{Smtp, SmtpSecurity};
pub use stacks::StackSettings;
pub use webhooks::{History, Webhooks};

/// Which engine runs builds; see [`crate::engine::Kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Linux namespaces.
    Sandbox,
    /// Containers of a Docker Engine.
    Docker,
    /// No isolation at all: anyone who may push may run anything as hoist. For trying hoist itself only.
    Local,
}

/// Flags and environment variables that say where an installation lives, for every command that works on one.
#[derive(Debug, Clone, Default, clap::Args)]
#[expect(clippy::doc_markdown, reason = "clap prints these as they are")]
pub struct PlaceArgs {
    /// Configuration file [default: DATA_DIR/hoist.toml, if it is there]
    #[arg(long, env = "HOIST_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for everything hoist keeps [default: ./data]
    #[arg(long, env = "HOIST_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Folder of the unpacked stacks [default: DATA_DIR/stacks]
    #[arg(long, env = "HOIST_STACKS_DIR", value_name = "DIR")]
    pub stacks_dir: Option<PathBuf>,
    /// What runs builds [default: sandbox]
    #[arg(long, env = "HOIST_ENGINE")]
    pub engine: Option<Engine>,
}

/// Flags and environment variables of `hoist serve`.
#[derive(Debug, Clone, Default, clap::Args)]
#[expect(clippy::doc_markdown, reason = "clap prints these as they are")]
pub struct ServeArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Address of the HTTP door, which speaks plain HTTP and TLS [default: 127.0.0.1:5000]
    #[arg(long, env = "HOIST_HTTP_LISTEN", value_name = "ADDR")]
    pub http_listen: Option<SocketAddr>,
    /// Address of the SSH door [default: 127.0.0.1:2222]
    #[arg(long, env = "HOIST_SSH_LISTEN", value_name = "ADDR")]
    pub ssh_listen: Option<SocketAddr>,
    /// URL under which users reach the HTTP door [default: http://HTTP_LISTEN]
    #[arg(long, env = "HOIST_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Socket of the Docker Engine that builds images [default: unix:///var/run/docker.sock]
    #[arg(long, env = "HOIST_DOCKER_HOST", value_name = "URL")]
    pub docker_host: Option<DockerHost>,
}

/// `hoist.toml`. Unknown keys are refused.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// Address of the HTTP door. Default `127.0.0.1:5000`.
    pub http_listen: Option<SocketAddr>,
    /// Address of the SSH door. Default `127.0.0.1:2222`.
    pub ssh_listen: Option<SocketAddr>,
    /// URL under which users reach the HTTP door. Default `http://HTTP_LISTEN`.
    pub public_url: Option<String>,
    /// Where a deployed app answers, with `{app}` for its name, as `https://{app}.example.com/`. Default: none,
    /// because what runs a release is not hoist's.
    pub app_url: Option<String>,
    /// What runs builds: `sandbox`, `docker` or `local`. Default `sandbox`.
    pub engine: Option<Engine>,
    /// Folder of the unpacked stacks. Default `DATA_DIR/stacks`.
    pub stacks_dir: Option<PathBuf>,
    /// Stack of new apps. Default `debian-12`.
    pub default_stack: Option<StackName>,
    /// Whether a push to an app that does not exist creates it. Default `true`.
    pub create_on_push: Option<bool>,
    /// Certificate and key of the HTTP door.
    pub tls: Option<Tls>,
    /// `[network]`: what builds and webhooks may reach.
    pub network: Network,
    /// `[buildpacks]`: where buildpacks come from.
    pub buildpacks: Buildpacks,
    /// `[stacks.NAME]`: what is said of single stacks.
    pub stacks: BTreeMap<StackName, StackSettings>,
    /// `[registries."NAME"]`: from where stacks are pulled, and as whom.
    pub registries: BTreeMap<RegistryName, Registry>,
    /// `[docker]`: what builds images.
    pub docker: Docker,
    /// `[webhooks]`: how deliveries are made.
    pub webhooks: Webhooks,
    /// `[history]`: how long it is known what has happened.
    pub history: History,
    /// `[addons]`: the servers on which apps get databases.
    pub addons: Addons,
    /// `[github]`, `[gitlab]`, `[gitea]`, `[forgejo]`: whose repositories may be connected to apps. Default: nobody's.
    pub github: Option<GitHub>,
    pub gitlab: Option<Forge>,
    pub gitea: Option<Forge>,
    pub forgejo: Option<Forge>,
    /// `[smtp]`: what sends e-mail. Default: nothing does.
    pub smtp: Option<Smtp>,
    /// `[limits]`: see [`Limits`].
    pub limits: Limits,
}

/// `[tls]`: PEM files of the HTTP door's certificate chain and private key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The configuration as the rest of hoist sees it: complete and typed.
#[derive(Debug, Clone)]
pub struct Config {
    pub data_dir: PathBuf,
    pub stacks_dir: PathBuf,
    pub http_listen: SocketAddr,
    pub ssh_listen: SocketAddr,
    pub public_url: Option<String>,
    pub app_url: Option<String>,
    pub engine: Engine,
    pub default_stack: StackName,
    pub create_on_push: bool,
    pub tls: Option<Tls>,
    pub network: Network,
    pub buildpacks: Buildpacks,
    pub stacks: BTreeMap<StackName, StackSettings>,
    pub registries: BTreeMap<RegistryName, Registry>,
    pub docker: Docker,
    pub webhooks: Webhooks,
    pub history: History,
    pub addons: Addons,
    pub github: Option<GitHub>,
    pub gitlab: Option<Forge>,
    pub gitea: Option<Forge>,
    pub forgejo: Option<Forge>,
    pub smtp: Option<Smtp>,
    pub limits: Limits,
}

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("can't read the configuration file {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the configuration file {path} is not valid: {message}")]
    Parse { path: PathBuf, message: String },
    #[error("can't use the folder {path}")]
    Folder { path: PathBuf, source: std::io::Error },
}

impl Config {
    /// Puts flags, environment (both in `args`) and file together.
    pub fn load(args: &ServeArgs) -> Result<Self, ConfigError> {
        let data_dir = args.place.data_dir.clone().unwrap_or_else(|| "data".into());
        std::fs::create_dir_all(&data_dir).map_err(|source| ConfigError::Folder { path: data_dir.clone(), source })?;
        let data_dir = data_dir.canonicalize().map_err(|source| ConfigError::Folder { path: data_dir, source })?;
        let file = read_file(args.place.config.as_deref(), &data_dir)?;
        let default_stack = file.default_stack.unwrap_or_else(|| "debian-12".parse().expect("a stack name"));
        Ok(Self {
            stacks_dir: args.place.stacks_dir.clone().or(file.stacks_dir).unwrap_or_else(|| data_dir.join("stacks")),
            http_listen: args.http_listen.or(file.http_listen).unwrap_or_else(|| ([127, 0, 0, 1], 5000).into()),
            ssh_listen: args.ssh_listen.or(file.ssh_listen).unwrap_or_else(|| ([127, 0, 0, 1], 2222).into()),
            public_url: args.public_url.clone().or(file.public_url).map(|url| url.trim_end_matches('/').to_owned()),
            app_url: file.app_url,
            engine: args.place.engine.or(file.engine).unwrap_or(Engine::Sandbox),
            default_stack,
            create_on_push: file.create_on_push.unwrap_or(true),
            tls: file.tls,
            network: file.network,
            buildpacks: file.buildpacks,
            stacks: file.stacks,
            registries: file.registries,
            docker: Docker { host: args.docker_host.clone().or(file.docker.host), ..file.docker },
            webhooks: file.webhooks,
            history: file.history,
            addons: file.addons.or_environment(),
            github: file.github,
            gitlab: file.gitlab,
            gitea: file.gitea,
            forgejo: file.forgejo,
            smtp: file.smtp.map(Smtp::or_environment),
            limits: file.limits,
            data_dir,
        })
    }

    /// The same for a command that works on an installation without serving it.
    pub fn load_place(place: &PlaceArgs) -> Result<Self, ConfigError> {
        Self::load(&ServeArgs { place: place.clone(), ..ServeArgs::default() })
    }
}

/// A variable that is set, and not to nothing.
#[expect(clippy::disallowed_methods, reason = "this is src/config")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn read_file(named: Option<&Path>, data_dir: &Path) -> Result<File, ConfigError> {
    let path = named.map_or_else(|| data_dir.join("hoist.toml"), Path::to_path_buf);
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| ConfigError::Parse { path, message: error.to_string() }),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(File::default()),
        Err(source) => Err(ConfigError::Read { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn load(text: &str, args: &ServeArgs) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hoist.toml"), text).unwrap();
        let mut args = args.clone();
        args.place.data_dir = Some(dir.path().to_path_buf());
        Config::load(&args)
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let flag = ServeArgs { http_listen: Some(([127, 0, 0, 1], 1).into()), ..ServeArgs::default() };
        let text = "http_listen = \"127.0.0.1:2\"\nssh_listen = \"127.0.0.1:3\"\n[limits]\nbuild_time = \"2m\"\n";
        let config = load(text, &flag).unwrap();
        assert_eq!((config.http_listen.port(), config.ssh_listen.port()), (1, 3));
        assert_eq!(config.limits.build_time, Duration::from_mins(2));
        assert_eq!(config.limits.build_pids, 512);
        assert_eq!(config.default_stack.as_str(), "debian-12");
    }

    #[test]
    fn the_readme_tells_every_key() {
        let readme = include_str!("../../README.md");
        let (_, block) = readme.split_once("```toml\n").unwrap();
        let (block, _) = block.split_once("\n```").unwrap();
        let file: File = toml::from_str(block).unwrap();
        let all = format!("{file:#?}");
        let keys = all.lines().filter_map(|line| line.trim().split_once(':')).map(|(key, _)| key);
        for key in keys.filter(|key| key.starts_with(|letter: char| letter.is_ascii_lowercase())) {
            let is_told = block.lines().any(|line| {
                [format!("{key} = "), format!("[{key}]"), format!("[{key}.")].iter().any(|start| line.starts_with(start))
            });
            // Parts of what is written as one text.
            let is_part = ["address", "bits", "registry", "folder", "is_plain"].contains(&key);
            assert!(is_told || is_part, "{key}");
        }
        let limits = Limits { git_requests_per_hour: None, ..file.limits };
        assert_eq!(format!("{limits:?}"), format!("{:?}", Limits::default()), "with its default");
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = load("htpp_listen = \"127.0.0.1:2\"", &ServeArgs::default()).unwrap_err();
        assert!(error.to_string().contains("htpp_listen"), "{error}");
    }
}
