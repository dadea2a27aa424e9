//! Stops the world outside the daemon at one of the daemon's questions, so that a test can kill the daemon just there.

use std::sync::Mutex;

/// What the stand-ins of one test have in common: they count what the daemon asks them.
#[derive(Debug, Default)]
pub(crate) struct Stop(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    asked: usize,
    at: Option<(usize, Moment)>,
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
    /// Stops at a question, counted from now on; the first is 0. Everything else is answered.
    pub(crate) fn at(&self, question: usize, moment: Moment) {
        *self.0.lock().unwrap() = State { asked: 0, at: Some((question, moment)), reached: None };
    }

    /// Answers everything again.
    pub(crate) fn nowhere(&self) {
        *self.0.lock().unwrap() = State::default();
    }

    /// The question at which it has stopped, if it has.
    pub(crate) fn reached(&self) -> Option<String> {
        self.0.lock().unwrap().reached.clone()
    }

    /// A stand-in was asked: whether it is to stop here, and where.
    pub(crate) fn meets(&self, question: &str) -> Option<Moment> {
        let mut state = self.0.lock().unwrap();
        let (number, moment) = state.at?;
        state.asked += 1;
        if state.asked != number + 1 {
            return None;
        }
        state.reached = Some(question.to_owned());
        Some(moment)
    }
}
