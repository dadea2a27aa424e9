//! Stops the world outside the daemon at one of the daemon's questions, so that a test can kill the daemon just there.

use std::collections::BTreeSet;
use std::sync::Mutex;

/// What the stand-ins of one test have in common: they know the kinds of questions at which they have stopped.
#[derive(Debug, Default)]
pub(crate) struct Stop(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: BTreeSet<String>,
    next: Option<Moment>,
    reached: Option<String>,
}

/// Where in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It has come; nothing is done about it.
    Asked,
    /// What was asked for is done; the answer never comes.
    Done,
}

impl Stop {
    /// Stops at the next question of a kind at which it has not stopped yet. Everything else is answered.
    pub(crate) fn at_next(&self, moment: Moment) {
        let mut state = self.0.lock().unwrap();
        (state.next, state.reached) = (Some(moment), None);
    }

    /// Answers everything again.
    pub(crate) fn nowhere(&self) {
        let mut state = self.0.lock().unwrap();
        (state.next, state.reached) = (None, None);
    }

    /// The kind of question at which it has stopped, if it has.
    pub(crate) fn reached(&self) -> Option<String> {
        self.0.lock().unwrap().reached.clone()
    }

    /// A stand-in was asked: whether it is to stop here, and where.
    pub(crate) fn meets(&self, question: &str) -> Option<Moment> {
        let mut state = self.0.lock().unwrap();
        let (moment, kind) = (state.next?, kind(question));
        if !state.known.insert(kind.clone()) {
            return None;
        }
        (state.next, state.reached) = (None, Some(kind));
        Some(moment)
    }
}

/// A question without its commits and numbers.
fn kind(question: &str) -> String {
    let word = |word: &str| match word {
        word if word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) => "COMMIT".to_owned(),
        word if !word.is_empty() && word.trim_start_matches('v').bytes().all(|byte| byte.is_ascii_digit()) => "N".to_owned(),
        word => word.to_owned(),
    };
    let parts = question.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let split = |part: &str| match part.char_indices().next_back() {
        Some((at, last)) if !last.is_ascii_alphanumeric() => format!("{}{last}", word(&part[..at])),
        _ => word(part),
    };
    parts.map(split).collect()
}
