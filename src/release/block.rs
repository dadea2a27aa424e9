//! Marking a release as one that nobody may go back to.

use time::OffsetDateTime;

use crate::db::releases::Block;
use crate::db::{self, Db, DbError};
use crate::model::{AccountId, OneLine, ReleaseId};

/// Why a release could not be blocked.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// A block stays as it was made: what somebody read yesterday is there today.
    #[error("it is blocked already: {reason}")]
    Already { reason: String },
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Blocks a release; doing so again for the same reason changes nothing.
pub async fn block(
    db: &Db,
    release: ReleaseId,
    by: AccountId,
    reason: &OneLine,
    at: OffsetDateTime,
) -> Result<Block, BlockError> {
    let mut tx = db.write().await?;
    match db::releases::block_of(&mut tx, release).await? {
        Some(block) if block.reason == reason.as_str() => return Ok(block),
        Some(Block { reason, .. }) => return Err(BlockError::Already { reason }),
        None => db::releases::block(&mut tx, release, by, reason, at).await?,
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(Block { reason: reason.to_string(), by, created_at: at })
}
