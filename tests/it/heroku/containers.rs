//! Images: what the Heroku CLI takes away and shows wherever hoist is; and what it pushes, releases and pulls where hoist has
//! the names that the CLI makes of its host (heroku-api 1.2, mode C), which is on port 443 of a namespace of the test's own.

use serde_json::json;

use crate::harness::{Daemon, Docker, Heroku, TestImage, run_again_in};

/// Set for the run inside the namespaces.
const INSIDE: &str = "HOIST_TEST_HAS_NAMES";
const NAMES: &str = "127.0.0.1 localhost api.localhost git.localhost registry.localhost";
const DOCKERFILE: &str = "FROM scratch\nCOPY busybox /bin/sh\nCOPY busybox /bin/uname\n";

#[test]
fn images_are_shown_and_taken_away() {
    let Some(heroku) = Heroku::new("", "null") else { return };
    heroku.run("create shop --stack container");
    for name in ["web", "worker"] {
        let image = TestImage::default_with(json!({"Cmd": ["/serve", name]}));
        let pushed = image.push(&heroku.daemon, &heroku.user, &format!("shop/{name}"));
        // What container:release sends.
        let body = json!({"updates": [{"type": name, "docker_image": pushed.id}]}).to_string();
        let patch = ureq::patch(format!("http://{}/apps/shop/formation", heroku.daemon.http));
        let patch = patch.header("Authorization", format!("Bearer {}", heroku.user.token));
        let patch = patch.header("Accept", "application/vnd.heroku+json; version=3.docker-releases");
        assert_eq!(patch.header("Content-Type", "application/json").send(body).unwrap().status(), 200);
    }
    let stacks = heroku.run("stack");
    assert!(stacks.contains("* container"), "{stacks}");
    let removed = heroku.run("container:rm worker");
    assert!(removed.contains("Removing container worker for shop... done"), "{removed}");
    let releases = heroku.run("releases");
    assert!(releases.contains("  v4   Removed worker ") && releases.contains("  v3   Deployed worker ("), "{releases}");
    let shown = heroku.run("ps:type");
    assert!(shown.contains("web") && !shown.contains("worker"), "{shown}");
    let back = heroku.run("rollback v3");
    assert!(back.contains("Rolling back shop to v3... done, v5"), "{back}");
    let gone = heroku.run("container:rm nothing");
    assert!(gone.contains("Couldn't find that process type."), "{gone}");
}

#[test]
fn images_are_pushed_and_released() {
    let Some(docker) = Docker::get() else { return };
    if std::env::var_os(INSIDE).is_none() {
        // Debian's docker: a newer one asks for a builder that has to be installed beside it.
        let script = format!(
            "ip link set lo up && mount -t tmpfs none /mnt && echo {NAMES} > /mnt/hosts && mount --bind /mnt/hosts /etc/hosts && \
             export PATH=/usr/sbin:/usr/bin:/sbin:/bin"
        );
        return run_again_in("-nm", &script, "heroku::containers::images_are_pushed_and_released", INSIDE);
    }
    let daemon = Daemon::start_at("127.0.0.1:443", "public_url = \"https://api.localhost\"\n");
    let Some(mut heroku) = Heroku::at(daemon, "null") else { return };
    let headers = json!({"Authorization": format!("Bearer {}", heroku.user.token)}).to_string();
    heroku.env = vec![("HEROKU_HOST".into(), "localhost".into()), ("HEROKU_HEADERS".into(), headers.into())];
    let engine = docker.command(&[]);
    let engine = engine.get_envs().filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value?.to_owned())));
    heroku.env.extend(engine);
    heroku.run("create shop --stack container");
    std::fs::copy("/bin/busybox", heroku.tree.path().join("busybox")).unwrap();
    heroku.tree.write("Dockerfile.web", &format!("{DOCKERFILE}CMD [\"/bin/sh\", \"-c\", \"echo served\"]\n"));
    heroku.tree.write("Dockerfile.release", &format!("{DOCKERFILE}CMD [\"/bin/sh\", \"-c\", \"echo migrated\"]\n"));

    let login = heroku.run("container:login");
    assert!(login.contains("Login Succeeded"), "{login}");
    let pushed = heroku.run("container:push --recursive -a shop");
    assert!(pushed.contains("Your images have been successfully pushed.") && !pushed.contains("[exit"), "{pushed}");
    let released = heroku.run("container:release web release -a shop");
    assert!(released.contains("Releasing images web,release to shop... done"), "{released}");
    assert!(released.contains("Running release command...") && released.contains("migrated"), "{released}");
    assert_eq!(heroku.daemon.releases(&heroku.user, "shop").len(), 2);
    let served = heroku.run("run --no-tty --exit-code -a shop web");
    assert!(served.contains("served\n"), "{served}");
    let pulled = heroku.run("container:pull web -a shop");
    assert!(pulled.contains("registry.localhost/shop/web") && !pulled.contains("[exit"), "{pulled}");
    heroku.tree.write("Dockerfile", "FROM scratch\n"); // Without one by this name it finds nothing to run.
    let ran = heroku.run_in_terminal("heroku container:run web -a shop uname", b"");
    assert!(ran.contains("Running 'uname' on registry.localhost/shop/web") && ran.contains("Linux\n"), "{ran}");
    let removed = heroku.run("container:rm web -a shop");
    assert!(removed.contains("Removing container web for shop... done"), "{removed}");
    let logout = heroku.run("container:logout");
    assert!(logout.contains("Removing login credentials for registry.localhost"), "{logout}");
}
