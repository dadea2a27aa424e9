//! Not written yet.

/// Entry point of the helper process.
#[must_use]
pub fn helper_main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
