//! From the path in a git URL to an app's name, the same on both doors.

use crate::model::{AppName, Invalid};

/// Reads `APP.git`, `APP`, with a leading `/` or `~/` and a trailing `/` if need be.
pub(super) fn parse_app_path(path: &str) -> Result<AppName, Invalid> {
    let name = path.strip_prefix('~').filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let name = name.strip_prefix('/').unwrap_or(name);
    let name = name.strip_suffix('/').unwrap_or(name);
    let name = name.strip_suffix(".git").unwrap_or(name);
    name.parse().map_err(|Invalid(rule)| Invalid(format!("There is no app `{}`. {rule}", path.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_writes_one_app_in_several_ways() {
        for path in ["my-app", "my-app.git", "/my-app.git", "my-app.git/", "/my-app/", "~/my-app.git"] {
            assert_eq!(parse_app_path(path).map(String::from), Ok("my-app".into()), "{path}");
        }
    }

    #[test]
    fn a_path_can_not_lead_elsewhere() {
        let bad = [
            "",
            "/",
            ".git",
            "..",
            "../my-app",
            "a/../my-app",
            "//my-app",
            "~root/my-app",
            "my-app.git.git",
            "-my-app",
            "my app",
        ];
        for path in bad.into_iter().chain(["my-app\0", "my-app\n", "MY-APP", "--upload-pack=x", "%2e%2e"]) {
            assert!(parse_app_path(path).is_err(), "{path}");
        }
    }
}
