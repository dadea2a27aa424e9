//! A conversation's common part: the pack goes out while it is made.

use std::fmt::Write as _;
use std::time::Duration;

use gix_packetline::Channel;
use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio::time::{Instant, interval_at};

use super::lines::Lines;
use super::negotiation::Negotiation;
use super::packets::{Band, Packets};
use super::pulse::Pulse;
use super::reach::Tips;
use super::refs::Refs;
use super::request::{Fetch, INFINITE};
use super::select::Selecting;
use super::shallow::{Boundary, Starts, Survey, find_excluded};
use super::write::{Manner, Totals, Writer};
use super::{FetchError, Served, UploadPack};
use crate::git::pkt_line::{FLUSH, error_line};
use crate::git::progress::{Output, Progress};

/// Time between two texts about how far it is, and before the first one.
const PROGRESS_TIME: Duration = Duration::from_secs(1);

/// A client, from its first line to its pack.
pub(super) struct Conversation<'a, R, W> {
    pub source: &'a UploadPack,
    pub lines: Lines<R>,
    pub output: Output<W>,
    pub is_stateless: bool,
    /// Ends whatever is being done for this client when the conversation is over.
    pub pulse: Pulse,
    pub served: Served,
}

/// Finds out where history is to end.
pub(super) fn boundary(negotiation: &mut Negotiation, fetch: &Fetch, refs: &Refs) -> Result<Boundary, FetchError> {
    let mut excluded = Vec::new();
    for name in &fetch.shallow.not {
        negotiation.pulse.beat()?;
        excluded.push(negotiation.packs.get(&find_excluded(name, refs)?)?);
    }
    let Negotiation { packs, history, pulse, wants, .. } = negotiation;
    let excluded = Tips::sort(packs, history, &excluded)?;
    let mut values = Vec::new();
    if fetch.shallow.depth == Some(INFINITE) {
        values = refs.iter().map(|(_, id)| packs.get(&id)).collect::<std::io::Result<_>>()?;
    }
    let tips = Tips::sort(packs, history, &values)?;
    let starts = Starts { wants: &wants.commits, excluded: &excluded.commits, refs: &tips.commits };
    Survey { packs, history, pulse }.boundary(&fetch.shallow, &starts)
}

/// Chooses the objects, and gets everything ready that makes a pack of them.
fn prepare(mut negotiation: Negotiation, fetch: &Fetch, boundary: &Boundary, refs: &Refs) -> Result<Writer, FetchError> {
    let tags = if fetch.include_tag { refs.tags(&mut negotiation.packs)? } else { Vec::new() };
    let Negotiation { mut packs, mut history, pulse, wants, common, .. } = negotiation;
    let selecting = Selecting {
        packs: &mut packs,
        history: &mut history,
        pulse: &pulse,
        fetch,
        wants: &wants,
        haves: &common,
        boundary,
        tags: &tags,
    };
    let selection = selecting.select()?;
    packs.rest();
    // What a partial clone has is not all that its commits have.
    let manner = Manner { ofs_delta: fetch.ofs_delta, thin: fetch.thin_pack && fetch.filter.is_none() };
    Ok(Writer::new(packs, selection, manner)?)
}

impl<R: AsyncBufRead + Unpin, W: AsyncWrite + Unpin> Conversation<'_, R, W> {
    /// Sends the pack, in packets of band 1 if the client knows them.
    pub(super) async fn send_pack(
        &mut self,
        negotiation: Negotiation,
        fetch: Fetch,
        boundary: Boundary,
        band: Band,
    ) -> Result<(), FetchError> {
        if band != Band::None {
            self.output.begin_side_band();
        }
        let pulse = self.pulse.clone();
        let (fetches, refs) = (self.source.fetches.clone(), std::sync::Arc::clone(&self.source.refs));
        let says_progress = !fetch.no_progress;
        let prepare = fetches.step(move || prepare(negotiation, &fetch, &boundary, &refs));
        let prepared = self.output.attend(async |progress| wait(prepare, &pulse, &progress, says_progress).await).await;
        let writer = prepared?;
        let totals = self.send_pieces(writer, band).await?;
        if says_progress {
            self.output.send(Channel::Progress, totals.text().as_bytes()).await;
        }
        if band != Band::None {
            self.output.put(FLUSH).await;
        }
        self.served.objects += u64::from(totals.objects);
        if self.output.is_open() { Ok(()) } else { Err(FetchError::Gone) }
    }

    /// While one piece is on its way, the next is made.
    async fn send_pieces(&mut self, mut writer: Writer, band: Band) -> Result<Totals, FetchError> {
        let (mut ready, mut spare) = (Vec::new(), Vec::new());
        loop {
            let mut packets = Packets::new(band, spare);
            let make = self.source.fetches.step(move || {
                let has_more = writer.write_piece(&mut packets)?;
                Ok((writer, packets.into_bytes(), has_more))
            });
            let (made, ()) = tokio::join!(make, self.output.put(&ready));
            let (back, made, has_more) = made?;
            if !self.output.is_open() {
                return Err(FetchError::Gone);
            }
            self.served.bytes += made.len() as u64;
            (writer, spare, ready) = (back, ready, made);
            if !has_more {
                self.output.put(&ready).await;
                return Ok(writer.totals);
            }
        }
    }

    /// Says why it ends here: on band 3 where that is what the client listens to.
    pub(super) async fn tell(&mut self, error: &FetchError) {
        if self.output.has_side_band() {
            self.output.send(Channel::Error, format!("{}\n", error.words()).as_bytes()).await;
        } else {
            self.output.put(&error_line(&error.words())).await;
        }
    }
}

/// Waits for the walk and tells how far it is, unless the client goes before.
async fn wait(
    work: impl Future<Output = Result<Writer, FetchError>>,
    pulse: &Pulse,
    progress: &Progress,
    says_progress: bool,
) -> Result<Writer, FetchError> {
    let mut work = std::pin::pin!(work);
    let mut ticks = interval_at(Instant::now() + PROGRESS_TIME, PROGRESS_TIME);
    loop {
        tokio::select! {
            biased;
            writer = &mut work => {
                let writer = writer?;
                if says_progress {
                    // Whether the client still listens is found out below.
                    let _ = progress.write(format!("Enumerating objects: {}, done.\n", writer.totals.objects).as_bytes()).await;
                }
                return Ok(writer);
            }
            () = progress.gone() => return Err(FetchError::Gone),
            _ = ticks.tick(), if says_progress => {
                let _ = progress.write(format!("Enumerating objects: {}\r", pulse.objects()).as_bytes()).await;
            }
        }
    }
}

impl Totals {
    /// git's own last line.
    fn text(&self) -> String {
        let Self { objects, deltas, reused, reused_deltas, pack_reused } = self;
        let mut text = format!("Total {objects} (delta {deltas}), reused {reused} (delta {reused_deltas})");
        let packs = u32::from(*pack_reused > 0);
        writeln!(text, ", pack-reused {pack_reused} (from {packs})").expect("a String takes everything");
        text
    }
}
