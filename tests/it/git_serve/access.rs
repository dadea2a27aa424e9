//! Who may fetch, and what others hear.

use serde_json::{Value, json};

use super::{APP, Client, HTTP_2, Way, World};

const SSH_2: Way = Way { is_ssh: true, version: 2 };

impl World {
    fn api(&self, token: &str, path: &str, body: Option<Value>) -> Value {
        let url = format!("http://{}{path}", self.daemon.http);
        let authorization = format!("Bearer {token}");
        let answer = match body {
            Some(body) => ureq::post(url).header("Authorization", authorization).send_json(body),
            None => ureq::get(url).header("Authorization", authorization).call(),
        };
        answer.unwrap().body_mut().read_json().unwrap()
    }

    fn client_of(&self, token: &str) -> Client {
        let [ours, _] = self.clients(HTTP_2);
        Client { url: ours.url.replace(&self.alice.token, token), ..ours }
    }
}

#[test]
fn who_may_not_have_the_code_gets_none() {
    let world = World::with_history();
    let bob = world.daemon.user("bob@example.com").token;
    let said = world.client_of(&bob).fail(&["ls-remote", "{url}"]);
    assert!(said.contains("No such app as shop.") && said.contains("not found"), "{said}");
    let view = json!({"user": "bob@example.com", "permissions": ["view"]});
    world.api(&world.alice.token, &format!("/apps/{APP}/collaborators"), Some(view));
    let said = world.client_of(&bob).fail(&["clone", "-q"]);
    assert!(said.contains("You need the deploy permission in shop for this; you have view."), "{said}");
    let events = world.api(&world.alice.token, &format!("/apps/{APP}/audit-events"), None);
    let events = events.as_array().unwrap();
    let refused = events.iter().find(|event| event["action"] == "fetch").expect("a refusal is recorded");
    assert_eq!((&refused["actor"]["email"], &refused["outcome"]["status"]), (&json!("bob@example.com"), &json!("refused")));
    let deploy = json!({"permissions": ["deploy"]});
    let url = format!("http://{}/apps/{APP}/collaborators/bob@example.com", world.daemon.http);
    ureq::patch(url).header("Authorization", format!("Bearer {}", world.alice.token)).send_json(deploy).unwrap();
    world.client_of(&bob).run(&["clone", "-q"]);
    let said = world.client_of("hoist-wrong").fail(&["ls-remote", "{url}"]);
    assert!(said.contains("hoist doesn't know you"), "{said}");
}

#[test]
fn a_token_that_may_read_may_fetch() {
    let world = World::with_history();
    let token = |scope: &str| {
        let made = world.api(&world.alice.token, "/oauth/authorizations", Some(json!({"scope": [scope]})));
        made["access_token"]["token"].as_str().unwrap().to_owned()
    };
    world.client_of(&token("read")).run(&["clone", "-q"]);
    let said = world.client_of(&token("identity")).fail(&["ls-remote", "{url}"]);
    assert!(said.contains("Your token's scope is identity, and a fetch takes read, write or global."), "{said}");
}

#[test]
fn an_app_that_is_not_there_is_not_made() {
    let world = World::start();
    for way in [HTTP_2, SSH_2] {
        let [ours, _] = world.clients(way);
        let ours = Client { url: ours.url.replace(APP, "nowhere"), ..ours };
        let said = ours.fail(&["clone", "-q"]);
        assert!(said.contains("No such app as nowhere."), "{said}");
    }
    assert_eq!(world.api(&world.alice.token, "/apps", None).as_array().unwrap().len(), 1);
}
