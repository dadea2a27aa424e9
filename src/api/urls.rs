//! The addresses that answers tell.

use std::net::{IpAddr, SocketAddr};

use axum::http::{Method, Uri};

use super::permit::Signer;
use crate::config::Config;
use crate::ctx::Ctx;
use crate::model::{AppName, BuildId, DynoId, Provider, ReleaseId, SlugId, SourceId, TestLog, TestRunId, UploadId};

/// Where this installation is reached from outside, by its configuration.
#[derive(Debug, Clone)]
pub(super) struct Urls {
    scheme: String,
    host: String,
    port: u16,
    ssh_host: String,
    ssh_port: u16,
    app_url: Option<String>,
    signer: Signer,
}

impl Urls {
    /// The addresses as they are told now: what they permit, they permit for a day.
    pub(super) fn new(ctx: &Ctx) -> Self {
        Self::with(&ctx.config, Signer::new(ctx.db.cipher(), ctx.now()))
    }

    fn with(config: &Config, signer: Signer) -> Self {
        let public: Option<Uri> = config.public_url.as_deref().and_then(|url| url.parse().ok());
        let public = public.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri.port_u16())));
        let (scheme, host, port) = match public {
            Some((scheme, host, port)) => (scheme, host.to_owned(), port.unwrap_or(default_port(scheme))),
            None => ("http", host_of(config.http_listen), config.http_listen.port()),
        };
        let ssh_host = public.map_or_else(|| host_of(config.ssh_listen), |(_, host, _)| host.to_owned());
        let app_url = config.app_url.clone();
        Self { scheme: scheme.into(), host, port, ssh_host, ssh_port: config.ssh_listen.port(), app_url, signer }
    }

    /// Always HTTPS, which the HTTP door speaks on the same port: the Heroku CLI writes its remotes so.
    pub(super) fn git(&self, app: &AppName) -> String {
        match (self.scheme.as_str(), self.port) {
            ("https", 443) => format!("https://{}/{app}.git", self.host),
            (_, port) => format!("https://{}:{port}/{app}.git", self.host),
        }
    }

    pub(super) fn git_ssh(&self, app: &AppName) -> String {
        match self.ssh_port {
            22 => format!("ssh://git@{}/{app}.git", self.ssh_host),
            port => format!("ssh://git@{}:{port}/{app}.git", self.ssh_host),
        }
    }

    /// Where the app answers; empty (never null: the Heroku CLI takes its text apart) when the configuration is silent.
    pub(super) fn web(&self, app: &AppName) -> String {
        self.app_url.as_ref().map(|url| url.replace("{app}", app.as_str())).unwrap_or_default()
    }

    /// What a forge tells of its repositories.
    pub(super) fn webhook(&self, provider: Provider) -> String {
        format!("{}/{provider}/webhook", self.base())
    }

    /// A build's log.
    pub(super) fn build_output(&self, build: BuildId) -> String {
        self.permitted(&Method::GET, &format!("/streams/builds/{build}"))
    }

    /// The output of a release's command.
    pub(super) fn release_output(&self, release: ReleaseId) -> String {
        self.permitted(&Method::GET, &format!("/streams/releases/{release}"))
    }

    /// The output of a one-off command.
    pub(super) fn dyno_output(&self, dyno: DynoId) -> String {
        self.permitted(&Method::GET, &format!("/streams/dynos/{dyno}"))
    }

    /// An output of a test run. Always HTTPS, which the HTTP door speaks on the same port: the Heroku CLI takes nothing
    /// else here (heroku-api 2.6).
    pub(super) fn test_log(&self, run: TestRunId, log: TestLog) -> String {
        let permitted = self.signer.permit(&Method::GET, &format!("/streams/test-runs/{run}/{log}"));
        format!("https://{}:{}{permitted}", self.host, self.port)
    }

    /// An app's log, by a sealed session: in the query, because hoist's own log has paths.
    pub(super) fn log(&self, session: &str) -> String {
        format!("{}/streams/logs?session={session}", self.base())
    }

    /// Where to attach to a one-off command: TLS, or plain to this installation's own client.
    pub(super) fn attach(&self, secret: &str) -> String {
        format!("rendezvous://{}:{}/{secret}", self.host, self.port)
    }

    /// A slug's bytes.
    pub(super) fn slug_blob(&self, slug: SlugId) -> String {
        self.permitted(&Method::GET, &format!("/blobs/slugs/{slug}"))
    }

    /// Where a slug's bytes are put.
    pub(super) fn slug_upload(&self, slug: SlugId) -> String {
        self.permitted(&Method::PUT, &format!("/blobs/slugs/{slug}"))
    }

    /// An uploaded source's bytes.
    pub(super) fn source(&self, source: SourceId) -> String {
        format!("{}/blobs/sources/{source}", self.base())
    }

    /// Where a source's bytes are put.
    pub(super) fn upload(&self, upload: UploadId) -> String {
        format!("{}/blobs/sources/{upload}", self.base())
    }

    /// The source of this installation that a URL names, if it is one that [`Urls::source`] told.
    pub(super) fn source_in(&self, url: &str) -> Option<SourceId> {
        url.strip_prefix(&self.base())?.strip_prefix("/blobs/sources/")?.parse().ok()
    }

    /// An address that asks for no token: it is the permission, for a day.
    fn permitted(&self, method: &Method, path: &str) -> String {
        format!("{}{}", self.base(), self.signer.permit(method, path))
    }

    /// With the port written out: the Heroku CLI puts the API's port into a URL that has none.
    fn base(&self) -> String {
        format!("{}://{}:{}", self.scheme, self.host, self.port)
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

/// What a user on this host would write for a listening address.
fn host_of(listen: SocketAddr) -> String {
    match listen.ip() {
        ip if ip.is_unspecified() => "localhost".into(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PlaceArgs, ServeArgs};
    use crate::db::Db;

    async fn urls(http: &str, public_url: Option<&str>) -> (String, String, String) {
        let dir = tempfile::tempdir().unwrap();
        let signer = Signer::new(Db::open(dir.path()).await.unwrap().cipher(), time::OffsetDateTime::UNIX_EPOCH);
        let place = PlaceArgs { data_dir: Some(dir.path().into()), ..PlaceArgs::default() };
        let args = ServeArgs {
            docker_host: None,
            place,
            http_listen: Some(http.parse().unwrap()),
            ssh_listen: Some("0.0.0.0:2222".parse().unwrap()),
            public_url: public_url.map(Into::into),
        };
        let urls = Urls::with(&Config::load(&args).unwrap(), signer);
        let app = "example".parse().unwrap();
        (urls.git(&app), urls.git_ssh(&app), urls.base())
    }

    #[tokio::test]
    async fn told_as_a_user_would_write_them() {
        let check = async |http, public_url, git: &str, ssh: &str, base: &str| {
            assert_eq!(urls(http, public_url).await, (git.into(), ssh.into(), base.into()));
        };
        let ssh = "ssh://git@localhost:2222/example.git";
        check("127.0.0.1:5000", None, "https://127.0.0.1:5000/example.git", ssh, "http://127.0.0.1:5000").await;
        check("[::]:5000", None, "https://localhost:5000/example.git", ssh, "http://localhost:5000").await;
        let ssh = "ssh://git@hoist.example:2222/example.git";
        let public = Some("https://hoist.example");
        check("0.0.0.0:1", public, "https://hoist.example/example.git", ssh, "https://hoist.example:443").await;
        let public = Some("http://hoist.example:8080/");
        check("0.0.0.0:1", public, "https://hoist.example:8080/example.git", ssh, "http://hoist.example:8080").await;
    }
}
