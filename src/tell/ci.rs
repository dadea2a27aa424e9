//! What others say of a commit, taken together.

use crate::model::CiState;

/// What begins the names of hoist's own statuses.
const OWN: &str = "hoist/";

/// What one status or check run says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Pending,
    Passed,
    Failed,
}

/// The name under which hoist tells of an app.
pub(super) fn context(app: &str) -> String {
    format!("{OWN}{app}")
}

/// Red as soon as one has failed, green when there is one and all have passed. `checks` are names and what they say; hoist's
/// own do not count, or it would wait for itself.
pub(super) fn together<'a>(checks: impl IntoIterator<Item = (&'a str, Check)>) -> CiState {
    let others: Vec<Check> = checks.into_iter().filter(|(name, _)| !name.starts_with(OWN)).map(|(_, check)| check).collect();
    if others.contains(&Check::Failed) {
        CiState::Red
    } else if others.is_empty() || others.contains(&Check::Pending) {
        CiState::Pending
    } else {
        CiState::Green
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn green_is_when_all_others_have_passed() {
        use Check::{Failed, Passed, Pending};
        assert_eq!(together([]), CiState::Pending, "nobody has said anything yet");
        assert_eq!(together([("test", Passed), ("lint", Passed)]), CiState::Green);
        assert_eq!(together([("test", Passed), ("lint", Pending)]), CiState::Pending);
        assert_eq!(together([("test", Pending), ("lint", Failed)]), CiState::Red);
        assert_eq!(together([("test", Passed), ("hoist/shop", Pending)]), CiState::Green);
        assert_eq!(together([(context("shop").as_str(), Failed)]), CiState::Pending);
    }
}
