//! What goes wrong where images are built of heroku.yml's Dockerfiles.

use super::in_words;
use crate::build::BuildError;
use crate::docker::{DockerError, FailedStep};
use crate::model::{Limits, ProcessType};
use crate::transcript::{size, warning};

/// What is the pusher's to mend.
pub(super) fn build_words(error: &BuildError, limits: &Limits) -> Vec<String> {
    match error {
        // Heroku's own words, but for what to do besides.
        BuildError::NoHerokuYml => vec![
            "=!= Your app does not include a heroku.yml build manifest. To deploy your app, either create a heroku.yml: https://devcenter.heroku.com/articles/build-docker-images-heroku-yml".into(),
            "Or build it yourself: `hoist container:push web`, then `hoist container:release web`".into(),
            "Or change your stack by running: 'hoist stack:set STACK' (`hoist stack` lists them), to build with buildpacks".into(),
        ],
        BuildError::HerokuYml(why) => {
            vec!["=!= Your heroku.yml manifest is invalid. Please correct the following issues:".into(), format!("\t\t{why}")]
        }
        BuildError::NoDockerfile { image, path } => vec![
            warning(&format!("heroku.yml: build.docker.{image} is {path}, and there is no such file in the app.")),
            warning("Commit it, or mend the path, which counts from the app's own folder, and push again."),
        ],
        BuildError::Dockerignore { path, why } => {
            vec![warning(&format!("{path} can't be read: {why}.")), warning(&format!("Mend {path}, commit, and push again."))]
        }
        BuildError::Docker { image, error: DockerError::Step(step) } => step_words(image, step),
        BuildError::ImageTime(image) => vec![
            warning(&format!("Timed out building the image of {image} ({})", in_words(limits.build_time))),
            warning("Order the Dockerfile's steps so that the slow ones come first: they are not repeated while nothing before them changes."),
        ],
        BuildError::SourceTime => vec![
            warning(&format!("Timed out fetching the app's source ({})", in_words(limits.build_time))),
            warning("Leave out of the repository or the archive what the app does not need, and push again."),
        ],
        error => vec![warning(&error.to_string())],
    }
}

/// Of an image that is too large to be kept.
pub(super) fn size_words(limits: &Limits) -> Vec<String> {
    let most = size(limits.build_disk_bytes);
    vec![
        warning(&format!("Push rejected, an image is larger than {most}, the most that a build may write.")),
        warning("Build in one stage and copy what the app needs into another, or begin FROM a smaller image."),
    ]
}

fn step_words(image: &ProcessType, step: &FailedStep) -> Vec<String> {
    let mut lines = Vec::new();
    if step.is_base_image() {
        lines.push(warning(&format!("Push rejected, a base image of {image} can't be pulled:")));
    } else {
        lines.push(warning(&format!("Push rejected, failed to build the image of {image}:")));
    }
    lines.extend(step.message.lines().map(warning));
    if step.is_base_image() {
        lines.push(warning("Check the name after FROM. hoist pulls without a login, so everybody has to be allowed to."));
        lines.push(warning("If all is well with it, its registry may be away: push again later."));
    }
    lines
}

/// What is for whoever runs hoist to mend.
pub(super) fn engine_words(error: &DockerError) -> String {
    match error {
        DockerError::Unreachable { socket, .. } => format!(
            "no Docker Engine answers at {}, and apps on the stack container are built by one. Whoever runs hoist starts one there, or names another with `host` under [docker] in hoist.toml (HOIST_DOCKER_HOST)",
            socket.display()
        ),
        DockerError::Engine(_) | DockerError::Step(_) | DockerError::TooLate { .. } | DockerError::Unfit(_) => {
            "the Docker Engine failed".into()
        }
    }
}
