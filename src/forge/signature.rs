//! Proofs that a delivery comes from who knows a connection's secret, by each forge's rules, in constant time.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::hmac::{self, HMAC_SHA256};

use super::delivery::Delivery;
use crate::model::{Provider, Secret};

/// What the keys of the Standard Webhooks specification begin with; GitLab's signing tokens are such.
const KEY_MARK: &str = "whsec_";
/// Signatures of one delivery that are tried.
const MOST_SIGNATURES: usize = 8;

/// Tells whether a delivery is signed with a secret.
pub(super) fn is_signed(delivery: &Delivery, secret: &Secret) -> bool {
    let headers = &delivery.headers;
    let key = || hmac::Key::new(HMAC_SHA256, secret.expose().as_bytes());
    match delivery.provider {
        // docs.github.com, "Validating webhook deliveries": the body as it came, whether it is a form or not.
        Provider::GitHub => {
            let tag = text(headers, "x-hub-signature-256").and_then(|text| text.strip_prefix("sha256="));
            is_tag(&key(), &delivery.body, tag)
        }
        // docs.gitea.com and forgejo.org, "Webhooks": the JSON, also that in a form.
        Provider::Gitea => is_tag(&key(), &delivery.json, text(headers, "x-gitea-signature")),
        Provider::Forgejo => {
            let tag = text(headers, "x-forgejo-signature").or_else(|| text(headers, "x-gitea-signature"));
            is_tag(&key(), &delivery.json, tag)
        }
        // docs.gitlab.com, "Webhooks": a signing token signs, a secret token is sent as it is.
        Provider::GitLab => match secret.expose().strip_prefix(KEY_MARK) {
            Some(encoded) => is_signed_by_standard(headers, &delivery.body, encoded),
            None => is_same(text(headers, "x-gitlab-token"), secret),
        },
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `hmac::verify` takes the same time for every wrong tag.
fn is_tag(key: &hmac::Key, signed: &[u8], tag: Option<&str>) -> bool {
    let tag = tag.and_then(|tag| hex::decode(tag).ok());
    tag.is_some_and(|tag| hmac::verify(key, signed, &tag).is_ok())
}

/// The two are not compared themselves but what they sign, so that the time says nothing of where they differ.
fn is_same(given: Option<&str>, secret: &Secret) -> bool {
    let Some(given) = given else { return false };
    let sign = |text: &str| hmac::sign(&hmac::Key::new(HMAC_SHA256, text.as_bytes()), b"");
    hmac::verify(&hmac::Key::new(HMAC_SHA256, secret.expose().as_bytes()), b"", sign(given).as_ref()).is_ok()
}

/// The Standard Webhooks specification: id, time and body are signed, joined by dots; several signatures may be given. Its
/// time is not asked for: the delivery's id, which is signed too, is remembered.
fn is_signed_by_standard(headers: &HeaderMap, body: &[u8], encoded_key: &str) -> bool {
    let all = || Some((text(headers, "webhook-id")?, text(headers, "webhook-timestamp")?, text(headers, "webhook-signature")?));
    let (Some((id, time, signatures)), Ok(key)) = (all(), BASE64_STANDARD.decode(encoded_key)) else { return false };
    // What is remembered must be what is signed.
    if text(headers, "idempotency-key") != Some(id) {
        return false;
    }
    let (key, signed) = (hmac::Key::new(HMAC_SHA256, &key), [id.as_bytes(), b".", time.as_bytes(), b".", body].concat());
    let tags = signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,")).take(MOST_SIGNATURES);
    tags.filter_map(|tag| BASE64_STANDARD.decode(tag).ok()).any(|tag| hmac::verify(&key, &signed, &tag).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(provider: Provider, headers: &[(&str, &str)], body: &'static str) -> Delivery {
        let header = |(name, value): &(&str, &str)| (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap());
        let headers = headers.iter().map(header).collect();
        Delivery::made_of(provider, headers, body)
    }

    fn check(provider: Provider, headers: &[(&str, &str)], secret: &str) -> bool {
        is_signed(&delivery(provider, headers, "Hello, World!"), &Secret::new(secret))
    }

    /// The values are those of GitHub's documentation, "Validating webhook deliveries".
    const SECRET: &str = "It's a Secret to Everybody";
    const TAG: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn hub_signatures_are_githubs_own_example() {
        let prefixed = format!("sha256={TAG}");
        assert!(check(Provider::GitHub, &[("x-hub-signature-256", &prefixed)], SECRET));
        assert!(!check(Provider::GitHub, &[("x-hub-signature-256", &prefixed)], "another"));
        assert!(!check(Provider::GitHub, &[("x-hub-signature-256", TAG)], SECRET), "no scheme");
        assert!(!check(Provider::GitHub, &[("x-hub-signature-256", "sha256=")], SECRET));
        assert!(!check(Provider::GitHub, &[("x-hub-signature-256", "sha256=757107")], SECRET), "the beginning only");
        assert!(!check(Provider::GitHub, &[], SECRET));
        assert!(!check(Provider::GitHub, &[("x-gitea-signature", TAG)], SECRET), "another forge's");
        assert!(check(Provider::Gitea, &[("x-gitea-signature", TAG)], SECRET));
        assert!(check(Provider::Forgejo, &[("x-forgejo-signature", TAG)], SECRET));
        let both = [("x-forgejo-signature", "00"), ("x-gitea-signature", TAG)];
        assert!(!check(Provider::Forgejo, &both, SECRET), "a wrong one is not made good by another");
    }

    #[test]
    fn gitlabs_token_is_compared_whole() {
        assert!(check(Provider::GitLab, &[("x-gitlab-token", "sesame")], "sesame"));
        for wrong in ["", "sesam", "sesame!", "Sesame"] {
            assert!(!check(Provider::GitLab, &[("x-gitlab-token", wrong)], "sesame"), "{wrong}");
        }
        assert!(!check(Provider::GitLab, &[], "sesame"));
    }

    #[test]
    fn gitlabs_signing_tokens_sign_by_the_standard() {
        let token = format!("whsec_{}", BASE64_STANDARD.encode([7; 32]));
        let sign = |text: &[u8]| BASE64_STANDARD.encode(hmac::sign(&hmac::Key::new(HMAC_SHA256, &[7; 32]), text));
        let (right, wrong) = (sign(b"id1.1700000000.Hello, World!"), sign(b"id2.1700000000.Hello, World!"));
        let signed = |id: &str, signatures: &str| {
            let headers = [("webhook-id", "id1"), ("idempotency-key", id), ("webhook-timestamp", "1700000000")];
            check(Provider::GitLab, &[&headers[..], &[("webhook-signature", signatures)]].concat(), &token)
        };
        assert!(signed("id1", &format!("v1,{right}")));
        assert!(signed("id1", &format!("v1,{wrong} v2,x v1,{right}")));
        assert!(!signed("id1", &format!("v1,{wrong}")) && !signed("id1", "v1,") && !signed("id1", &right));
        assert!(!signed("id9", &format!("v1,{right}")), "an id that is not signed");
        assert!(!check(Provider::GitLab, &[("x-gitlab-token", &token)], &token), "it must not be sent");
    }
}
