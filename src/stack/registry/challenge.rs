//! What a registry wants of who is not known to it (RFC 9110, section 11.6.1; Docker's "Token Authentication
//! Specification" and "`OAuth2` Token Authentication").

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_auth::ChallengeRef;
use serde::Deserialize;

use crate::fetch::{Question, Url, Verb};
use crate::model::{RegistryLogin, Secret};

/// What a token's answer may have, in bytes.
pub(super) const MAX_TOKEN_BYTES: u64 = 1024 * 1024;

/// Who hoist is to a server of tokens.
const CLIENT_ID: &str = "hoist";

/// A `WWW-Authenticate` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The password itself, in each request.
    Basic,
    /// A token, to be had from the realm.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

#[derive(Deserialize)]
struct Token {
    token: Option<Secret>,
    access_token: Option<Secret>,
}

impl Challenge {
    /// Parses what hoist can do of a header; nothing where it is malformed.
    pub(super) fn parse_all(header: &str) -> Vec<Self> {
        http_auth::parse_challenges(header).unwrap_or_default().iter().filter_map(Self::of).collect()
    }

    fn of(challenge: &ChallengeRef<'_>) -> Option<Self> {
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !challenge.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameter = |wanted: &str| {
            let (_, value) = challenge.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
            Some(value.to_unescaped())
        };
        Some(Self::Bearer { realm: parameter("realm")?, service: parameter("service"), scope: parameter("scope") })
    }
}

/// The header that tells a password.
pub(super) fn basic(user: &str, password: &Secret) -> Secret {
    Secret::new(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", password.expose()))))
}

/// How a realm is asked for a token that pulls from a repository. `None` where the realm is no address.
pub(super) fn token_question(realm: &str, service: Option<&str>, scope: &str, login: Option<&RegistryLogin>) -> Option<Question> {
    let mut url = url::Url::parse(realm).ok()?;
    if let Some(RegistryLogin::IdentityToken(token)) = login {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([("grant_type", "refresh_token"), ("client_id", CLIENT_ID), ("scope", scope)]);
        form.append_pair("refresh_token", token.expose()).append_pair("service", service.unwrap_or_default());
        let kind = ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
        let verb = Verb::Post(form.finish().into_bytes());
        return Some(Question { verb, headers: vec![kind], ..Question::get(parse(&url)?) });
    }
    url.query_pairs_mut().extend_pairs(service.map(|service| ("service", service))).append_pair("scope", scope);
    let authorization = match login {
        Some(RegistryLogin::Password { user, password }) => Some(basic(user, password)),
        _ => None,
    };
    Some(Question { authorization, ..Question::get(parse(&url)?) })
}

fn parse(url: &url::Url) -> Option<Url> {
    url.as_str().parse().ok()
}

/// The header that tells the token of a realm's answer.
pub(super) fn bearer(answer: &[u8]) -> Option<Secret> {
    let Token { token, access_token } = serde_json::from_slice(answer).ok()?;
    let token = token.or(access_token).filter(|token| !token.expose().is_empty())?;
    let is_fit = token.expose().chars().all(|c| c.is_ascii_graphic());
    is_fit.then(|| Secret::new(format!("Bearer {}", token.expose())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_in_all_their_forms() {
        let of = Challenge::parse_all;
        let bearer = |service: Option<&str>, scope: Option<&str>| {
            let [service, scope] = [service, scope].map(|text| text.map(str::to_owned));
            Challenge::Bearer { realm: "https://a.test/t".into(), service, scope }
        };
        let full = r#"Bearer realm="https://a.test/t",service="a,b",scope="repository:x:pull,push",error="invalid_token""#;
        assert_eq!(of(full), [bearer(Some("a,b"), Some("repository:x:pull,push"))]);
        assert_eq!(of(r#"bearer service=s , Realm="https:\//a.test/t""#), [bearer(Some("s"), None)]);
        assert_eq!(of(r#"Basic realm="x", Bearer realm="https://a.test/t""#), [Challenge::Basic, bearer(None, None)]);
        assert_eq!(of("basic"), [Challenge::Basic]);
        for strange in ["", "Negotiate", "Bearer", "Bearer service=x", "Bearer realm", "Bearer realm=\"unclosed"] {
            assert_eq!(of(strange), [], "{strange}");
        }
    }

    #[test]
    fn tokens_are_asked_for_as_each_login_wants() {
        let ask = |login: Option<&RegistryLogin>| {
            token_question("https://a.test/t?x=1", Some("s p"), "repository:r:pull", login).unwrap()
        };
        let anonymous = ask(None);
        assert_eq!(anonymous.url.as_str(), "https://a.test/t?x=1&service=s+p&scope=repository%3Ar%3Apull");
        assert!(anonymous.authorization.is_none());
        let password = RegistryLogin::Password { user: "ann".into(), password: Secret::new("s3cret") };
        assert_eq!(ask(Some(&password)).authorization.unwrap().expose(), "Basic YW5uOnMzY3JldA==");
        let Question { verb: Verb::Post(form), url, .. } = ask(Some(&RegistryLogin::IdentityToken(Secret::new("a b")))) else {
            panic!()
        };
        assert_eq!(url.as_str(), "https://a.test/t?x=1", "no secret in an address");
        let expected = "grant_type=refresh_token&client_id=hoist&scope=repository%3Ar%3Apull&refresh_token=a+b&service=s+p";
        assert_eq!(String::from_utf8(form).unwrap(), expected);
        assert!(token_question("no address", None, "", None).is_none());
        assert!(token_question("https://u:p@a.test/", None, "", None).is_none());
    }

    #[test]
    fn only_a_token_is_taken_for_one() {
        let token = |text: &str| bearer(text.as_bytes()).map(|token| token.expose().to_owned());
        assert_eq!(token(r#"{"token": "a"}"#).unwrap(), "Bearer a");
        assert_eq!(token(r#"{"access_token": "b", "expires_in": 60}"#).unwrap(), "Bearer b");
        for bad in ["", "{}", r#"{"token": ""}"#, r#"{"token": "a\r\nx: y"}"#, "null"] {
            assert_eq!(token(bad), None, "{bad}");
        }
    }
}
