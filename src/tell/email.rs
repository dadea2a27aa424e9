//! E-mail, by SMTP.

use std::time::Duration;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::time::timeout;

use super::TellError;
use crate::db::{self, Connection, DbError};
use crate::model::{App, Email, Invalid, MailDomain, Secret};

/// How the connection is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    Tls,
    StartTls,
    None,
}

/// The server, and as whom hoist writes.
#[derive(Debug, Clone)]
pub struct MailServer {
    pub host: String,
    pub port: Option<u16>,
    pub security: MailSecurity,
    /// Who logs in, and their password.
    pub login: Option<(String, Secret)>,
    pub from: Email,
    /// Domains to whose every address it may write.
    pub allow: Vec<MailDomain>,
    /// For one message.
    pub time: Duration,
}

/// What is written.
#[derive(Debug)]
pub(super) struct Letter {
    /// The same whenever the same is written.
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) text: String,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error(transparent)]
    Address(#[from] Invalid),
    #[error("the message can't be made")]
    Message(#[from] lettre::error::Error),
    #[error("the mail server did not take it")]
    Smtp(#[from] lettre::transport::smtp::Error),
    #[error("the mail server took too long")]
    TimedOut,
}

impl MailError {
    /// Whether another attempt could not help.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Address(_) | Self::Message(_) => true,
            Self::Smtp(error) => error.is_permanent(),
            Self::TimedOut => false,
        }
    }
}

/// An address as mail servers know it, which is stricter than an account's name.
pub(super) fn address(email: &Email) -> Result<Address, Invalid> {
    email.as_str().parse().map_err(|_| Invalid(format!("`{email}` is not an address that e-mail can be sent to.")))
}

/// Whether hoist writes to an address about an app: to those who work on it, and to the domains in `allow`. Nobody else has asked
/// for its letters.
pub(super) async fn may_write(db: &mut Connection, app: &App, to: &Email, allow: &[MailDomain]) -> Result<bool, DbError> {
    if allow.iter().any(|domain| to.is_at(domain)) {
        return Ok(true);
    }
    let Some(account) = db::accounts::by_email(&mut *db, to).await? else { return Ok(false) };
    Ok(app.owner == account.id || db::collaborators::permissions(db, app.id, account.id).await?.is_some())
}

/// Hands a message to the server.
pub(super) async fn send(server: &MailServer, to: &Email, letter: Letter) -> Result<(), TellError> {
    timeout(server.time, hand_over(server, to, letter)).await.unwrap_or(Err(MailError::TimedOut)).map_err(TellError::Mail)
}

async fn hand_over(server: &MailServer, to: &Email, letter: Letter) -> Result<(), MailError> {
    let from = address(&server.from)?;
    let message = Message::builder()
        .message_id(Some(format!("<{}@{}>", letter.id, from.domain())))
        .from(Mailbox::new(Some("hoist".into()), from.clone()))
        .to(Mailbox::new(None, address(to)?))
        .subject(letter.subject)
        .header(ContentType::TEXT_PLAIN)
        .body(letter.text)?;
    transport(server, &from)?.send(message).await?;
    Ok(())
}

fn transport(server: &MailServer, from: &Address) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailError> {
    type Smtp = AsyncSmtpTransport<Tokio1Executor>;
    let builder = match server.security {
        MailSecurity::Tls => Smtp::relay(&server.host)?,
        MailSecurity::StartTls => Smtp::starttls_relay(&server.host)?,
        MailSecurity::None => Smtp::builder_dangerous(&server.host),
    };
    let builder = builder.timeout(Some(server.time)).hello_name(ClientId::Domain(from.domain().to_owned()));
    let builder = match server.port {
        Some(port) => builder.port(port),
        None => builder,
    };
    let builder = match &server.login {
        Some((user, password)) => builder.credentials(Credentials::new(user.clone(), password.expose().to_owned())),
        None => builder,
    };
    Ok(builder.build())
}
