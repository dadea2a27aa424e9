//! The Test Anything Protocol: what tests print of themselves, one line a test (testanything.org, versions 12 to 14).
//!
//! A reader of hoist's own, because those that there are take a whole document, which the output of a test run is not: it
//! comes in pieces, is mixed with whatever else the tests print, and has no known end. A line that is not understood is
//! no error, it is just output.

/// Test cases that are kept of one run; more are passed over.
const MOST_CASES: usize = 10_000;
/// Most that is kept of one description or diagnostic, in bytes.
const MOST_TEXT: usize = 4 * 1024;
/// Diagnostics that are kept of one run, in bytes, all together.
const MOST_DIAGNOSTICS: usize = 4 * 1024 * 1024;

/// One test's result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestCase {
    /// As the test counts, or the next one.
    pub number: u32,
    pub description: String,
    /// `SKIP` or `TODO` and the reason, if there is one.
    pub directive: String,
    /// What was said about it in the lines after it.
    pub diagnostic: String,
    pub passed: bool,
}

/// Finds the test cases in a run's output.
#[derive(Debug, Default)]
pub struct TapReader {
    cases: Vec<TestCase>,
    diagnostics: usize,
    /// What a block of YAML is indented by, while in one.
    block: Option<usize>,
}

impl TapReader {
    /// Takes the next line, without its end.
    pub fn line(&mut self, line: &str) {
        let line = line.trim_end();
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if let Some(block) = self.block {
            if text == "..." && indent == block {
                self.block = None;
            } else {
                self.diagnose(line.get(block..).unwrap_or(text));
            }
            return;
        }
        match indent {
            0 => self.top_line(line),
            // A block belongs to a test; deeper than this are the lines of subtests, which their own test sums up.
            2 if text == "---" && !self.cases.is_empty() => self.block = Some(indent),
            _ => {}
        }
    }

    /// The cases found so far.
    #[must_use]
    pub fn cases(&self) -> &[TestCase] {
        &self.cases
    }

    fn top_line(&mut self, line: &str) {
        if let Some(comment) = line.strip_prefix('#') {
            self.diagnose(comment.strip_prefix(' ').unwrap_or(comment));
        } else if let Some(case) = parse_case(line, self.cases.last().map_or(0, |last| last.number))
            && self.cases.len() < MOST_CASES
        {
            self.cases.push(case);
        }
    }

    /// Adds a line to the last case's diagnostic.
    fn diagnose(&mut self, line: &str) {
        let Some(case) = self.cases.last_mut() else { return };
        let needed = line.len() + 1;
        if case.diagnostic.len() + needed > MOST_TEXT || self.diagnostics + needed > MOST_DIAGNOSTICS {
            return;
        }
        self.diagnostics += needed;
        if !case.diagnostic.is_empty() {
            case.diagnostic.push('\n');
        }
        case.diagnostic.push_str(line);
    }
}

/// `[not ]ok [NUMBER] [- DESCRIPTION] [# DIRECTIVE]`
fn parse_case(line: &str, last_number: u32) -> Option<TestCase> {
    let (is_ok, rest) = match line.strip_prefix("not ok") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok")?),
    };
    // `okay` is a word, `ok` before nothing or a space is a result.
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let rest = rest.trim_start();
    let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
    let (number, rest) = word.parse().map_or((last_number.saturating_add(1), rest), |number| (number, after.trim_start()));
    let rest = rest.strip_prefix('-').unwrap_or(rest).trim_start();
    let (description, directive) = split_directive(rest);
    // What is not done yet, or not here, has not failed.
    let passed = is_ok || !directive.is_empty();
    Some(TestCase {
        number,
        description: cut(description.trim_end()),
        directive: cut(directive),
        diagnostic: String::new(),
        passed,
    })
}

/// The part before a `#` that begins a directive, and the directive. `\#` is no such beginning.
fn split_directive(text: &str) -> (&str, &str) {
    for (at, _) in text.match_indices('#') {
        let directive = text[at + 1..].trim_start();
        let word = directive.get(..4).unwrap_or_default();
        if !text[..at].ends_with('\\') && (word.eq_ignore_ascii_case("skip") || word.eq_ignore_ascii_case("todo")) {
            return (&text[..at], directive);
        }
    }
    (text, "")
}

/// As much of a text as is kept.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MOST_TEXT)].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<TestCase> {
        let mut reader = TapReader::default();
        text.lines().for_each(|line| reader.line(line));
        reader.cases().to_vec()
    }

    fn case(number: u32, description: &str, passed: bool) -> TestCase {
        TestCase { number, description: description.into(), passed, ..TestCase::default() }
    }

    #[test]
    fn results_are_found_among_other_lines() {
        let text = "TAP version 14\n1..4\nstarting\nok 1 - adds\nokay\nnot ok 2 subtracts\nok\nnot ok 9\n    ok 1 - subtest\nBail out!\n";
        let expected = [case(1, "adds", true), case(2, "subtracts", false), case(3, "", true), case(9, "", false)];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn what_is_skipped_or_to_be_done_has_not_failed() {
        let directive = |number, description: &str, directive: &str| TestCase {
            directive: directive.into(),
            ..case(number, description, true)
        };
        let text = "ok 1 - a # SKIP no network\nnot ok 2 b # todo: later\nnot ok 3 c \\# TODO\nnot ok 4 # d\nok 5 #skip\n";
        let expected = [
            directive(1, "a", "SKIP no network"),
            directive(2, "b", "todo: later"),
            case(3, "c \\# TODO", false),
            case(4, "# d", false),
            directive(5, "", "skip"),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn a_test_is_followed_by_what_is_said_about_it() {
        let text = "# before\nnot ok 1 - a\n  ---\n  got: 1\n    deep: 2\n  ok 7\n  ...\n# and more\nok 2 - b\n";
        let cases = read(text);
        assert_eq!(cases[0].diagnostic, "got: 1\n  deep: 2\nok 7\nand more");
        assert_eq!((cases.len(), cases[1].diagnostic.as_str()), (2, ""));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = "x".repeat(MOST_TEXT * 2);
        let mut text = format!("not ok 1 {long}\n");
        text.extend(std::iter::repeat_n(format!("# {}\n", &long[..100]), 100));
        let cases = read(&text);
        assert!(cases[0].description.len() == MOST_TEXT && cases[0].diagnostic.len() <= MOST_TEXT);
        assert_eq!(read(&"ok\n".repeat(MOST_CASES + 10)).len(), MOST_CASES);
    }

    proptest! {
        #[test]
        fn every_written_case_is_read(cases in proptest::collection::vec((any::<bool>(), "[a-z][a-z ]{0,20}[a-z]"), 0..20)) {
            let line = |(at, (passed, description)): (usize, &(bool, String))| {
                format!("{}ok {} - {description}\n", if *passed { "" } else { "not " }, at + 1)
            };
            let text: String = cases.iter().enumerate().map(line).collect();
            let read: Vec<_> = read(&text).into_iter().map(|case| (case.passed, case.description)).collect();
            prop_assert_eq!(read, cases);
        }

        #[test]
        fn any_text_is_taken(text in "(not ok|ok|#|  ---|  \\.\\.\\.|[ -~é\\n]){0,60}") {
            let kept: usize = read(&text).iter().map(|case| case.description.len() + case.diagnostic.len()).sum();
            prop_assert!(kept <= text.len());
        }
    }
}
