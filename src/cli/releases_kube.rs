//! `hoist releases:kube`: a release as Kubernetes manifests.

mod types;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use serde::Serialize;

use super::client::Client;
use super::error::CliError;
use super::output::print;
use super::runnable::{PORT, Process, Runnable, RunnableArgs, Secrecy};
use types::{
    Container, ContainerPort, Deployment, DeploymentSpec, EnvFrom, EnvVar, Job, JobSpec, LabelSelector, Labels, LocalReference,
    Metadata, PodSpec, PodTemplate, Secret, Service, ServicePort, ServiceSpec,
};

/// How long a name may be (RFC 1123 label), and a label's value.
const NAME_BYTES: usize = 63;
const HTTP_PORT: u16 = 80;
const WEB_PORT: &str = "http";

#[derive(Debug, Args)]
pub(super) struct Kube {
    #[command(flatten)]
    of: RunnableArgs,
}

/// A process with its image by digest and its name in Kubernetes.
#[derive(Debug)]
struct Pinned<'a> {
    process: &'a Process,
    image: String,
    /// `APP-TYPE`
    name: String,
}

impl Kube {
    pub(super) fn run(&self, client: &Client) -> Result<(), CliError> {
        let runnable = Runnable::find(client, &self.of)?;
        let pin = |process| Ok(Pinned { process, image: runnable.pinned(client, process)?, name: name(&runnable, process)? });
        let processes = runnable.processes.iter().map(pin).collect::<Result<Vec<_>, CliError>>()?;
        let phase = runnable.release_command.as_ref().map(pin).transpose()?;
        distinct(processes.iter().chain(&phase).map(|pinned| &*pinned.name))?;
        print(&documents(&runnable, &processes, phase.as_ref(), self.of.secrecy())?)
    }
}

fn documents(
    runnable: &Runnable,
    processes: &[Pinned<'_>],
    phase: Option<&Pinned<'_>>,
    secrecy: Secrecy,
) -> Result<String, CliError> {
    let mut yaml = remarks(runnable, secrecy);
    if secrecy == Secrecy::Values && !runnable.config.is_empty() {
        document(&mut yaml, &secret(runnable))?;
    }
    if let Some(phase) = phase {
        document(&mut yaml, &job(runnable, phase))?;
    }
    for pinned in processes {
        document(&mut yaml, &deployment(runnable, pinned))?;
        if pinned.process.is_web() {
            document(&mut yaml, &service(runnable, pinned))?;
        }
    }
    Ok(yaml)
}

fn document(yaml: &mut String, value: &impl Serialize) -> Result<(), CliError> {
    yaml.push_str("---\n");
    yaml.push_str(&serde_yaml::to_string(value).map_err(anyhow::Error::from)?);
    Ok(())
}

/// `APP-TYPE` as an RFC 1123 label.
fn name(runnable: &Runnable, process: &Process) -> Result<String, CliError> {
    let kind = process.kind.as_str().to_lowercase().replace('_', "-");
    let name = format!("{}-{}", runnable.app, kind.trim_matches('-'));
    if name.len() > NAME_BYTES || name.ends_with('-') {
        return Err(CliError::User(format!(
            "Kubernetes takes no name made of {} and {}: rename one.",
            runnable.app, process.kind
        )));
    }
    Ok(name)
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), CliError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(CliError::User(format!("Two process types would both be {name} in Kubernetes: rename one.")));
        }
    }
    Ok(())
}

/// What finds a process type's pods; the same for every release.
fn selector(runnable: &Runnable, pinned: &Pinned<'_>) -> Labels {
    let text = |text: &str| text.to_owned();
    BTreeMap::from([("app.kubernetes.io/name", text(&runnable.app)), ("app.kubernetes.io/component", text(&pinned.name))])
}

fn labels(runnable: &Runnable, pinned: &Pinned<'_>) -> Labels {
    let mut labels = selector(runnable, pinned);
    labels.insert("app.kubernetes.io/version", runnable.tag());
    labels
}

/// Of this release alone: an older release that runs on keeps its own.
fn secret_name(runnable: &Runnable) -> String {
    format!("{}-{}-config", runnable.app, runnable.tag())
}

fn pull_secret_name(runnable: &Runnable) -> String {
    format!("{}-registry", runnable.app)
}

fn secret(runnable: &Runnable) -> Secret {
    let labels =
        BTreeMap::from([("app.kubernetes.io/name", runnable.app.clone()), ("app.kubernetes.io/version", runnable.tag())]);
    let data = runnable.config.iter().map(|(key, value)| (key.clone(), BASE64_STANDARD.encode(value))).collect();
    Secret::new(Metadata { name: secret_name(runnable), labels }, data)
}

fn job(runnable: &Runnable, phase: &Pinned<'_>) -> Job {
    let name = format!("{}-{}-release", runnable.app, runnable.tag());
    let template = pod(runnable, phase, Some("Never"));
    Job::new(Metadata { name, labels: labels(runnable, phase) }, JobSpec { backoff_limit: 0, template })
}

fn deployment(runnable: &Runnable, pinned: &Pinned<'_>) -> Deployment {
    let spec = DeploymentSpec {
        replicas: pinned.process.quantity,
        selector: LabelSelector { match_labels: selector(runnable, pinned) },
        template: pod(runnable, pinned, None),
    };
    Deployment::new(Metadata { name: pinned.name.clone(), labels: labels(runnable, pinned) }, spec)
}

fn service(runnable: &Runnable, pinned: &Pinned<'_>) -> Service {
    let port = ServicePort { name: WEB_PORT, port: HTTP_PORT, target_port: WEB_PORT };
    let spec = ServiceSpec { selector: selector(runnable, pinned), ports: [port] };
    Service::new(Metadata { name: pinned.name.clone(), labels: labels(runnable, pinned) }, spec)
}

fn pod(runnable: &Runnable, pinned: &Pinned<'_>, restart_policy: Option<&'static str>) -> PodTemplate {
    let is_web = pinned.process.is_web();
    let config = (!runnable.config.is_empty()).then(|| EnvFrom { secret_ref: LocalReference { name: secret_name(runnable) } });
    let container = Container {
        name: "app",
        image: pinned.image.clone(),
        env_from: config.into_iter().collect(),
        // Before the Secret's, should that have a PORT.
        env: is_web.then(|| EnvVar { name: "PORT", value: PORT.to_string() }).into_iter().collect(),
        ports: is_web.then_some(ContainerPort { name: WEB_PORT, container_port: PORT }).into_iter().collect(),
    };
    let image_pull_secrets = [LocalReference { name: pull_secret_name(runnable) }];
    PodTemplate {
        metadata: types::PodMetadata { labels: labels(runnable, pinned) },
        spec: PodSpec { containers: [container], image_pull_secrets, restart_policy },
    }
}

/// What is to be done besides applying it.
fn remarks(runnable: &Runnable, secrecy: Secrecy) -> String {
    let Runnable { app, version, registry, .. } = runnable;
    let mut lines = vec![
        format!("{app} v{version}. Once, so that images can be pulled, with a token that may read the app:"),
        format!(
            "  kubectl create secret docker-registry {} --docker-server={} --docker-username=_ --docker-password=TOKEN",
            pull_secret_name(runnable),
            registry.host()
        ),
    ];
    if secrecy == Secrecy::Names && !runnable.config.is_empty() {
        let names: Vec<_> = runnable.config.keys().map(String::as_str).collect();
        lines.push(format!("The Secret {} is not here; --with-config prints it. It has to hold:", secret_name(runnable)));
        lines.push(format!("  {}", names.join(", ")));
    }
    if runnable.release_command.is_some() {
        lines.push(format!(
            "The processes expect that this has ended well: kubectl wait --for=condition=complete job/{app}-v{version}-release"
        ));
    }
    format!("# {}\n", lines.join("\n# "))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::cli::runnable::tests::shop;

    fn pinned<'a>(runnable: &'a Runnable, process: &'a Process) -> Pinned<'a> {
        Pinned { process, image: format!("{}@sha256:abc", process.image), name: name(runnable, process).unwrap() }
    }

    fn yaml(runnable: &Runnable, secrecy: Secrecy) -> String {
        let processes: Vec<_> = runnable.processes.iter().map(|process| pinned(runnable, process)).collect();
        let phase = runnable.release_command.as_ref().map(|process| pinned(runnable, process));
        documents(runnable, &processes, phase.as_ref(), secrecy).unwrap()
    }

    #[test]
    fn a_release_is_deployments_a_service_a_secret_and_a_job() {
        assert_snapshot!(yaml(&shop(["release", "web"]), Secrecy::Values), @r#"
        # shop v12. Once, so that images can be pulled, with a token that may read the app:
        #   kubectl create secret docker-registry shop-registry --docker-server=hoist.example.com --docker-username=_ --docker-password=TOKEN
        # The processes expect that this has ended well: kubectl wait --for=condition=complete job/shop-v12-release
        ---
        apiVersion: v1
        kind: Secret
        metadata:
          name: shop-v12-config
          labels:
            app.kubernetes.io/name: shop
            app.kubernetes.io/version: v12
        type: Opaque
        data:
          SECRET: cGEkJHdvcmQ=
        ---
        apiVersion: batch/v1
        kind: Job
        metadata:
          name: shop-v12-release
          labels:
            app.kubernetes.io/component: shop-release
            app.kubernetes.io/name: shop
            app.kubernetes.io/version: v12
        spec:
          backoffLimit: 0
          template:
            metadata:
              labels:
                app.kubernetes.io/component: shop-release
                app.kubernetes.io/name: shop
                app.kubernetes.io/version: v12
            spec:
              containers:
              - name: app
                image: hoist.example.com/shop/release@sha256:abc
                envFrom:
                - secretRef:
                    name: shop-v12-config
              imagePullSecrets:
              - name: shop-registry
              restartPolicy: Never
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: shop-web
          labels:
            app.kubernetes.io/component: shop-web
            app.kubernetes.io/name: shop
            app.kubernetes.io/version: v12
        spec:
          replicas: 2
          selector:
            matchLabels:
              app.kubernetes.io/component: shop-web
              app.kubernetes.io/name: shop
          template:
            metadata:
              labels:
                app.kubernetes.io/component: shop-web
                app.kubernetes.io/name: shop
                app.kubernetes.io/version: v12
            spec:
              containers:
              - name: app
                image: hoist.example.com/shop/web@sha256:abc
                envFrom:
                - secretRef:
                    name: shop-v12-config
                env:
                - name: PORT
                  value: '5000'
                ports:
                - name: http
                  containerPort: 5000
              imagePullSecrets:
              - name: shop-registry
        ---
        apiVersion: v1
        kind: Service
        metadata:
          name: shop-web
          labels:
            app.kubernetes.io/component: shop-web
            app.kubernetes.io/name: shop
            app.kubernetes.io/version: v12
        spec:
          selector:
            app.kubernetes.io/component: shop-web
            app.kubernetes.io/name: shop
          ports:
          - name: http
            port: 80
            targetPort: http
        "#);
    }

    #[test]
    fn secrets_are_named_and_not_told() {
        let yaml = yaml(&shop(["web"]), Secrecy::Names);
        assert!(yaml.contains("shop-v12-config is not here") && !yaml.contains("pa$$word"), "{yaml}");
        assert!(!yaml.contains("kind: Secret") && !yaml.contains("kind: Job"), "{yaml}");
    }

    #[test]
    fn names_are_kubernetes_own_and_of_one_process_type_each() {
        let runnable = shop(["Web_Hooks", "web"]);
        assert_eq!(name(&runnable, &runnable.processes[0]).unwrap(), "shop-web-hooks");
        assert!(name(&runnable, &shop(["_"]).processes[0]).is_err());
        assert!(name(&runnable, &shop([&*"long".repeat(20)]).processes[0]).is_err());
        assert!(distinct(["shop-web", "shop-web"].into_iter()).is_err());
    }
}
