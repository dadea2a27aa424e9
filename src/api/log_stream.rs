//! A log over HTTP, also while it grows: as text or as server-sent events, by `Accept`; from its beginning, or from where
//! a client has got to (heroku-api 2.6).
//!
//! A place in a log is the number of bytes before it. A client of the text counts them (without the NULs that keep the
//! connection alive) and asks for `Range: bytes=N-`; events carry it as their id, which comes back as `Last-Event-ID`.

use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;

use crate::deploy::Log;

/// Clients give up after 60 s of silence (heroku-api 2.6).
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A line is sent once it is this long, ended or not.
const LONGEST_LINE: usize = 16 * 1024;

/// The last byte of what still grows: RFC 8673, 2.2, and the largest number that every JSON reader takes.
const VERY_LARGE: u64 = (1 << 53) - 1;

/// Answers with a log in the form that the request's headers ask for.
pub(super) fn respond(log: Log, headers: &HeaderMap) -> Response {
    if wants_events(headers) { events(log, last_event_id(headers).unwrap_or(0)) } else { text(log, range_start(headers)) }
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accept.flat_map(|list| list.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/event-stream")
    })
}

fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.trim().parse().ok()
}

/// The N of `bytes=N-`, or of `bytes=N-M` when M means "as much as there will be". Other ranges are passed over, as a
/// server may (RFC 9110, 14.2).
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let (start, end) = headers.get(header::RANGE)?.to_str().ok()?.trim().strip_prefix("bytes=")?.split_once('-')?;
    let to_the_end = end.is_empty() || end.parse::<u64>().is_ok_and(|end| end >= VERY_LARGE);
    if to_the_end { start.parse().ok() } else { None }
}

fn text(log: Log, start: Option<u64>) -> Response {
    let known = log.bytes();
    let (status, content_range) = match (start, known) {
        (None, _) => (StatusCode::OK, None),
        (Some(start), Some(bytes)) if start >= bytes => (StatusCode::RANGE_NOT_SATISFIABLE, Some(format!("bytes */{bytes}"))),
        (Some(start), Some(bytes)) => (StatusCode::PARTIAL_CONTENT, Some(format!("bytes {start}-{}/{bytes}", bytes - 1))),
        (Some(start), None) => (StatusCode::PARTIAL_CONTENT, Some(format!("bytes {start}-{VERY_LARGE}/*"))),
    };
    let body = match status {
        StatusCode::RANGE_NOT_SATISFIABLE => Body::empty(),
        _ => Body::from_stream(stream::unfold(Rest { log, skip: start.unwrap_or(0) }, next_text)),
    };
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::ACCEPT_RANGES, "bytes")];
    let mut response = (status, headers, body).into_response();
    if let Some(content_range) = content_range {
        let value = HeaderValue::try_from(content_range).expect("digits are a header value");
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

fn events(log: Log, start: u64) -> Response {
    // What an EventSource takes as the end: without it, it would ask again and again (HTML, 9.2.3).
    if log.bytes().is_some_and(|bytes| start >= bytes) {
        return StatusCode::NO_CONTENT.into_response();
    }
    let state = (Rest { log, skip: start }, Lines { offset: start, partial: Vec::new(), ended: false });
    let body = Body::from_stream(stream::unfold(state, next_events));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, body).into_response()
}

/// What a client has not got yet.
struct Rest {
    log: Log,
    skip: u64,
}

impl Rest {
    /// The next piece, none at the end; `Err` when there was nothing for too long.
    async fn next(&mut self) -> Result<Option<std::io::Result<Bytes>>, Silence> {
        loop {
            let piece = tokio::time::timeout(KEEP_ALIVE, self.log.next()).await.map_err(|_| Silence)?;
            let Some(Ok(mut piece)) = piece else { return Ok(piece) };
            let skipped = usize::try_from(self.skip).map_or(piece.len(), |skip| skip.min(piece.len()));
            self.skip -= skipped as u64;
            let piece = piece.split_off(skipped);
            if !piece.is_empty() {
                return Ok(Some(Ok(piece)));
            }
        }
    }
}

struct Silence;

/// The next piece, or a NUL to keep the connection alive.
async fn next_text(mut rest: Rest) -> Option<(std::io::Result<Bytes>, Rest)> {
    match rest.next().await {
        Ok(piece) => piece.map(|piece| (piece, rest)),
        Err(Silence) => Some((Ok(Bytes::from_static(b"\0")), rest)),
    }
}

/// The next events, or a comment to keep the connection alive.
async fn next_events((mut rest, mut lines): (Rest, Lines)) -> Option<(std::io::Result<Bytes>, (Rest, Lines))> {
    if lines.ended {
        return None;
    }
    let text = match rest.next().await {
        Ok(Some(Ok(piece))) => Ok(lines.push(&piece)),
        Ok(Some(Err(error))) => Err(error),
        Ok(None) => Ok(lines.end()),
        Err(Silence) => Ok(":\n\n".to_owned()),
    };
    Some((text.map(Bytes::from), (rest, lines)))
}

/// Makes each line an event.
struct Lines {
    /// Where the next event begins.
    offset: u64,
    partial: Vec<u8>,
    ended: bool,
}

impl Lines {
    fn push(&mut self, piece: &[u8]) -> String {
        self.partial.extend_from_slice(piece);
        let mut events = String::new();
        let taken = std::mem::take(&mut self.partial);
        let mut rest = taken.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.add(&rest[..end], end + 1, &mut events);
            rest = &rest[end + 1..];
        }
        if rest.len() > LONGEST_LINE {
            self.add(rest, rest.len(), &mut events);
            rest = &[];
        }
        self.partial = rest.to_vec();
        events
    }

    fn end(&mut self) -> String {
        self.ended = true;
        let mut events = String::new();
        let rest = std::mem::take(&mut self.partial);
        if !rest.is_empty() {
            self.add(&rest, rest.len(), &mut events);
        }
        events
    }

    /// One event. A carriage return would end a line of it (HTML, 9.2.5), so the parts between are lines of its data.
    fn add(&mut self, line: &[u8], bytes: usize, events: &mut String) {
        self.offset += bytes as u64;
        let line = String::from_utf8_lossy(line);
        writeln!(events, "id: {}", self.offset).expect("strings take everything");
        for part in line.strip_suffix('\r').unwrap_or(&line).split('\r') {
            writeln!(events, "data: {part}").expect("strings take everything");
        }
        events.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        [(header::HeaderName::from_static(name), HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn the_form_is_by_accept() {
        for events in ["text/event-stream", "text/html, Text/Event-Stream; q=0.9"] {
            assert!(wants_events(&headers("accept", events)), "{events}");
        }
        for text in ["*/*", "text/plain", "application/vnd.heroku+json; version=3"] {
            assert!(!wants_events(&headers("accept", text)), "{text}");
        }
        assert!(!wants_events(&HeaderMap::new()));
    }

    #[test]
    fn only_open_ranges_are_taken() {
        let start = |range| range_start(&headers("range", range));
        assert_eq!((start("bytes=0-"), start("bytes=12-"), start("bytes=12-9007199254740991")), (Some(0), Some(12), Some(12)));
        for passed_over in ["bytes=1-2", "bytes=-5", "bytes=1-,5-", "lines=1-", "bytes=x-", ""] {
            assert_eq!(start(passed_over), None, "{passed_over}");
        }
    }

    #[test]
    fn each_line_is_an_event_with_the_place_behind_it() {
        let mut lines = Lines { offset: 10, partial: Vec::new(), ended: false };
        assert_eq!(lines.push(b"one\ntw"), "id: 14\ndata: one\n\n");
        assert_eq!(lines.push(b"o\r\n\n50%\r60%"), "id: 19\ndata: two\n\nid: 20\ndata: \n\n");
        assert_eq!(lines.end(), "id: 27\ndata: 50%\ndata: 60%\n\n");
        assert!(lines.ended);
    }

    #[test]
    fn a_line_without_end_is_sent_all_the_same() {
        let mut lines = Lines { offset: 0, partial: Vec::new(), ended: false };
        assert_eq!(lines.push(&[b'x'; LONGEST_LINE]), "");
        let event = lines.push(b"yy");
        assert!(event.starts_with(&format!("id: {}\ndata: xxx", LONGEST_LINE + 2)) && event.ends_with("yy\n\n"));
        assert_eq!(lines.end(), "");
    }
}
