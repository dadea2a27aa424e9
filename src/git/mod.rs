//! Not written yet.

/// Entry point of the helper process.
#[must_use]
pub fn helper_main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}

/// Placeholder signatures.
#[derive(Debug, Clone)]
pub struct Repo(());

impl Repo {
    /// Opens an app's repository.
    pub fn open(_dir: &std::path::Path, _helper: &std::path::Path, _limits: &crate::model::Limits) -> std::io::Result<Self> {
        Ok(Self(()))
    }
}
