//! Branches and tags that deploy nothing (conventions 3.2): they move at once.

use std::collections::BTreeMap;

use super::{Pusher, pack_row, ref_move};
use crate::deploy::Failure;
use crate::git::{Quarantine, RefUpdate};
use crate::model::RefName;
use crate::release::{self, ReleaseError};

impl Pusher<'_> {
    /// Keeps the pack and moves the refs; gives each its status.
    pub(super) async fn move_others(
        &self,
        updates: &[&RefUpdate],
        atomic: bool,
        quarantine: Option<&Quarantine>,
    ) -> Vec<(RefName, Result<(), String>)> {
        if updates.iter().any(|update| update.new.is_some()) {
            self.say("Pushed to branch other than [main, master], skipping build.\n").await;
        }
        let moved = match keep(quarantine).await {
            Ok(()) => self.move_them(updates, atomic, quarantine).await,
            Err(failure) => Err(failure),
        };
        let mut unmoved = match moved {
            Ok(unmoved) => unmoved,
            Err(failure) => {
                let reason = self.tell(&failure).await;
                return updates.iter().map(|update| (update.name.clone(), Err(reason.clone()))).collect();
            }
        };
        let mut statuses = Vec::with_capacity(updates.len());
        for update in updates {
            let outcome = match unmoved.remove(&update.name) {
                None => Ok(()),
                Some(error) => Err(self.tell(&error.into()).await),
            };
            statuses.push((update.name.clone(), outcome));
        }
        statuses
    }

    /// Gives those that somebody else has moved meanwhile.
    async fn move_them(
        &self,
        updates: &[&RefUpdate],
        atomic: bool,
        quarantine: Option<&Quarantine>,
    ) -> Result<BTreeMap<RefName, ReleaseError>, Failure> {
        let (db, app, now) = (&self.ctx.db, self.app.id, self.ctx.now());
        let wanted: Vec<_> = updates.iter().map(|update| ref_move(update)).collect();
        let pack = quarantine.map(pack_row);
        if atomic {
            release::move_refs_together(db, app, &wanted, pack.as_ref(), now).await?;
            return Ok(BTreeMap::new());
        }
        Ok(release::move_refs(db, app, &wanted, pack.as_ref(), now).await?)
    }
}

async fn keep(quarantine: Option<&Quarantine>) -> Result<(), Failure> {
    if let Some(quarantine) = quarantine {
        let kept = quarantine.publish().await;
        kept.map_err(|source| Failure::Io { what: "the pushed objects can't be kept", source })?;
    }
    Ok(())
}
