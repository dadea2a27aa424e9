//! What the API takes for the ledger of an app with 100,000 releases, among 10,000 apps, beside the same of an app with
//! few: the time must not grow with the ledger.
//!
//! Taken by a client on loopback over one connection, so what is counted is more than the server's time.

use std::time::{Duration, Instant};

use hoist::db::releases::NewRelease;
use hoist::db::{self, Connection, Db};
use hoist::model::{AccountId, App, AppId, ArtifactId, ConfigVars, Digest, ReleaseStatus, Secret, Slug, SlugId};
use time::OffsetDateTime;
use tokio::runtime::Runtime;
use ureq::Agent;

use crate::harness::{Daemon, User};
use crate::peers::Peers;
use crate::table;

const RELEASES: u32 = 100_000;
const FEW_RELEASES: u32 = 100;
const APPS: u32 = 10_000;
/// More than a page of them.
const FEW_APPS: u32 = 250;
const REQUESTS: usize = 1000;
const GOAL: Duration = Duration::from_millis(10);

pub(crate) fn measure(_: &Peers) {
    // More requests than a client may make in an hour.
    let daemon = Daemon::start_with("[limits]\napi_requests_per_hour = 0\n");
    let (many, few) = (daemon.user("many@example.com"), daemon.user("few@example.com"));
    let start = Instant::now();
    Runtime::new().expect("a runtime can be started").block_on(fill(&daemon));
    println!("  {RELEASES} releases and {APPS} apps were written in {:.1?}", start.elapsed());

    let agent = Agent::new_with_defaults();
    let request = |path: &str, range: &str| {
        let both = [(&many, "long"), (&few, "short")];
        both.map(|(user, app)| p99(|| get(&agent, &daemon, user, &path.replace("APP", app), range)))
    };
    report("list of 15 releases", request("/apps/APP/releases", "version ..; max=15, order=desc"));
    report("list of 200 releases", request("/apps/APP/releases", "version ..; order=desc"));
    report("one release", request("/apps/APP/releases/50", ""));
    report("current release", request("/apps/APP", ""));
    report("list of 200 apps", request("/apps", ""));
    let rollback = [(&many, "long"), (&few, "short")].map(|(user, app)| p99(|| roll_back(&agent, &daemon, user, app)));
    report("rollback", rollback);
}

fn report(name: &str, [long, short]: [Duration; 2]) {
    let ratio = long.as_secs_f64() / short.as_secs_f64();
    let fields = [format!("{long:.1?}"), format!("{short:.1?}"), format!("{ratio:.3}"), format!("{GOAL:?}")];
    table::row(&format!("ledger: {name}, 99th percentile"), &fields, long <= GOAL);
}

fn p99(mut request: impl FnMut()) -> Duration {
    let timed = |_| {
        let start = Instant::now();
        request();
        start.elapsed()
    };
    let mut times: Vec<_> = (0..REQUESTS).map(timed).collect();
    times.sort();
    times[REQUESTS * 99 / 100]
}

fn get(agent: &Agent, daemon: &Daemon, user: &User, path: &str, range: &str) {
    let request = agent.get(format!("http://{}{path}", daemon.http));
    let request = request.header("Authorization", format!("Bearer {}", user.token)).header("Range", range);
    request.call().and_then(|mut answer| answer.body_mut().read_to_vec()).expect("the API answers");
}

fn roll_back(agent: &Agent, daemon: &Daemon, user: &User, app: &str) {
    let request = agent.post(format!("http://{}/apps/{app}/releases", daemon.http));
    let request = request.header("Authorization", format!("Bearer {}", user.token));
    let answer = request.send_json(serde_json::json!({"release": "v50"}));
    answer.and_then(|mut answer| answer.body_mut().read_to_vec()).expect("the API answers");
}

async fn fill(daemon: &Daemon) {
    let db = Db::open(daemon.data_dir()).await.expect("the daemon's database opens");
    let mut tx = db.write().await.expect("the database can be written");
    let (many, few) = (account(&mut tx, "many@example.com").await, account(&mut tx, "few@example.com").await);
    release(&mut tx, &db, many, "long", RELEASES).await;
    release(&mut tx, &db, few, "short", FEW_RELEASES).await;
    for number in 1..APPS {
        release(&mut tx, &db, many, &format!("app-{number}"), 1).await;
    }
    for number in 1..FEW_APPS {
        release(&mut tx, &db, few, &format!("other-{number}"), 1).await;
    }
    tx.commit().await.expect("the database can be written");
    db.close().await;
}

async fn account(tx: &mut Connection, email: &str) -> AccountId {
    let email = email.parse().expect("it is an address");
    db::accounts::by_email(tx, &email).await.expect("accounts can be read").expect("the user was added").id
}

/// Makes an app whose releases change a config var, all of one slug.
async fn release(tx: &mut Connection, db: &Db, owner: AccountId, name: &str, releases: u32) {
    let now = OffsetDateTime::now_utc();
    let (id, stack) = (AppId::new(), "debian-12".parse().expect("it is a stack's name"));
    let name = name.parse().expect("it is an app's name");
    let app = App { id, name, owner, stack, created_at: now, updated_at: now };
    db::apps::insert(tx, &app).await.expect("an app can be inserted");
    let slug = slug(&app);
    db::slugs::insert(tx, &slug).await.expect("a slug can be inserted");
    for number in 0..releases {
        let config = ConfigVars([("NUMBER".parse().expect("it is a key"), Secret::new(number.to_string()))].into());
        let new = NewRelease {
            app: id,
            description: "Set NUMBER config vars".into(),
            by: owner,
            artifact: Some(ArtifactId::Slug(slug.id)),
            build: None,
            commit: None,
            config,
            status: ReleaseStatus::Succeeded,
            at: now,
        };
        db::releases::append(tx, db.cipher(), new).await.expect("a release can be appended");
    }
}

fn slug(app: &App) -> Slug {
    let digest = Digest::from_bytes([7; 32]);
    Slug {
        id: SlugId::new(),
        app: app.id,
        digest,
        content_digest: digest,
        size_bytes: 1234,
        stack: app.stack.clone(),
        stack_digest: digest,
        commit: None,
        process_types: [("web".parse().expect("it is a process type"), "./serve".to_owned())].into(),
        language: None,
        created_at: app.created_at,
    }
}
