//! `bin/report` of each pack: what it has to say of its own work (conventions 3.6). Its failure is a fact like others.

use std::collections::BTreeMap;
use std::time::Duration;

use super::detect::Detected;
use super::script::Answer;
use super::{Build, CACHE_DIR, ENV_DIR};
use crate::engine::Exit;
use crate::model::{Fact, Invalid, PackReport, parse_report};

/// A pack that has worked for minutes has its facts at hand; the pusher waits for it.
const REPORT_TIME: Duration = Duration::from_secs(10);

/// Asks a pack that has compiled, or has failed to.
pub(super) async fn take_report(build: &Build<'_>, detected: &Detected) {
    let mut pack = detected.pack.clone();
    // The system does not source exports before bin/report.
    pack.exports.clear();
    let args = [build.dir.as_str(), CACHE_DIR, ENV_DIR];
    let said = build.run_for_report(&pack, &args, REPORT_TIME).await;
    let parsed = said.map_err(|error| format!("it could not be run: {error}")).and_then(|answer| match answer.exit {
        Exit::Code(0) => parse_report(&answer.stdout).map_err(|Invalid(why)| why),
        exit => Err(why(exit, &answer)),
    });
    let buildpack = detected.buildpack.shown();
    let report = match parsed {
        // Most packs have none.
        Ok(facts) if facts.is_empty() => return,
        Ok(facts) => {
            let facts = facts.into_iter().map(|(name, fact)| (name, redacted(build, fact))).collect();
            PackReport { buildpack, facts, problem: None }
        }
        Err(why) => {
            let why = build.transcript.redacted(&why);
            tracing::debug!(build.id = build.request_id, buildpack, why, "a buildpack's bin/report is of no use");
            PackReport { buildpack, facts: BTreeMap::new(), problem: Some(why) }
        }
    };
    build.add_report(report);
}

fn why(exit: Exit, answer: &Answer) -> String {
    match exit {
        Exit::Code(code) => {
            // Which of two pipes was written to last nobody can tell; facts go to the one, what went wrong to the other.
            let last = answer.stderr.lines().last().or_else(|| answer.stdout.lines().last()).unwrap_or_default();
            let said: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
            format!("exit status {code} {said}").trim_end().to_owned()
        }
        Exit::Signal(signal) => format!("signal {signal} ended it"),
        Exit::TimedOut => format!("it was not done in time, which is {} seconds at most", REPORT_TIME.as_secs()),
        Exit::OutOfMemory | Exit::OutOfDisk | Exit::OutOfPids => "it used more than a build may".to_owned(),
    }
}

/// A pack can read the config vars; facts are for more people than these.
fn redacted(build: &Build<'_>, fact: Fact) -> Fact {
    let text = fact.to_string();
    let shown = build.transcript.redacted(&text);
    if shown == text { fact } else { Fact::Text(shown) }
}
