//! Asking a provider's HTTP API: JSON both ways.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::TellError;
use super::limit::ask_again_at;
use crate::fetch::{Answer, Asker, Bounds, Question, Verb};
use crate::model::Secret;

/// Of one page; a page of a hundred check runs with their output has some hundred kilobytes.
pub const ANSWER_BYTES: u64 = 8 * 1024 * 1024;
/// The most that GitHub and GitLab give on one page.
pub(super) const PAGE: usize = 100;
/// Most pages of a list that are read: more is somebody's mistake.
const PAGES: usize = 20;
/// As much of a refusal is kept as says why.
const MESSAGE_CHARS: usize = 300;
/// All that has a meaning in a path or in what stands behind it.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An API, and as whom it is asked.
#[derive(Debug, Clone)]
pub(super) struct Api<'a> {
    /// Without a slash at its end.
    pub(super) url: String,
    /// For one question.
    pub(super) bounds: &'a Bounds,
    /// What every question says.
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) authorization: Option<Secret>,
    /// The clock.
    pub(super) now: fn() -> OffsetDateTime,
}

/// What a refusal says for itself: GitHub and Gitea in `message`, GitLab there or in `error`, as text or structure.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: serde_json::Value,
    error: serde_json::Value,
}

/// With a bearer's token.
pub(super) fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.expose()))
}

/// A text as one part of a path, or as a value behind it.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

impl Api<'_> {
    /// Gets what is at a path.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, TellError> {
        self.ask(path, Verb::Get).await
    }

    /// Posts.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, TellError> {
        self.ask(path, Verb::Post(json(body))).await
    }

    /// Puts.
    pub(super) async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, TellError> {
        self.ask(path, Verb::Put(json(body))).await
    }

    /// Patches.
    pub(super) async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, TellError> {
        self.ask(path, Verb::Patch(json(body))).await
    }

    /// Gets the pages of a list one after the other, the first of which is 1; `take` makes entries of an answer. A page of
    /// fewer than `full` entries is the last.
    pub(super) async fn pages<P: DeserializeOwned, T>(
        &self,
        path: &str,
        full: usize,
        take: impl Fn(P) -> Vec<T>,
    ) -> Result<Vec<T>, TellError> {
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let entries = take(self.get(&format!("{path}&page={page}")).await?);
            let is_last = entries.len() < full;
            all.extend(entries);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str, verb: Verb) -> Result<T, TellError> {
        let what = format!("{} {}{}", name(&verb), self.url, path);
        let url = format!("{}{path}", self.url).parse().map_err(|error| TellError::Url(self.url.clone(), error))?;
        let content = (verb != Verb::Get).then_some(("content-type", "application/json"));
        let headers = self.headers.iter().chain(&content).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let question = Question { url, verb, headers: headers.collect(), authorization: self.authorization.clone() };
        let answer = Asker::new(self.bounds).ask(question).await?;
        if let Some(until) = ask_again_at(answer.status, &answer.headers, (self.now)()) {
            return Err(TellError::Limited { what, status: answer.status, until });
        }
        read(what, &answer)
    }
}

fn read<T: DeserializeOwned>(what: String, answer: &Answer) -> Result<T, TellError> {
    if (200..300).contains(&answer.status) {
        return serde_json::from_slice(&answer.body).map_err(|why| TellError::Strange { what, why: why.to_string() });
    }
    let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = [refusal.message, refusal.error].into_iter().find(|said| !said.is_null());
    let said = said.map_or_else(String::new, |said| said.as_str().map_or_else(|| said.to_string(), str::to_owned));
    let message = said.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS).collect();
    Err(TellError::Refused { what, status: answer.status, message })
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("what is told is JSON")
}

fn name(verb: &Verb) -> &'static str {
    match verb {
        Verb::Get => "GET",
        Verb::Post(_) => "POST",
        Verb::Put(_) => "PUT",
        Verb::Patch(_) => "PATCH",
    }
}
