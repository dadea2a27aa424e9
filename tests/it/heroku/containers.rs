//! Images, as far as the Heroku CLI can be pointed at hoist without names of its own: what it takes away, and what it shows.

use serde_json::json;

use crate::harness::{Heroku, TestImage};

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
