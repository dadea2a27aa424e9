//! A build's turn: what it waits for before it may begin, and what the pusher is told of that.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::queue::{Builder, MOST_FORETOLD};
use crate::model::Email;
use crate::transcript::Transcript;

/// A wait for a builder that the pusher is not told of: often the last build's environment is just being removed.
const UNSAID_TIME: Duration = Duration::from_millis(500);

/// How a build stands in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Waits {
        /// Builds of the same app that come before it and have not ended.
        in_app: usize,
        /// Builds of all apps that will start before it, as things are.
        ahead: usize,
        /// Whether its user has as many builders as one user may have.
        for_own: bool,
    },
    /// It has a builder.
    Starts,
}

/// What has to be waited for before a build may begin. Dropped, it is given up.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) builder: Builder,
    pub(super) standing: watch::Receiver<Standing>,
    /// Whose build of the same app was the last one before this.
    pub(super) before: Option<Email>,
}

impl Standing {
    /// Before anything is known.
    pub(super) const ENTERED: Self = Self::Waits { in_app: 0, ahead: 0, for_own: false };
}

impl Turn {
    /// Waits until the app's earlier builds have ended, telling the pusher of them.
    pub(super) async fn first_of_app(&mut self, transcript: &Transcript) {
        let Some(before) = &self.before else { return };
        let mut said = None;
        loop {
            let standing = *self.standing.borrow_and_update();
            let Standing::Waits { in_app: in_app @ 1.., .. } = standing else { return };
            let pushes = if in_app == 1 { "1 earlier push".to_owned() } else { format!("{in_app} earlier pushes") };
            match said.replace(in_app) {
                None => transcript.section(&format!("Waiting for {pushes} to this app (the last one by {before})")),
                Some(said) if said != in_app => transcript.detail(&format!("Waiting for {pushes} to this app")),
                Some(_) => {}
            }
            changed(&mut self.standing).await;
        }
    }

    /// Waits for a builder, telling the pusher how many builds come before this one whenever that changes.
    pub(super) async fn start(mut self, transcript: &Transcript, builders: usize) -> Builder {
        if timeout(UNSAID_TIME, started(&mut self.standing)).await.is_ok() {
            return self.builder;
        }
        let (mut reason, mut said) = (None, None);
        loop {
            let standing = *self.standing.borrow_and_update();
            let Standing::Waits { ahead, for_own, .. } = standing else { return self.builder };
            if reason.replace(for_own) != Some(for_own) {
                transcript.section(&if for_own {
                    "Waiting for another build of yours to end: you have as many builders as one user may have".to_owned()
                } else {
                    format!("Waiting for one of {builders} builders to become free")
                });
            }
            match said.replace(ahead) {
                Some(said) if said == ahead => {}
                Some(said) if said < ahead => transcript.detail(&format!(
                    "{} now: what is more urgent, and users with fewer builds running, come first",
                    place(ahead)
                )),
                _ => transcript.detail(&place(ahead)),
            }
            changed(&mut self.standing).await;
        }
    }

    /// Waits for a builder.
    pub(super) async fn start_silently(mut self) -> Builder {
        started(&mut self.standing).await;
        self.builder
    }
}

fn place(ahead: usize) -> String {
    match ahead {
        0 => "This build is the next one".to_owned(),
        1 => "1 build is before this one".to_owned(),
        MOST_FORETOLD.. => format!("{MOST_FORETOLD} builds or more are before this one"),
        _ => format!("{ahead} builds are before this one"),
    }
}

async fn started(standing: &mut watch::Receiver<Standing>) {
    // The sender stays for as long as the builder of this turn.
    let _ = standing.wait_for(|standing| *standing == Standing::Starts).await;
}

async fn changed(standing: &mut watch::Receiver<Standing>) {
    // As above.
    let _ = standing.changed().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_sentence() {
        assert_eq!(place(0), "This build is the next one");
        assert_eq!(place(1), "1 build is before this one");
        assert_eq!(place(99), "99 builds are before this one");
        assert_eq!(place(MOST_FORETOLD), "100 builds or more are before this one");
    }
}
