//! One image from one Dockerfile.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{BuildInfo, BuildInfoAux};
use bollard::query_parameters::{BuildImageOptions, BuilderVersion};
use futures_util::StreamExt as _;
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::progress::Progress;
use super::{Builder, CPU_PERIOD, Docker, DockerError, ImageName, Pull, with_query};

/// Longer than any build: whoever waits for one drops it.
const BUILD_TIME: Duration = Duration::from_hours(24);

/// What is to be built.
#[derive(Debug, Clone)]
pub struct ImageBuild {
    /// The image's name until it is removed.
    pub name: ImageName,
    /// In the context.
    pub dockerfile: String,
    pub args: HashMap<String, String>,
    pub memory_bytes: u64,
    /// 0 means all.
    pub cpus: u32,
}

/// What the Engine says of a build that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FailedStep {
    /// The Dockerfile's instruction, if it is known which.
    pub instruction: Option<String>,
    pub message: String,
}

impl FailedStep {
    /// Whether it is the base image that could not be had.
    #[must_use]
    pub fn is_base_image(&self) -> bool {
        let instruction = self.instruction.as_deref().unwrap_or_default();
        // `[internal] load metadata for docker.io/library/alpine:3`, `[1/3] FROM docker.io/…`, `FROM alpine:3`
        instruction.contains("load metadata for ") || instruction.split(' ').any(|word| word == "FROM")
    }
}

impl Docker {
    /// Builds an image of a tar, telling `output` what the Engine says as it says it. Dropped, the build ends: the Engine
    /// cancels one whose client has gone, and removes its containers.
    pub async fn build(
        &self,
        image: &ImageBuild,
        context: impl AsyncRead + Send + 'static,
        mut output: impl FnMut(&[u8]),
    ) -> Result<(), DockerError> {
        let client = self.connect(BUILD_TIME).await?;
        let builder = self.builder(&client);
        let more = self.further_parameters(image);
        let client = client.with_request_modifier(move |request| {
            if request.uri().path().ends_with("/build") { with_query(request, &more) } else { request }
        });
        let body = bollard::body_try_stream(ReaderStream::new(context));
        let mut answers = Box::pin(client.build_image(self.options(image, builder), None, Some(body)));
        let mut said = Said::default();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(info) => output(&said.take(info)),
                Err(Error::DockerStreamError { error }) => {
                    return Err(DockerError::Step(FailedStep { instruction: said.last_instruction, message: error }));
                }
                // Refused before it began: what the Dockerfile has is no Dockerfile, says the classic builder.
                Err(Error::DockerResponseServerError { status_code: 400, message }) => {
                    return Err(DockerError::Step(FailedStep { instruction: None, message }));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn options(&self, image: &ImageBuild, builder: Builder) -> BuildImageOptions {
        BuildImageOptions {
            dockerfile: image.dockerfile.clone(),
            t: Some(image.name.to_string()),
            buildargs: Some(image.args.clone()),
            networkmode: self.0.network.clone(),
            pull: (self.0.pull == Pull::Always).then(|| "1".to_owned()),
            // Intermediate containers, also of a build that fails. Its images stay: they are the next build's cache.
            rm: true,
            forcerm: true,
            cpuperiod: (image.cpus > 0).then_some(CPU_PERIOD),
            cpuquota: (image.cpus > 0).then(|| i32::try_from(image.cpus).unwrap_or(i32::MAX).saturating_mul(CPU_PERIOD)),
            version: if builder == Builder::BuildKit { BuilderVersion::BuilderBuildKit } else { BuilderVersion::BuilderV1 },
            session: (builder == Builder::BuildKit).then(|| Uuid::new_v4().to_string()),
            ..BuildImageOptions::default()
        }
    }

    /// The memory limit, whose field in bollard takes less than 2 GiB, without swap on top; and what has no field.
    fn further_parameters(&self, image: &ImageBuild) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if image.memory_bytes > 0 {
            let bytes = image.memory_bytes.to_string();
            query.append_pair("memory", &bytes).append_pair("memswap", &bytes);
        }
        if let Some(parent) = &self.0.cgroup_parent {
            query.append_pair("cgroupparent", parent);
        }
        query.finish()
    }
}

/// What the Engine has said so far.
#[derive(Default)]
struct Said {
    last_instruction: Option<String>,
    progress: Progress,
}

impl Said {
    /// Notes an answer; returns what of it is to be shown.
    fn take(&mut self, info: BuildInfo) -> Vec<u8> {
        if let Some(text) = info.stream {
            // `Step 2/4 : RUN make`
            if let Some((_, instruction)) = text.strip_prefix("Step ").and_then(|step| step.split_once(" : ")) {
                self.last_instruction = Some(instruction.trim_end().to_owned());
            }
            return text.into_bytes();
        }
        if let Some(BuildInfoAux::BuildKit(status)) = info.aux {
            let lines = self.progress.lines(status);
            if let Some(failed) = self.progress.failed() {
                self.last_instruction = Some(failed.to_owned());
            }
            return lines;
        }
        // Of pulling a base image; how far it is would be a line for every few hundred kilobytes.
        let is_bar = info.progress_detail.is_some_and(|detail| detail.total.is_some());
        match (info.status, info.id) {
            (Some(status), Some(id)) if !is_bar => format!("{id}: {status}\n").into_bytes(),
            (Some(status), None) if !is_bar => format!("{status}\n").into_bytes(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(said: &mut Said, json: &str) -> String {
        String::from_utf8(said.take(serde_json::from_str(json).unwrap())).unwrap()
    }

    #[test]
    fn the_classic_builders_words_are_shown_as_they_are() {
        let mut said = Said::default();
        assert_eq!(say(&mut said, r#"{"stream":"Step 2/4 : RUN make FROM=x"}"#), "Step 2/4 : RUN make FROM=x");
        assert_eq!(said.last_instruction.as_deref(), Some("RUN make FROM=x"));
        assert_eq!(say(&mut said, r#"{"stream":"\n"}"#), "\n");
        assert_eq!(say(&mut said, r#"{"status":"Pulling from library/alpine","id":"3"}"#), "3: Pulling from library/alpine\n");
        let bar = r#"{"status":"Downloading","progressDetail":{"current":1,"total":2},"progress":"[>]","id":"d9e"}"#;
        assert_eq!(say(&mut said, bar), "");
        assert_eq!(say(&mut said, r#"{"aux":{"ID":"sha256:00"}}"#), "");
        assert_eq!(said.last_instruction.as_deref(), Some("RUN make FROM=x"));
    }

    #[test]
    fn a_base_image_that_cannot_be_had_is_told_from_a_command_that_fails() {
        let check = |instruction: Option<&str>, expected| {
            let step = FailedStep { instruction: instruction.map(str::to_owned), message: "no".into() };
            assert_eq!(step.is_base_image(), expected, "{instruction:?}");
        };
        check(Some("FROM alpine:3"), true);
        check(Some("[internal] load metadata for docker.io/library/alpine:3"), true);
        check(Some("[stage-1 1/3] FROM docker.io/library/alpine:3"), true);
        check(Some("RUN make FROM=x"), false);
        check(Some("[2/3] RUN exit 3"), false);
        check(None, false);
    }
}
