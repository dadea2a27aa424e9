//! BuildKit's progress as lines, in the form of `docker build --progress=plain`: each step has a number, which stands in
//! front of everything that it says.

use std::collections::HashMap;

use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};

/// A step that has said so much without ending its line is shown so far.
const LONGEST_LINE: usize = 8 * 1024;

/// The steps that have begun.
#[derive(Default)]
pub(super) struct Progress {
    steps: HashMap<String, Step>,
    failed: Option<String>,
}

struct Step {
    number: usize,
    has_ended: bool,
    /// What has been said since the last line's end.
    line: Vec<u8>,
}

impl Progress {
    /// Takes what BuildKit reports; returns what is new in it.
    pub(super) fn lines(&mut self, status: StatusResponse) -> Vec<u8> {
        let mut lines = Vec::new();
        let (ended, begun): (Vec<_>, Vec<_>) = status.vertexes.into_iter().partition(|vertex| vertex.completed.is_some());
        for vertex in begun.iter().chain(&ended).filter(|vertex| vertex.started.is_some()) {
            self.begin(vertex, &mut lines);
        }
        for log in status.logs {
            self.log(&log, &mut lines);
        }
        for vertex in &ended {
            self.end(vertex, &mut lines);
        }
        lines
    }

    /// The name of a step that has failed.
    pub(super) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    fn begin(&mut self, vertex: &Vertex, lines: &mut Vec<u8>) {
        let number = self.steps.len() + 1;
        self.steps.entry(vertex.digest.clone()).or_insert_with(|| {
            lines.extend_from_slice(format!("#{number} {}\n", vertex.name).as_bytes());
            Step { number, has_ended: false, line: Vec::new() }
        });
    }

    fn log(&mut self, log: &VertexLog, lines: &mut Vec<u8>) {
        let Some(step) = self.steps.get_mut(&log.vertex) else { return };
        step.line.extend_from_slice(&log.msg);
        while let Some(end) = step.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = step.line.drain(..=end).collect();
            step.say(&line, lines);
        }
        if step.line.len() > LONGEST_LINE {
            step.say_rest(lines);
        }
    }

    fn end(&mut self, vertex: &Vertex, lines: &mut Vec<u8>) {
        let Some(step) = self.steps.get_mut(&vertex.digest).filter(|step| !step.has_ended) else { return };
        step.has_ended = true;
        step.say_rest(lines);
        let how = if vertex.error.is_empty() {
            if vertex.cached { "CACHED".to_owned() } else { format!("DONE {}", seconds(vertex)) }
        } else {
            self.failed.get_or_insert_with(|| vertex.name.clone());
            format!("ERROR: {}", vertex.error)
        };
        step.say(format!("{how}\n").as_bytes(), lines);
    }
}

impl Step {
    fn say(&self, line: &[u8], lines: &mut Vec<u8>) {
        lines.extend_from_slice(format!("#{} ", self.number).as_bytes());
        lines.extend_from_slice(line);
    }

    fn say_rest(&mut self, lines: &mut Vec<u8>) {
        if !self.line.is_empty() {
            let mut line = std::mem::take(&mut self.line);
            line.push(b'\n');
            self.say(&line, lines);
        }
    }
}

/// `1.2s`
fn seconds(vertex: &Vertex) -> String {
    let (Some(from), Some(to)) = (&vertex.started, &vertex.completed) else { return "0.0s".to_owned() };
    let tenths = ((to.seconds - from.seconds) * 1_000_000_000 + i64::from(to.nanos - from.nanos)).max(0) / 100_000_000;
    format!("{}.{}s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vertex(name: &str, started: i64, completed: Option<i64>) -> Vertex {
        let mut vertex = Vertex { digest: name.into(), name: name.into(), ..Vertex::default() };
        for (time, millis) in [(&mut vertex.started, Some(started)), (&mut vertex.completed, completed)] {
            let Some(millis) = millis else { continue };
            let time = time.get_or_insert_default();
            (time.seconds, time.nanos) = (millis / 1000, i32::try_from(millis % 1000 * 1_000_000).unwrap());
        }
        vertex
    }

    fn log(name: &str, text: &str) -> VertexLog {
        VertexLog { vertex: name.into(), msg: text.into(), ..VertexLog::default() }
    }

    fn say(progress: &mut Progress, vertexes: Vec<Vertex>, logs: Vec<VertexLog>) -> String {
        let status = StatusResponse { vertexes, logs, ..StatusResponse::default() };
        String::from_utf8(progress.lines(status)).unwrap()
    }

    #[test]
    fn steps_are_numbered_and_told_apart() {
        let mut progress = Progress::default();
        let both = vec![vertex("[1/2] RUN a", 900, None), vertex("[1/2] RUN b", 1000, None)];
        assert_eq!(say(&mut progress, both.clone(), vec![]), "#1 [1/2] RUN a\n#2 [1/2] RUN b\n");
        // Reported again with everything that is new.
        let logs = vec![log("[1/2] RUN a", "one\ntw"), log("[1/2] RUN b", "x\n"), log("[1/2] RUN a", "o\nthree")];
        assert_eq!(say(&mut progress, both, logs), "#1 one\n#2 x\n#1 two\n");
        let mut cached = vertex("[1/2] RUN b", 1000, Some(1000));
        cached.cached = true;
        let ended = vec![vertex("[1/2] RUN a", 900, Some(3120)), cached.clone()];
        assert_eq!(say(&mut progress, ended, vec![]), "#1 three\n#1 DONE 2.2s\n#2 CACHED\n");
        assert_eq!(say(&mut progress, vec![cached], vec![]), "");
        assert_eq!(progress.failed(), None);
    }

    #[test]
    fn the_first_step_that_fails_is_remembered() {
        let mut progress = Progress::default();
        let mut failed = vertex("[2/2] RUN exit 3", 0, Some(50));
        failed.error = "exit code: 3".into();
        let said = say(&mut progress, vec![failed], vec![log("[2/2] RUN exit 3", "so long")]);
        assert_eq!(said, "#1 [2/2] RUN exit 3\n#1 so long\n#1 ERROR: exit code: 3\n");
        assert_eq!(progress.failed(), Some("[2/2] RUN exit 3"));
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut progress = Progress::default();
        say(&mut progress, vec![vertex("a", 0, None)], vec![]);
        assert_eq!(say(&mut progress, vec![], vec![log("a", &"x".repeat(LONGEST_LINE + 1))]).len(), LONGEST_LINE + 5);
        assert_eq!(say(&mut progress, vec![], vec![log("unknown", "x\n")]), "");
    }
}
