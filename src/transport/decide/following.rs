//! What a push is built for besides: the apps that follow the one that was pushed to. The push is accepted whatever becomes of them.

use super::Pusher;
use crate::auth;
use crate::db::follower_deploys::FollowerDeploy;
use crate::db::{self, DbError};
use crate::deploy::{self, Fate};
use crate::model::{App, BuildId, BuildStatus};

impl Pusher<'_> {
    /// Shows what becomes of the apps that follow, one after the other, to a pusher who is there. `build` is the push's own.
    pub(super) async fn show_followers(&self, build: BuildId) {
        let shown = async {
            for deploy in deploy::followers_of(self.ctx, build).await? {
                self.show_follower(&deploy).await?;
            }
            Ok::<_, DbError>(())
        };
        let shown = tokio::select! {
            shown = shown => shown,
            () = self.progress.gone() => Ok(()),
        };
        if let Err(error) = shown {
            tracing::error!(app.name = %self.app.name, error = &error as &dyn std::error::Error, "what becomes of followers can't be read");
            let text =
                format!("hoist can't say what becomes of the apps that follow {}: hoist's fault, not yours.", self.app.name);
            self.warn(&text).await;
        }
    }

    async fn show_follower(&self, deploy: &FollowerDeploy) -> Result<(), DbError> {
        let followed = &self.app.name;
        let Some((app, _)) = auth::find_app(&self.ctx.db, self.account.id, &deploy.app.to_string()).await? else {
            // Its name is not theirs to know.
            self.warn(&format!("An app that follows {followed} is not built: you may not deploy it.")).await;
            return Ok(());
        };
        match deploy::fate(self.ctx, deploy.id).await? {
            Fate::Built(build) => {
                self.say(&format!("-----> Building {}, which follows {followed}\n", app.name)).await;
                self.show_build(&app, build).await?;
            }
            Fate::NotBuilt(why) => {
                let why = why.trim_end_matches('.');
                self.warn(&format!("{}, which follows {followed}, is not built: {why}.", app.name)).await;
            }
            Fate::NotYet(why) => self.warn_not_yet(&app, &why).await,
        }
        Ok(())
    }

    async fn show_build(&self, app: &App, build: BuildId) -> Result<(), DbError> {
        match deploy::open_log(self.ctx, build).await {
            Ok(Some(mut log)) => {
                self.show(&mut log).await;
            }
            Ok(None) => {}
            Err(error) => tracing::error!(build.id = %build, error = &error as &dyn std::error::Error, "a log can't be opened"),
        }
        let build = db::builds::get(&mut *self.ctx.db.read().await?, app.id, build).await?;
        match build.map(|build| build.status) {
            Some(BuildStatus::Succeeded) => {}
            _ if self.ctx.killing.is_cancelled() => self.warn_not_yet(app, "hoist is being stopped").await,
            _ => {
                let text = format!("{} is not deployed. The push to {} is accepted all the same.", app.name, self.app.name);
                self.warn(&text).await;
            }
        }
        Ok(())
    }

    async fn warn_not_yet(&self, app: &App, why: &str) {
        let (name, followed) = (&app.name, &self.app.name);
        self.warn(&format!(
            "{name}, which follows {followed}, is not built yet: {why}. That is tried again without another push."
        ))
        .await;
    }

    async fn warn(&self, text: &str) {
        self.say(&format!(" !     {text}\n\n")).await;
    }
}
