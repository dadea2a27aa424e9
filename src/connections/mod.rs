//! Connections to repositories on forges: made, changed and removed (`change`); what a forge tells is taken down (`hear`), and
//! with it, in one transaction, what is to be deployed. The spine takes it from there.

mod change;
mod hear;

pub use change::{Change, ConnectError, NewConnection, change, connect, deploy_branch, disconnect};
pub use hear::{Heard, Rights, hear};
