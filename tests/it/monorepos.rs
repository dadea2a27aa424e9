//! Apps that are a folder of their repository.

use serde_json::json;

use crate::builds_api::archive_of;
use crate::harness::{Daemon, User, WorkTree};

/// Shows what it builds.
const COMPILE: &str = "#!/bin/bash\ncd \"$1\" && find . -type f -not -path './pack/*' | sort | sed 's/^/       /'\n";

/// A daemon with an app `shop`, and a repository with a folder for each of two apps.
pub(crate) fn monorepo() -> (Daemon, User, WorkTree) {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    create(&daemon, &user, "shop");
    let tree = WorkTree::new();
    for app in ["apps/web", "apps/website"] {
        tree.write_program(&format!("{app}/pack/bin/detect"), "#!/bin/sh\necho Folder\n");
        tree.write_program(&format!("{app}/pack/bin/compile"), COMPILE);
        tree.write(&format!("{app}/Procfile"), &format!("web: serve {app}\n"));
        tree.write(&format!("{app}/notes/draft"), "not in the slug\n");
        tree.write(&format!("{app}/.slugignore"), "notes\n");
    }
    tree.write("Procfile", "web: not this one\n");
    tree.write("lib/shared", "not the app's\n");
    tree.commit("first");
    (daemon, user, tree)
}

pub(crate) fn create(daemon: &Daemon, user: &User, app: &str) {
    daemon.client(user, &["apps:create", app]);
    daemon.client(user, &["buildpacks:set", "./pack", "--app", app]);
}

pub(crate) fn command_of(daemon: &Daemon, user: &User, app: &str) -> String {
    daemon.newest_slug(user, app)["process_types"]["web"].as_str().unwrap().to_owned()
}

#[test]
fn an_app_is_built_from_its_folder() {
    let (daemon, user, tree) = monorepo();
    daemon.client(&user, &["apps:root", "./apps/web/", "--app", "shop"]);
    assert_eq!(daemon.get(&user, "/apps/shop")["root"], "apps/web");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(pushed.ok, "{}", pushed.transcript);
    let built = "remote: -----> Using the folder apps/web of the source\n\
                 remote: -----> Deleting 1 files matching .slugignore patterns.\n\
                 remote: -----> Using buildpack: ./pack\n\
                 remote: -----> Folder app detected\n\
                 remote:        ./.slugignore\n\
                 remote:        ./Procfile\n";
    assert!(pushed.transcript.contains(built), "{}", pushed.transcript);
    assert_eq!(command_of(&daemon, &user, "shop"), "serve apps/web");
    // All of the repository can be cloned, whatever is built of it.
    daemon.client(&user, &["apps:root", "apps/website", "--app", "shop"]);
    tree.commit("second");
    assert!(tree.push_http(&daemon, &user, "shop").ok);
    assert_eq!(command_of(&daemon, &user, "shop"), "serve apps/website");
}

#[test]
fn a_folder_that_is_not_there_is_refused_before_the_build() {
    let (daemon, user, tree) = monorepo();
    for missing in ["apps/api", "apps/web/Procfile"] {
        daemon.client(&user, &["apps:root", missing, "--app", "shop"]);
        let pushed = tree.push_ssh(&daemon, &user, "shop");
        let refusal = format!("remote:  !     There is no folder {missing} in this source, and the app is built from that.\n");
        assert!(!pushed.ok && pushed.transcript.starts_with(&refusal), "{}", pushed.transcript);
        assert!(pushed.transcript.contains("hoist apps:root PATH"), "{}", pushed.transcript);
    }
    assert_eq!(daemon.get(&user, "/apps/shop/builds"), json!([]));
    for bad in ["../web", "/apps/web"] {
        let refused = daemon
            .hoist(&["apps:root", bad, "--app", "shop"])
            .env("HOIST_URL", format!("http://{}", daemon.http))
            .env("HOIST_API_KEY", &user.token)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("it has to be relative, without `..`"), "{said}");
    }
}

#[test]
fn a_config_var_names_the_folder_too() {
    let (daemon, user, tree) = monorepo();
    let pushed = tree.push(&daemon, &user, "shop", &["-oconfig:PROJECT_PATH=apps/web", "main"]);
    assert!(pushed.ok, "{}", pushed.transcript);
    assert_eq!(command_of(&daemon, &user, "shop"), "serve apps/web");
    // The app's own setting wins.
    daemon.client(&user, &["apps:root", "apps/website", "--app", "shop"]);
    tree.commit("second");
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    assert_eq!(command_of(&daemon, &user, "shop"), "serve apps/website");
    daemon.client(&user, &["apps:root", "--clear", "--app", "shop"]);
    daemon.client(&user, &["config:set", "PROJECT_PATH=../web", "--app", "shop"]);
    tree.commit("third");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(
        !pushed.ok && pushed.transcript.contains("PROJECT_PATH: `../web` is not the path of a folder"),
        "{}",
        pushed.transcript
    );
}

#[test]
fn archives_are_built_from_the_folder() {
    let (daemon, user, tree) = monorepo();
    daemon.client(&user, &["apps:root", "apps/web", "--app", "shop"]);
    // Everything below one folder, as in GitHub's archives.
    let archive = daemon.data_dir().join("source.tgz");
    std::fs::write(&archive, archive_of(tree.path())).unwrap();
    let source = archive.display().to_string();
    daemon.client(&user, &["builds:create", "--app", "shop", "--source-tar", &source]);
    let said = daemon.client(&user, &["builds:output", "--app", "shop"]);
    assert!(said.contains("-----> Using the folder apps/web of the source"), "{said}");
    assert_eq!(command_of(&daemon, &user, "shop"), "serve apps/web");
    daemon.client(&user, &["apps:root", "apps/api", "--app", "shop"]);
    let failed = daemon
        .hoist(&["builds:create", "--app", "shop", "--source-tar", &source])
        .env("HOIST_URL", format!("http://{}", daemon.http))
        .env("HOIST_API_KEY", &user.token)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && said.contains("There is no folder apps/api in this source"), "{said}");
}

#[test]
fn an_unchanged_folder_is_not_built_again() {
    let (daemon, user, tree) = monorepo();
    daemon.client(&user, &["apps:root", "apps/web", "--app", "shop"]);
    daemon.client(&user, &["apps:skip-unchanged", "--app", "shop"]);
    let push = |what: &str, options: &[&str]| {
        tree.commit(what);
        let pushed = tree.push(&daemon, &user, "shop", &[options, &["main"]].concat());
        assert!(pushed.ok, "{what}: {}", pushed.transcript);
        pushed.transcript
    };
    let is_built = |transcript: &str| transcript.contains("Folder app detected");
    let checksum = || daemon.newest_slug(&user, "shop")["checksum"].clone();
    assert!(is_built(&push("the first", &[])));
    let first = checksum();

    tree.write("lib/shared", "something else\n");
    let transcript = push("elsewhere", &[]);
    let said = "-----> Nothing in apps/web has changed since v2: its slug is released again, without a build\n";
    assert!(transcript.contains(said) && !is_built(&transcript) && transcript.contains("Released v3"), "{transcript}");
    assert_eq!(checksum(), first);
    assert_eq!(daemon.newest_slug(&user, "shop")["commit"], tree.git(&["rev-parse", "HEAD"]).trim());

    assert!(is_built(&push("all anew", &["-ocache=clear"])));
    assert!(!is_built(&push("nothing", &[])));
    daemon.client(&user, &["config:set", "KEY=value", "--app", "shop"]);
    assert!(is_built(&push("the build sees it", &[])));
    tree.write("apps/web/new", "");
    assert!(is_built(&push("something", &[])));
    daemon.client(&user, &["apps:skip-unchanged", "--off", "--app", "shop"]);
    assert!(is_built(&push("as ever", &[])));
}
