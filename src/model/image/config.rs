//! An image's config: what OCI's image specification and Docker's have in common of it (OCI image-spec, config.md).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::{Digest, Invalid};

/// What hoist reads in an image's config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    pub architecture: String,
    /// The layers, as they are before compression, lowest first.
    pub diff_ids: Vec<Digest>,
    pub env: BTreeMap<String, String>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    /// Absolute.
    pub working_dir: String,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    architecture: String,
    config: Option<Process>,
    rootfs: RootFs,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Process {
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<Digest>,
}

impl ImageConfig {
    /// The largest config that is read: docker's history of each layer stands in it, too.
    pub const MAX_BYTES: u64 = 8 * 1024 * 1024;

    /// Parses a config.
    ///
    /// # Errors
    /// When it is no image's, or no process could be started with what it says.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        let wire: Wire = serde_json::from_slice(bytes).map_err(|error| Invalid(format!("its config is no image's: {error}")))?;
        let process = wire.config.unwrap_or_default();
        let env = process.env.unwrap_or_default();
        let (entrypoint, cmd) = (process.entrypoint.unwrap_or_default(), process.cmd.unwrap_or_default());
        let working_dir = process.working_dir.filter(|dir| !dir.is_empty()).unwrap_or_else(|| "/".to_owned());
        if [&env, &entrypoint, &cmd].into_iter().flatten().chain([&working_dir]).any(|text| text.contains('\0')) {
            return Err(Invalid("its config holds a NUL byte".into()));
        }
        if !working_dir.starts_with('/') || working_dir.split('/').any(|part| part == "..") {
            return Err(Invalid(format!("its working directory `{}` is no absolute path", working_dir.escape_debug())));
        }
        Ok(Self {
            architecture: wire.architecture,
            diff_ids: wire.rootfs.diff_ids,
            env: env.iter().filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect(),
            entrypoint,
            cmd,
            working_dir,
        })
    }

    /// What is run when nothing else is asked for.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        [self.entrypoint.as_slice(), &self.cmd].concat()
    }

    /// The same as a line for people, who want to see the command rather than the shell that Docker puts before it.
    #[must_use]
    pub fn command(&self) -> String {
        match self.argv().as_slice() {
            [shell, flag, command] if shell == "/bin/sh" && flag == "-c" => command.clone(),
            argv => shlex::try_join(argv.iter().map(String::as_str)).expect("a config with a NUL byte was refused"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(config: &str) -> Result<ImageConfig, String> {
        let text = format!(r#"{{"architecture":"amd64","config":{config},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#);
        ImageConfig::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_of_a_command_are_shown_as_people_write_them() {
        let shell = parse(r#"{"Cmd":["/bin/sh","-c","serve -p $PORT"]}"#).unwrap();
        assert_eq!(shell.command(), "serve -p $PORT");
        let exec = parse(r#"{"Entrypoint":["/serve"],"Cmd":["a b","c"],"Env":["A=1=2","broken"]}"#).unwrap();
        assert_eq!(exec.command(), "/serve 'a b' c");
        assert_eq!(exec.argv(), ["/serve", "a b", "c"]);
        assert_eq!(exec.env, [("A".to_owned(), "1=2".to_owned())].into());
        assert_eq!(exec.working_dir, "/");
    }

    #[test]
    fn what_docker_leaves_out_is_nothing() {
        assert_eq!(parse("null").unwrap().command(), "");
        assert_eq!(parse(r#"{"Env":null,"Cmd":null,"Entrypoint":null,"WorkingDir":""}"#).unwrap().argv(), [""; 0]);
    }

    #[test]
    fn what_can_t_be_started_is_refused() {
        for bad in [r#"{"Cmd":["a\u0000b"]}"#, r#"{"WorkingDir":"srv"}"#, r#"{"WorkingDir":"/a/../.."}"#, r#"{"Cmd":"x"}"#] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(ImageConfig::parse(b"{}").is_err());
    }
}
