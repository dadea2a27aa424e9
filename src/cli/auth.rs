//! `hoist whoami`

use clap::Subcommand;

use super::client::Client;
use super::error::CliError;
use super::output::print;
use crate::api::types::Account;

#[derive(Debug, Subcommand)]
pub(super) enum Auth {
    /// Display the current logged in user
    #[command(name = "whoami", alias = "auth:whoami")]
    Whoami,
}

impl Auth {
    pub(super) fn run(self) -> Result<(), CliError> {
        match self {
            Self::Whoami => {
                let account: Account = Client::open()?.get("/account")?;
                print(&format!("{}\n", account.email))
            }
        }
    }
}
