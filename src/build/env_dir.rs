//! `ENV_DIR`: one file per config var, name = key, content = value, no newline added (conventions 3.6).

use super::{Build, BuildError, ENV_DIR};
use crate::model::ConfigVars;

/// Puts the config vars into the environment as files. They are never in a script's environment or arguments.
pub async fn put_env_dir(build: &Build<'_>, config: &ConfigVars) -> Result<(), BuildError> {
    let tar = tar(config).map_err(|source| BuildError::Io { what: "the config vars can't be packed", source })?;
    Ok(build.environment.put_in(ENV_DIR, tar.as_slice()).await?)
}

fn tar(config: &ConfigVars) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (key, value) in &config.0 {
        let mut header = tar::Header::new_gnu();
        header.set_size(value.expose().len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, key.as_str(), value.expose().as_bytes())?;
    }
    tar.into_inner()
}
