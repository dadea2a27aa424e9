//! Connections to repositories on forges: made, changed and removed (`change`); what a forge tells is taken down (`hear`), and
//! with it, in one transaction, what is to be deployed, and what pull requests want of review apps (`review_apps`). The spine
//! takes it from there. A connection follows a repository that gets another name (`follow`). What was told long ago is forgotten
//! (`forget`). What other git servers are shown for an app's submodules needs no connection (`git_credentials`).

mod change;
mod follow;
mod forget;
mod git_credentials;
mod hear;
mod review_apps;

pub use change::{Change, ConnectError, NewConnection, allow, change, change_secret, connect, deploy_branch, disconnect};
pub use forget::forget_deliveries;
pub use git_credentials::{GitCredentialError, MOST_GIT_CREDENTIALS, add_git_credential, remove_git_credential};
pub use hear::{Heard, Incoming, Rights, Signer, hear};
