//! The part of Kubernetes' API that is written, in its own words.

use std::collections::BTreeMap;

use serde::Serialize;

pub(super) type Labels = BTreeMap<&'static str, String>;

/// One object: its kind, its name and what it is to be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object<Spec> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: Spec,
}

pub(super) type Deployment = Object<DeploymentSpec>;
pub(super) type Job = Object<JobSpec>;
pub(super) type Service = Object<ServiceSpec>;

impl Deployment {
    pub(super) fn new(metadata: Metadata, spec: DeploymentSpec) -> Self {
        Self { api_version: "apps/v1", kind: "Deployment", metadata, spec }
    }
}

impl Job {
    pub(super) fn new(metadata: Metadata, spec: JobSpec) -> Self {
        Self { api_version: "batch/v1", kind: "Job", metadata, spec }
    }
}

impl Service {
    pub(super) fn new(metadata: Metadata, spec: ServiceSpec) -> Self {
        Self { api_version: "v1", kind: "Service", metadata, spec }
    }
}

/// Has no spec.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secret {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    #[serde(rename = "type")]
    type_: &'static str,
    /// In base64, which nobody takes for something other than text, as `yes` may be.
    data: BTreeMap<String, String>,
}

impl Secret {
    pub(super) fn new(metadata: Metadata, data: BTreeMap<String, String>) -> Self {
        Self { api_version: "v1", kind: "Secret", metadata, type_: "Opaque", data }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) labels: Labels,
}

#[derive(Debug, Serialize)]
pub(super) struct DeploymentSpec {
    pub(super) replicas: u32,
    pub(super) selector: LabelSelector,
    pub(super) template: PodTemplate,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LabelSelector {
    pub(super) match_labels: Labels,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobSpec {
    /// How often it is tried again.
    pub(super) backoff_limit: u32,
    pub(super) template: PodTemplate,
}

#[derive(Debug, Serialize)]
pub(super) struct PodTemplate {
    pub(super) metadata: PodMetadata,
    pub(super) spec: PodSpec,
}

#[derive(Debug, Serialize)]
pub(super) struct PodMetadata {
    pub(super) labels: Labels,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) containers: [Container; 1],
    pub(super) image_pull_secrets: [LocalReference; 1],
    /// `Always` if it is not said, as Deployments want it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restart_policy: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: &'static str,
    pub(super) image: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) env_from: Vec<EnvFrom>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<EnvVar>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ports: Vec<ContainerPort>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnvFrom {
    pub(super) secret_ref: LocalReference,
}

#[derive(Debug, Serialize)]
pub(super) struct EnvVar {
    pub(super) name: &'static str,
    pub(super) value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerPort {
    pub(super) name: &'static str,
    pub(super) container_port: u16,
}

/// An object of the same namespace.
#[derive(Debug, Serialize)]
pub(super) struct LocalReference {
    pub(super) name: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ServiceSpec {
    pub(super) selector: Labels,
    pub(super) ports: [ServicePort; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServicePort {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) target_port: &'static str,
}
