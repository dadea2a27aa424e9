//! What CI has said of a commit.

use hoist::model::{CiState, Provider};
use serde_json::{Value, json};

use super::{COMMIT, Shop};

#[tokio::test]
async fn ci_is_green_when_all_statuses_and_check_runs_are() {
    let shop = Shop::open(Provider::GitHub, Some("sesame")).await;
    let place = shop.place(Some("sesame"));
    let state = async |statuses: Vec<Value>, check_runs: Vec<Value>| {
        {
            let mut told = shop.forge.kept.state.lock().unwrap();
            (told.statuses, told.check_runs) = (statuses, check_runs);
        }
        shop.world.ctx.providers.ci_state(&place, &COMMIT.parse().unwrap()).await.unwrap()
    };
    let statuses = |states: &[(&str, &str)]| {
        let statuses: Vec<_> = states.iter().map(|(context, state)| json!({ "context": context, "state": state })).collect();
        json!({ "statuses": statuses })
    };
    let runs = |states: &[Option<&str>]| {
        let runs: Vec<_> = states.iter().map(|conclusion| json!({ "name": "run", "conclusion": conclusion })).collect();
        json!({ "check_runs": runs })
    };
    let (none, no_runs) = (statuses(&[]), runs(&[]));
    assert_eq!(state(vec![none.clone()], vec![no_runs.clone()]).await, CiState::Pending);
    let own = statuses(&[("hoist/example", "pending"), ("test", "success")]);
    assert_eq!(state(vec![own.clone()], vec![runs(&[Some("success"), Some("skipped")])]).await, CiState::Green);
    assert_eq!(state(vec![own.clone()], vec![runs(&[Some("success"), None])]).await, CiState::Pending);
    let full = runs(&[Some("success"); 100]);
    assert_eq!(state(vec![own.clone()], vec![full.clone(), runs(&[Some("failure")])]).await, CiState::Red);
    assert_eq!(state(vec![own], vec![full, no_runs]).await, CiState::Green);
    assert_eq!(state(vec![statuses(&[("test", "error")])], vec![runs(&[None])]).await, CiState::Red);
}

#[tokio::test]
async fn ci_that_was_never_green_all_at_once_is_not() {
    let mut shop = Shop::open(Provider::GitHub, Some("sesame")).await;
    let say = |shop: &Shop, status: &str, conclusion: Option<&str>| {
        let mut told = shop.forge.kept.state.lock().unwrap();
        told.statuses = vec![json!({ "statuses": [{ "context": "lint", "state": status }] })];
        told.check_runs = vec![json!({ "check_runs": [{ "name": "test", "conclusion": conclusion }] })];
    };
    say(&shop, "success", None);
    shop.forge.hold();
    let (place, providers) = (shop.place(Some("sesame")), shop.world.ctx.providers.clone());
    let asked = tokio::spawn(async move { providers.ci_state(&place, &COMMIT.parse().unwrap()).await.unwrap() });
    assert!(shop.forge.next().await.line.contains("/status?"));
    // The green statuses are on their way. The check run ends well, but lint begins again first.
    say(&shop, "pending", Some("success"));
    shop.forge.go_on();
    assert_eq!(asked.await.unwrap(), CiState::Pending);
}
