//! The Platform API, request by request.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use base64::Engine as _;
use hoist::db::builds::Outcome;
use hoist::model::{AppId, Artifact, BuildId, BuildStatus, Digest, Slug, SlugId};
use hoist::release::{Deploy, release_deploy};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::api_world::{User, World};

pub(crate) async fn world_with_app() -> (World, User) {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let made = world.post(&user, "/apps", json!({"name": "example"})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    (world, user)
}

/// Records a build and, if it succeeded, its release.
pub(crate) async fn build(world: &World, user: &User, status: BuildStatus) -> BuildId {
    let (db, now) = (&world.ctx.db, world.ctx.now());
    let app = world.get(user, "/apps/example").await.body["id"].as_str().unwrap().parse::<AppId>().unwrap();
    let commit = "32345678901234567890123456789012345678ab".parse().unwrap();
    let stack = "debian-12".parse().unwrap();
    let id = BuildId::new();
    let mut tx = db.write().await.unwrap();
    hoist::db::builds::insert(&mut tx, id, app, user.account.id, Some(&commit), &stack, now).await.unwrap();
    if matches!(status, BuildStatus::Failed | BuildStatus::Cancelled) {
        let outcome = Outcome { status, reason: Some("it failed".into()), slug: None };
        hoist::db::builds::end(&mut tx, id, &outcome, now).await.unwrap();
    }
    tx.commit().await.unwrap();
    if status == BuildStatus::Succeeded {
        let slug = Slug {
            id: SlugId::new(),
            app,
            digest: Digest::from_bytes([1; 32]),
            content_digest: Digest::from_bytes([2; 32]),
            size_bytes: 1234,
            stack,
            stack_digest: Digest::from_bytes([3; 32]),
            commit: Some(commit),
            process_types: [("web".parse().unwrap(), "node server.js".to_owned())].into(),
            language: Some("Node.js".into()),
            created_at: now,
        };
        let by = user.account.id;
        let deploy = Deploy {
            app,
            by,
            build: id,
            artifact: Artifact::Slug(slug),
            manifests: Vec::new(),
            cache: None,
            refs: Vec::new(),
            pack: None,
            config: [].into(),
            at: now,
        };
        release_deploy(db, deploy).await.unwrap();
    }
    id
}

#[tokio::test]
async fn account_in_herokus_shape() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let account = world.get(&user, "/account").await;
    assert_snapshot!(account.normal(), @r#"
    {
      "allow_tracking": false,
      "beta": false,
      "country_of_residence": null,
      "created_at": "TIME",
      "default_organization": null,
      "default_team": null,
      "delinquent_at": null,
      "email": "dev@example.com",
      "federated": false,
      "id": "ID",
      "identity_provider": null,
      "last_login": null,
      "name": null,
      "sms_number": null,
      "suspended_at": null,
      "two_factor_authentication": false,
      "updated_at": "TIME",
      "verified": true
    }
    "#);
    for same in ["/users/~", "/users/DEV@example.com", &format!("/users/{}", user.account.id)] {
        assert_eq!(world.get(&user, same).await.body, account.body, "{same}");
    }
    world.user("else@example.com").await;
    assert_snapshot!(world.get(&user, "/users/else@example.com").await.error(), @"404 not_found: Couldn't find that user.");
}

#[tokio::test]
async fn credentials_in_every_form() {
    let world = World::new().await;
    let token = world.user("dev@example.com").await.token;
    let basic = |plain: String| format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(plain));
    let ask = |authorization: Option<String>| {
        let mut request = Request::get("/account");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        world.raw(request.body(Body::empty()).unwrap())
    };
    for good in
        [format!("Bearer {}", token.expose()), basic(format!(":{}", token.expose())), basic(format!("heroku:{}", token.expose()))]
    {
        assert_eq!(ask(Some(good)).await.status, StatusCode::OK);
    }
    for bad in ["Bearer undefined".to_owned(), "Bearer".to_owned(), basic("dev@example.com:".into())] {
        let answer = ask(Some(bad)).await;
        assert_eq!(answer.error(), "401 unauthorized: Invalid credentials provided.");
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"hoist\""));
    }
    assert!(ask(None).await.error().contains("no credentials"));
}

#[tokio::test]
async fn an_app_lives_and_ends() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let made = world.post(&user, "/apps", json!({"name": "example", "region": "eu", "feature_flags": []})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_snapshot!(made.normal(), @r#"
    {
      "acm": false,
      "archived_at": null,
      "build_stack": {
        "id": "ID",
        "name": "debian-12"
      },
      "buildpack_provided_description": null,
      "create_status": "complete",
      "created_at": "TIME",
      "generation": {
        "id": "ID",
        "name": "cedar"
      },
      "git_ssh_url": "ssh://git@127.0.0.1:2222/example.git",
      "git_url": "https://127.0.0.1:5000/example.git",
      "id": "ID",
      "internal_routing": null,
      "maintenance": false,
      "name": "example",
      "organization": null,
      "owner": {
        "email": "dev@example.com",
        "id": "ID"
      },
      "region": {
        "id": "ID",
        "name": "us"
      },
      "released_at": "TIME",
      "repo_size": 0,
      "slug_size": 0,
      "space": null,
      "stack": {
        "id": "ID",
        "name": "debian-12"
      },
      "team": null,
      "updated_at": "TIME",
      "web_url": "https://example.example.com/"
    }
    "#);
    let by_id = format!("/apps/{}", made.body["id"].as_str().unwrap());
    assert_eq!(world.get(&user, &by_id).await.body, made.body);
    assert_eq!(world.get(&user, "/apps").await.body, json!([made.body]));
    assert_eq!(world.get(&user, "/users/~/apps").await.body, json!([made.body]));
    assert_eq!(world.get(&user, "/apps/example/addons").await.body, json!([]));

    let renamed = world.patch(&user, "/apps/example", json!({"name": "sample"})).await;
    assert_eq!((renamed.status, &renamed.body["web_url"]), (StatusCode::OK, &json!("https://sample.example.com/")));
    assert_eq!(world.delete(&user, "/apps/sample").await.body["id"], made.body["id"]);
    assert_snapshot!(world.get(&user, &by_id).await.error(), @"404 not_found: Couldn't find that app.");
    assert_eq!(world.post(&user, "/apps", json!({"name": "sample"})).await.status, StatusCode::CREATED, "the name is free");
}

#[tokio::test]
async fn apps_without_a_name_get_one() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let made = world.send(&user, Method::POST, "/apps", &[], "").await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert!(made.body["name"].as_str().unwrap().split('-').count() == 3, "{made:?}");
}

#[tokio::test]
async fn what_does_not_fit_is_told() {
    let (world, user) = world_with_app().await;
    let send = async |method: Method, path: &str, body: &str| world.send(&user, method, path, &[], body).await.error();
    assert_snapshot!(send(Method::POST, "/apps", "{\"name\": ").await, @"400 bad_request: The request's body is not valid JSON: EOF while parsing a value at line 1 column 9.");
    assert_snapshot!(send(Method::POST, "/apps", "{\"name\": 5}").await, @"422 invalid_params: The request's body does not fit: invalid type: integer `5`, expected a string at line 1 column 10.");
    assert_snapshot!(send(Method::POST, "/apps", "{\"name\": \"No_Name\"}").await, @"422 invalid_params: Name must start with a letter, end with a letter or digit and can only contain lowercase letters, digits, and dashes (3 to 30 characters).");
    assert_snapshot!(send(Method::POST, "/apps", "{\"name\": \"example\"}").await, @"422 invalid_params: Name example is already taken");
    assert_snapshot!(send(Method::POST, "/apps", "{\"stack\": \"cedar\"}").await, @"422 invalid_params: There is no stack `cedar` here. `hoist stacks` lists those there are.");
    assert_snapshot!(send(Method::PATCH, "/apps/example", "{\"build_stack\": \"cedar\"}").await, @"422 invalid_params: There is no stack `cedar` here. `hoist stacks` lists those there are.");
    assert_snapshot!(send(Method::PATCH, "/apps/example", "{\"maintenance\": true}").await, @"422 invalid_params: hoist does not serve apps, so it has no maintenance mode.");
    assert_snapshot!(send(Method::POST, "/apps", &format!("\"{}\"", "x".repeat(1024 * 1024))).await, @"413 request_too_large: The request's body is larger than 1 MiB.");
    assert_snapshot!(send(Method::GET, "/nowhere", "").await, @"404 not_found: There is nothing at this address for this method. Check the path and whether it is to be read (GET), made (POST), changed (PATCH, PUT) or removed (DELETE).");
    assert_snapshot!(send(Method::POST, "/account", "").await, @"404 not_found: There is nothing at this address for this method. Check the path and whether it is to be read (GET), made (POST), changed (PATCH, PUT) or removed (DELETE).");
}

#[tokio::test]
async fn not_yours_is_answered_like_not_there() {
    let (world, _owner) = world_with_app().await;
    let stranger = world.user("stranger@example.com").await;
    for path in
        ["", "/config-vars", "/releases", "/releases/1", "/releases/1/config-vars", "/builds", "/collaborators", "/addons"]
    {
        let theirs = world.get(&stranger, &format!("/apps/example{path}")).await;
        let nobodys = world.get(&stranger, &format!("/apps/nowhere{path}")).await;
        assert_eq!(theirs.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(theirs.body, nobodys.body, "{path}");
        assert_eq!(theirs.body["resource"], "app", "{path}");
    }
    assert_eq!(world.delete(&stranger, "/apps/example").await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.patch(&stranger, "/apps/example/config-vars", json!({"A": "1"})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get(&stranger, "/apps").await.body, json!([]));
}

#[tokio::test]
async fn collaborators_may_work_but_not_own() {
    let (world, owner) = world_with_app().await;
    let friend = world.user("friend@example.com").await;
    let added = world.post(&owner, "/apps/example/collaborators", json!({"user": "Friend@example.com", "silent": true})).await;
    assert_eq!(added.status, StatusCode::CREATED);
    assert_snapshot!(added.normal(), @r#"
    {
      "app": {
        "id": "ID",
        "name": "example"
      },
      "created_at": "TIME",
      "id": "ID",
      "permissions": [
        {
          "description": "Push code, set buildpacks and promote; what operate allows",
          "name": "deploy"
        },
        {
          "description": "Change config vars, scale, run commands and roll back",
          "name": "operate"
        },
        {
          "description": "See the app, its builds and its releases",
          "name": "view"
        }
      ],
      "role": "collaborator",
      "updated_at": "TIME",
      "user": {
        "email": "friend@example.com",
        "id": "ID"
      }
    }
    "#);
    let all = world.get(&owner, "/apps/example/collaborators").await;
    let roles: Vec<_> = all.body.as_array().unwrap().iter().map(|one| (&one["user"]["email"], &one["role"])).collect();
    assert_eq!(json!(roles), json!([["dev@example.com", "owner"], ["friend@example.com", "collaborator"]]));

    assert_eq!(world.patch(&friend, "/apps/example/config-vars", json!({"A": "1"})).await.status, StatusCode::OK);
    let only_owner = "403 forbidden: You need the manage permission in example for this; you have deploy and operate and view. \
                      Its owner dev@example.com can give it to you, and so can everybody who has the manage permission: \
                      hoist access:update.";
    assert_eq!(world.delete(&friend, "/apps/example").await.error(), only_owner);
    assert_eq!(world.patch(&friend, "/apps/example", json!({"name": "mine-now"})).await.error(), only_owner);
    assert_eq!(world.post(&friend, "/apps/example/collaborators", json!({"user": "x@example.com"})).await.error(), only_owner);
    assert_eq!(world.delete(&friend, "/apps/example/collaborators/dev@example.com").await.error(), only_owner);

    assert_eq!(world.delete(&friend, "/apps/example/collaborators/friend%40example.com").await.status, StatusCode::OK);
    assert_eq!(world.get(&friend, "/apps/example").await.status, StatusCode::NOT_FOUND);
    let gone = world.delete(&owner, "/apps/example/collaborators/friend@example.com").await;
    assert_snapshot!(gone.error(), @"404 not_found: Couldn't find that collaborator.");
    let unknown = world.post(&owner, "/apps/example/collaborators", json!({"user": "nobody@example.com"})).await;
    assert_snapshot!(unknown.error(), @"422 invalid_params: There is no account `nobody@example.com` here. Whoever runs this installation can add it.");
    let oneself = world.delete(&owner, "/apps/example/collaborators/dev@example.com").await;
    assert_snapshot!(oneself.error(), @"422 invalid_params: dev@example.com owns example and can't be removed from it.");
}

#[tokio::test]
async fn config_changes_are_releases() {
    let (world, user) = world_with_app().await;
    let set = world.patch(&user, "/apps/example/config-vars", json!({"LANG": "C", "TOKEN": "hush"})).await;
    assert_eq!(set.body, json!({"LANG": "C", "TOKEN": "hush"}));
    let unset = world.patch(&user, "/apps/example/config-vars", json!({"LANG": null, "NEW": "1"})).await;
    assert_eq!(unset.body, json!({"NEW": "1", "TOKEN": "hush"}));
    world.patch(&user, "/apps/example/config-vars", json!({"NEW": "1"})).await;

    let releases = world.get(&user, "/apps/example/releases").await;
    let told: Vec<_> =
        releases.body.as_array().unwrap().iter().map(|release| (&release["version"], &release["description"])).collect();
    assert_eq!(
        json!(told),
        json!([[1, "Initial release"], [2, "Set LANG, TOKEN config vars"], [3, "Set NEW, Unset LANG config vars"]]),
        "changing nothing makes no release"
    );
    assert_eq!(world.get(&user, "/apps/example/releases/2/config-vars").await.body, set.body);
    assert_eq!(world.get(&user, "/apps/example/config-vars").await.body, unset.body);

    let bad = world.patch(&user, "/apps/example/config-vars", json!({"PORT": {"hush": "hush"}})).await;
    assert_snapshot!(bad.error(), @"422 invalid_params: The value of PORT must be a text, or null to unset it.");
    let bad = world.patch(&user, "/apps/example/config-vars", json!({"1X": "hush"})).await;
    assert_snapshot!(bad.error(), @"422 invalid_params: `1X` is not a config var name: use letters, digits and underscores, not starting with a digit");
}

#[tokio::test]
async fn releases_in_herokus_shape() {
    let (world, user) = world_with_app().await;
    build(&world, &user, BuildStatus::Succeeded).await;
    let release = world.get(&user, "/apps/example/releases/v2").await;
    assert_snapshot!(release.normal(), @r#"
    {
      "addon_plan_names": [],
      "app": {
        "id": "ID",
        "name": "example"
      },
      "artifacts": [
        {
          "id": "ID",
          "type": "slug"
        }
      ],
      "created_at": "TIME",
      "current": true,
      "description": "Deploy 32345678",
      "eligible_for_rollback": true,
      "id": "ID",
      "oci_image": null,
      "output_stream_url": null,
      "slug": {
        "id": "ID"
      },
      "status": "succeeded",
      "updated_at": "TIME",
      "user": {
        "email": "dev@example.com",
        "id": "ID"
      },
      "version": 2
    }
    "#);
    let by_id = format!("/apps/example/releases/{}", release.body["id"].as_str().unwrap());
    assert_eq!(world.get(&user, &by_id).await.body, release.body);
    let slug = format!("/apps/example/slugs/{}", release.body["slug"]["id"].as_str().unwrap());
    let slug_id = release.body["slug"]["id"].as_str().unwrap();
    assert_snapshot!(world.get(&user, &slug).await.normal().replace(slug_id, "ID"), @r#"
    {
      "blob": {
        "method": "GET",
        "url": "http://127.0.0.1:5000/blobs/slugs/ID"
      },
      "buildpack_provided_description": "Node.js",
      "checksum": "SHA256:0101010101010101010101010101010101010101010101010101010101010101",
      "commit": "32345678901234567890123456789012345678ab",
      "commit_description": null,
      "created_at": "TIME",
      "deleted_at": null,
      "id": "ID",
      "process_types": {
        "web": "node server.js"
      },
      "size": 1234,
      "stack": {
        "id": "ID",
        "name": "debian-12"
      },
      "updated_at": "TIME"
    }
    "#);
    let app = world.get(&user, "/apps/example").await;
    assert_eq!((&app.body["slug_size"], &app.body["buildpack_provided_description"]), (&json!(1234), &json!("Node.js")));
    for missing in ["0", "9", "x", "v"] {
        let answer = world.get(&user, &format!("/apps/example/releases/{missing}")).await;
        assert_eq!(answer.error(), "404 not_found: Couldn't find that release.", "{missing}");
    }
}

#[tokio::test]
async fn releases_come_in_parts() {
    let (world, user) = world_with_app().await;
    for value in ["1", "2", "3"] {
        world.patch(&user, "/apps/example/config-vars", json!({"A": value})).await;
    }
    let get = async |range: &str| world.send(&user, Method::GET, "/apps/example/releases", &[("range", range)], "").await;
    let versions =
        |body: &Value| body.as_array().unwrap().iter().map(|item| item["version"].as_u64().unwrap()).collect::<Vec<_>>();

    let first = get("version ..; max=3, order=desc").await;
    assert_eq!((first.status, versions(&first.body)), (StatusCode::PARTIAL_CONTENT, vec![4, 3, 2]));
    assert_eq!(first.header("content-range"), Some("version 4..2"));
    assert_eq!(first.header("accept-ranges"), Some("version"));
    let rest = get(first.header("next-range").unwrap()).await;
    assert_eq!((rest.status, versions(&rest.body)), (StatusCode::OK, vec![1]));
    assert_eq!(rest.header("next-range"), None);

    assert_eq!(versions(&get("version 2..3").await.body), [2, 3]);
    assert_eq!(versions(&get("").await.body), [1, 2, 3, 4]);
    let bad = get("description ..").await;
    assert_snapshot!(bad.error(), @"416 requested_range_not_satisfiable: This list can't be cut by `description`, only by: version.");
    assert_snapshot!(get("nonsense").await.error(), @"416 requested_range_not_satisfiable: The Range header must look like `name ..; max=200, order=asc`.");
}

#[tokio::test]
async fn builds_in_herokus_shape() {
    let (world, user) = world_with_app().await;
    let good = build(&world, &user, BuildStatus::Succeeded).await;
    build(&world, &user, BuildStatus::Failed).await;
    build(&world, &user, BuildStatus::Cancelled).await;
    build(&world, &user, BuildStatus::Pending).await;
    world.patch(&user, "/apps/example/config-vars", json!({"A": "1"})).await;
    let range = [("range", "created_at ..; max=10, order=desc")];
    let list = world.send(&user, Method::GET, "/apps/example/builds", &range, "").await;
    let statuses: Vec<_> = list.body.as_array().unwrap().iter().map(|build| &build["status"]).collect();
    assert_eq!(json!(statuses), json!(["pending", "failed", "failed", "succeeded"]));
    let one = world.get(&user, &format!("/apps/example/builds/{good}")).await;
    assert_eq!(one.body, list.body[3]);
    assert_snapshot!(one.normal().replace(&good.to_string(), "ID"), @r#"
    {
      "app": {
        "id": "ID"
      },
      "buildpacks": null,
      "created_at": "TIME",
      "generation": "cedar",
      "id": "ID",
      "output_stream_url": "http://127.0.0.1:5000/streams/builds/ID",
      "release": {
        "id": "ID"
      },
      "slug": {
        "id": "ID"
      },
      "source_blob": {
        "checksum": null,
        "url": null,
        "version": "32345678901234567890123456789012345678ab",
        "version_description": null
      },
      "stack": "debian-12",
      "status": "succeeded",
      "updated_at": "TIME",
      "user": {
        "email": "dev@example.com",
        "id": "ID"
      }
    }
    "#);
    let release = world.get(&user, "/apps/example/releases/2").await;
    assert_eq!(one.body["release"]["id"], release.body["id"], "the deploy, not the config change after it");
}

#[tokio::test]
async fn buildpacks_are_set_as_a_list() {
    let (world, user) = world_with_app().await;
    let path = "/apps/example/buildpack-installations";
    let put = async |body: Value| world.send(&user, Method::PUT, path, &[("range", "")], &body.to_string()).await;
    assert_eq!(world.get(&user, path).await.body, json!([]));
    let wanted = ["heroku/nodejs", "urn:buildpack:./packs/mine", "https://example.com/pack.git#v2"];
    let set = put(json!({"updates": wanted.map(|buildpack| json!({"buildpack": buildpack}))})).await;
    assert_snapshot!(set.normal(), @r#"
    [
      {
        "buildpack": {
          "name": "heroku/nodejs",
          "url": "urn:buildpack:heroku/nodejs"
        },
        "ordinal": 0
      },
      {
        "buildpack": {
          "name": "./packs/mine",
          "url": "urn:buildpack:./packs/mine"
        },
        "ordinal": 1
      },
      {
        "buildpack": {
          "name": "https://example.com/pack.git#v2",
          "url": "https://example.com/pack.git#v2"
        },
        "ordinal": 2
      }
    ]
    "#);
    assert_eq!(world.get(&user, path).await.body, set.body);
    assert_snapshot!(put(json!({"updates": [{}]})).await.error(), @"422 invalid_params: Each of the updates must name a `buildpack`.");
    assert_snapshot!(put(json!({"updates": [{"buildpack": "../x"}]})).await.error(), @"422 invalid_params: `../x` is not a buildpack: use the name of a built-in one, such as hoist/nodejs, NAMESPACE/NAME of a registered one, the URL of a git repository (with #REVISION, if you like) or of a .tgz, or ./path for one inside the app");
    assert_snapshot!(put(json!({})).await.error(), @"422 invalid_params: The request's body does not fit: missing field `updates` at line 1 column 2.");
    assert_eq!(world.get(&user, path).await.body, set.body, "a refused list changes nothing");
    assert_eq!(put(json!({"updates": []})).await.body, json!([]));

    let registered = world.raw(Request::get("/buildpacks/heroku%2Fnodejs").body(Body::empty()).unwrap()).await;
    assert_eq!(registered.body, json!({"blob_url": "heroku/nodejs", "name": "nodejs", "namespace": "heroku"}));
    let unknown = world.raw(Request::get("/buildpacks/some%2Fthing").body(Body::empty()).unwrap()).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn keys_come_and_go() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let text = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILmJ4nZ1B4n5K8m1i3d0cHkPvJ3eYcHhA1dA2y0s9v8R dev@laptop\n";
    let added = world.post(&user, "/account/keys", json!({"public_key": text})).await;
    assert_eq!(added.status, StatusCode::CREATED);
    assert_snapshot!(added.normal(), @r#"
    {
      "comment": "dev@laptop",
      "created_at": "TIME",
      "email": "dev@example.com",
      "fingerprint": "SHA256:92/im9evRjTpOM49uUYa3qSvOrMiajtxhpAuonFe4yI",
      "id": "ID",
      "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILmJ4nZ1B4n5K8m1i3d0cHkPvJ3eYcHhA1dA2y0s9v8R dev@laptop",
      "updated_at": "TIME"
    }
    "#);
    let other = world.user("else@example.com").await;
    assert_snapshot!(world.post(&other, "/account/keys", json!({"public_key": text})).await.error(), @"422 invalid_params: This SSH key is already in use. A key can belong to one account only.");
    assert_snapshot!(world.post(&user, "/account/keys", json!({"public_key": "x"})).await.error(), @"422 invalid_params: This is not an SSH public key. Give the content of a file such as ~/.ssh/id_ed25519.pub.");
    let path = format!("/account/keys/{}", added.body["id"].as_str().unwrap());
    assert_eq!(world.get(&user, &path).await.body, added.body);
    assert_eq!(world.delete(&other, &path).await.error(), "404 not_found: Couldn't find that key.");
    assert_eq!(world.delete(&user, &path).await.body, added.body);
    assert_eq!(world.get(&user, "/account/keys").await.body, json!([]));
}

#[tokio::test]
async fn stacks_are_listed() {
    let (world, user) = world_with_app().await;
    let list = world.get(&user, "/stacks").await;
    assert_eq!((&list.body[0]["name"], &list.body[0]["default"]), (&json!("container"), &json!(false)));
    assert_eq!((&list.body[1]["name"], &list.body[1]["default"]), (&json!("debian-12"), &json!(true)));
    assert_eq!(world.get(&user, "/stacks/debian-12").await.body, list.body[1]);
    assert_eq!(world.get(&user, "/apps/example/available-stacks").await.body, list.body);
    let app = world.get(&user, "/apps/example").await;
    assert_eq!(app.body["stack"]["id"], list.body[1]["id"]);
    assert_eq!(world.get(&user, "/stacks/cedar").await.error(), "404 not_found: Couldn't find that stack.");
}

#[tokio::test]
async fn answers_carry_an_id_and_a_tag() {
    let (world, user) = world_with_app().await;
    let first = world.get(&user, "/apps/example").await;
    let etag = first.header("etag").unwrap();
    let again = world.send(&user, Method::GET, "/apps/example", &[("if-none-match", etag)], "").await;
    assert_eq!((again.status, &again.body), (StatusCode::NOT_MODIFIED, &Value::Null));
    assert_eq!(again.header("etag"), Some(etag));
    world.patch(&user, "/apps/example", json!({"name": "sample"})).await;
    let changed = world.send(&user, Method::GET, "/apps/sample", &[("if-none-match", etag)], "").await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(first.header("request-id").unwrap(), changed.header("request-id").unwrap());
    assert_eq!(world.get(&user, "/nowhere").await.header("etag"), None);
    assert!(world.get(&user, "/nowhere").await.header("request-id").is_some());
}

#[tokio::test]
async fn hoists_own_failure_is_told_without_detail() {
    let (world, user) = world_with_app().await;
    world.ctx.db.close().await;
    let answer = world.get(&user, "/account").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let id = answer.header("request-id").unwrap();
    assert_snapshot!(answer.error().replace(id, "ID"), @"500 internal_server_error: This is hoist's fault, not yours. Tell whoever runs this installation the request id ID.");
}

#[tokio::test]
async fn paths_that_are_no_text_name_nothing() {
    let (world, user) = world_with_app().await;
    for path in ["/apps/%FF", "/apps/example/releases/%FF", "/stacks/%FF", "/apps/example/collaborators/%FF"] {
        assert_eq!(world.get(&user, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
