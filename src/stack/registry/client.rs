//! Asks one registry for what is in one repository.

use std::io::Read as _;
use std::time::Duration;

use super::challenge::{Challenge, MAX_TOKEN_BYTES, basic, bearer, token_question};
use super::{Place, Registries, RegistryError};
use crate::fetch::{Asker, FetchError, Question, Reply, Url};
use crate::model::{OneLine, RegistryLogin, Secret};

/// For all that is asked of one registry: a slow line may take long, and has an end.
const TIME: Duration = Duration::from_hours(2);
/// How often something is asked for that fails for no reason of its own, and how long is waited before the second time; that
/// doubles.
const ATTEMPTS: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Of a registry's own words.
const MAX_WORDS_BYTES: u64 = 16 * 1024;
const MAX_WORDS: usize = 300;

/// A registry, asked for one repository.
#[derive(Debug)]
pub(in crate::stack) struct Client {
    asker: Asker,
    pub(super) place: Place,
    /// What it was told last, for as long as that is good.
    authorization: Option<Secret>,
}

impl Client {
    /// Asks nothing yet. No answer may be larger than `max_bytes`.
    pub(in crate::stack) fn new(registries: &Registries, place: Place, max_bytes: u64) -> Result<Self, RegistryError> {
        let root: Url = place.url("").parse().map_err(|_| RegistryError::unfit(format!("{place} has no address")))?;
        let asker = Asker::of_own_server(&registries.bounds(max_bytes, TIME), &root);
        Ok(Self { asker, place, authorization: None })
    }

    /// Asks for something in the repository, with these headers, and returns the answer once it begins. Whoever is not known
    /// says who they are, once; what may be over in a moment is asked for again.
    pub(super) fn get(&mut self, path: &str, headers: &[(&str, String)]) -> Result<Reply, RegistryError> {
        let mut reply = self.ask(path, headers)?;
        if reply.status == 401 {
            self.log_in(&reply)?;
            reply = self.ask(path, headers)?;
        }
        if !self.place.is_plain && !reply.url.is_https() {
            return Err(RegistryError::unfit(format!("{} sends on to {}, without TLS", self.place.registry, reply.url.host())));
        }
        match reply.status {
            200 | 206 => Ok(reply),
            404 => Err(RegistryError::NotFound(self.place.registry.clone())),
            401 | 403 => Err(self.denied(words(reply))),
            status => Err(self.status(status, words(reply))),
        }
    }

    fn ask(&self, path: &str, headers: &[(&str, String)]) -> Result<Reply, RegistryError> {
        let url: Url = self.place.url(path).parse().map_err(|_| RegistryError::unfit("its address is too long"))?;
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let question = Question { headers, authorization: self.authorization.clone(), ..Question::get(url) };
        let mut wait = FIRST_WAIT;
        for _ in 1..ATTEMPTS {
            match self.asker.begin(&question) {
                Ok(reply) if !may_pass(reply.status) => return Ok(reply),
                Err(error) if !is_of_the_line(&error) => return Err(self.failed(error)),
                _ => std::thread::sleep(wait),
            }
            wait *= 2;
        }
        self.asker.begin(&question).map_err(|error| self.failed(error))
    }

    /// Does what an answer asks of who is not known.
    fn log_in(&mut self, reply: &Reply) -> Result<(), RegistryError> {
        let headers = reply.headers.get_all("www-authenticate").iter().filter_map(|header| header.to_str().ok());
        let challenges: Vec<_> = headers.flat_map(Challenge::parse_all).collect();
        let login = self.place.login.clone();
        let bearer = challenges.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
        match (bearer.or(challenges.first()), &login) {
            (Some(Challenge::Bearer { realm, service, scope }), _) => {
                let own = format!("repository:{}:pull", self.place.repository);
                let scope = scope.as_deref().unwrap_or(&own);
                self.authorization = Some(self.token(realm, service.as_deref(), scope, login.as_ref())?);
            }
            (Some(Challenge::Basic), Some(RegistryLogin::Password { user, password })) => {
                self.authorization = Some(basic(user, password));
            }
            _ => return Err(self.denied(String::new())),
        }
        Ok(())
    }

    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        login: Option<&RegistryLogin>,
    ) -> Result<Secret, RegistryError> {
        let no_token = || RegistryError::unfit(format!("{} gives no token", self.place.registry));
        let question = token_question(realm, service, scope, login).ok_or_else(no_token)?;
        let own: Url = self.place.url("").parse().map_err(|_| no_token())?;
        if !question.url.is_https() && !question.url.is_same_server(&own) {
            return Err(RegistryError::Realm { registry: self.place.registry.clone(), realm: question.url.host().to_owned() });
        }
        let mut reply = self.asker.begin(&question).map_err(|error| self.failed(error))?;
        match reply.status {
            200 => {}
            400 | 401 | 403 => return Err(self.denied(words(reply))),
            status => return Err(self.status(status, words(reply))),
        }
        let mut answer = Vec::new();
        if let Err(error) = reply.by_ref().take(MAX_TOKEN_BYTES).read_to_end(&mut answer) {
            return Err(self.failed(reply.explain(error)));
        }
        bearer(&answer).ok_or_else(no_token)
    }

    pub(super) fn failed(&self, error: FetchError) -> RegistryError {
        RegistryError::Fetch { registry: self.place.registry.clone(), error }
    }

    fn status(&self, status: u16, said: String) -> RegistryError {
        RegistryError::Status { registry: self.place.registry.clone(), status, said }
    }

    fn denied(&self, said: String) -> RegistryError {
        let registry = self.place.registry.clone();
        let advice = match (&self.place.login, &self.place.helper) {
            (Some(_), _) => "the login is not good for this image, or there is no such image".to_owned(),
            (None, Some(helper)) => format!(
                "Docker's login is in the keeping of {helper}, which hoist does not ask. Put `user` and `password` below \
                 [registries.\"{registry}\"]"
            ),
            (None, None) => format!(
                "there is no such image, or it takes a login: `docker login {registry}`, or `user` and `password` below \
                 [registries.\"{registry}\"]"
            ),
        };
        RegistryError::Denied { registry, said, advice }
    }
}

/// Answers of who may say something else in a moment.
fn may_pass(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
}

/// Whether the line, or the other end of it, has failed.
pub(super) fn is_of_the_line(error: &FetchError) -> bool {
    matches!(error, FetchError::Failed(_) | FetchError::TimedOut)
}

/// What a registry says of why not, in one short line; empty where it says nothing (OCI Distribution, "Error Codes").
fn words(mut reply: Reply) -> String {
    let mut body = Vec::new();
    // Half an answer has no words, which is no reason to say less of the rest.
    let _ = reply.by_ref().take(MAX_WORDS_BYTES).read_to_end(&mut body);
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let first = &json["errors"][0];
    let text = [&first["message"], &first["code"], &json["details"], &json["error"]].into_iter().find_map(|text| text.as_str());
    let short: String = text.unwrap_or_default().chars().take(MAX_WORDS).collect();
    short.parse::<OneLine>().map(|line| line.to_string()).unwrap_or_default()
}
