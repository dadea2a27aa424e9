//! What changed from one release to another.

use hoist::model::Digest;
use insta::assert_snapshot;
use serde_json::json;

use super::{Code, archive, create_app, deploy};
use crate::api_world::{User, World};

/// Stores an archive and deploys it.
pub(super) async fn deploy_files(
    world: &World,
    user: &User,
    app: hoist::model::AppId,
    code: Code<'_>,
    files: &[(&str, &str)],
) -> Digest {
    let (digest, _) = world.ctx.store.put(&archive(files)[..]).await.unwrap();
    deploy(world, user, app, Code { digest, ..code }).await;
    digest
}

/// v2 and v5 differ in everything that can.
pub(super) async fn two_deploys(world: &World, user: &User) -> [Digest; 2] {
    let app = create_app(world, user, "example").await;
    let files = [("server.js", "1"), ("old", ""), ("same", "x")];
    let first = deploy_files(world, user, app, Code::of('a'), &files).await;
    world.patch(user, "/apps/example/config-vars", json!({"GONE": "hush", "OTHER": "hush", "SAME": "hush"})).await;
    world.patch(user, "/apps/example/config-vars", json!({"GONE": null, "OTHER": "secret", "NEW": "secret"})).await;
    let types = [("web", "node server.js --fast"), ("worker", "node worker.js")];
    let code = Code { process_types: &types, ..Code::of('b') };
    let second = deploy_files(world, user, app, code, &[("server.js", "2"), ("same", "x"), ("new\u{1b}[2J", "")]).await;
    [first, second]
}

#[tokio::test]
async fn everything_that_changed_but_no_value() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let [first, second] = two_deploys(&world, &user).await;
    let diff = world.get(&user, "/apps/example/releases/v3/diff/5").await;
    let text = diff.normal().replace(&first.hex(), "FIRST").replace(&second.hex(), "SECOND");
    assert_snapshot!(text, @r#"
    {
      "addons": {
        "added": [],
        "changed": [],
        "removed": []
      },
      "config": {
        "added": [
          "NEW"
        ],
        "changed": [
          "OTHER"
        ],
        "removed": [
          "GONE"
        ]
      },
      "files": {
        "added": [
          "new\u001b[2J"
        ],
        "changed": [
          "server.js"
        ],
        "left_out": 0,
        "removed": [
          "old"
        ]
      },
      "from": {
        "checksum": "SHA256:FIRST",
        "commit": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "id": "ID",
        "process_types": {
          "web": "node server.js"
        },
        "stack": "debian-12",
        "stack_digest": "sha256:0303030303030303030303030303030303030303030303030303030303030303",
        "version": 3
      },
      "images": {
        "added": [],
        "changed": [],
        "removed": []
      },
      "process_types": {
        "added": [
          "worker"
        ],
        "changed": [
          "web"
        ],
        "removed": []
      },
      "to": {
        "checksum": "SHA256:SECOND",
        "commit": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        "id": "ID",
        "process_types": {
          "web": "node server.js --fast",
          "worker": "node worker.js"
        },
        "stack": "debian-12",
        "stack_digest": "sha256:0303030303030303030303030303030303030303030303030303030303030303",
        "version": 5
      }
    }
    "#);
    assert!(!text.contains("hush") && !text.contains("secret"));
    let back = world.get(&user, "/apps/example/releases/v5/diff/v3").await.body;
    assert_eq!(
        (&back["config"]["added"], &back["files"]["added"]),
        (&diff.body["config"]["removed"], &diff.body["files"]["removed"])
    );
}

#[tokio::test]
async fn a_release_without_code_or_whose_archive_is_gone() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let [first, _] = two_deploys(&world, &user).await;
    let from_nothing = world.get(&user, "/apps/example/releases/1/diff/2").await.body;
    assert_eq!(from_nothing["files"]["added"], json!(["server.js", "old", "same"]));
    assert_eq!(from_nothing["from"]["commit"], json!(null));
    let to_itself = world.get(&user, "/apps/example/releases/2/diff/2").await.body;
    assert_eq!(to_itself["files"], json!({"added": [], "removed": [], "changed": [], "left_out": 0}));
    world.ctx.store.remove(&first).await.unwrap();
    let gone = world.get(&user, "/apps/example/releases/2/diff/5").await.body;
    assert_eq!(gone["files"], json!(null));
    assert_eq!(gone["files_unavailable"], format!("The files were not compared: the archive {first} is no longer kept."));
    assert_eq!(gone["process_types"]["added"], json!(["worker"]));
    let unknown = world.get(&user, "/apps/example/releases/2/diff/9").await;
    assert_eq!(unknown.error(), "404 not_found: Couldn't find that release.");
}
