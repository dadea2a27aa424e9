//! Deliveries that overtake each other: an older push never comes after a newer one.

use serde_json::{Value, json};

use super::{A, B, C, Connected, push};

fn pushed_at(at: i64, before: &str, after: &str) -> Value {
    let mut body = push("octo/shop", before, after);
    body["repository"]["pushed_at"] = json!(at);
    body
}

/// Delivers all of them in this order and tells what is to be deployed.
async fn deployed(bodies: &[Value]) -> Vec<String> {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    for (id, body) in bodies.iter().enumerate() {
        at.github(&id.to_string(), "push", "shop-hush", body).await;
    }
    at.commits().await
}

#[tokio::test]
async fn in_order_all_are_deployed() {
    assert_eq!(deployed(&[push("octo/shop", A, B), push("octo/shop", B, C)]).await, [B, C]);
}

#[tokio::test]
async fn a_push_that_a_later_one_began_with_comes_too_late() {
    assert_eq!(deployed(&[push("octo/shop", B, C), push("octo/shop", A, B)]).await, [C]);
}

#[tokio::test]
async fn a_branch_may_be_pushed_back_to_where_it_was() {
    assert_eq!(deployed(&[push("octo/shop", A, B), push("octo/shop", B, A)]).await, [B, A]);
    let at = |seconds| pushed_at(seconds, if seconds % 2 == 1 { A } else { B }, if seconds % 2 == 1 { B } else { A });
    assert_eq!(deployed(&[at(1), at(2), at(3)]).await, [B, A, B]);
}

#[tokio::test]
async fn github_says_when_it_was_pushed() {
    // B is told last, and neither began where another ended.
    assert_eq!(deployed(&[pushed_at(9, B, C), pushed_at(7, A, B)]).await, [C]);
    assert_eq!(deployed(&[pushed_at(9, A, C), pushed_at(7, A, B)]).await, [C], "it was forced");
    assert_eq!(deployed(&[pushed_at(7, A, B), pushed_at(9, A, C)]).await, [B, C]);
}
