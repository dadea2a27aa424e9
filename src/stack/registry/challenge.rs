//! What a registry wants of who is not known to it (RFC 9110, section 11.6.1; Docker's "Token Authentication
//! Specification" and "OAuth2 Token Authentication").

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
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
    /// Parses what hoist can do of a header; `None` where that is nothing.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut parameters = parameters(rest);
        let realm = parameters.remove("realm")?;
        Some(Self::Bearer { realm, service: parameters.remove("service"), scope: parameters.remove("scope") })
    }
}

/// `name="value"` pairs, with commas between them and perhaps in them.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((name, behind)) = rest.split_once('=') {
        let name = name.trim_matches([',', ' ', '\t']).to_ascii_lowercase();
        let value = match behind.strip_prefix('"') {
            Some(quoted) => {
                let (value, behind) = unquote(quoted);
                rest = behind;
                value
            }
            None => {
                let (value, behind) = behind.split_once(',').unwrap_or((behind, ""));
                rest = behind;
                value.trim().to_owned()
            }
        };
        found.entry(name).or_insert(value);
    }
    found
}

/// The value up to the closing quote, and what follows that.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
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

    fn of(text: &str) -> Option<Challenge> {
        Challenge::parse(text)
    }

    #[test]
    fn headers_are_read_in_all_their_forms() {
        let bearer = |service: Option<&str>, scope: Option<&str>| {
            let [service, scope] = [service, scope].map(|text| text.map(str::to_owned));
            Some(Challenge::Bearer { realm: "https://a.test/t".into(), service, scope })
        };
        let full = r#"Bearer realm="https://a.test/t",service="a,b",scope="repository:x:pull,push",error="invalid_token""#;
        assert_eq!(of(full), bearer(Some("a,b"), Some("repository:x:pull,push")));
        assert_eq!(of(r#"bearer service=s , Realm="https:\//a.test/t""#), bearer(Some("s"), None));
        assert_eq!(of("Basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(of("basic"), Some(Challenge::Basic));
        for strange in ["", "Negotiate", "Bearer", "Bearer service=x", "Bearer realm"] {
            assert_eq!(of(strange), None, "{strange}");
        }
        assert_eq!(
            of("Bearer realm=\"unclosed"),
            Some(Challenge::Bearer { realm: "unclosed".into(), service: None, scope: None })
        );
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
