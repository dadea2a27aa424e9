//! `hoist releases:compose`: a release as a Compose file.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::client::Client;
use super::error::CliError;
use super::output::print;
use super::runnable::{PORT, Process, Runnable, RunnableArgs, Secrecy};

#[derive(Debug, Args)]
pub(super) struct Compose {
    #[command(flatten)]
    of: RunnableArgs,
    /// Name images by their digests rather than by the release's tag
    #[arg(long)]
    pin: bool,
}

/// A Compose file (compose-spec, as far as docker-compose 1.29 knows it).
#[derive(Debug, Serialize)]
struct File {
    services: BTreeMap<String, Service>,
}

#[derive(Debug, Serialize)]
struct Service {
    image: String,
    /// `KEY=VALUE`: a value alone, such as `yes`, could be taken for something other than text.
    environment: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    depends_on: BTreeMap<String, Dependency>,
    deploy: Deploy,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Dependency {
    condition: &'static str,
}

#[derive(Debug, Serialize)]
struct Deploy {
    replicas: u32,
}

impl Compose {
    pub(super) fn run(&self, client: &Client) -> Result<(), CliError> {
        let runnable = Runnable::find(client, &self.of)?;
        let image = |process: &Process| {
            if self.pin { runnable.pinned(client, process) } else { Ok(format!("{}:{}", process.image, runnable.tag())) }
        };
        let secrecy = self.of.secrecy();
        let file = file(&runnable, secrecy, image)?;
        let yaml = serde_yaml::to_string(&file).map_err(anyhow::Error::from)?;
        print(&format!("{}{yaml}", remarks(&runnable, secrecy)))
    }
}

fn file(runnable: &Runnable, secrecy: Secrecy, image: impl Fn(&Process) -> Result<String, CliError>) -> Result<File, CliError> {
    let environment = environment(&runnable.config, secrecy);
    let mut services = BTreeMap::new();
    for process in runnable.processes.iter().chain(&runnable.release_command) {
        let mut service = Service {
            image: image(process)?,
            environment: environment.clone(),
            ports: Vec::new(),
            depends_on: BTreeMap::new(),
            deploy: Deploy { replicas: process.quantity },
            restart: Some("unless-stopped"),
        };
        if process.is_web() {
            service.environment.push(format!("PORT={PORT}"));
            service.ports.push(ports(process.quantity));
        }
        let is_release = runnable.release_command.as_ref().is_some_and(|phase| phase.kind == process.kind);
        match &runnable.release_command {
            Some(_) if is_release => {
                service.restart = None;
                service.deploy.replicas = 1;
            }
            Some(phase) => {
                let condition = "service_completed_successfully";
                service.depends_on.insert(phase.kind.to_string(), Dependency { condition });
            }
            None => {}
        }
        services.insert(process.kind.to_string(), service);
    }
    Ok(File { services })
}

/// A `$` would begin a variable of Compose's own. Without `PORT`, which is not the user's to say.
fn environment(vars: &BTreeMap<String, String>, secrecy: Secrecy) -> Vec<String> {
    let line = |(key, value): (&String, &String)| match secrecy {
        Secrecy::Values => format!("{key}={}", value.replace('$', "$$")),
        Secrecy::Names => format!("{key}=${{{key}}}"),
    };
    vars.iter().filter(|(key, _)| *key != "PORT").map(line).collect()
}

/// A port of the host for each web process.
fn ports(quantity: u32) -> String {
    match u16::try_from(quantity.saturating_sub(1)) {
        Ok(0) | Err(_) => format!("{PORT}:{PORT}"),
        Ok(more) => format!("{PORT}-{}:{PORT}", PORT.saturating_add(more)),
    }
}

fn remarks(runnable: &Runnable, secrecy: Secrecy) -> String {
    let Runnable { app, version, registry, .. } = runnable;
    let login = format!("# {app} v{version}. Log in to {} first: hoist container:login\n", registry.host());
    match secrecy {
        Secrecy::Names if !runnable.config.is_empty() => {
            let names: Vec<_> = runnable.config.keys().map(String::as_str).collect();
            format!(
                "{login}# The values of {} come from the environment, or from a file .env beside this one.\n",
                names.join(", ")
            )
        }
        _ => login,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::cli::runnable::tests::shop;

    fn yaml(runnable: &Runnable, secrecy: Secrecy) -> String {
        let file = file(runnable, secrecy, |process| Ok(format!("{}:{}", process.image, runnable.tag()))).unwrap();
        remarks(runnable, secrecy) + &serde_yaml::to_string(&file).unwrap()
    }

    #[test]
    fn every_process_type_is_a_service_that_waits_for_the_release_command() {
        assert_snapshot!(yaml(&shop(["release", "web", "worker"]), Secrecy::Names), @r#"
        # shop v12. Log in to hoist.example.com first: hoist container:login
        # The values of SECRET come from the environment, or from a file .env beside this one.
        services:
          release:
            image: hoist.example.com/shop/release:v12
            environment:
            - SECRET=${SECRET}
            deploy:
              replicas: 1
          web:
            image: hoist.example.com/shop/web:v12
            environment:
            - SECRET=${SECRET}
            - PORT=5000
            ports:
            - 5000-5001:5000
            depends_on:
              release:
                condition: service_completed_successfully
            deploy:
              replicas: 2
            restart: unless-stopped
          worker:
            image: hoist.example.com/shop/worker:v12
            environment:
            - SECRET=${SECRET}
            depends_on:
              release:
                condition: service_completed_successfully
            deploy:
              replicas: 2
            restart: unless-stopped
        "#);
    }

    #[test]
    fn values_are_printed_on_demand_and_kept_from_compose() {
        let yaml = yaml(&shop(["web"]), Secrecy::Values);
        assert!(yaml.contains("SECRET=pa$$$$word"), "{yaml}");
        assert!(!yaml.contains(".env") && !yaml.contains("depends_on"), "{yaml}");
    }
}
