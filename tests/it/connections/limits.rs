//! Forges that want to be asked less often: they are waited for, as long as they say.

use std::time::{Instant, SystemTime};

use serde_json::json;

use super::site::{Site, Wanted};
use crate::harness::{Ci, until};

#[test]
fn ci_is_asked_for_again_when_the_limit_is_reset() {
    let mut site = Site::new(&Wanted { provider: "github", more: &["--wait-for-ci"], ..Wanted::default() });
    let (before, after) = site.publish("second");
    let statuses = vec![json!({ "statuses": [{ "context": "test", "state": "success" }] })];
    site.set_ci(&after, Ci { statuses, check_runs: vec![json!({ "check_runs": [] })], ..Ci::default() });
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    site.api.limit(403, &[("x-ratelimit-remaining", "0".into()), ("x-ratelimit-reset", (now + 3).to_string())]);
    site.tell_push("1", &before, &after);
    site.until_reason(&after, "it may not be asked before");
    until(|| site.deploys().len() == 1);
    assert!(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() >= now + 3);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let asked: Vec<_> = (0..2).map(|_| runtime.block_on(site.api.next()).line).collect();
    assert_eq!(asked[0], asked[1], "nothing was asked in between");
}

#[test]
fn what_is_to_be_told_waits_as_long_as_it_is_told_to() {
    for provider in ["gitlab", "gitea"] {
        let mut site = Site::new(&Wanted { provider, ..Wanted::default() });
        let (before, after) = site.publish("second");
        site.api.limit(429, &[("retry-after", "2".into())]);
        let start = Instant::now();
        site.tell_push("1", &before, &after);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let told = runtime.block_on(site.api.take(2));
        assert!(start.elapsed().as_secs_f32() >= 2.0, "{provider}: {told:?}");
        assert_eq!(told[0], told[1], "the same again, and nothing else before it");
    }
}
