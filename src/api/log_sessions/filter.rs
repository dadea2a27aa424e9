//! Which lines of a log were asked for.

use serde::{Deserialize, Serialize};

use super::lines::Source;
use crate::model::{Change, Facts};

/// What lines must have; what is `None` is not asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Filter {
    /// A dyno's name, or a process type.
    dyno: Option<String>,
    source: Option<String>,
}

impl Filter {
    pub(super) fn new(dyno: Option<String>, source: Option<String>) -> Self {
        Self { dyno, source }
    }

    /// Tells whether lines of this origin were asked for.
    pub(super) fn takes(&self, source: Source, dyno: &str) -> bool {
        self.takes_source(source)
            && self.dyno.as_ref().is_none_or(|wanted| {
                dyno == wanted || dyno.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with('.'))
            })
    }

    /// Tells whether an event can have such a line at all, before anything else of it is read.
    pub(super) fn may_take(&self, facts: &Facts, action: Change) -> bool {
        match (facts, action) {
            (Facts::Dyno { .. }, Change::Update | Change::Destroy) => self.takes_source(Source::Hoist),
            _ => self.takes(Source::App, super::lines::API),
        }
    }

    fn takes_source(&self, source: Source) -> bool {
        match self.source.as_deref() {
            None => true,
            // What the users of Heroku's CLI type.
            Some("heroku") => source == Source::Hoist,
            Some(wanted) => wanted == source.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_dyno_type_and_source() {
        let takes = |dyno: Option<&str>, source: Option<&str>| {
            let filter = Filter::new(dyno.map(Into::into), source.map(Into::into));
            let lines = [(Source::App, "api"), (Source::App, "run.12"), (Source::App, "run.1"), (Source::Hoist, "run.1")];
            lines.map(|(source, dyno)| u8::from(filter.takes(source, dyno)))
        };
        assert_eq!(takes(None, None), [1, 1, 1, 1]);
        assert_eq!(takes(Some("run.1"), None), [0, 0, 1, 1]);
        assert_eq!(takes(Some("run"), None), [0, 1, 1, 1]);
        assert_eq!(takes(Some("ru"), None), [0, 0, 0, 0]);
        assert_eq!(takes(None, Some("app")), [1, 1, 1, 0]);
        assert_eq!(takes(None, Some("heroku")), [0, 0, 0, 1]);
        assert_eq!(takes(Some("run"), Some("hoist")), [0, 0, 0, 1]);
    }
}
