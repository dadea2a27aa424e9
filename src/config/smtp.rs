//! `[smtp]`: the server that sends hoist's e-mail.

use serde::Deserialize;

use super::variable;
use crate::model::{Email, MailDomain, Secret};

/// The server, and as whom hoist writes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Its name.
    pub host: String,
    /// Default: 465 with `tls`, 587 with `starttls`, 25 with `none`.
    pub port: Option<u16>,
    /// `tls` from the first byte, `starttls`, or `none`, for a server on this very host. Default `tls`.
    pub security: Option<SmtpSecurity>,
    /// Who logs in there. Default: nobody.
    pub user: Option<String>,
    /// Their password. Also `HOIST_SMTP_PASSWORD`, which wins.
    pub password: Option<Secret>,
    /// The address that stands as the sender.
    pub from: Email,
    /// Domains to whose every address notifications may be sent. Default: none; only to those who work on the app.
    #[serde(default)]
    pub allow: Vec<MailDomain>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    Tls,
    StartTls,
    None,
}

impl Smtp {
    /// Puts what the environment says over what the file says.
    pub(super) fn or_environment(mut self) -> Self {
        self.password = variable("HOIST_SMTP_PASSWORD").map(Secret::new).or(self.password);
        self
    }
}
