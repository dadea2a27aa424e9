//! An app's events and its processes' output as one log, in the order of time, from a place in both.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lines::{self, Line, Source};
use super::session::Session;
use super::start;
use crate::api::error::ApiError;
use crate::api::urls::Urls;
use crate::ctx::Ctx;
use crate::db::{self, Db};
use crate::deploy::{self, AppLog, OutputLine, OutputLines};

/// A place in a log: behind an event, and behind so many bytes of output. Clients get it as an event's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) event: i64,
    pub(super) output: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.event, self.output)
    }
}

impl FromStr for Cursor {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (event, output) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self { event: event.parse()?, output: output.parse()? })
    }
}

/// Lines that belong to one place.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) lines: Vec<Line>,
    pub(super) behind: Cursor,
}

/// A reader of a log.
pub(super) struct Merge {
    db: Db,
    urls: Urls,
    session: Session,
    /// Kept, because its writer is looked for by its readers.
    _log: Arc<AppLog>,
    output: OutputLines,
    commits: watch::Receiver<()>,
    stopping: CancellationToken,
    deadline: Instant,
    cursor: Cursor,
    /// Where it ends; none for one that is followed.
    end: Option<Cursor>,
    /// How many lines of the first event are one too many.
    skip: usize,
    next_event: Option<(i64, Vec<Line>)>,
    next_output: Option<OutputLine>,
}

impl Merge {
    /// Begins behind what a client has seen, or at the last lines that the session asks for.
    pub(super) async fn open(ctx: &Ctx, session: Session, last_seen: Option<Cursor>) -> Result<Self, ApiError> {
        let log = deploy::app_log(ctx, session.app)?;
        // Before it is looked what there is, so that nothing comes between.
        let commits = ctx.db.commits();
        let mut db = ctx.db.read().await?;
        let newest = db::events::previous(&mut db, session.app, i64::MAX).await?;
        let end = Cursor { event: newest.map_or(0, |event| event.number), output: log.end() };
        let urls = Urls::new(ctx);
        let start = match last_seen {
            Some(cursor) => start::Start { cursor, skip: 0 },
            None => start::find(&mut db, &urls, &session, &log, end).await?,
        };
        drop(db);
        Ok(Self {
            db: ctx.db.clone(),
            urls,
            output: log.lines(start.cursor.output),
            _log: log,
            commits,
            stopping: ctx.stopping.clone(),
            deadline: Instant::now() + session.time_left(ctx.now()),
            cursor: start.cursor,
            end: (!session.tail).then_some(end),
            skip: start.skip,
            session,
            next_event: None,
            next_output: None,
        })
    }

    /// Whether nothing will come any more.
    pub(super) async fn is_over(&mut self) -> Result<bool, ApiError> {
        self.fill().await?;
        Ok(self.end.is_some() && self.next_event.is_none() && self.next_output.is_none())
    }

    /// The next lines; waits for some where the log is followed; `None` at the end. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>, ApiError> {
        loop {
            self.commits.borrow_and_update();
            self.fill().await?;
            if let Some(piece) = self.take() {
                return Ok(Some(piece));
            }
            if self.end.is_some() || Instant::now() >= self.deadline || self.stopping.is_cancelled() {
                return Ok(None);
            }
            tokio::select! {
                // The sender is in `self.db`.
                _ = self.commits.changed() => {}
                () = self.output.grown() => {}
                () = self.stopping.cancelled() => {}
                () = tokio::time::sleep_until(self.deadline) => {}
            }
        }
    }

    /// Looks what is next in both.
    async fn fill(&mut self) -> Result<(), ApiError> {
        if self.next_output.is_none() {
            self.fill_output().await?;
        }
        if self.next_event.is_none() {
            self.fill_event().await?;
        }
        Ok(())
    }

    async fn fill_output(&mut self) -> io::Result<()> {
        while let Some(line) = self.output.next().await? {
            if self.end.is_some_and(|end| line.end > end.output) {
                return Ok(());
            }
            if self.session.filter.takes(Source::App, &line.process) {
                self.next_output = Some(line);
                return Ok(());
            }
            self.cursor.output = line.end;
        }
        Ok(())
    }

    async fn fill_event(&mut self) -> Result<(), ApiError> {
        let mut db = self.db.read().await?;
        while let Some(event) = db::events::next(&mut db, self.session.app, self.cursor.event).await? {
            if self.end.is_some_and(|end| event.number > end.event) {
                return Ok(());
            }
            if self.session.filter.may_take(&event.facts, event.action) {
                let mut lines = lines::of(&mut db, &self.urls, &event).await?;
                lines.retain(|line| self.session.filter.takes(line.source, &line.dyno));
                lines.drain(..std::mem::take(&mut self.skip).min(lines.len()));
                if !lines.is_empty() {
                    self.next_event = Some((event.number, lines));
                    return Ok(());
                }
            }
            self.cursor.event = event.number;
        }
        Ok(())
    }

    /// Takes the older of the two. In one millisecond the output is first: a process takes longer to begin, but is said to have
    /// ended at once.
    fn take(&mut self) -> Option<Piece> {
        let event_at: Option<OffsetDateTime> = self.next_event.as_ref().map(|(_, lines)| lines[0].at);
        let output_at = self.next_output.as_ref().map(|line| line.at);
        let output_is_first = match (event_at, output_at) {
            (Some(event_at), Some(output_at)) => output_at <= event_at,
            (event_at, _) => event_at.is_none(),
        };
        let lines = if output_is_first {
            let line = self.next_output.take()?;
            self.cursor.output = line.end;
            vec![line.into()]
        } else {
            let (number, lines) = self.next_event.take()?;
            self.cursor.event = number;
            lines
        };
        Some(Piece { lines, behind: self.cursor })
    }
}
