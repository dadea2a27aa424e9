use proptest::prelude::*;

use super::super::Secret;
use super::*;

fn parse(text: &str) -> Result<AppJson, String> {
    AppJson::parse(text.as_bytes()).map_err(|error| error.to_string())
}

fn key(text: &str) -> ConfigKey {
    text.parse().unwrap()
}

#[test]
fn the_whole_file_is_understood() {
    let app = parse(
        r#"{
        "name": "Shop", "description": "sells", "keywords": ["a"], "logo": "x", "success_url": "/welcome", "stack": "debian-12",
        "env": {"A": "1", "B": {"value": "2", "description": "two"}, "C": {"generator": "secret"}, "D": {"required": false}},
        "scripts": {"postdeploy": "./seed", "pr-predestroy": "./bye"},
        "formation": {"web": {"quantity": 2, "size": "standard-1x"}, "worker": {}},
        "buildpacks": [{"url": "heroku/nodejs"}, {"url": "./pack"}],
        "addons": ["heroku-postgresql:mini", {"plan": "heroku-redis", "as": "CACHE", "options": {"version": "7"}}],
        "environments": {"test": {"scripts": {"test": "./check"}}, "production": {"env": 7}}
    }"#,
    )
    .unwrap();
    let manifest = app.manifest(EnvironmentName::Base);
    assert_eq!((app.name.as_deref(), app.stack.unwrap().as_str()), (Some("Shop"), "debian-12"));
    assert_eq!(manifest.env[&key("B")].value, Some(Secret::new("2")));
    assert!(manifest.env[&key("C")].is_generated && !manifest.env[&key("D")].required && manifest.env[&key("A")].required);
    assert_eq!(manifest.scripts.postdeploy.unwrap().as_str(), "./seed");
    assert_eq!(manifest.formation[&"web".parse().unwrap()], FormationSpec { quantity: 2, size: Some("Standard-1X".into()) });
    assert_eq!(manifest.formation[&"worker".parse().unwrap()], FormationSpec { quantity: 1, size: None });
    assert_eq!(manifest.buildpacks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["heroku/nodejs", "./pack"]);
    assert_eq!(manifest.addons[0].plan, "heroku-postgresql:mini");
    assert_eq!((manifest.addons[1].alias.as_deref(), manifest.addons[1].options["version"].as_str()), (Some("CACHE"), "7"));
}

#[test]
fn an_environment_wins_by_name_and_replaces_lists() {
    let app = parse(
        r#"{
        "env": {"A": "base", "B": "base"}, "scripts": {"postdeploy": "seed", "test": "slow"}, "buildpacks": [{"url": "ruby"}],
        "addons": ["db"], "formation": {"web": {"quantity": 5}},
        "environments": {
            "test": {"env": {"B": "test", "C": "test"}, "scripts": {"test": "fast"}, "addons": [], "formation": {"test": {}}},
            "review": {"buildpacks": [{"url": "nodejs"}]}
        }
    }"#,
    )
    .unwrap();
    let test = app.manifest(EnvironmentName::Test);
    let values: Vec<_> = test.env.values().map(|spec| spec.value.as_ref().unwrap().expose()).collect();
    assert_eq!(values, ["base", "test", "test"]);
    assert_eq!((test.scripts.test.unwrap().as_str(), test.scripts.postdeploy.unwrap().as_str()), ("fast", "seed"));
    assert!(test.addons.is_empty() && test.formation.len() == 2 && test.buildpacks.len() == 1);
    assert_eq!(app.manifest(EnvironmentName::Review).buildpacks[0].to_string(), "hoist/nodejs");
    assert_eq!(app.manifest(EnvironmentName::Base).env.len(), 2);
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    let check = |text: &str, expected: &str| assert_eq!(parse(text).unwrap_err(), expected, "{text}");
    check("[]", "app.json: invalid type: sequence, expected an object at line 1 column 0");
    check(r#"{"scripts": ["x"]}"#, "scripts: invalid type: sequence, expected an object at line 1 column 12");
    for (text, place) in [
        (r#"{"env": {"A": 1}}"#, "env.A: invalid type: integer `1`, expected a text or an object"),
        (r#"{"env": {"A-B": "1"}}"#, "`A-B` is not a config var name"),
        (r#"{"env": {"A": {"generator": "dice"}}}"#, "unknown variant `dice`, expected `secret`"),
        (r#"{"env": ["A"]}"#, "env: invalid type"),
        (r#"{"name": 7}"#, "name: invalid type"),
        (r#"{"scripts": {"postdeploy": ["x"]}}"#, "scripts.postdeploy: invalid type"),
        (r#"{"scripts": {"test": ""}}"#, "scripts.test: the command is empty"),
        (r#"{"scripts": {"test": "a\u0000b"}}"#, "scripts.test: the command holds a NUL byte"),
        (r#"{"formation": {"web": {"quantity": -1}}}"#, "formation.web.quantity: invalid value"),
        (r#"{"formation": {"web": {"quantity": 1001}}}"#, "formation.web.quantity: it is more than 1000"),
        (r#"{"formation": {"web": {"size": "huge"}}}"#, "formation.web.size: There is no dyno size `huge`"),
        (r#"{"formation": {"a b": {}}}"#, "is not a process type name"),
        (r#"{"buildpacks": [{"url": "ruby"}, {"url": "../x"}]}"#, "buildpacks[1].url: `../x` is not a buildpack"),
        (r#"{"addons": [{"as": "X"}]}"#, "addons[0]: missing field `plan`"),
        (r#"{"environments": {"test": {"env": 1}}}"#, "environments.test.env: invalid type"),
        (r#"{"stack": "Not A Stack"}"#, "stack: `Not A Stack` is not a stack name"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(place), "{text}: {error}");
    }
    for text in ["", "{", "{} x", "nonsense"] {
        assert!(parse(text).unwrap_err().starts_with("app.json: "), "{text}");
    }
    let long = format!(r#"{{"description": "{}"}}"#, "x".repeat(AppJson::MAX_BYTES));
    assert_eq!(parse(&long).unwrap_err(), "app.json is longer than 262144 bytes");
}

#[test]
fn config_vars_come_from_the_caller_then_the_file_then_the_generator() {
    let text = r#"{"env": {"A": "file", "B": "file", "C": {"generator": "secret"}, "D": {"required": false}, "E": {"description": "?"}}}"#;
    let manifest = parse(text).unwrap().manifest(EnvironmentName::Base);
    let generate = || Secret::new("made up");
    let errors = manifest.config(&BTreeMap::new(), generate).unwrap_err();
    assert_eq!(errors, ["config var E is required"]);
    let given = [("A", "given"), ("E", "given"), ("F", "given")].map(|(name, value)| (key(name), Secret::new(value))).into();
    let config = manifest.config(&given, generate).unwrap();
    let config: Vec<_> = config.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
    assert_eq!(config, [("A", "given"), ("B", "file"), ("C", "made up"), ("E", "given"), ("F", "given")]);
}

#[test]
fn the_success_url_is_a_place_of_the_app() {
    let check = |url: &str, web: Option<&str>, expected: Option<&str>| {
        let app = AppJson { success_url: (!url.is_empty()).then(|| url.to_owned()), ..AppJson::default() };
        assert_eq!(app.resolved_success_url(web).as_deref(), expected);
    };
    check("/welcome", Some("https://shop.example.com/"), Some("https://shop.example.com/welcome"));
    check("", Some("https://shop.example.com/"), Some("https://shop.example.com/"));
    check("https://docs.example.com", Some("https://shop.example.com/"), Some("https://docs.example.com"));
    check("/welcome", None, None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_in_words(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = AppJson::parse(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn keys_that_are_not_known_change_nothing(name in "x[a-z]{1,8}", value in "[a-z]{0,8}|\\PC{0,3}") {
        let unknown = serde_json::json!({ "env": {"A": "1"}, name.clone(): value });
        let known = serde_json::json!({ "env": {"A": "1"} });
        prop_assert_eq!(parse(&unknown.to_string()), parse(&known.to_string()));
    }
}
