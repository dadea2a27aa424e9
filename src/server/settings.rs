//! What the configuration says, in the words of those it is for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::addons;
use crate::config::{self, Config};
use crate::ctx::Ctx;
use crate::docker::{self, Docker};
use crate::engine;
use crate::fetch;
use crate::model::{Provider, RegistryLogin, Secret};
use crate::stack;
use crate::tell;

/// What the configuration says of the engine, which is to keep its files in `work_dir`.
pub fn engine_settings(config: &Config, work_dir: &Path) -> anyhow::Result<engine::Settings> {
    Ok(engine::Settings {
        kind: match config.engine {
            config::Engine::Sandbox => engine::Kind::Sandbox,
            config::Engine::Docker => engine::Kind::Docker(Docker::new(docker_settings(config))),
            config::Engine::Local => engine::Kind::Local,
        },
        helper: std::env::current_exe().context("can't find hoist's own executable")?,
        work_dir: work_dir.to_path_buf(),
        ca_bundle: config.network.ca_bundle(),
        allow_networks: allowed_networks(config),
    })
}

/// What the configuration says of the Docker Engine.
#[must_use]
pub fn docker_settings(config: &Config) -> docker::Settings {
    let given = &config.docker;
    // Stays the same as long as the installation does, and nobody else's has it on this host.
    let owner = hex::encode(&Sha256::digest(config.data_dir.as_os_str().as_encoded_bytes())[..6]);
    docker::Settings {
        socket: given.host.clone().unwrap_or_default().0,
        owner,
        builder: given.builder.map(|builder| match builder {
            config::DockerBuilder::BuildKit => docker::Builder::BuildKit,
            config::DockerBuilder::Classic => docker::Builder::Classic,
        }),
        network: given.network.clone(),
        cgroup_parent: given.cgroup_parent.clone(),
        pull: match given.pull {
            Some(config::DockerPull::Missing) => docker::Pull::Missing,
            Some(config::DockerPull::Always) | None => docker::Pull::Always,
        },
    }
}

/// What the configuration says of registries, and where it says nothing of a login, what `docker login` has left.
pub fn registry_settings(config: &Config) -> anyhow::Result<stack::Registries> {
    let config::DockerLogins { logins, helpers, helper } = config::DockerLogins::load().map_err(anyhow::Error::msg)?;
    let mut known: BTreeMap<_, stack::KnownRegistry> = BTreeMap::new();
    for (name, login) in logins {
        known.entry(name).or_default().login = Some(login);
    }
    for (name, registry) in &config.registries {
        let known = known.entry(name.clone()).or_default();
        (known.mirrors, known.plain_http) = (registry.mirrors.clone(), registry.plain_http);
        if let Some(login) = login_of(registry).with_context(|| format!("[registries.\"{name}\"] in hoist.toml"))? {
            known.login = Some(login);
        }
    }
    Ok(stack::Registries { known, helpers, helper, allow_networks: allowed_networks(config) })
}

fn login_of(registry: &config::Registry) -> anyhow::Result<Option<RegistryLogin>> {
    match (&registry.user, &registry.password, &registry.identity_token) {
        (None, None, None) => Ok(None),
        (Some(user), Some(password), None) => {
            Ok(Some(RegistryLogin::Password { user: user.clone(), password: password.clone() }))
        }
        (None, None, Some(token)) => Ok(Some(RegistryLogin::IdentityToken(token.clone()))),
        _ => anyhow::bail!("a login is a `user` with a `password`, or an `identity_token`"),
    }
}

/// What the configuration says of the servers of add-ons.
#[must_use]
pub fn addon_settings(config: &Config) -> addons::Settings {
    let server = |url: &Option<Secret>, public_address: &Option<String>| {
        url.clone().map(|url| addons::Server { url, public_address: public_address.clone() })
    };
    let given = &config.addons;
    addons::Settings {
        postgresql: server(&given.postgresql_url, &given.postgresql_public_address),
        redis: server(&given.redis_url, &given.redis_public_address),
    }
}

/// What the configuration says of GitHub and its kin.
#[must_use]
pub fn provider_settings(config: &Config) -> tell::Settings {
    let forge = |provider, section: &Option<config::Forge>| section.as_ref().map(|section| (provider, section.api_url.clone()));
    let github = config.github.as_ref();
    let api_urls = [
        github.map(|section| (Provider::GitHub, section.api_url.clone())),
        forge(Provider::GitLab, &config.gitlab),
        forge(Provider::Gitea, &config.gitea),
        forge(Provider::Forgejo, &config.forgejo),
    ];
    tell::Settings {
        api_urls: api_urls.into_iter().flatten().collect(),
        github_app: github.map(|section| (section.app_id, section.private_key.clone())).unwrap_or_default(),
        bounds: fetch::Bounds {
            allow_networks: allowed_networks(config),
            max_bytes: tell::ANSWER_BYTES,
            time: config.webhooks.attempt_time,
        },
        now: Ctx::now_utc,
    }
}

/// What tells the repositories that builds came from what has become of them. It takes the same pains as for webhooks.
#[must_use]
pub fn teller(ctx: &Ctx) -> tell::Teller {
    let (config, webhooks) = (&ctx.config, &ctx.config.webhooks);
    tell::Teller {
        db: ctx.db.clone(),
        providers: ctx.providers.clone(),
        mail: config.smtp.as_ref().map(|smtp| mail_server(smtp, webhooks.attempt_time)),
        allow_networks: allowed_networks(config),
        pace: tell::Pace {
            concurrent: webhooks.concurrent,
            attempt_time: webhooks.attempt_time,
            first_wait: webhooks.first_wait,
            give_up_after: webhooks.give_up_after,
            keep: config.history.event_age,
        },
        public_url: config.base_url(),
        app_url: config.app_url.clone(),
        now: Ctx::now_utc,
        stopping: ctx.stopping.clone(),
        killing: ctx.killing.clone(),
    }
}

fn mail_server(smtp: &config::Smtp, time: Duration) -> tell::MailServer {
    tell::MailServer {
        host: smtp.host.clone(),
        port: smtp.port,
        security: match smtp.security {
            Some(config::SmtpSecurity::Tls) | None => tell::MailSecurity::Tls,
            Some(config::SmtpSecurity::StartTls) => tell::MailSecurity::StartTls,
            Some(config::SmtpSecurity::None) => tell::MailSecurity::None,
        },
        login: smtp.user.clone().zip(smtp.password.clone()),
        from: smtp.from.clone(),
        allow: smtp.allow.clone(),
        time,
    }
}

/// The private networks that may be reached.
pub(super) fn allowed_networks(config: &Config) -> Vec<(IpAddr, u8)> {
    config.network.allow.iter().map(|network| (network.address, network.bits)).collect()
}
