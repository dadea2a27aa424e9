//! Review apps: made of an archive, run, and destroyed; by whom, and with which secrets.

mod pull_requests;
mod submodules;

use axum::http::{Method, StatusCode};
use hoist::db::{self, Db};
use hoist::model::{Connected, Connection, ConnectionId, ConnectionSecrets, PipelineId, Provider, Secret};
use insta::assert_snapshot;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::api_world::{User, World, normal};
use crate::builds_api::{archive_of, send, upload};
use crate::harness::{Daemon, User as Pusher, WorkTree, until};

/// Connects a pipeline to a repository that is never asked.
async fn connect(db: &Db, pipeline: &Value) {
    let pipeline: PipelineId = pipeline["id"].as_str().unwrap().parse().unwrap();
    let mut tx = db.write().await.unwrap();
    let owner = db::pipelines::get(&mut tx, pipeline).await.unwrap().unwrap().owner;
    let at = OffsetDateTime::now_utc();
    let connection = Connection {
        id: ConnectionId::new(),
        of: Connected::Pipeline(pipeline),
        by: owner,
        provider: Provider::GitHub,
        full_name: "octocat/shop".parse().unwrap(),
        clone_url: "https://github.com/octocat/shop.git".into(),
        known_hosts: None,
        branch: None,
        auto_deploy: false,
        wait_for_ci: false,
        is_proved: false,
        created_at: at,
        updated_at: at,
    };
    let secrets = ConnectionSecrets { webhook_secret: Secret::new("hush"), token: None, deploy_key: None };
    db::connections::insert(&mut tx, db.cipher(), &connection, &secrets).await.unwrap();
    tx.commit().await.unwrap();
}

/// Alice's pipeline `pipe`, connected.
async fn world() -> (World, User, Value) {
    let world = World::new().await;
    let alice = world.user("alice@example.com").await;
    let pipeline = world.post(&alice, "/pipelines", json!({"name": "pipe"})).await.body;
    connect(&world.ctx.db, &pipeline).await;
    (world, alice, pipeline)
}

const CONFIG: &str = "/pipelines/pipe/review-app-config";

#[tokio::test]
async fn a_pipelines_review_apps_are_enabled_changed_and_disabled() {
    let (world, alice, pipeline) = world().await;
    let feature = world.get(&alice, "/account/features/dashboard-repositories-api").await.body;
    assert_eq!(feature["enabled"], true);
    let repo = world.get(&alice, "/pipelines/pipe/repo").await.body;
    assert_eq!((&repo["full_name"], &repo["provider"]), (&json!("octocat/shop"), &json!("github")));
    assert_eq!(world.get(&alice, CONFIG).await.status, StatusCode::NOT_FOUND);
    assert_snapshot!(world.post(&alice, CONFIG, json!({})).await.error(), @"422 invalid_params: `repo` is missing: name it as OWNER/NAME.");
    assert_snapshot!(world.post(&alice, CONFIG, json!({"repo": "octocat/other"})).await.error(), @"422 invalid_params: The pipeline pipe is connected to octocat/shop, not to octocat/other.");
    // As the Heroku CLI has it.
    let made = world.post(&alice, CONFIG, json!({"pipeline": pipeline["id"], "repo": "octocat/shop"})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let mut body = made.body;
    assert_eq!(body["repo"]["id"], repo["id"]);
    body["repo"]["id"] = json!(1);
    assert_snapshot!(normal(&body.to_string()), @r#"{"automatic_review_apps":false,"base_name":null,"deploy_target":null,"destroy_stale_apps":false,"forks":"refused","pipeline_id":"ID","repo":{"id":1},"stale_days":5,"wait_for_ci":false}"#);
    assert_snapshot!(world.post(&alice, CONFIG, json!({"repo": "octocat/shop"})).await.error(), @"422 invalid_params: Review apps are enabled already.");
    let patch = async |body: Value| world.send(&alice, Method::PATCH, CONFIG, &[], &body.to_string()).await;
    let changed = patch(json!({"automatic_review_apps": true, "base_name": "shop", "stale_days": 30})).await.body;
    assert_eq!((&changed["automatic_review_apps"], &changed["base_name"]), (&json!(true), &json!("shop")));
    assert_eq!(patch(json!({"base_name": null})).await.body["base_name"], Value::Null);
    assert_snapshot!(patch(json!({"stale_days": 0})).await.error(), @"422 invalid_params: `stale_days` is 0: it must be from 1 to 365");
    assert_snapshot!(patch(json!({"forks": "yes"})).await.error(), @"422 invalid_params: `yes` is no way to treat forks: use one of refused, without_config_vars, with_config_vars");
    let last = world.send(&alice, Method::DELETE, CONFIG, &[], "").await;
    assert_eq!((last.status, &last.body["stale_days"]), (StatusCode::OK, &json!(30)));
    assert_eq!(world.get(&alice, CONFIG).await.status, StatusCode::NOT_FOUND);
    assert_snapshot!(world.post(&alice, "/review-apps", new("main")).await.error(), @"422 invalid_params: Review apps are not enabled for pipe: enable them first, reviewapps:enable does.");
}

fn new(branch: &str) -> Value {
    json!({"branch": branch, "pipeline": "pipe", "source_blob": {"url": "resolve", "version": null}})
}

#[tokio::test]
async fn review_apps_are_for_those_who_may_deploy_to_an_app_of_the_pipeline() {
    let (world, alice, pipeline) = world().await;
    world.post(&alice, CONFIG, json!({"repo": "octocat/shop"})).await;
    world.post(&alice, "/apps", json!({"name": "shop"})).await;
    world.post(&alice, "/pipeline-couplings", json!({"app": "shop", "pipeline": pipeline["id"], "stage": "staging"})).await;
    let made = world.post(&alice, "/review-apps", new("main")).await;
    assert_eq!((made.status, &made.body["status"]), (StatusCode::CREATED, &json!("pending")), "{made:?}");
    let one = format!("/review-apps/{}", made.body["id"].as_str().unwrap());
    assert_snapshot!(world.post(&alice, "/review-apps", new("main")).await.error(), @"422 invalid_params: The branch main has a review app already.");
    assert_snapshot!(world.post(&alice, "/review-apps", new("a..b")).await.error(), @"422 invalid_params: `a..b` is not a branch's name.");
    let mut table = Vec::new();
    for permission in ["", "view", "operate", "deploy"] {
        let user = world.user(&format!("{permission}x@example.com")).await;
        if !permission.is_empty() {
            let body = json!({"user": format!("{permission}x@example.com"), "permissions": [permission]});
            world.post(&alice, "/apps/shop/collaborators", body).await;
        }
        let bad = json!({"branch": "a..b", "pipeline": "pipe", "source_blob": {"url": "resolve"}}).to_string();
        let requests = [
            ("list", Method::GET, "/pipelines/pipe/review-apps", ""),
            ("info", Method::GET, one.as_str(), ""),
            ("config", Method::GET, CONFIG, ""),
            ("create", Method::POST, "/review-apps", bad.as_str()),
            ("configure", Method::PATCH, CONFIG, r#"{"stale_days": 0}"#),
        ];
        let mut open = Vec::new();
        for (name, method, path, body) in requests {
            let status = world.send(&user, method, path, &[], body).await.status;
            if matches!(status, StatusCode::OK | StatusCode::UNPROCESSABLE_ENTITY) {
                open.push(name);
            }
        }
        table.push(format!("{permission}: {}", open.join(" ")));
    }
    assert_snapshot!(table.join("\n"), @r"
    : 
    view: list info config
    operate: list info config configure
    deploy: list info config create configure
    ");
    let gone = world.send(&alice, Method::DELETE, &one, &[], "").await;
    assert_eq!(gone.body["status"], "deleting");
}

/// A daemon on which review apps are enabled.
struct Reviewed {
    daemon: Daemon,
    user: Pusher,
    tree: WorkTree,
}

const MORE: &str = "engine = \"local\"\n";

impl Reviewed {
    fn start(app_json: &Value) -> Self {
        let daemon = Daemon::start_with(MORE);
        let user = daemon.user("alice@example.com");
        let pipeline = send(&daemon, &user, "POST", "/pipelines", &json!({"name": "pipe"})).body;
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let db = Db::open(daemon.data_dir()).await.unwrap();
            connect(&db, &pipeline).await;
            db.close().await;
        });
        let enabled = send(&daemon, &user, "POST", CONFIG, &json!({"repo": "octocat/shop", "base_name": "shop"}));
        assert_eq!(enabled.status, 201, "{}", enabled.body);
        let tree = WorkTree::with_pack("null");
        tree.write("app.json", &app_json.to_string());
        Self { daemon, user, tree }
    }

    fn create(&self, more: &Value) -> Value {
        let url = upload(&self.daemon, &self.user, &archive_of(self.tree.path()));
        let mut body = json!({"branch": "fix", "pipeline": "pipe", "source_blob": {"url": url}, "pr_number": 7});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = send(&self.daemon, &self.user, "POST", "/review-apps", &body);
        assert_eq!(made.status, 201, "{}", made.body);
        made.body
    }

    fn until_not(&self, review_app: &Value, states: &[&str]) -> Value {
        let path = format!("/review-apps/{}", review_app["id"].as_str().unwrap());
        let mut last = Value::Null;
        until(|| {
            last = self.daemon.get(&self.user, &path);
            !states.contains(&last["status"].as_str().unwrap())
        });
        last
    }
}

fn gone(daemon: &Daemon, user: &Pusher, app: &str) -> bool {
    send(daemon, user, "GET", &format!("/apps/{app}"), &json!({})).status == 404
}

#[test]
fn a_review_app_is_set_up_for_its_environment_and_says_goodbye() {
    let app_json = json!({
        "buildpacks": [{"url": "./pack"}],
        "env": {"GREETING": "hi", "LEVEL": "base"},
        "environments": {"review": {
            "env": {"LEVEL": "review"},
            "scripts": {"pr-predestroy": "echo goodbye from $HEROKU_APP_NAME > $WORK/goodbye"},
        }},
    });
    let world = Reviewed::start(&app_json);
    let work = world.daemon.data_dir().to_str().unwrap().to_owned();
    let stage = "/pipelines/pipe/stage/review/config-vars";
    let vars = json!({"SECRET": "parent's", "GREETING": "hello", "WORK": work});
    assert_eq!(send(&world.daemon, &world.user, "PATCH", stage, &vars).status, 200);
    let made = world.create(&json!({"environment": {"EXTRA": "more"}}));
    let done = world.until_not(&made, &["pending", "creating"]);
    assert_eq!((&done["status"], &done["message"]), (&json!("created"), &Value::Null), "{done}");
    let config = world.daemon.get(&world.user, "/apps/shop-pr-7/config-vars");
    let expected = json!({
        "EXTRA": "more", "GREETING": "hello", "HEROKU_APP_NAME": "shop-pr-7", "HEROKU_BRANCH": "fix", "HEROKU_PR_NUMBER": "7",
        "LEVEL": "review", "SECRET": "parent's", "WORK": work,
    });
    assert_eq!(config, expected);
    let place = world.daemon.get(&world.user, "/apps/shop-pr-7/pipeline-couplings");
    assert_eq!(place["stage"], "review");
    assert_eq!(world.daemon.get(&world.user, "/apps/shop-pr-7/review-app")["id"], done["id"]);

    let path = format!("/review-apps/{}", done["id"].as_str().unwrap());
    send(&world.daemon, &world.user, "DELETE", &path, &json!({}));
    let last = world.until_not(&done, &["deleting"]);
    assert_eq!((&last["status"], &last["app"]), (&json!("deleted"), &Value::Null));
    assert!(gone(&world.daemon, &world.user, "shop-pr-7"));
    let goodbye = std::fs::read_to_string(world.daemon.data_dir().join("goodbye")).unwrap();
    assert_eq!(goodbye, "goodbye from shop-pr-7\n");
    assert_eq!(world.daemon.get(&world.user, "/pipelines/pipe/review-apps"), json!([]));
}

#[test]
fn a_forks_review_app_has_none_of_the_parents_secrets_unless_they_are_given() {
    let world = Reviewed::start(&json!({"buildpacks": [{"url": "./pack"}], "env": {"SECRET": {"required": false}}}));
    let stage = "/pipelines/pipe/stage/review/config-vars";
    send(&world.daemon, &world.user, "PATCH", stage, &json!({"SECRET": "parent's"}));
    let check = |fork: i64, number: u64, secret: Value| {
        let made = world.create(&json!({"fork_repo_id": fork, "pr_number": number}));
        let done = world.until_not(&made, &["pending", "creating"]);
        assert_eq!((&done["status"], &done["fork_repo"]["id"]), (&json!("created"), &json!(fork)), "{done}");
        let config = world.daemon.get(&world.user, &format!("/apps/shop-pr-{number}/config-vars"));
        assert_eq!(config["SECRET"], secret);
    };
    check(1, 8, Value::Null);
    send(&world.daemon, &world.user, "PATCH", CONFIG, &json!({"forks": "with_config_vars"}));
    check(2, 9, json!("parent's"));
}

#[test]
fn one_that_can_not_be_set_up_says_why_and_goes_all_the_same() {
    let world = Reviewed::start(&json!({"buildpacks": [{"url": "./pack"}], "env": {"NEEDED": {}}}));
    let done = world.until_not(&world.create(&json!({})), &["pending", "creating"]);
    assert_eq!(
        (&done["status"], &done["message"]),
        (&json!("errored"), &json!("invalid app.json: config var NEEDED is required"))
    );
    assert_eq!(done["error_status"], done["message"]);
    // Whoever destroys the app has deleted the review app.
    world.daemon.client(&world.user, &["apps:destroy", "--app", "shop-pr-7", "--confirm", "shop-pr-7"]);
    assert_eq!(world.until_not(&done, &["errored"])["status"], "deleted");
}

#[test]
fn a_killed_daemon_makes_the_review_app_anew() {
    let mut world = Reviewed::start(&json!({}));
    world.tree = WorkTree::with_pack("gated");
    let gate = world.daemon.data_dir().join("gate");
    world.tree.write("app.json", &json!({"buildpacks": [{"url": "./pack"}], "env": {"GATE": gate}}).to_string());
    let made = world.create(&json!({}));
    let path = format!("/review-apps/{}", made["id"].as_str().unwrap());
    let mut setup = String::new();
    until(|| {
        let now = world.daemon.get(&world.user, &path);
        let Some(id) = now["app_setup"]["id"].as_str() else { return false };
        setup = id.to_owned();
        world.daemon.get(&world.user, &format!("/app-setups/{id}"))["build"]["status"] == "pending"
    });
    world.daemon.kill_and_restart();
    std::fs::write(&gate, "").unwrap();
    let done = world.until_not(&made, &["pending", "creating"]);
    assert_eq!((&done["status"], &done["message"]), (&json!("created"), &Value::Null), "{done}");
    assert_ne!(done["app_setup"]["id"], setup.as_str(), "it was set up once more");
    let apps = world.daemon.get(&world.user, "/apps");
    assert_eq!(apps.as_array().unwrap().len(), 1, "nothing is left of the first: {apps}");
}
