//! How a process of a release begins (conventions 3.7), wherever it runs: in hoist's sandbox, or in an image.

/// Bash, in the app's folder: sources what buildpacks and the app left to be sourced.
pub const LOAD_PROFILES: &str = r#"for file in .profile.d/*.sh; do [ -r "$file" ] && . "$file"; done
[ -r .profile ] && . ./.profile
"#;

/// Variables that a process has unless the app sets them.
pub const DEFAULT_VARIABLES: [(&str, &str); 2] = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8")];

/// Where an app's files lie, which is also its home.
pub const APP_DIR: &str = "/app";

/// The user `app` of every stack, and its group.
pub const APP_USER_ID: u32 = 1000;
