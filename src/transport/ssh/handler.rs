//! Logging in, and what may be asked for on a connection.

use std::collections::HashMap;
use std::net::SocketAddr;

use russh::keys::{Algorithm, HashAlg, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, MethodKind, MethodSet};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span, error, info};
use uuid::Uuid;

use super::advice::Advice;
use super::channel::{self, Asked, Opened};
use super::logins::{Barred, Login};
use crate::auth;
use crate::ctx::Ctx;
use crate::git::Version;
use crate::model::{Account, Credential, Door};
use crate::transport::push::Visitor;

/// Channels of one connection, as with OpenSSH's `MaxSessions`.
const CHANNELS: usize = 10;
const USER: &str = "git";

/// Why a connection ended early. Its cause is nearly always the client.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    #[error("the login took too long")]
    TooSlow,
    #[error(transparent)]
    Barred(#[from] Barred),
    #[error(transparent)]
    Ssh(#[from] russh::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// One connection's state, driven by russh.
pub(super) struct Handler {
    ctx: Ctx,
    /// The address that the client has reached hoist at.
    here: SocketAddr,
    /// russh runs the handler in a task of its own, outside the connection's span.
    span: Span,
    login: Option<(Login, oneshot::Sender<()>)>,
    advice: Advice,
    /// Who has logged in, and the fingerprint of their key.
    account: Option<(Account, String)>,
    peer: SocketAddr,
    /// Open channels that have not asked for anything yet.
    open: HashMap<ChannelId, Opened>,
    /// Channels with a command, and how that is told that its client has gone.
    busy: HashMap<ChannelId, CancellationToken>,
    commands: TaskTracker,
    gone: CancellationToken,
}

impl Handler {
    pub(super) fn new(
        ctx: Ctx,
        (here, peer): (SocketAddr, SocketAddr),
        login: Login,
        tell_login: oneshot::Sender<()>,
        commands: TaskTracker,
        gone: CancellationToken,
    ) -> Self {
        Self {
            ctx,
            here,
            span: Span::current(),
            login: Some((login, tell_login)),
            advice: Advice::default(),
            account: None,
            peer,
            open: HashMap::new(),
            busy: HashMap::new(),
            commands,
            gone,
        }
    }

    /// Whose key this is; `None` leaves the reason in `advice`, and counts against the client's address.
    async fn account_of(
        &mut self,
        user: &str,
        key: &PublicKey,
        algorithm: &Algorithm,
    ) -> Result<Option<(Account, String)>, LoginError> {
        let account = self.find_account(user, key, algorithm).await;
        if let (None, Some((login, _))) = (&account, &mut self.login)
            && !matches!(self.advice, Advice::OurFault)
        {
            login.fail()?;
        }
        Ok(account)
    }

    async fn find_account(&mut self, user: &str, key: &PublicKey, algorithm: &Algorithm) -> Option<(Account, String)> {
        if user != USER {
            self.advice = Advice::WrongUser(user.to_owned());
            return None;
        }
        if *algorithm == (Algorithm::Rsa { hash: None }) {
            self.advice = Advice::Sha1;
            return None;
        }
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        match auth::by_ssh_key(&self.ctx.db, &fingerprint).await {
            Ok(Some(account)) => Some((account, fingerprint)),
            Ok(None) => {
                self.span.in_scope(|| info!(fingerprint, "refused an unknown SSH key"));
                self.advice = Advice::UnknownKey(fingerprint);
                None
            }
            Err(error) => {
                self.span.in_scope(|| error!(error = &error as &dyn std::error::Error, "can't look an SSH key up"));
                self.advice = Advice::OurFault;
                None
            }
        }
    }

    /// Does what a channel asks for, in a task of its own.
    fn start(&mut self, id: ChannelId, asked: Asked, session: &mut Session) -> Result<(), LoginError> {
        let (Some(channel), Some((account, fingerprint))) = (self.open.remove(&id), self.account.clone()) else {
            return Ok(session.channel_failure(id)?);
        };
        session.channel_success(id)?;
        let gone = self.gone.child_token();
        self.busy.insert(id, gone.clone());
        let visitor = Visitor {
            account,
            credential: Credential::SshKey(fingerprint),
            door: Door::GitSsh,
            address: self.peer.ip(),
            request: Uuid::new_v4(),
        };
        let task = channel::serve(self.ctx.clone(), visitor, self.here, channel, asked, gone).instrument(self.span.clone());
        self.ctx.tasks.spawn(self.commands.track_future(task));
        Ok(())
    }
}

impl server::Handler for Handler {
    type Error = LoginError;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, LoginError> {
        let account = self.account_of(user, offer.public_key, offer.algorithm).await?;
        Ok(if account.is_some() { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, LoginError> {
        self.account = self.account_of(user, key.public_key, key.algorithm).await?;
        Ok(if self.account.is_some() { Auth::Accept } else { Auth::reject() })
    }

    /// Tells why no key was good, once, and asks nothing.
    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, LoginError> {
        Ok(match response {
            None => {
                Auth::Partial { name: "".into(), instructions: self.advice.to_string().into(), prompts: [].as_slice().into() }
            }
            Some(_) => Auth::Reject {
                proceed_with_methods: Some(MethodSet::from([MethodKind::PublicKey].as_slice())),
                partial_success: false,
            },
        })
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), LoginError> {
        if let (Some((login, tell)), Some((account, _))) = (self.login.take(), &self.account) {
            login.succeed();
            self.span.in_scope(|| info!(account = account.email.as_str(), "logged in"));
            // Fails when the connection is being closed already.
            let _ = tell.send(());
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), LoginError> {
        if self.open.len() + self.busy.len() == CHANNELS {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
        } else {
            self.open.insert(channel.id(), Opened { channel, version: Version::V0 });
            reply.accept().await;
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), LoginError> {
        self.open.remove(&channel);
        if let Some(gone) = self.busy.remove(&channel) {
            gone.cancel();
        }
        Ok(())
    }

    async fn env_request(&mut self, id: ChannelId, name: &str, value: &str, session: &mut Session) -> Result<(), LoginError> {
        match self.open.get_mut(&id) {
            Some(opened) if name == "GIT_PROTOCOL" => opened.version = Version::read(value),
            _ => return Ok(session.channel_failure(id)?),
        }
        Ok(session.channel_success(id)?)
    }

    /// Granted so that `ssh` does not complain before it shows the greeting. There is no terminal behind it.
    async fn pty_request(
        &mut self,
        id: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), LoginError> {
        Ok(session.channel_success(id)?)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), LoginError> {
        self.start(id, Asked::Shell, session)
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), LoginError> {
        self.start(id, Asked::Command(command.to_vec()), session)
    }

    async fn subsystem_request(&mut self, id: ChannelId, _name: &str, session: &mut Session) -> Result<(), LoginError> {
        Ok(session.channel_failure(id)?)
    }
}
