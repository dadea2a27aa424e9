use time::Duration;

use super::*;
use crate::db::Db;
use crate::model::{
    Account, App, AppId, AppSetupId, ConfigVars, Connected, ConnectionId, ConnectionSecrets, Pipeline, Provider, Push,
    ReviewAppConfig, Secret, StaleDays,
};

const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

struct World {
    _dir: tempfile::TempDir,
    db: Db,
    repository: Repository,
    pipeline: Pipeline,
    owner: Account,
}

async fn world(change: impl FnOnce(&mut ReviewAppConfig)) -> World {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).await.unwrap();
    let mut tx = db.write().await.unwrap();
    let owner = db::accounts::insert(&mut tx, &"a@example.com".parse().unwrap(), AT).await.unwrap();
    tx.commit().await.unwrap();
    let (id, name) = (PipelineId::new(), "pipe".parse().unwrap());
    let pipeline = Pipeline { id, name, owner: owner.id, created_at: AT, updated_at: AT };
    let mut tx = db.write().await.unwrap();
    db::pipelines::insert(&mut tx, &pipeline).await.unwrap();
    tx.commit().await.unwrap();
    let repository = Repository {
        id: ConnectionId::new(),
        of: Connected::Pipeline(pipeline.id),
        by: owner.id,
        provider: Provider::GitHub,
        full_name: "octocat/shop".parse().unwrap(),
        clone_url: "https://github.com/octocat/shop.git".into(),
        known_hosts: None,
        branch: None,
        auto_deploy: false,
        wait_for_ci: false,
        is_proved: false,
        created_at: AT,
        updated_at: AT,
    };
    let secrets = ConnectionSecrets { webhook_secret: Secret::new("hush"), token: None, deploy_key: None };
    let mut tx = db.write().await.unwrap();
    db::connections::insert(&mut tx, db.cipher(), &repository, &secrets).await.unwrap();
    tx.commit().await.unwrap();
    let mut config = ReviewAppConfig {
        pipeline: pipeline.id,
        by: owner.id,
        automatic: true,
        destroy_stale: true,
        stale_days: StaleDays::DEFAULT,
        wait_for_ci: false,
        base_name: None,
        forks: Forks::WithoutConfigVars,
        created_at: AT,
        updated_at: AT,
    };
    change(&mut config);
    let mut tx = db.write().await.unwrap();
    db::review_app_configs::insert(&mut tx, &config).await.unwrap();
    tx.commit().await.unwrap();
    World { _dir: dir, db, repository, pipeline, owner }
}

fn commit(digit: char) -> CommitId {
    digit.to_string().repeat(40).parse().unwrap()
}

impl World {
    async fn tell_of(&self, number: u64, from: &str, what: (PullRequestAction, char), second: i64) -> &'static str {
        let pull_request = PullRequest {
            action: what.0,
            number,
            title: "Fix it".into(),
            branch: "fix".parse().unwrap(),
            commit: commit(what.1),
            from: Some(from.parse().unwrap()),
            from_id: None,
            base: "main".parse().unwrap(),
            author: "octocat".into(),
            updated_at: second,
        };
        let mut tx = self.db.write().await.unwrap();
        let said =
            take_up(&mut tx, (&self.repository, self.pipeline.id), &Delivered::PullRequest(pull_request), AT).await.unwrap();
        tx.commit().await.unwrap();
        said
    }

    async fn tell(&self, action: PullRequestAction, digit: char, second: i64) -> &'static str {
        self.tell_of(7, "octocat/shop", (action, digit), second).await
    }

    /// `STATUS COMMIT` of each, and whether something is to be done.
    async fn there(&self) -> Vec<String> {
        let mut db = self.db.read().await.unwrap();
        let open = db::review_apps::open(&mut db).await.unwrap();
        let all = db::review_apps::of_pipeline(&mut db, self.pipeline.id).await.unwrap();
        let line = |one: &ReviewApp| {
            let ReviewSource::Repository(Some(commit)) = &one.source else { return one.status.to_string() };
            let is_open = open.iter().any(|other| other.id == one.id);
            format!("{} {}{}", one.status, &commit.as_str()[..1], if is_open { "" } else { " rests" })
        };
        all.iter().map(line).collect()
    }

    /// As if the app had been set up, or not.
    async fn settle(&self, failure: Option<&str>, digit: char) {
        let mut tx = self.db.write().await.unwrap();
        let one = db::review_apps::of_pull_request(&mut tx, self.pipeline.id, 7).await.unwrap().unwrap();
        let app = App {
            id: AppId::new(),
            name: format!("app-{}", uuid::Uuid::new_v4().simple())[..20].parse().unwrap(),
            owner: self.owner.id,
            stack: "debian-12".parse().unwrap(),
            created_at: AT,
            updated_at: AT,
        };
        db::apps::insert(&mut tx, &app).await.unwrap();
        let setup = AppSetupId::new();
        db::app_setups::insert(&mut tx, setup, app.id, self.owner.id, AT).await.unwrap();
        assert!(db::review_apps::begin(&mut tx, one.id, (app.id, setup, Some(&commit(digit))), AT).await.unwrap());
        db::review_apps::created(&mut tx, one.id, failure, AT).await.unwrap();
        tx.commit().await.unwrap();
    }
}

use PullRequestAction::{Closed, Opened, Other, Reopened, Updated};

#[tokio::test]
async fn a_pull_request_has_a_review_app_from_its_opening_to_its_end() {
    let world = world(|_| ()).await;
    assert_eq!(world.tell(Opened, 'a', 1).await, "a review app is made");
    assert_eq!(world.there().await, ["pending a"]);
    world.settle(None, 'a').await;
    assert_eq!(world.there().await, ["created a rests"]);
    assert_eq!(world.tell(Updated, 'b', 2).await, "its review app is updated");
    assert_eq!(world.there().await, ["created b"]);
    assert_eq!(world.tell(Updated, 'b', 2).await, "nothing: its review app has this commit");
    assert_eq!(world.tell(Closed, 'b', 3).await, "its review app is destroyed");
    assert_eq!(world.tell(Closed, 'b', 3).await, "nothing: it has no review app");
    // The new one waits until the old one has gone.
    assert_eq!(world.tell(Reopened, 'b', 4).await, "a review app is made");
    assert_eq!(world.there().await, ["deleting b", "pending b rests"]);
}

#[tokio::test]
async fn the_order_in_which_it_is_told_does_not_matter() {
    let world = world(|_| ()).await;
    assert_eq!(world.tell(Updated, 'b', 2).await, "a review app is made");
    assert_eq!(world.tell(Opened, 'a', 1).await, "nothing: something later is known of the pull request");
    assert_eq!(world.there().await, ["pending b"]);
    assert_eq!(world.tell(Closed, 'b', 3).await, "its review app is destroyed");
    assert_eq!(world.tell(Updated, 'c', 4).await, "nothing: something later is known of the pull request", "it is closed");
    assert_eq!(world.tell(Other, 'c', 5).await, "nothing: review apps do not depend on it");
    let late = self::world(|_| ()).await;
    assert_eq!(late.tell(Closed, 'a', 2).await, "nothing: it has no review app");
    assert_eq!(late.tell(Opened, 'a', 1).await, "nothing: something later is known of the pull request");
    assert_eq!(late.there().await, [""; 0]);
}

#[tokio::test]
async fn one_that_could_not_be_made_is_made_anew_with_the_next_commit() {
    let world = world(|_| ()).await;
    world.tell(Opened, 'a', 1).await;
    world.settle(Some("build failed"), 'a').await;
    assert_eq!(world.there().await, ["errored a rests"]);
    world.tell(Updated, 'b', 2).await;
    assert_eq!(world.there().await, ["pending b"]);
    // A commit that came while the app was set up is deployed after it.
    world.settle(None, 'a').await;
    assert_eq!(world.there().await, ["created b"]);
}

#[tokio::test]
async fn what_was_deleted_by_hand_stays_away_until_the_pull_request_is_opened_again() {
    let world = world(|_| ()).await;
    world.tell(Opened, 'a', 1).await;
    let mut db = world.db.read().await.unwrap();
    let one = db::review_apps::of_pull_request(&mut db, world.pipeline.id, 7).await.unwrap().unwrap();
    drop(db);
    let mut tx = world.db.write().await.unwrap();
    assert!(db::review_apps::begin_deletion(&mut tx, one.id, AT).await.unwrap());
    db::review_apps::deleted(&mut tx, one.id, AT).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.tell(Updated, 'b', 2).await, "nothing: its review app was deleted");
    assert_eq!(world.tell(Reopened, 'b', 3).await, "a review app is made");
}

#[tokio::test]
async fn forks_and_pipelines_decide_for_themselves() {
    let world = world(|config| config.forks = Forks::Refused).await;
    assert_eq!(world.tell_of(8, "mallory/shop", (Opened, 'a'), 1).await, "nothing: forks get no review apps");
    assert_eq!(world.tell_of(7, "Octocat/Shop", (Opened, 'a'), 1).await, "a review app is made", "case does not matter");
    assert_eq!(world.tell_of(9, "octocat/shop", (Opened, 'a'), 1).await, "nothing: its branch has a review app already");
    let manual = self::world(|config| config.automatic = false).await;
    assert_eq!(manual.tell(Opened, 'a', 1).await, "nothing: review apps are not made automatically");
}

#[tokio::test]
async fn a_forks_commit_never_comes_into_the_app_of_an_own_branch() {
    let world = world(|_| ()).await;
    let mut tx = world.db.write().await.unwrap();
    let config = db::review_app_configs::get(&mut tx, world.pipeline.id).await.unwrap().unwrap();
    let by_hand = ReviewApp::new(&config, "fix".parse().unwrap(), ReviewSource::Repository(Some(commit('a'))), AT);
    db::review_apps::insert(&mut tx, &ReviewApp { pull_request: Some(7), ..by_hand }).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.tell_of(7, "mallory/shop", (Updated, 'b'), 1).await, "nothing: its review app is not of a fork");
    assert_eq!(world.there().await, ["pending a"]);
    assert_eq!(world.tell(Updated, 'b', 2).await, "its review app is updated");
}

#[tokio::test]
async fn whoever_was_told_of_while_asking_is_asked_again() {
    let world = world(|config| config.wait_for_ci = true).await;
    world.tell(Opened, 'a', 1).await;
    let mut tx = world.db.write().await.unwrap();
    let asked = db::review_apps::open(&mut tx).await.unwrap().remove(0);
    let of = (&world.repository, world.pipeline.id);
    // CI was red when it was asked, and is green before that is noted.
    take_up(&mut tx, of, &Delivered::Ci { commit: commit('a') }, AT + Duration::SECOND).await.unwrap();
    db::review_apps::put_off(&mut tx, &asked, "it waits for CI", AT + Duration::HOUR).await.unwrap();
    assert_eq!(db::review_apps::open(&mut tx).await.unwrap()[0].next_attempt_at, Some(AT + Duration::SECOND));
}

#[tokio::test]
async fn what_is_not_deployed_for_days_is_stale() {
    let world = world(|_| ()).await;
    world.tell(Opened, 'a', 1).await;
    world.settle(None, 'a').await;
    let stale_at = |days| AT + Duration::days(days) + Duration::seconds(1);
    let mut tx = world.db.write().await.unwrap();
    assert_eq!(db::review_apps::begin_deletion_of_stale(&mut tx, stale_at(4)).await.unwrap(), 0);
    assert_eq!(db::review_apps::begin_deletion_of_stale(&mut tx, stale_at(5)).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(world.there().await, ["deleting a"]);
}

#[tokio::test]
async fn a_branch_somebody_asked_for_follows_its_pushes() {
    let world = world(|_| ()).await;
    let mut tx = world.db.write().await.unwrap();
    let config = db::review_app_configs::get(&mut tx, world.pipeline.id).await.unwrap().unwrap();
    let made = ReviewApp::new(&config, "fix".parse().unwrap(), ReviewSource::Repository(None), AT);
    db::review_apps::insert(&mut tx, &made).await.unwrap();
    let twice = ReviewApp::new(&config, "fix".parse().unwrap(), ReviewSource::Repository(None), AT);
    assert!(db::review_apps::insert(&mut tx, &twice).await.unwrap_err().is_taken());
    let push = Push { branch: "fix".parse().unwrap(), before: None, after: commit('b'), pushed_at: None };
    let of = (&world.repository, world.pipeline.id);
    let said = take_up(&mut tx, of, &Delivered::Push(push.clone()), AT).await.unwrap();
    let again = take_up(&mut tx, of, &Delivered::Push(push), AT).await.unwrap();
    assert_eq!((said, again), ("its review app is updated", "nothing: no review app follows the branch"));
    let wanted = db::review_apps::get(&mut tx, made.id).await.unwrap().unwrap().source;
    assert_eq!(wanted, ReviewSource::Repository(Some(commit('b'))));
    let environment = ConfigVars([("KEY".parse().unwrap(), Secret::new("tell nobody"))].into());
    db::review_apps::set_environment(&mut tx, world.db.cipher(), made.id, &environment).await.unwrap();
    assert_eq!(db::review_apps::environment(&mut tx, world.db.cipher(), made.id).await.unwrap(), environment);
}
