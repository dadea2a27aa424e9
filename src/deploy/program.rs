//! What is run of a release: a command of its slug, or a program of one of its images.

use crate::model::{Artifact, OciImage, ProcessImage, ProcessType, ProcessTypes, Slug, SlugId};

/// A command of a release and what it runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Program {
    Slug { slug: SlugId, command: String },
    Image { image: ProcessImage, runs: Runs },
}

/// What is run in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Runs {
    /// The image's own program, with these arguments behind its own.
    Its(Vec<String>),
    /// A text, which a shell of the image reads.
    InShell(String),
}

impl Program {
    /// What is to be run before a release of this becomes current.
    pub(super) fn of_phase(artifact: &Artifact) -> Option<Self> {
        match artifact {
            Artifact::Slug(slug) => {
                slug.release_command().map(|command| Self::Slug { slug: slug.id, command: command.to_owned() })
            }
            Artifact::OciImage(image) => {
                image.process_types.iter().find(|(name, _)| name.is_release()).map(|(_, image)| Self::of_image(image, ""))
            }
        }
    }

    /// A one-off command: a process type in the place of a program means that process, with what follows as its arguments.
    /// Of images, another command is run in that of the dyno's own type, or in the one that stands for all. `None` when
    /// there is none.
    pub(super) fn one_off(artifact: &Artifact, process_type: &ProcessType, command: &str) -> Option<Self> {
        match artifact {
            Artifact::Slug(Slug { id, process_types, .. }) => {
                Some(Self::Slug { slug: *id, command: expand(command, process_types) })
            }
            Artifact::OciImage(image) => Self::one_off_of_image(image, process_type, command),
        }
    }

    fn one_off_of_image(image: &OciImage, process_type: &ProcessType, command: &str) -> Option<Self> {
        let (first, rest) = first_word(command);
        if let Some((_, image)) = image.process_types.iter().find(|(name, _)| name.as_str() == first) {
            return Some(Self::of_image(image, rest));
        }
        let own = image.process_types.get(process_type);
        let image = own.or_else(|| image.default_process().map(|(_, image)| image))?;
        Some(Self::Image { image: image.clone(), runs: Runs::InShell(command.to_owned()) })
    }

    fn of_image(image: &ProcessImage, arguments: &str) -> Self {
        let runs = match (&image.run, shlex::split(arguments)) {
            (Some(run), _) => Runs::InShell(with_arguments(run, arguments)),
            (None, Some(arguments)) => Runs::Its(arguments),
            // Quotes that nothing closes: as they are.
            (None, None) => Runs::Its(arguments.split_whitespace().map(str::to_owned).collect()),
        };
        Self::Image { image: image.clone(), runs }
    }

    /// The command as it is shown.
    pub(super) fn command(&self) -> String {
        match self {
            Self::Slug { command, .. } | Self::Image { runs: Runs::InShell(command), .. } => command.clone(),
            Self::Image { image, runs: Runs::Its(arguments) } => {
                let arguments = shlex::try_join(arguments.iter().map(String::as_str)).unwrap_or_default();
                with_arguments(&image.command, &arguments)
            }
        }
    }
}

fn expand(command: &str, types: &ProcessTypes) -> String {
    let (first, rest) = first_word(command);
    let process = types.iter().find(|(name, _)| name.as_str() == first);
    process.map_or_else(|| command.to_owned(), |(_, process)| with_arguments(process, rest))
}

fn first_word(command: &str) -> (&str, &str) {
    command.split_once(' ').unwrap_or((command, ""))
}

fn with_arguments(command: &str, arguments: &str) -> String {
    if arguments.is_empty() { command.to_owned() } else { format!("{command} {arguments}") }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::model::{AppId, Digest, OciImageId};

    #[test]
    fn a_process_type_is_its_command() {
        let types = [("console", "bin/rails console"), ("web", "./serve")];
        let types = types.map(|(name, command)| (name.parse().unwrap(), command.to_owned())).into();
        let check = |command: &str, expected: &str| assert_eq!(expand(command, &types), expected);
        check("console", "bin/rails console");
        check("console --sandbox", "bin/rails console --sandbox");
        check("consoles", "consoles");
        check("echo web", "echo web");
    }

    #[test]
    fn a_process_type_is_its_image_without_a_shell() {
        let image = |number: u8, run: Option<&str>, command: &str| ProcessImage {
            digest: Digest::from_bytes([number; 32]),
            image_id: Digest::from_bytes([number; 32]),
            run: run.map(str::to_owned),
            command: run.unwrap_or(command).to_owned(),
            working_dir: "/".into(),
        };
        let (web, worker, release) = (image(1, None, "/serve"), image(2, Some("work -v"), "/x"), image(3, None, "/migrate"));
        let types = [("web", &web), ("worker", &worker), ("release", &release)];
        let process_types = types.map(|(name, image)| (name.parse().unwrap(), image.clone())).into();
        let (id, app, created_at) = (OciImageId::new(), AppId::new(), OffsetDateTime::UNIX_EPOCH);
        let artifact = Artifact::OciImage(OciImage { id, app, commit: None, process_types, created_at });
        let check = |process_type: &str, command: &str, image: &ProcessImage, runs: Runs, shown: &str| {
            let program = Program::one_off(&artifact, &process_type.parse().unwrap(), command).unwrap();
            assert_eq!(program, Program::Image { image: image.clone(), runs });
            assert_eq!(program.command(), shown);
        };
        check("run", "web -p '1 2'", &web, Runs::Its(vec!["-p".into(), "1 2".into()]), "/serve -p '1 2'");
        check("run", "worker now", &worker, Runs::InShell("work -v now".into()), "work -v now");
        check("run", "ls | wc", &web, Runs::InShell("ls | wc".into()), "ls | wc");
        check("worker", "ls", &worker, Runs::InShell("ls".into()), "ls");
        assert_eq!(Program::of_phase(&artifact).unwrap(), Program::Image { image: release, runs: Runs::Its(vec![]) });
    }
}
