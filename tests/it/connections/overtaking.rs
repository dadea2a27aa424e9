//! Deliveries that overtake each other: an older push never comes after a newer one.

use serde_json::{Value, json};

use super::site::{Site, Wanted};
use super::{A, B, C, Connected, push};
use crate::harness::until;

fn pushed_at(at: i64, before: &str, after: &str) -> Value {
    let mut body = push("octo/shop", before, after);
    body["repository"]["pushed_at"] = json!(at);
    body
}

/// Delivers all of them in this order and tells what is to be deployed; `?` is for where the branch stands.
async fn deployed(bodies: &[Value]) -> Vec<String> {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    for (id, body) in bodies.iter().enumerate() {
        at.github(&id.to_string(), "push", "shop-hush", body).await;
    }
    at.triggers().await.into_iter().map(|trigger| trigger.commit.map_or("?".into(), |commit| commit.to_string())).collect()
}

#[tokio::test]
async fn in_order_all_are_deployed() {
    assert_eq!(deployed(&[push("octo/shop", A, B), push("octo/shop", B, C)]).await, [B, C]);
}

#[tokio::test]
async fn a_push_that_does_not_begin_where_the_last_one_ended_has_the_forge_asked() {
    assert_eq!(deployed(&[push("octo/shop", B, C), push("octo/shop", A, B)]).await, [C, "?"]);
    assert_eq!(deployed(&[pushed_at(7, B, C), pushed_at(7, A, B)]).await, [C, "?"], "in the same second");
}

#[tokio::test]
async fn a_branch_may_be_pushed_back_to_where_it_was() {
    assert_eq!(deployed(&[push("octo/shop", A, B), push("octo/shop", B, A)]).await, [B, A]);
    let at = |seconds| pushed_at(seconds, if seconds % 2 == 1 { A } else { B }, if seconds % 2 == 1 { B } else { A });
    assert_eq!(deployed(&[at(1), at(2), at(3)]).await, [B, A, B]);
}

#[tokio::test]
async fn what_may_be_a_copy_or_a_second_push_has_the_forge_asked() {
    let (there, back) = (push("octo/shop", A, B), push("octo/shop", C, A));
    assert_eq!(deployed(&[there.clone(), there]).await, [B, "?"], "what was in between was not heard");
    assert_eq!(deployed(&[push("octo/shop", A, B), back]).await, [B, "?"], "it was reset, from where it was not heard to be");
    assert_eq!(deployed(&[pushed_at(7, A, B), pushed_at(7, A, B)]).await, [B], "GitHub says that it is a copy");
    assert_eq!(deployed(&[pushed_at(7, A, B), pushed_at(9, A, B)]).await, [B, B], "and that it is not");
}

#[tokio::test]
async fn github_says_when_it_was_pushed() {
    // B is told last, and neither began where another ended.
    assert_eq!(deployed(&[pushed_at(9, B, C), pushed_at(7, A, B)]).await, [C]);
    assert_eq!(deployed(&[pushed_at(9, A, C), pushed_at(7, A, B)]).await, [C], "it was forced");
    assert_eq!(deployed(&[pushed_at(7, A, B), pushed_at(9, A, C)]).await, [B, C]);
}

/// Delivers three pushes, each beginning where the one before it ended, in an order; returns what is released of them, and the
/// commits.
fn released(site: &Site, order: [usize; 3]) -> (Vec<String>, Vec<String>) {
    let (before, asked_before) = (site.deploys().len(), site.asked_for().len());
    let pushes = ["one", "two", "three"].map(|name| site.publish(&format!("{name} of {order:?}")));
    for push in order {
        let (before, after) = &pushes[push];
        site.tell_push(after, before, after);
    }
    until(|| {
        let asked_for = site.asked_for();
        asked_for.len() == asked_before + 3 && asked_for.iter().all(|deploy| deploy["state"] == "done")
    });
    until(|| site.statuses().iter().all(|status| status == "succeeded"));
    (site.deploys().split_off(before), pushes.map(|(_, after)| format!("Deploy {}", &after[..8])).to_vec())
}

#[test]
fn newest_first_the_newest_alone_is_released() {
    for provider in ["gitlab", "gitea", "forgejo"] {
        let (released, commits) = released(&Site::new(&Wanted { provider, ..Wanted::default() }), [2, 1, 0]);
        assert_eq!(released, commits[2..], "{provider}");
    }
}

#[test]
fn in_whatever_order_the_newest_is_released_last() {
    let site = Site::new(&Wanted::default());
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let (released, commits) = released(&site, order);
        assert_eq!(released.last(), commits.last(), "{order:?}: {released:?}");
    }
}
