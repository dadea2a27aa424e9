//! Containers, for whoever runs commands in them: made, talked to, measured, removed.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
};
use bollard::query_parameters::{
    AttachContainerOptions, InspectContainerOptions, ListContainersOptions, RemoveContainerOptions, StartContainerOptions,
    WaitContainerOptions,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::io::AsyncWrite;

use super::{ANSWER_TIME, CPU_PERIOD, Docker, DockerError, Label};

/// For what the Engine has to do something for: a container is mounted, connected or added up. A busy host may take long.
const WORK_TIME: Duration = Duration::from_mins(2);

/// How a container is to be made: of an image, without capabilities but those named, and never privileged.
#[derive(Debug, Clone)]
pub struct Container {
    pub image: String,
    pub host_name: String,
    pub labels: Vec<Label>,
    /// What is run as its first process, by root.
    pub command: Vec<String>,
    /// Memory, and memory with swap.
    pub memory_bytes: u64,
    pub pids: u32,
    /// 0 means all.
    pub cpus: u32,
    /// The name of a network; none, if it is to have nothing but loopback.
    pub network: Option<String>,
    /// Whom the Engine asks for names in that network; its own choice, if there is none.
    pub name_servers: Vec<IpAddr>,
    pub capabilities: Vec<&'static str>,
    /// Paths in it that are empty, besides those that the Engine hides anyway.
    pub hidden: Vec<&'static str>,
}

/// Parts of `/proc` that tell about the host; the Engine's own list, which goes when another one is given.
const HIDDEN: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
];

/// Shared memory, in bytes: the Engine's default.
const SHARED_MEMORY_BYTES: i64 = 64 * 1024 * 1024;

/// A container in the Engine, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerId(String);

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A process's standard streams. When they go, its input ends.
pub struct Streams {
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// Its standard output as it comes. What it says on standard error is the error that the stream ends with.
    pub output: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams")
    }
}

impl Docker {
    /// Makes a container whose first process's input ends with the connection that [`Docker::start`] makes, and that the
    /// Engine removes when that process ends.
    pub async fn create(&self, container: &Container) -> Result<ContainerId, DockerError> {
        let client = self.connect(WORK_TIME).await?;
        let created = client.create_container(None, create_body(container)).await?;
        Ok(ContainerId(created.id))
    }

    /// Starts a container's first process, attached.
    pub async fn start(&self, id: &ContainerId) -> Result<Streams, DockerError> {
        let client = self.connect(WORK_TIME).await?;
        let options = AttachContainerOptions { stream: true, stdin: true, stdout: true, stderr: true, ..Default::default() };
        // Before it says anything.
        let attached = client.attach_container(&id.0, Some(options)).await?;
        client.start_container(&id.0, None::<StartContainerOptions>).await?;
        Ok(Streams { input: attached.input, output: Box::pin(attached.output.map(said)) })
    }

    /// Starts another process in a running container, as root.
    pub async fn exec(&self, id: &ContainerId, command: Vec<String>) -> Result<Streams, DockerError> {
        let client = self.connect(WORK_TIME).await?;
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command),
            user: Some("0:0".to_owned()),
            ..CreateExecOptions::default()
        };
        let exec = client.create_exec(&id.0, options).await?;
        match client.start_exec(&exec.id, Some(StartExecOptions::default())).await? {
            StartExecResults::Attached { input, output } => Ok(Streams { input, output: Box::pin(output.map(said)) }),
            StartExecResults::Detached => unreachable!("it was not asked to detach"),
        }
    }

    /// How much a container has written into its file system, in bytes; `None` if the Engine can't tell.
    pub async fn written_bytes(&self, id: &ContainerId) -> Result<Option<u64>, DockerError> {
        let client = self.connect(WORK_TIME).await?;
        Ok(written(&client.inspect_container(&id.0, Some(InspectContainerOptions { size: true })).await?))
    }

    /// Fails with [`DockerError::Unfit`] if the Engine can't tell how much a container has written.
    pub async fn check_written_bytes(&self, id: &ContainerId) -> Result<(), DockerError> {
        check_written(self.written_bytes(id).await?)
    }

    /// Kills all in a container and removes it. One that is gone already is fine.
    pub async fn remove_container(&self, id: &ContainerId) -> Result<(), DockerError> {
        let client = self.connect(WORK_TIME).await?;
        let options = RemoveContainerOptions { force: true, v: true, link: false };
        match client.remove_container(&id.0, Some(options)).await {
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(Error::DockerResponseServerError { status_code: 409, .. }) => wait_until_gone(&client, id).await,
            Err(error) => Err(error.into()),
        }
    }

    /// The containers that carry a label, running or not.
    pub async fn containers_with(&self, label: &Label) -> Result<Vec<ContainerId>, DockerError> {
        let client = self.connect(ANSWER_TIME).await?;
        let options = ListContainersOptions { all: true, filters: Some(label.filter()), ..ListContainersOptions::default() };
        let found = client.list_containers(Some(options)).await?;
        Ok(found.into_iter().filter_map(|container| container.id.map(ContainerId)).collect())
    }
}

/// An Engine that has failed to add it up says -1.
fn written(found: &ContainerInspectResponse) -> Option<u64> {
    found.size_rw?.try_into().ok()
}

fn check_written(bytes: Option<u64>) -> Result<(), DockerError> {
    let unfit = "can't tell how much a container has written, so that nothing would limit a build's disk; \
                 `docker info` names its storage driver: set another one, such as overlay2";
    bytes.map(drop).ok_or(DockerError::Unfit(unfit))
}

/// Waits for a container that the Engine is removing.
async fn wait_until_gone(client: &bollard::Docker, id: &ContainerId) -> Result<(), DockerError> {
    let options = WaitContainerOptions { condition: "removed".to_owned() };
    let mut waiting = client.wait_container(&id.0, Some(options));
    // How its first process ended, or that there is none of this name: either way it is gone.
    let gone = tokio::time::timeout(WORK_TIME, waiting.next()).await;
    gone.map(drop).map_err(|_| DockerError::TooLate { what: "remove a container", time: WORK_TIME })
}

fn create_body(container: &Container) -> ContainerCreateBody {
    let quota = i64::from(container.cpus) * i64::from(CPU_PERIOD);
    let memory_bytes = i64::try_from(container.memory_bytes).unwrap_or(i64::MAX);
    let hidden = HIDDEN.iter().chain(&container.hidden).map(ToString::to_string);
    let host = HostConfig {
        memory: Some(memory_bytes),
        memory_swap: Some(memory_bytes),
        pids_limit: Some(container.pids.into()),
        cpu_period: (container.cpus > 0).then_some(CPU_PERIOD.into()),
        cpu_quota: (container.cpus > 0).then_some(quota),
        network_mode: Some(container.network.clone().unwrap_or_else(|| "none".to_owned())),
        dns: Some(container.name_servers.iter().map(ToString::to_string).collect()),
        auto_remove: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(container.capabilities.iter().map(ToString::to_string).collect()),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        ipc_mode: Some("private".to_owned()),
        // Its own cgroups are all that it sees.
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        shm_size: Some(SHARED_MEMORY_BYTES),
        masked_paths: Some(hidden.collect()),
        // Nobody reads it but whoever is attached.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        image: Some(container.image.clone()),
        hostname: Some(container.host_name.clone()),
        user: Some("0:0".to_owned()),
        entrypoint: Some(container.command.clone()),
        working_dir: Some("/".to_owned()),
        labels: Some(container.labels.iter().map(Label::pair).collect::<HashMap<_, _>>()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(true),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

/// What a process has said, or why it can't be heard any more. What is not marked as the process's is the Engine's, which
/// can't start it.
fn said(output: Result<LogOutput, Error>) -> io::Result<Bytes> {
    match output {
        Ok(LogOutput::StdErr { message } | LogOutput::Console { message }) => {
            Err(io::Error::other(String::from_utf8_lossy(&message).trim().to_owned()))
        }
        Ok(output) => Ok(output.into_bytes()),
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> Container {
        Container {
            image: "image".into(),
            host_name: "name".into(),
            labels: vec![Label::new("hoist.work-dir", "/data/work")],
            command: vec!["/init".into()],
            memory_bytes: 3 << 30,
            pids: 20,
            cpus: 0,
            network: None,
            name_servers: Vec::new(),
            capabilities: vec!["KILL"],
            hidden: vec!["/sys/class"],
        }
    }

    #[test]
    fn limits_are_the_engines_and_nothing_is_given_that_was_not_asked_for() {
        let host = create_body(&container()).host_config.unwrap();
        assert_eq!((host.memory, host.memory_swap, host.pids_limit), (Some(3 << 30), Some(3 << 30), Some(20)));
        assert_eq!((host.cpu_quota, host.network_mode.as_deref()), (None, Some("none")));
        assert_eq!((host.cap_drop, host.cap_add), (Some(vec!["ALL".into()]), Some(vec!["KILL".into()])));
        assert_eq!(host.security_opt, Some(vec!["no-new-privileges".into()]));
        let hidden = host.masked_paths.unwrap();
        assert!(hidden.contains(&"/proc/kcore".into()) && hidden.contains(&"/sys/class".into()));
        let limited = create_body(&Container { cpus: 2, network: Some("builds".into()), ..container() });
        let host = limited.host_config.unwrap();
        assert_eq!((host.cpu_quota, host.network_mode.as_deref()), (Some(200_000), Some("builds")));
        assert_eq!(limited.labels.unwrap()["hoist.work-dir"], "/data/work");
    }

    #[test]
    fn an_engine_that_tells_no_size_is_refused() {
        let told = |size_rw| check_written(written(&ContainerInspectResponse { size_rw, ..ContainerInspectResponse::default() }));
        assert!(told(Some(0)).is_ok());
        for unknown in [None, Some(-1)] {
            let error = told(unknown).unwrap_err().to_string();
            assert!(error.starts_with("the Docker Engine can't tell how much a container has written"), "{error}");
        }
    }

    #[test]
    fn what_a_process_complains_of_is_an_error() {
        assert_eq!(said(Ok(LogOutput::StdOut { message: "x".into() })).unwrap(), "x");
        assert_eq!(said(Ok(LogOutput::StdErr { message: "no!\n".into() })).unwrap_err().to_string(), "no!");
    }
}
