//! Takes up the pushes that are to be built for apps that follow, until the daemon stops.

use std::collections::HashSet;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::sleep;

use super::advance;
use crate::ctx::Ctx;
use crate::db;
use crate::db::follower_deploys::FollowerDeploy;
use crate::model::AppId;
use crate::outbox::{self, Due, ERROR_WAIT, Outbox, Signals, TIDY_INTERVAL};

/// How many are under way at once: each reads a commit.
const AT_ONCE: usize = 4;

struct Followers(Ctx);

/// Has them built until it is stopped.
pub async fn deploy_followers(ctx: Ctx) {
    outbox::drain(Arc::new(Followers(ctx))).await;
}

impl Outbox for Followers {
    type Row = FollowerDeploy;
    type Lane = AppId;
    const DOES: &'static str = "building for apps that follow";

    fn signals(&self) -> Signals {
        self.0.signals()
    }

    async fn due(&self, busy: &HashSet<AppId>) -> Due<Self> {
        let Self(ctx) = self;
        let open = async { db::follower_deploys::open(&mut *ctx.db.read().await?).await };
        match open.await {
            Ok(open) => choose(open, busy, ctx.now()),
            Err(error) => {
                tracing::error!(%error, "what apps that follow are to be given can't be read");
                (Vec::new(), ERROR_WAIT)
            }
        }
    }

    async fn carry_on(&self, deploy: FollowerDeploy) {
        if let Err(error) = advance(&self.0, &deploy).await {
            tracing::error!(app.id = %deploy.app, %error, "what an app that follows is given can't be recorded: it will be taken up again");
            sleep(ERROR_WAIT).await;
        }
    }
}

/// One of each app at a time, in the order of the pushes: so their builds are accepted in that order.
fn choose(open: Vec<FollowerDeploy>, busy: &HashSet<AppId>, now: OffsetDateTime) -> Due<Followers> {
    let (due, later): (Vec<_>, Vec<_>) = open.into_iter().partition(|deploy| deploy.next_attempt_at <= now);
    let next = later.iter().map(|deploy| (deploy.next_attempt_at - now).unsigned_abs()).min();
    let mut taken = busy.clone();
    let chosen = due.into_iter().filter(|deploy| taken.len() < AT_ONCE && taken.insert(deploy.app));
    (chosen.map(|deploy| (deploy.app, deploy)).collect(), next.unwrap_or(TIDY_INTERVAL))
}
