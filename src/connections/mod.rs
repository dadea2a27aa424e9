//! Connections to repositories on forges: made, changed and removed (`change`); what a forge tells is taken down (`hear`), and
//! with it, in one transaction, what is to be deployed, and what pull requests want of review apps (`review_apps`). The spine
//! takes it from there.

mod change;
mod hear;
mod review_apps;

pub use change::{Change, ConnectError, NewConnection, change, change_secret, connect, deploy_branch, disconnect};
pub use hear::{Heard, Rights, hear};
