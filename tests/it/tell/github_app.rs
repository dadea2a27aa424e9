//! hoist as a GitHub App.

use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hoist::model::Provider;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls_pki_types::PrivatePkcs1KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::Shop;
use crate::harness::run;

#[tokio::test]
async fn a_github_app_asks_with_a_token_of_the_installation() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("app.pem");
    run(Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f"]).arg(&key));
    let more = format!("app_id = 12345\nprivate_key = \"{}\"\n", key.display());
    let mut shop = Shop::configured(Provider::GitHub, None, &more).await;
    let telling = shop.tell();
    shop.begin(None).await;
    let installation = shop.forge.next().await;
    assert_eq!(installation.line, "GET /repos/octo/shop/installation");
    let jwt = installation.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    check_jwt(&jwt, &std::fs::read(&key).unwrap());
    // Statuses and deployments are told side by side, with tokens of their own if there is none yet.
    let mut next = async |kind: &str| loop {
        let asked = shop.forge.next().await;
        if asked.line.contains(kind) {
            return asked;
        }
    };
    assert_eq!(next("POST /app/installations/7/access_tokens").await.body, json!({ "repositories": ["shop"] }));
    assert_eq!(next("/repos/octo/shop/statuses/").await.headers["authorization"], "Bearer ghs_opens");
    let opens = shop.world.ctx.providers.token(&shop.place(None)).await.unwrap().unwrap();
    assert_eq!(opens.expose(), "ghs_opens");
    telling.abort();
}

fn check_jwt(jwt: &str, pem: &[u8]) {
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let key = PrivatePkcs1KeyDer::from_pem_slice(pem).unwrap();
    let key = ring::signature::RsaKeyPair::from_der(key.secret_pkcs1_der()).unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public()).verify(signed.as_bytes(), &signature).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let read = |part: &str| -> Value { serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    assert_eq!(read(header)["alg"], "RS256");
    let claims = read(claims);
    assert_eq!(claims["iss"], "12345");
    assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 600, "GitHub takes no longer ones");
}
