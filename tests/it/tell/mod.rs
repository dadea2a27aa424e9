//! What is told back to a connected repository, by the real worker to a stand-in for GitHub and its kin.

mod ci;
mod github_app;

use hoist::build::{ArchiveSource, Origin, Source};
use hoist::db;
use hoist::deploy::{self, Request};
use hoist::fetch::Url;
use hoist::model::{
    AppId, Artifact, BuildId, BuildOrigin, BuildStatus, CacheChange, CommitId, Connected, Connection, ConnectionId,
    ConnectionSecrets, Digest, Priority, Provider, PushOptions, Release, Secret, Slug, SlugId, SourceBlob,
};
use hoist::release::{Deploy, release_deploy, settle_phase};
use hoist::server::teller;
use hoist::tell::{Place, tell};
use serde_json::json;

use crate::api_world::{User, World};
use crate::harness::{Asked, ForgeApi};
use crate::ledger::create_app;

const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// An app that is connected to a repository of a stand-in.
struct Shop {
    world: World,
    user: User,
    app: AppId,
    connection: Connection,
    forge: ForgeApi,
}

impl Shop {
    async fn open(provider: Provider, token: Option<&str>) -> Self {
        Self::configured(provider, token, "").await
    }

    async fn configured(provider: Provider, token: Option<&str>, more: &str) -> Self {
        let forge = ForgeApi::start();
        let world = World::configured(&format!("{}{more}", forge.config(provider.as_str())), None).await;
        let user = world.user("alice@example.com").await;
        let app = create_app(&world, &user, "example").await;
        let at = world.ctx.now();
        let connection = Connection {
            id: ConnectionId::new(),
            of: Connected::App(app),
            by: user.account.id,
            provider,
            full_name: "octo/shop".parse().unwrap(),
            clone_url: "https://git.example/octo/shop.git".into(),
            known_hosts: None,
            branch: None,
            auto_deploy: true,
            wait_for_ci: false,
            is_proved: true,
            created_at: at,
            updated_at: at,
        };
        let secrets = ConnectionSecrets { webhook_secret: Secret::new("hush"), token: token.map(Secret::new), deploy_key: None };
        let mut tx = world.ctx.db.write().await.unwrap();
        db::connections::insert(&mut tx, world.ctx.db.cipher(), &connection, &secrets).await.unwrap();
        tx.commit().await.unwrap();
        Self { world, user, app, connection, forge }
    }

    /// Tells what is to be told, until the handle is aborted.
    fn tell(&self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(tell(teller(&self.world.ctx), async |_| Ok(())))
    }

    fn origin(&self, pull_request: Option<u64>) -> BuildOrigin {
        BuildOrigin { connection: self.connection.id, commit: COMMIT.parse().unwrap(), pull_request }
    }

    async fn begin(&self, pull_request: Option<u64>) -> BuildId {
        let (build, ctx) = (BuildId::new(), &self.world.ctx);
        let (commit, stack): (CommitId, _) = (COMMIT.parse().unwrap(), "debian-12".parse().unwrap());
        let mut tx = ctx.db.write().await.unwrap();
        let by = self.user.account.id;
        db::builds::insert(&mut tx, build, self.app, by, Some(&commit), &stack, ctx.now()).await.unwrap();
        db::build_origins::insert(&mut tx, self.app, build, &self.origin(pull_request), ctx.now()).await.unwrap();
        tx.commit().await.unwrap();
        build
    }

    async fn end(&self, build: BuildId, status: BuildStatus) {
        let outcome = db::builds::Outcome { status, reason: None, slug: None };
        let mut tx = self.world.ctx.db.write().await.unwrap();
        db::builds::end(&mut tx, build, &outcome, self.world.ctx.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn release(&self, build: BuildId, process_type: &str) -> Release {
        let (at, app) = (self.world.ctx.now(), self.app);
        let slug = Slug {
            id: SlugId::new(),
            app,
            digest: Digest::from_bytes([1; 32]),
            content_digest: Digest::from_bytes([2; 32]),
            size_bytes: 1234,
            stack: "debian-12".parse().unwrap(),
            stack_digest: Digest::from_bytes([3; 32]),
            commit: Some(COMMIT.parse().unwrap()),
            process_types: [(process_type.parse().unwrap(), "true".to_owned())].into_iter().collect(),
            language: None,
            created_at: at,
        };
        let (by, artifact) = (self.user.account.id, Artifact::Slug(slug));
        let (manifests, refs, config) = (Vec::new(), Vec::new(), [].into());
        let (statements, cache) = (Vec::new(), CacheChange::To(None));
        let deploy = Deploy { app, by, build, artifact, statements, manifests, cache, refs, pack: None, config, at };
        release_deploy(&self.world.ctx.db, deploy).await.unwrap()
    }

    fn place(&self, token: Option<&str>) -> Place {
        let Connection { provider, full_name, clone_url, is_proved, .. } = self.connection.clone();
        Place { provider, full_name, clone_url, token: token.map(Secret::new), is_proved }
    }
}

/// The next so many requests that are not a GET, by their words.
async fn asked(shop: &mut Shop, count: usize) -> Vec<Asked> {
    let mut all = Vec::new();
    while all.len() < count {
        let asked = shop.forge.next().await;
        if !asked.line.starts_with("GET ") {
            all.push(asked);
        }
    }
    all.sort_by_key(Asked::words);
    all
}

fn words(asked: &[Asked]) -> Vec<String> {
    asked.iter().map(|asked| asked.words().replace(COMMIT, "COMMIT").replace("/repos/octo/shop/", "")).collect()
}

#[tokio::test]
async fn a_deploy_is_told_to_github_step_by_step() {
    let mut shop = Shop::open(Provider::GitHub, Some("sesame")).await;
    let telling = shop.tell();
    let build = shop.begin(None).await;
    // Statuses and deployments are told side by side.
    let begun = asked(&mut shop, 3).await;
    assert_eq!(
        words(&begun),
        [
            "POST deployments example",
            "POST deployments/1/statuses in_progress Build in progress",
            "POST statuses/COMMIT pending hoist/example Build in progress",
        ]
    );
    assert_eq!(begun[2].headers["authorization"], "Bearer sesame");
    assert_eq!(begun[2].headers["accept"], "application/vnd.github+json");
    let link = format!("/apps/example/builds/{build}");
    assert!(begun[2].body["target_url"].as_str().unwrap().ends_with(&link), "{:?}", begun[2].body);
    let release = shop.release(build, "release").await;
    assert_eq!(
        words(&asked(&mut shop, 2).await),
        [
            "POST deployments/1/statuses in_progress Running the release command of v2",
            "POST statuses/COMMIT pending hoist/example Running the release command of v2",
        ]
    );
    settle_phase(&shop.world.ctx.db, &release, Ok(()), shop.world.ctx.now()).await.unwrap();
    let ended = asked(&mut shop, 2).await;
    assert_eq!(
        words(&ended),
        ["POST deployments/1/statuses success Deployed v2", "POST statuses/COMMIT success hoist/example Deployed v2"]
    );
    assert_eq!(ended[0].body["environment_url"], "https://example.example.com/");
    let kept = shop.forge.kept.state.lock().unwrap().deployments.clone();
    assert_eq!(kept.len(), 1);
    assert_eq!((&kept[0]["ref"], &kept[0]["required_contexts"]), (&json!(COMMIT), &json!([])));
    assert_eq!((&kept[0]["production_environment"], &kept[0]["transient_environment"]), (&json!(true), &json!(false)));
    telling.abort();
}

#[tokio::test]
async fn each_provider_is_told_in_its_own_words() {
    let check = async |provider, expected: [&str; 3], header: (&str, &str)| {
        let mut shop = Shop::open(provider, Some("sesame")).await;
        let telling = shop.tell();
        let failing = shop.begin(None).await;
        shop.end(failing, BuildStatus::Failed).await;
        let cancelled = shop.begin(None).await;
        let mut told = shop.forge.take(3).await;
        shop.end(cancelled, BuildStatus::Cancelled).await;
        told.extend(shop.forge.take(1).await);
        told.remove(2);
        let told: Vec<_> = told.iter().map(|line| line.replace(COMMIT, "COMMIT")).collect();
        assert_eq!(told, expected);
        let place = shop.place(Some("sesame"));
        shop.forge.kept.state.lock().unwrap().statuses = vec![json!({ "statuses": null })];
        shop.world.ctx.providers.ci_state(&place, &COMMIT.parse().unwrap()).await.ok();
        assert_eq!(shop.forge.next().await.headers[header.0], header.1);
        telling.abort();
    };
    let gitlab = [
        "POST /projects/octo%2Fshop/statuses/COMMIT running hoist/example Build in progress",
        "POST /projects/octo%2Fshop/statuses/COMMIT failed hoist/example Build failed",
        "POST /projects/octo%2Fshop/statuses/COMMIT canceled hoist/example Build cancelled",
    ];
    check(Provider::GitLab, gitlab, ("authorization", "Bearer sesame")).await;
    let gitea = [
        "POST /repos/octo/shop/statuses/COMMIT pending hoist/example Build in progress",
        "POST /repos/octo/shop/statuses/COMMIT failure hoist/example Build failed",
        "POST /repos/octo/shop/statuses/COMMIT error hoist/example Build cancelled",
    ];
    check(Provider::Gitea, gitea, ("authorization", "token sesame")).await;
    check(Provider::Forgejo, gitea, ("authorization", "token sesame")).await;
}

#[tokio::test]
async fn a_pull_request_has_one_comment_that_is_changed() {
    for provider in Provider::ALL {
        let mut shop = Shop::open(provider, Some("sesame")).await;
        let telling = shop.tell();
        let build = shop.begin(Some(7)).await;
        let text = |shop: &Shop| shop.forge.kept.state.lock().unwrap().comments.clone();
        until_told(&mut shop, "Build in progress").await;
        let mark = text(&shop)[0].1.lines().next().unwrap().to_owned();
        assert!(mark.starts_with("<!-- hoist ") && !mark.contains("sesame"), "{mark}");
        // Somebody copies it: theirs is the younger one, and is left alone.
        shop.forge.kept.state.lock().unwrap().comments.push((99, format!("{mark}\nmine")));
        shop.release(build, "web").await;
        until_told(&mut shop, "Deployed v2").await;
        let comments = text(&shop);
        assert_eq!((comments.len(), comments[1].1.ends_with("\nmine")), (2, true), "{comments:?}");
        let (app, link) = ("**example** on hoist: Deployed v2 (commit aaaaaaaa)", "[Open the app](https://example.example.com/)");
        assert!(comments[0].1.contains(app) && comments[0].1.ends_with(link), "{comments:?}");
        db_destroy(&shop).await;
        until_told(&mut shop, "The app was destroyed").await;
        telling.abort();
    }
}

/// The app goes; its connection is a pipeline's for this once, so that it stays.
async fn db_destroy(shop: &Shop) {
    let ctx = &shop.world.ctx;
    let pipeline = json!({ "name": "shops", "owner": { "id": shop.user.account.id.to_string(), "type": "user" } });
    let made = shop.world.post(&shop.user, "/pipelines", pipeline).await;
    let pipeline = made.body["id"].as_str().unwrap().parse().unwrap();
    let mut tx = ctx.db.write().await.unwrap();
    let secrets = db::connections::secrets(&mut tx, ctx.db.cipher(), shop.connection.id).await.unwrap().unwrap();
    db::connections::delete_of(&mut tx, shop.connection.of).await.unwrap();
    let moved = Connection { of: Connected::Pipeline(pipeline), ..shop.connection.clone() };
    db::connections::insert(&mut tx, ctx.db.cipher(), &moved, &secrets).await.unwrap();
    db::apps::destroy(&mut tx, shop.app, shop.user.account.id, ctx.now()).await.unwrap();
    tx.commit().await.unwrap();
}

/// Until a comment says so.
async fn until_told(shop: &mut Shop, words: &str) {
    loop {
        let asked = shop.forge.next().await;
        if asked.body["body"].as_str().is_some_and(|body| body.contains(words)) {
            return;
        }
    }
}

#[tokio::test]
async fn who_is_killed_before_it_is_recorded_tells_again_and_changes_nothing() {
    let mut shop = Shop::open(Provider::GitHub, Some("sesame")).await;
    shop.begin(Some(7)).await;
    for _ in 0..3 {
        // Each time, the forge does the next thing and the daemon dies before it hears so.
        shop.forge.hold();
        let telling = shop.tell();
        loop {
            let asked = shop.forge.next().await;
            if asked.line.starts_with("GET ") {
                shop.forge.answer_one();
                continue;
            }
            break;
        }
        telling.abort();
        assert!(telling.await.unwrap_err().is_cancelled());
        shop.forge.go_on();
        let telling = shop.tell();
        assert_eq!(shop.forge.take(1).await.len(), 1, "it is told again");
        telling.abort();
        telling.await.ok();
    }
    let telling = shop.tell();
    until_quiet(&shop).await;
    telling.abort();
    let told = shop.forge.kept.state.lock().unwrap();
    assert_eq!((told.deployments.len(), told.comments.len()), (1, 1), "{:?}", told.comments);
}

/// Until nothing is to be told any more.
async fn until_quiet(shop: &Shop) {
    while !db::tellings::open(&mut shop.world.ctx.db.read().await.unwrap()).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_fails_is_tried_again_in_order_and_what_can_not_be_is_given_up() {
    let mut shop = Shop::open(Provider::Gitea, Some("sesame")).await;
    let telling = shop.tell();
    shop.forge.refuse(502, "away");
    shop.forge.refuse(403, "too many requests");
    let build = shop.begin(None).await;
    shop.end(build, BuildStatus::Failed).await;
    let told = shop.forge.take(4).await;
    let words: Vec<_> = told.iter().map(|line| line.rsplit_once("hoist/example ").unwrap().1).collect();
    assert_eq!(words, ["Build in progress", "Build in progress", "Build in progress", "Build failed"]);
    shop.forge.refuse(422, "No commit found for SHA");
    let next = shop.begin(None).await;
    shop.end(next, BuildStatus::Failed).await;
    assert_eq!(shop.forge.take(2).await.len(), 2, "once, and then what comes behind it");
    until_quiet(&shop).await;
    telling.abort();
}

#[tokio::test]
async fn gitlab_that_knows_it_already_is_content() {
    let mut shop = Shop::open(Provider::GitLab, Some("sesame")).await;
    let telling = shop.tell();
    shop.forge.refuse(400, "Cannot transition status via :run from :running (Reason(s): Status cannot transition via \"run\")");
    let build = shop.begin(None).await;
    assert_eq!(shop.forge.take(1).await.len(), 1);
    until_quiet(&shop).await;
    shop.end(build, BuildStatus::Failed).await;
    assert!(shop.forge.take(1).await[0].ends_with("failed hoist/example Build failed"));
    telling.abort();
}

#[tokio::test]
async fn nothing_is_told_of_what_came_from_elsewhere_or_later() {
    let mut shop = Shop::open(Provider::Gitea, Some("sesame")).await;
    let telling = shop.tell();
    crate::ledger::deploy(&shop.world, &shop.user, shop.app, crate::ledger::Code::of('b')).await;
    let build = shop.begin(None).await;
    shop.release(build, "web").await;
    assert!(shop.forge.take(2).await[1].ends_with("Deployed v3"));
    let set = shop.world.patch(&shop.user, "/apps/example/config-vars", json!({ "A": "1" })).await;
    assert!(set.status.is_success());
    // v4 runs the same slug, and is no deploy of the commit.
    let next = shop.begin(None).await;
    shop.end(next, BuildStatus::Failed).await;
    let told = shop.forge.take(2).await;
    assert!(told[0].ends_with("Build in progress") && told[1].ends_with("Build failed"), "{told:?}");
    telling.abort();
}

#[tokio::test]
async fn an_accepted_build_says_where_it_came_from() {
    let mut shop = Shop::open(Provider::Gitea, Some("sesame")).await;
    let telling = shop.tell();
    let ctx = &shop.world.ctx;
    let app = db::apps::get(&mut ctx.db.read().await.unwrap(), shop.app).await.unwrap();
    let url: Url = "http://192.0.2.1/source.tar.gz".parse().unwrap();
    let blob = SourceBlob { url: url.as_str().into(), checksum: None, version: None, version_description: None };
    let request = Request {
        app,
        by: shop.user.account.clone(),
        source: Source::Archive(ArchiveSource { origin: Origin::Url(url), blob }),
        options: PushOptions::default(),
        priority: Priority::Request,
        refs: Vec::new(),
        pack: None,
        buildpacks: Vec::new(),
        cache: None,
        origin: Some(shop.origin(None)),
        trigger: None,
    };
    // There is no stack: the build fails at once.
    deploy::submit(ctx, request).await.unwrap().ended().await;
    let told = shop.forge.take(2).await;
    assert!(told[0].ends_with("Build in progress") && told[1].ends_with("Build failed"), "{told:?}");
    telling.abort();
}
