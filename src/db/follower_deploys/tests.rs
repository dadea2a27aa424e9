use super::*;
use crate::db::{self, Db, builds};
use crate::model::{App, BuildStatus};

const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// An app `shop`, and `site`, which follows it.
struct World {
    _dir: tempfile::TempDir,
    db: Db,
    shop: App,
    site: App,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let owner = db::accounts::insert(&mut tx, &"a@example.com".parse().unwrap(), AT).await.unwrap().id;
        let app = |name: &str| {
            let (name, stack) = (name.parse().unwrap(), "debian-12".parse().unwrap());
            App { id: AppId::new(), name, owner, stack, created_at: AT, updated_at: AT }
        };
        let (shop, site) = (app("shop"), app("site"));
        db::apps::insert(&mut tx, &shop).await.unwrap();
        db::apps::insert(&mut tx, &site).await.unwrap();
        db::apps::set_followed(&mut tx, site.id, Some(shop.id), owner, AT).await.unwrap();
        tx.commit().await.unwrap();
        Self { _dir: dir, db, shop, site }
    }

    async fn build(&self, tx: &mut Connection, app: &App) -> BuildId {
        let id = BuildId::new();
        builds::insert(tx, id, app.id, app.owner, None, &app.stack, AT).await.unwrap();
        id
    }

    async fn end(&self, tx: &mut Connection, build: BuildId, status: BuildStatus) {
        builds::end(tx, build, &builds::Outcome { status, reason: None, slug: None }, AT).await.unwrap();
    }

    /// A push to `shop`, and what `site` is to be given of it.
    async fn push(&self, tx: &mut Connection) -> FollowerDeployId {
        let (build, commit) = (self.build(tx, &self.shop).await, "0".repeat(40).parse().unwrap());
        insert(tx, &Pushed { app: self.shop.id, build, by: self.shop.owner, commit: &commit, at: AT }).await.unwrap();
        let deploys = of_push(tx, build).await.unwrap();
        let [deploy] = &deploys[..] else { panic!("one follows") };
        assert_eq!((deploy.app, deploy.followed, deploy.is_done, deploy.build), (self.site.id, self.shop.id, false, None));
        deploy.id
    }

    /// Accepts a build for it, if it is still wanted.
    async fn start(&self, tx: &mut Connection, id: FollowerDeployId) -> Option<BuildId> {
        let build = self.build(tx, &self.site).await;
        if start(tx, id, build, AT).await.unwrap() {
            return Some(build);
        }
        // Outside of tests, its transaction is dropped.
        self.end(tx, build, BuildStatus::Failed).await;
        None
    }
}

#[tokio::test]
async fn a_push_becomes_one_build_of_each_follower() {
    let world = World::new().await;
    let mut tx = world.db.write().await.unwrap();
    let pushed = world.push(&mut tx).await;
    let build = world.start(&mut tx, pushed).await.unwrap();
    assert_eq!(world.start(&mut tx, pushed).await, None);
    let deploy = get(&mut tx, pushed).await.unwrap();
    assert_eq!((deploy.is_done, deploy.build), (true, Some(build)));
    assert!(open(&mut tx).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_older_push_never_comes_after_something_newer() {
    let world = World::new().await;
    let mut tx = world.db.write().await.unwrap();
    let (first, second) = (world.push(&mut tx).await, world.push(&mut tx).await);
    world.start(&mut tx, second).await.unwrap();
    assert_eq!(world.start(&mut tx, first).await, None);
    assert_eq!(get(&mut tx, first).await.unwrap().reason.as_deref(), Some("a later push came first"));

    // Nor after what was pushed to `site` itself, unless that has failed.
    let third = world.push(&mut tx).await;
    let own = world.build(&mut tx, &world.site).await;
    assert_eq!(world.start(&mut tx, third).await, None, "it may succeed");
    world.end(&mut tx, own, BuildStatus::Failed).await;
    assert!(world.start(&mut tx, third).await.is_some());
}

#[tokio::test]
async fn what_was_cut_off_is_built_again_but_not_for_ever() {
    let world = World::new().await;
    let mut tx = world.db.write().await.unwrap();
    let pushed = world.push(&mut tx).await;
    for _ in 0..3 {
        let build = world.start(&mut tx, pushed).await.unwrap();
        world.end(&mut tx, build, BuildStatus::Failed).await;
        reopen(&mut tx, build, 2, AT).await.unwrap();
    }
    assert!(get(&mut tx, pushed).await.unwrap().is_done, "two were enough");

    let (pushed, later) = (world.push(&mut tx).await, world.push(&mut tx).await);
    let build = world.start(&mut tx, pushed).await.unwrap();
    world.start(&mut tx, later).await.unwrap();
    world.end(&mut tx, build, BuildStatus::Failed).await;
    reopen(&mut tx, build, 2, AT).await.unwrap();
    assert!(get(&mut tx, pushed).await.unwrap().is_done, "a later one came");
}
