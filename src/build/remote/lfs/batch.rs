//! The batch API: one question for many files. Source: Git LFS's `docs/api/batch.md`.

use std::collections::HashMap;
use std::io::Read as _;

use serde::Deserialize;
use serde_json::json;

use super::super::error::LfsError;
use super::super::way::check_status;
use super::Access;
use crate::build::RemoteError;
use crate::fetch::{Asker, Question, Verb};
use crate::model::LfsObject;

const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";
/// A hundred links with their headers have some hundred KB.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;
/// Most that is shown of a server's own words.
const MAX_WORDS: usize = 200;

/// Where a file is, and what must be said there.
#[derive(Debug)]
pub(super) struct Link {
    pub href: String,
    pub headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Answer {
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    actions: Option<Actions>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Actions {
    download: Option<Download>,
}

#[derive(Deserialize)]
struct Download {
    href: String,
    #[serde(default)]
    header: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Refusal {
    code: u16,
    message: String,
}

/// Asks where files are; returns a link, or why there is none, for each that the server knows, by its digits.
pub(super) fn ask(
    asker: &Asker,
    access: &Access,
    objects: &[LfsObject],
) -> Result<HashMap<String, Result<Link, RemoteError>>, RemoteError> {
    let list: Vec<_> = objects.iter().map(|object| json!({"oid": object.digest.hex(), "size": object.size_bytes})).collect();
    let question = json!({"operation": "download", "transfers": ["basic"], "hash_algo": "sha256", "objects": list});
    let answer = asker.begin(&Question {
        url: format!("{}/objects/batch", access.server).parse()?,
        verb: Verb::Post(question.to_string().into_bytes()),
        headers: ["accept", "content-type"].map(|name| (name.to_owned(), MEDIA_TYPE.to_owned())).into(),
        authorization: access.authorization.clone(),
    })?;
    check_status(answer.status)?;
    parse_answer(answer.take(MAX_ANSWER))
}

fn parse_answer(answer: impl std::io::Read) -> Result<HashMap<String, Result<Link, RemoteError>>, RemoteError> {
    let answer: Answer = serde_json::from_reader(answer).map_err(|error| LfsError::unread(&error))?;
    Ok(answer.objects.into_iter().map(|object| (object.oid.clone(), link(object))).collect())
}

fn link(object: Object) -> Result<Link, RemoteError> {
    let why = match (object.actions.and_then(|actions| actions.download), object.error) {
        // Which host is asked stands in the link.
        (Some(link), _) => {
            let headers = link.header.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")).collect();
            return Ok(Link { href: link.href, headers });
        }
        (None, Some(error)) => format!("{} ({})", error.message, error.code).escape_debug().take(MAX_WORDS).collect(),
        (None, None) => "it does not say where it is".to_owned(),
    };
    Err(LfsError::Missing { oid: object.oid.escape_debug().take(64).collect(), why }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_links_or_reasons() {
        let answer = json!({"transfer": "basic", "objects": [
            {"oid": "a", "size": 1, "actions": {"download": {"href": "https://h/a", "header": {"X-Key": "k", "Host": "internal"}}}},
            {"oid": "b", "size": 1, "error": {"code": 404, "message": "Object does not exist"}},
            {"oid": "c", "size": 1},
        ]});
        let found = parse_answer(answer.to_string().as_bytes()).unwrap();
        let link = found["a"].as_ref().unwrap();
        assert_eq!((link.href.as_str(), link.headers.as_slice()), ("https://h/a", &[("X-Key".to_owned(), "k".to_owned())][..]));
        let why = |oid: &str| found[oid].as_ref().unwrap_err().to_string();
        assert_eq!(why("b"), "Git LFS: the server does not have b: Object does not exist (404)");
        assert_eq!(why("c"), "Git LFS: the server does not have c: it does not say where it is");
        assert!(parse_answer(&b"{\"objects\": [{}]}"[..]).is_err());
    }
}
