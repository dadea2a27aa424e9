//! What a Tab completes, in a real bash.

use std::process::Command;

use crate::harness::{Daemon, HOIST, run};

/// What bash would offer for the last of these words.
fn offered(daemon: &Daemon, token: &str, words: &[&str]) -> Vec<String> {
    let script = r#"
        eval "$(hoist completion bash)"
        COMP_WORDS=(hoist "$@"); COMP_CWORD=$#; COMP_TYPE=9
        _clap_complete_hoist hoist "${COMP_WORDS[COMP_CWORD]}" 2>/dev/null
        printf '%s\n' "${COMPREPLY[@]}""#;
    let folder = std::path::Path::new(HOIST).parent().unwrap().display();
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash"]).args(words).env_clear().env("PATH", format!("{folder}:/usr/bin:/bin"));
    bash.env("HOIST_URL", format!("http://{}", daemon.http)).env("HOIST_API_KEY", token).env("HOME", daemon.data_dir());
    run(&mut bash).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn commands_flags_and_the_users_own_apps_are_completed() {
    let daemon = Daemon::start_with("engine = \"local\"");
    let user = daemon.user("alice@example.com");
    for app in ["shop", "shop-staging", "blog"] {
        daemon.client(&user, &["apps:create", app]);
    }
    assert_eq!(offered(&daemon, &user.token, &["config:s"]), ["config:set"]);
    assert_eq!(offered(&daemon, &user.token, &["releases", "--js"]), ["--json"]);
    assert_eq!(offered(&daemon, &user.token, &["releases", "--app", "sh"]), ["shop", "shop-staging"]);
    assert_eq!(offered(&daemon, "no-token", &["releases", "--app", "sh"]), [""; 0]);
}

#[test]
fn every_shell_gets_its_own() {
    let daemon = Daemon::start_with("engine = \"local\"");
    for (shell, text) in [("bash", "COMP_WORDBREAKS"), ("zsh", "#compdef hoist"), ("fish", "complete --")] {
        let script = run(&mut daemon.hoist(&["completion", shell]));
        assert!(script.contains(text), "{script}");
    }
}
