//! Where the last N lines of a log begin.

use std::collections::VecDeque;

use time::OffsetDateTime;

use super::lines::{self, Source};
use super::merge::Cursor;
use super::session::Session;
use crate::api::error::ApiError;
use crate::api::urls::Urls;
use crate::db::{self, Connection};
use crate::deploy::AppLog;

/// Where a line stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The number of an event, and which of its lines.
    Event(i64, usize),
    /// Where the output goes on before it.
    Output(u64),
}

/// The place to begin at.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) cursor: Cursor,
    /// How many lines of the first event are one too many.
    pub(super) skip: usize,
}

/// Finds the place before the last lines that a session asked for and that stand before `end`. Reads back through the
/// events as far as it must, and once through the kept output; no more is held than the places of so many lines.
pub(super) async fn find(
    db: &mut Connection,
    urls: &Urls,
    session: &Session,
    output: &AppLog,
    end: Cursor,
) -> Result<Start, ApiError> {
    let mut places = Vec::from(last_output(session, output, end.output).await?);
    places.extend(last_events(db, urls, session, end.event).await?);
    // Stable: of what has the same time, the output is first, as in `merge`.
    places.sort_by_key(|(at, _)| *at);
    let surplus = places.len().saturating_sub(session.lines as usize);
    let mut start = Start { cursor: end, skip: 0 };
    for (_, place) in &places[surplus..] {
        match *place {
            Place::Event(number, line) if number <= start.cursor.event => {
                start.cursor.event = number - 1;
                start.skip = line;
            }
            Place::Output(before) => start.cursor.output = start.cursor.output.min(before),
            Place::Event(..) => {}
        }
    }
    Ok(start)
}

/// The last lines of events, oldest first.
async fn last_events(
    db: &mut Connection,
    urls: &Urls,
    session: &Session,
    end: i64,
) -> Result<Vec<(OffsetDateTime, Place)>, ApiError> {
    let (mut places, mut before) = (VecDeque::new(), end.saturating_add(1));
    while places.len() < session.lines as usize {
        let Some(event) = db::events::previous(db, session.app, before).await? else { break };
        before = event.number;
        if !session.filter.may_take(&event.facts, event.action) {
            continue;
        }
        let lines = lines::of(db, urls, &event).await?;
        let taken = lines.iter().filter(|line| session.filter.takes(line.source, &line.dyno));
        let of_event: Vec<_> = taken.enumerate().map(|(index, line)| (line.at, Place::Event(event.number, index))).collect();
        of_event.into_iter().rev().for_each(|place| places.push_front(place));
    }
    Ok(places.into())
}

/// The last lines of output, oldest first.
async fn last_output(session: &Session, output: &AppLog, end: u64) -> Result<VecDeque<(OffsetDateTime, Place)>, ApiError> {
    let (mut places, mut lines, mut before) = (VecDeque::new(), output.lines(0), 0);
    while let Some(line) = lines.next().await?.filter(|line| line.end <= end) {
        if session.filter.takes(Source::App, &line.process) {
            places.push_back((line.at, Place::Output(before)));
            if places.len() > session.lines as usize {
                places.pop_front();
            }
        }
        before = line.end;
    }
    Ok(places)
}
