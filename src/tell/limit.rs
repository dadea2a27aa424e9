//! When a provider that has been asked too often may be asked again, by what it says.
//!
//! docs.github.com, "Rate limits for the REST API"; docs.gitlab.com, "Rate limits", whose headers have no `x-`.

use axum::http::HeaderMap;
use time::{Duration, OffsetDateTime};

/// Nobody is waited for longer: GitHub and GitLab count by the hour at most.
const LONGEST: Duration = Duration::HOUR;
/// If it does not say when.
const USUAL: Duration = Duration::MINUTE;

/// When to ask again after this answer; `None` if it is not about how often one asks.
pub(super) fn ask_again_at(status: u16, headers: &HeaderMap, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let either = |name: &str| number(&format!("x-{name}")).or_else(|| number(name));
    if !matches!(status, 403 | 429 | 503) {
        return None;
    }
    let after = number("retry-after").map(|seconds| now + Duration::seconds(seconds.clamp(0, LONGEST.whole_seconds())));
    let is_used_up = || either("ratelimit-remaining") == Some(0);
    let reset = || either("ratelimit-reset").filter(|_| is_used_up()).and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let at = after.or_else(reset).or_else(|| (status == 429).then(|| now + USUAL))?;
    Some(at.clamp(now, now + LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(status: u16, headers: &[(&'static str, &str)]) -> Option<i64> {
        let now = OffsetDateTime::from_unix_timestamp(1_000_000).unwrap();
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        ask_again_at(status, &headers, now).map(|at| (at - now).whole_seconds())
    }

    #[test]
    fn the_provider_says_when() {
        assert_eq!(
            seconds(403, &[("retry-after", "60"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000007")]),
            Some(60)
        );
        assert_eq!(seconds(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000007")]), Some(7));
        assert_eq!(seconds(429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "1000009")]), Some(9), "GitLab");
        assert_eq!(seconds(503, &[("retry-after", "5")]), Some(5));
        assert_eq!(seconds(429, &[]), Some(60));
    }

    #[test]
    fn it_is_not_waited_for_for_ever_nor_for_the_past() {
        assert_eq!(seconds(429, &[("retry-after", "9999999999999")]), Some(3600));
        assert_eq!(seconds(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "99999999")]), Some(3600));
        assert_eq!(seconds(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "7")]), Some(0));
        assert_eq!(seconds(429, &[("retry-after", "-5")]), Some(0));
    }

    #[test]
    fn other_refusals_are_none() {
        assert_eq!(seconds(403, &[]), None);
        assert_eq!(seconds(403, &[("x-ratelimit-remaining", "4999"), ("x-ratelimit-reset", "1000007")]), None);
        assert_eq!(seconds(503, &[]), None);
        assert_eq!(seconds(404, &[("retry-after", "60")]), None);
        assert_eq!(seconds(429, &[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")]), Some(60), "in words");
    }
}
