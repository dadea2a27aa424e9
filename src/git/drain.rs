//! What a client still says when it has been refused.

use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};
use tokio::time::timeout;

/// What is read of it, so that the client gets to read why: a closed connection with unread bytes in it takes the answer along,
/// and git dies without a word when it can't write on.
const MAX_DRAINED: u64 = 1024 * 1024 * 1024;
const MAX_DRAIN_TIME: Duration = Duration::from_secs(30);

/// Reads on for a while and forgets it.
pub(super) async fn drain(input: &mut (impl AsyncBufRead + Unpin)) {
    let read = async {
        let mut left = MAX_DRAINED;
        while let Ok(bytes) = input.fill_buf().await {
            let count = bytes.len();
            if count == 0 || left == 0 {
                break;
            }
            input.consume(count);
            left = left.saturating_sub(count as u64);
        }
    };
    // However it ends, everything has been said.
    let _ = timeout(MAX_DRAIN_TIME, read).await;
}
