//! Nothing hangs in silence.

use std::time::Duration;

use crate::transcript::Transcript;

/// Does `work`, with a note whenever nothing has been written to the transcript for so long.
pub(super) async fn with_silence_notes<T>(transcript: &Transcript, silence: Duration, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        let wait = silence.saturating_sub(transcript.silence());
        tokio::select! {
            result = &mut work => return result,
            () = tokio::time::sleep(wait) => {}
        }
        if transcript.silence() >= silence {
            let text = format!("No output for {} minutes; the build is still running.", silence.as_secs().div_ceil(60));
            transcript.detail(&text);
        }
    }
}
