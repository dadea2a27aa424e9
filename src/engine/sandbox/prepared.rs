//! What of an environment can be made before anybody asks for one: its helper with the namespaces, and its network.
//!
//! One is kept in reserve, so that most environments start in half the time. It is made when an environment has
//! stopped, and not used once the host has changed in a way that its filter rules would have to know.

use std::os::fd::BorrowedFd;
use std::sync::Mutex;

use super::Sandbox;
use super::helper::{Helper, STEP_TIMEOUT};
use super::network::Network;
use super::protocol::{Filter, Job, Report, Setup};
use crate::engine::EngineError;

/// A helper that waits to be told what environment it is to be. It, its namespaces and its network end when this goes.
#[derive(Debug)]
pub(super) struct Prepared {
    // In the order in which they may go.
    pub(super) network: Option<Network>,
    pub(super) helper: Helper,
    rules: Option<String>,
}

impl Prepared {
    /// Blocks; to be called where a runtime is at hand, which carries the network.
    fn make(sandbox: &Sandbox, rules: Option<String>) -> Result<Self, EngineError> {
        let filter = rules.clone().map(|rules| Filter { nft: sandbox.nft.clone(), rules });
        let mut helper = Helper::start(&sandbox.roots, "environment", &Job::Environment { filter }, &[])?;
        let filtered = helper.take_output().filter(|_| rules.is_some());
        let network = filtered.map(|filtered| Network::start(&sandbox.carrier, helper.id(), filtered));
        Ok(Self { network, helper, rules })
    }

    /// Whether nothing has happened to it while it was waiting.
    fn is_usable(&mut self) -> bool {
        self.helper.is_alive() && !self.network.as_ref().is_some_and(Network::has_failed)
    }

    /// Tells the helper what environment it is to be, and waits until that takes invitations.
    pub(super) fn set_up(&self, setup: &Setup, join_files: &[BorrowedFd<'_>]) -> Result<(), EngineError> {
        self.helper.tell(setup, join_files)?;
        self.helper.expect(&Report::Done, STEP_TIMEOUT)
    }
}

/// At most one that is prepared.
#[derive(Debug, Default)]
pub(super) struct Reserve(Mutex<Option<Prepared>>);

impl Reserve {
    /// The one in reserve if it will do, and otherwise a new one. Blocks.
    pub(super) fn take_or_make(&self, sandbox: &Sandbox, with_network: bool) -> Result<Prepared, EngineError> {
        let rules = with_network.then(|| sandbox.rules()).transpose()?;
        if rules.is_some() {
            let waiting = self.swap(None);
            if let Some(mut waiting) = waiting.filter(|waiting| waiting.rules == rules)
                && waiting.is_usable()
            {
                return Ok(waiting);
            }
        }
        Prepared::make(sandbox, rules)
    }

    /// Sees to it that there is one in reserve. Blocks.
    pub(super) fn fill(&self, sandbox: &Sandbox) {
        if self.0.lock().is_ok_and(|waiting| waiting.is_some()) {
            return;
        }
        match sandbox.rules().and_then(|rules| Prepared::make(sandbox, Some(rules))) {
            Ok(prepared) => drop(self.swap(Some(prepared))),
            // Whoever needs one next makes it, and hears of it should that fail as well.
            Err(error) => tracing::warn!("no environment can be prepared: {error}"),
        }
    }

    fn swap(&self, prepared: Option<Prepared>) -> Option<Prepared> {
        // Nobody panics while holding it.
        self.0.lock().map_or(None, |mut waiting| std::mem::replace(&mut *waiting, prepared))
    }
}
