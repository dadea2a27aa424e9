//! What becomes of a push: refusals that need no build, refs that only move (`others`), and the deploy branch, which builds, also for
//! the apps that follow (`following`).

mod following;
mod others;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::auth;
use crate::build::{GitSource, Source};
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::deploy::{self, Dyno, End, Failure, Log, Request, Ticket};
use crate::git::{Progress, Push, Quarantine, RefStatus, RefUpdate, Repo};
use crate::model::{Account, App, BuildpackRef, Digest, Priority, PushCertificate, PushOptions, RefName, is_deploy_branch};
use crate::release::{Pack, RefMove};
use crate::telemetry;

/// One push being decided on.
pub(in crate::transport) struct Pusher<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) account: &'a Account,
    pub(super) app: &'a App,
    pub(super) repo: Repo,
    pub(super) progress: Progress,
}

impl Pusher<'_> {
    /// Gives each ref its status. Refs that deploy nothing move at once; the deploy branch moves with its release.
    pub(super) async fn decide(&self, push: Push) -> Vec<RefStatus> {
        let Push { updates, options, atomic, certificate, quarantine, received_in, .. } = push;
        if let Some(certificate) = &certificate
            && let Err(failure) = self.check_signer(certificate).await
        {
            return refuse_all(&updates, &self.tell(&failure).await);
        }
        let options = match PushOptions::parse(options.iter().map(String::as_str)) {
            Ok(options) => options,
            Err(error) => return refuse_all(&updates, &error.to_string()),
        };
        if certificate.is_some() && options.config.values().any(Option::is_some) {
            return refuse_all(&updates, &self.tell(&Failure::SignedConfig).await);
        }
        let quarantine = quarantine.map(Arc::new);
        let mut statuses = BTreeMap::new();
        for update in &updates {
            if let Err(failure) = refuse_early(update, &updates, &options) {
                statuses.insert(update.name.clone(), Err(self.tell(&failure).await));
            }
        }
        if atomic && !statuses.is_empty() {
            return with_rest(&updates, statuses, "atomic push failed");
        }
        let (deploys, others): (Vec<_>, Vec<_>) =
            updates.iter().filter(|update| !statuses.contains_key(&update.name)).partition(|update| deploys(update));
        // In an atomic push the other refs move with the release or not at all.
        let with_release: Vec<_> = if atomic && !deploys.is_empty() { updates.iter().collect() } else { deploys.clone() };
        if !others.is_empty() && with_release.len() == deploys.len() {
            statuses.extend(self.move_others(&others, atomic, quarantine.as_deref()).await);
        }
        if let Some(first) = deploys.first() {
            let commit = first.new.clone().expect("a ref that deploys has a new value");
            let source = GitSource { repo: self.repo.clone(), quarantine, commit, lfs: Vec::new(), certificate, received_in };
            let outcome = self.deploy(source, &with_release, options).await;
            statuses.extend(with_release.iter().map(|update| (update.name.clone(), outcome.clone())));
        }
        with_rest(&updates, statuses, "not processed")
    }

    /// Refuses a push that is signed with a key that is not the pusher's own.
    async fn check_signer(&self, PushCertificate { fingerprint, .. }: &PushCertificate) -> Result<(), Failure> {
        match auth::by_ssh_key(&self.ctx.db, fingerprint).await? {
            Some(signer) if signer.id == self.account.id => Ok(()),
            _ => Err(Failure::ForeignSignature { fingerprint: fingerprint.clone(), email: self.account.email.clone() }),
        }
    }

    /// Builds and releases, and shows the build as it goes.
    async fn deploy(&self, source: GitSource, updates: &[&RefUpdate], options: PushOptions) -> Result<(), String> {
        let cancel_on_disconnect = options.cancel_on_disconnect;
        let detach = options.detach;
        let submitted = match self.request(source, updates, options).await {
            Ok(request) => deploy::submit(self.ctx, request).await,
            Err(error) => Err(error),
        };
        let ticket = match submitted {
            Ok(ticket) => ticket,
            Err(failure) => return Err(self.tell(&failure).await),
        };
        if detach {
            let text = format!(
                "Build {} is queued. {} moves when it succeeds.\nFollow it: hoist builds:output {} --app {}\n",
                ticket.build, updates[0].name, ticket.build, self.app.name
            );
            self.say(&text).await;
            return Ok(());
        }
        self.follow(ticket, cancel_on_disconnect).await
    }

    async fn request(&self, mut source: GitSource, updates: &[&RefUpdate], options: PushOptions) -> Result<Request, Failure> {
        let quarantine = source.quarantine.as_deref();
        source.lfs = deploy::find_lfs_objects(self.ctx, self.app, &source.repo, quarantine, &source.commit).await?;
        let (buildpacks, cache) = self.build_settings().await?;
        Ok(Request {
            app: self.app.clone(),
            by: self.account.clone(),
            pack: source.quarantine.as_deref().map(pack_row),
            refs: updates.iter().map(|update| ref_move(update)).collect(),
            source: Source::Git(source),
            cache: cache.filter(|_| !options.clear_cache),
            options,
            priority: Priority::Push,
            buildpacks,
            origin: None,
            trigger: None,
        })
    }

    async fn build_settings(&self) -> Result<(Vec<BuildpackRef>, Option<Digest>), DbError> {
        let mut db = self.ctx.db.read().await?;
        Ok((db::buildpacks::list(&mut db, self.app.id).await?, db::apps::cache(&mut db, self.app.id).await?))
    }

    /// Shows the build's log until its end. A pusher who goes away does not end the build, unless they asked for that.
    async fn follow(&self, mut ticket: Ticket, cancel_on_disconnect: bool) -> Result<(), String> {
        let opening = if ticket.attached {
            "This commit is being built already; here is its log.\n"
        } else {
            "Compressing source files... done.\n"
        };
        self.say(opening).await;
        self.say("Building source:\n\n").await;
        if !self.show(&mut Log::from(ticket.log.clone())).await && cancel_on_disconnect {
            ticket.cancel();
        }
        let end = ticket.ended().await;
        let outcome = self.tell_end(&end).await;
        if let End::Released(_, phase) = &*end {
            if let Some(phase) = phase {
                self.follow_phase(phase, cancel_on_disconnect).await;
            }
            self.show_followers(ticket.build).await;
        }
        outcome
    }

    /// Shows the release command's output until its end, in Heroku's words (conventions 3.1). The push is accepted
    /// whatever becomes of it.
    async fn follow_phase(&self, phase: &Dyno, cancel_on_disconnect: bool) {
        self.say("Running release command...\n\n").await;
        let log = tokio::select! {
            log = phase.log() => log,
            () = self.progress.gone() => None,
        };
        let is_there = match log {
            Some(log) => self.show(&mut log.into()).await,
            None => false,
        };
        if !is_there {
            if cancel_on_disconnect {
                phase.stop();
            }
            return;
        }
        let end = if phase.ended().await.is_ok() { "done" } else { "failed" };
        self.say(&format!("Waiting for release.... {end}.\n")).await;
    }

    /// Shows a log until its end, or until the pusher goes away; tells whether they are still there.
    async fn show(&self, log: &mut Log) -> bool {
        loop {
            let piece = tokio::select! {
                piece = log.next() => piece,
                () = self.progress.gone() => return false,
            };
            match piece {
                Some(Ok(piece)) => {
                    // A pusher who is gone is noticed above.
                    let _ = self.progress.write(&piece).await;
                }
                None => return true,
                Some(Err(error)) => {
                    tracing::error!(app.name = %self.app.name, %error, "a log can't be read");
                    return true;
                }
            }
        }
    }

    async fn tell_end(&self, end: &End) -> Result<(), String> {
        telemetry::push_ended(end.word());
        match end {
            End::Released(..) | End::Failed(Failure::AlreadyDeployed) => {
                self.say("Verifying deploy... done.\n").await;
                Ok(())
            }
            End::ReleaseFailed(release) => {
                let text = format!(
                    "Verifying deploy...\n\n!\tPush rejected to {}: the release command of {} did not succeed, and -o strict was given.\n\n",
                    self.app.name, release.version
                );
                self.say(&text).await;
                Err("release command failed".into())
            }
            End::DryRun => Err("dry run, nothing released".into()),
            End::Failed(failure) => {
                self.say(&format!("Verifying deploy...\n\n!\tPush rejected to {}.\n\n", self.app.name)).await;
                Err(failure.ref_reason())
            }
        }
    }

    /// Says why nothing is built, there being no log to write to, and returns the reason for the ref's status.
    async fn tell(&self, failure: &Failure) -> String {
        if failure.is_hoists_fault() {
            tracing::error!(app.name = %self.app.name, error = failure as &dyn std::error::Error, "a push failed for hoist's own reasons");
        }
        self.say(&(failure.words(&self.ctx.config.limits, None).join("\n") + "\n")).await;
        failure.ref_reason()
    }

    async fn say(&self, text: &str) {
        // A pusher who is gone does not stop what they started; `follow` notices them.
        let _ = self.progress.write(text.as_bytes()).await;
    }
}

/// Refusals that need no build.
fn refuse_early(update: &RefUpdate, all: &[RefUpdate], options: &PushOptions) -> Result<(), Failure> {
    if deploys(update) {
        let first = all.iter().find(|other| deploys(other));
        return if first.is_some_and(|first| first.new != update.new) { Err(Failure::TwoDeploys) } else { Ok(()) };
    }
    if is_deploy_branch(&update.name) {
        return Err(Failure::DeployBranchDeleted(update.name.clone()));
    }
    if options.strict && update.new.is_some() {
        return Err(Failure::NotADeployBranch(update.name.clone()));
    }
    Ok(())
}

fn deploys(update: &RefUpdate) -> bool {
    is_deploy_branch(&update.name) && update.new.is_some()
}

fn ref_move(update: &RefUpdate) -> RefMove {
    RefMove { name: update.name.clone(), old: update.old.clone(), new: update.new.clone() }
}

fn pack_row(quarantine: &Quarantine) -> Pack {
    let stats = quarantine.stats();
    Pack { name: stats.pack.as_str().to_owned(), objects: stats.objects as u64, bytes: stats.bytes }
}

pub(super) fn refuse_all(updates: &[RefUpdate], reason: &str) -> Vec<RefStatus> {
    with_rest(updates, BTreeMap::new(), reason)
}

/// The statuses in the order of the commands; what has none yet gets `rest` as its reason.
fn with_rest(updates: &[RefUpdate], mut statuses: BTreeMap<RefName, Result<(), String>>, rest: &str) -> Vec<RefStatus> {
    let status = |update: &RefUpdate| RefStatus {
        name: update.name.to_string(),
        outcome: statuses.remove(&update.name).unwrap_or_else(|| Err(rest.to_owned())),
    };
    updates.iter().map(status).collect()
}
