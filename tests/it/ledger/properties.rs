//! The ledger's rules, held against a model by random sequences of what can happen to an app.

use std::collections::{BTreeMap, BTreeSet};

use hoist::model::{AppId, ReleaseStatus};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::{Code, deploy, happen};
use crate::api_world::{User, World};

#[derive(Debug, Clone)]
enum Step {
    Deploy(char),
    Config {
        key: u8,
        value: Option<u8>,
    },
    /// Of the release at this place in the ledger, as far as there is one.
    RollBack(usize),
    Slug(usize),
    Retry,
    Block(usize),
    Happen(usize, ReleaseStatus),
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop_oneof![
        Just(ReleaseStatus::Pending),
        Just(ReleaseStatus::Succeeded),
        Just(ReleaseStatus::Failed),
        Just(ReleaseStatus::Expired),
    ];
    prop_oneof![
        3 => prop::char::range('a', 'f').prop_map(Step::Deploy),
        3 => (0..3_u8, prop::option::of(0..2_u8)).prop_map(|(key, value)| Step::Config { key, value }),
        4 => any::<usize>().prop_map(Step::RollBack),
        1 => any::<usize>().prop_map(Step::Slug),
        1 => Just(Step::Retry),
        1 => any::<usize>().prop_map(Step::Block),
        2 => (any::<usize>(), status).prop_map(|(at, status)| Step::Happen(at, status)),
    ]
}

/// What the ledger should be.
#[derive(Debug, Clone)]
struct Expected {
    description: String,
    /// The deploy that made its slug.
    slug: Option<usize>,
    config: BTreeMap<String, String>,
    status: ReleaseStatus,
    blocked: bool,
}

struct Model {
    releases: Vec<Expected>,
    deploys: Vec<char>,
}

impl Model {
    fn new() -> Self {
        let first = Expected {
            description: "Initial release".into(),
            slug: None,
            config: BTreeMap::new(),
            status: ReleaseStatus::Succeeded,
            blocked: false,
        };
        Self { releases: vec![first], deploys: Vec::new() }
    }

    fn newest(&self) -> &Expected {
        self.releases.last().unwrap()
    }

    fn current(&self) -> Option<usize> {
        self.releases.iter().rposition(|release| release.status == ReleaseStatus::Succeeded)
    }

    fn can_go_back_to(&self, at: usize) -> bool {
        let release = &self.releases[at];
        let good = release.status == ReleaseStatus::Succeeded && release.slug.is_some() && !release.blocked;
        good && self.current() != Some(at)
    }

    fn append(&mut self, description: String, slug: Option<usize>, config: BTreeMap<String, String>) {
        self.releases.push(Expected { description, slug, config, status: ReleaseStatus::Succeeded, blocked: false });
    }
}

/// One sequence, on an app of its own.
struct Run<'a> {
    world: &'a World,
    user: &'a User,
    app: AppId,
    path: String,
    model: Model,
}

impl<'a> Run<'a> {
    async fn new(world: &'a World, user: &'a User) -> Self {
        let made = world.post(user, "/apps", json!({})).await;
        let app: AppId = made.body["id"].as_str().unwrap().parse().unwrap();
        Self { world, user, app, path: format!("/apps/{app}"), model: Model::new() }
    }

    async fn post(&self, body: Value) -> bool {
        self.world.post(self.user, &format!("{}/releases", self.path), body).await.status.is_success()
    }

    async fn take(&mut self, step: &Step) {
        let count = self.model.releases.len();
        match *step {
            Step::Deploy(commit) => {
                deploy(self.world, self.user, self.app, Code::of(commit)).await;
                self.model.deploys.push(commit);
                let (slug, config) = (self.model.deploys.len() - 1, self.model.newest().config.clone());
                self.model.append(format!("Deploy {}", commit.to_string().repeat(8)), Some(slug), config);
            }
            Step::Config { key, value } => self.change_config(format!("KEY_{key}"), value.map(|value| value.to_string())).await,
            Step::RollBack(at) => {
                let at = at % count;
                let done = self.post(json!({"release": format!("v{}", at + 1)})).await;
                assert_eq!(done, self.model.can_go_back_to(at), "rollback to v{}", at + 1);
                if done {
                    let target = self.model.releases[at].clone();
                    self.model.append(format!("Rollback to v{}", at + 1), target.slug, target.config);
                }
            }
            Step::Slug(at) => {
                let Some(slug) = self.model.releases[at % count].slug else { return };
                let id =
                    self.world.get(self.user, &format!("{}/releases/{}", self.path, at % count + 1)).await.body["slug"]["id"]
                        .clone();
                assert!(self.post(json!({"slug": id})).await);
                let (commit, config) = (self.model.deploys[slug], self.model.newest().config.clone());
                self.model.append(format!("Deploy {}", commit.to_string().repeat(8)), Some(slug), config);
            }
            Step::Retry => {
                let newest = self.model.newest().clone();
                let description = format!("Retry of v{count}: {}", newest.description);
                let done = self.post(json!({"description": description})).await;
                assert_eq!(done, newest.slug.is_some());
                if done {
                    self.model.append(description, newest.slug, newest.config);
                }
            }
            Step::Block(at) => {
                let path = format!("{}/releases/{}/block", self.path, at % count + 1);
                assert!(self.world.post(self.user, &path, json!({"reason": "is bad"})).await.status.is_success());
                self.model.releases[at % count].blocked = true;
            }
            Step::Happen(at, status) => {
                happen(self.world, self.app, u32::try_from(at % count + 1).unwrap(), status).await;
                self.model.releases[at % count].status = status;
            }
        }
    }

    async fn change_config(&mut self, key: String, value: Option<String>) {
        self.world.patch(self.user, &format!("{}/config-vars", self.path), json!({&key: value})).await;
        let newest = self.model.newest().clone();
        let mut config = newest.config.clone();
        let (old, verb) = match &value {
            Some(value) => (config.insert(key.clone(), value.clone()), "Set"),
            None => (config.remove(&key), "Unset"),
        };
        if old != value {
            self.model.append(format!("{verb} {key} config vars"), newest.slug, config);
        }
    }

    /// Holds the whole ledger against the model.
    async fn check(&self) {
        let list = self.world.get(self.user, &format!("{}/releases", self.path)).await.body;
        let list = list.as_array().unwrap();
        assert_eq!(list.len(), self.model.releases.len());
        let mut slugs: BTreeMap<usize, &str> = BTreeMap::new();
        for (at, (release, expected)) in list.iter().zip(&self.model.releases).enumerate() {
            assert_eq!(release["version"], at + 1, "versions are dense from v1");
            assert_eq!(release["description"], expected.description);
            assert_eq!(release["status"], expected.status.as_str());
            assert_eq!(release["current"], json!(self.model.current() == Some(at)), "v{}", at + 1);
            let eligible = if self.model.current() == Some(at) { expected.slug.is_some() } else { self.model.can_go_back_to(at) };
            assert_eq!(release["eligible_for_rollback"], eligible, "v{}", at + 1);
            let config = self.world.get(self.user, &format!("{}/releases/{}/config-vars", self.path, at + 1)).await;
            assert_eq!(config.body, json!(expected.config), "v{}", at + 1);
            match expected.slug {
                Some(slug) => {
                    let id = release["slug"]["id"].as_str().unwrap();
                    assert_eq!(*slugs.entry(slug).or_insert(id), id, "v{} runs another slug", at + 1);
                }
                None => assert_eq!(release["slug"], json!(null)),
            }
        }
        assert_eq!(slugs.values().collect::<BTreeSet<_>>().len(), slugs.len(), "two deploys share a slug");
        let proof = self.world.get(self.user, &format!("{}/releases/verification", self.path)).await.body;
        assert_eq!((&proof["valid"], &proof["releases"]), (&json!(true), &json!(list.len())));
    }
}

#[test]
fn any_sequence_gives_the_ledger_that_it_should() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, user) = runtime.block_on(async {
        let world = World::new().await;
        let user = world.user("dev@example.com").await;
        (world, user)
    });
    // No file beside the source: a failure prints the steps, which are then a test of their own.
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let held = runner.run(&prop::collection::vec(step(), 1..24), |steps| {
        runtime.block_on(async {
            let mut run = Run::new(&world, &user).await;
            for step in &steps {
                run.take(step).await;
            }
            run.check().await;
        });
        Ok(())
    });
    if let Err(failed) = held {
        panic!("{failed}");
    }
}
