//! Lists in parts: `Range: version 10..20; max=5, order=desc` and what answers it.
//!
//! Bounds are values, whatever the order: a descending list goes on below the last one shown.

use std::ops::{Bound, RangeBounds};

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::ApiError;
use crate::db::{Order, TextWindow, Window};

const MAX_DEFAULT: u32 = 200;
const MAX: u32 = 1000;

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    /// None asks for the list's own first attribute.
    attribute: Option<String>,
    start: Bound<String>,
    end: Bound<String>,
    max: u32,
    order: Order,
}

/// An attribute that a list can be cut by: its name and how to get it. Must be unique within the list.
pub(super) type Key<T> = (&'static str, fn(&T) -> String);

/// A part of a list, which is also the response.
#[derive(Debug)]
pub(super) struct Page<T> {
    items: Vec<T>,
    accepted: String,
    /// `ATTRIBUTE FIRST..LAST`.
    content: Option<String>,
    /// The range that asks for what follows.
    next: Option<String>,
}

impl<T> Page<T> {
    /// Makes the wire form of each item.
    pub(super) fn map<U>(self, wire: impl FnMut(T) -> U) -> Page<U> {
        let items = self.items.into_iter().map(wire).collect();
        Page { items, accepted: self.accepted, content: self.content, next: self.next }
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items
    }
}

impl Default for Range {
    fn default() -> Self {
        Self { attribute: None, start: Bound::Unbounded, end: Bound::Unbounded, max: MAX_DEFAULT, order: Order::Ascending }
    }
}

impl<S: Sync> FromRequestParts<S> for Range {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(header) = parts.headers.get(header::RANGE) else { return Ok(Self::default()) };
        let range = header.to_str().ok().and_then(parse);
        range.ok_or_else(|| ApiError::BadRange("The Range header must look like `name ..; max=200, order=asc`.".into()))
    }
}

impl Range {
    /// Cuts a list that is in memory.
    pub(super) fn cut<T>(&self, mut items: Vec<T>, keys: &[Key<T>]) -> Result<Page<T>, ApiError> {
        let key = self.key(keys)?;
        items.retain(|item| self.holds(&key.1(item)));
        items.sort_by_key(key.1);
        if self.order == Order::Descending {
            items.reverse();
        }
        Ok(self.page(items, key, &names(keys)))
    }

    /// The attribute that is asked for; without one, the first.
    fn key<'k, T>(&self, keys: &'k [Key<T>]) -> Result<&'k Key<T>, ApiError> {
        let asked = self.attribute.as_deref().unwrap_or(keys[0].0);
        keys.iter().find(|(name, _)| *name == asked).ok_or_else(|| not_by(asked, keys.iter().map(|key| key.0)))
    }

    /// What to read from the database of a list whose attributes are columns.
    pub(super) fn text_window<T>(&self, keys: &[Key<T>]) -> Result<TextWindow, ApiError> {
        let column = self.key(keys)?.0;
        Ok(TextWindow { column, from: self.start.clone(), to: self.end.clone(), order: self.order, most: self.max + 1 })
    }

    /// Makes the page of what [`Range::text_window`] read.
    pub(super) fn text_page<T>(&self, items: Vec<T>, keys: &[Key<T>]) -> Result<Page<T>, ApiError> {
        Ok(self.page(items, self.key(keys)?, &names(keys)))
    }

    /// What to read from the database of a list that is numbered by `attribute`. `aliases` are attributes that grow
    /// with the number; they are accepted without bounds.
    pub(super) fn window(&self, attribute: &'static str, aliases: &[&'static str]) -> Result<Window, ApiError> {
        let asked = self.attribute.as_deref().unwrap_or(attribute);
        let open = self.start == Bound::Unbounded && self.end == Bound::Unbounded;
        if asked != attribute && !(open && aliases.contains(&asked)) {
            return Err(not_by(asked, [attribute].into_iter()));
        }
        let number = |text: &str| {
            text.parse::<u32>().map_err(|_| ApiError::BadRange(format!("`{}` is not a {attribute}.", text.escape_debug())))
        };
        let from = match &self.start {
            Bound::Unbounded => 0,
            Bound::Included(text) => number(text)?,
            Bound::Excluded(text) => number(text)?.saturating_add(1),
        };
        let to = match &self.end {
            Bound::Unbounded => u32::MAX,
            Bound::Included(text) => number(text)?,
            // Nothing lies below 0; an empty window says so.
            Bound::Excluded(text) => match number(text)?.checked_sub(1) {
                Some(to) => to,
                None => return Ok(Window { from: 1, to: 0, order: self.order, most: 0 }),
            },
        };
        // One more than is shown tells whether there is more.
        Ok(Window { from, to, order: self.order, most: self.max + 1 })
    }

    /// Makes the page of what [`Range::window`] read.
    pub(super) fn page<T>(&self, mut items: Vec<T>, key: &Key<T>, accepted: &str) -> Page<T> {
        let max = self.max as usize;
        let more = items.len() > max;
        items.truncate(max);
        let (attribute, value) = key;
        let content = match (items.first(), items.last()) {
            (Some(first), Some(last)) => Some(format!("{attribute} {}..{}", value(first), value(last))),
            _ => None,
        };
        let next = items.last().filter(|_| more).map(|last| self.after(attribute, value(last)));
        Page { items, accepted: accepted.to_owned(), content, next }
    }

    fn after(&self, attribute: &str, last: String) -> String {
        let (start, end, order) = match self.order {
            Order::Ascending => (&Bound::Excluded(last), &self.end, "asc"),
            Order::Descending => (&self.start, &Bound::Excluded(last), "desc"),
        };
        let start = match start {
            Bound::Unbounded => String::new(),
            Bound::Included(text) => text.clone(),
            Bound::Excluded(text) => format!("]{text}"),
        };
        let end = match end {
            Bound::Unbounded => String::new(),
            Bound::Included(text) => text.clone(),
            Bound::Excluded(text) => format!("{text}["),
        };
        format!("{attribute} {start}..{end}; max={}, order={order}", self.max)
    }

    fn holds(&self, value: &str) -> bool {
        let bounds = (self.start.as_ref().map(String::as_str), self.end.as_ref().map(String::as_str));
        RangeBounds::<str>::contains(&bounds, value)
    }
}

/// The names of the attributes that a list can be cut by.
fn names<T>(keys: &[Key<T>]) -> String {
    keys.iter().map(|key| key.0).collect::<Vec<_>>().join(", ")
}

fn not_by(asked: &str, known: impl Iterator<Item = &'static str>) -> ApiError {
    let known = known.collect::<Vec<_>>().join(", ");
    ApiError::BadRange(format!("This list can't be cut by `{}`, only by: {known}.", asked.escape_debug()))
}

/// `ATTRIBUTE [START]..[END][; KEY=VALUE[, KEY=VALUE]…]`. An empty header, which the Heroku CLI sends, asks for nothing.
fn parse(text: &str) -> Option<Range> {
    let mut range = Range::default();
    let (list, parameters) = text.split_once(';').unwrap_or((text, ""));
    let list = list.trim();
    if !list.is_empty() {
        let (attribute, bounds) = list.split_once(' ')?;
        let (start, end) = bounds.trim().split_once("..")?;
        range.attribute = Some(attribute.to_owned());
        range.start = match start.strip_prefix(']') {
            Some(start) => Bound::Excluded(start.into()),
            None if start.is_empty() => Bound::Unbounded,
            None => Bound::Included(start.into()),
        };
        range.end = match end.strip_suffix('[') {
            Some(end) => Bound::Excluded(end.into()),
            None if end.is_empty() => Bound::Unbounded,
            None => Bound::Included(end.into()),
        };
    }
    for parameter in parameters.split([',', ';']).map(str::trim).filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=')? {
            ("max", max) => range.max = max.parse().ok().filter(|max| (1..=MAX).contains(max))?,
            ("order", "asc") => range.order = Order::Ascending,
            ("order", "desc") => range.order = Order::Descending,
            _ => return None,
        }
    }
    Some(range)
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let status = if self.next.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        let mut response = (status, Json(self.items)).into_response();
        let headers = [
            (header::ACCEPT_RANGES, Some(self.accepted)),
            (header::CONTENT_RANGE, self.content),
            (HeaderName::from_static("next-range"), self.next),
        ];
        for (name, value) in headers {
            // What a client sent as a bound came from a header, so it fits into one.
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [Key<u32>; 2] = [("name", |item| format!("n{item}")), ("id", |item| format!("{:02}", 90 - item))];

    fn cut(range: &str) -> (Vec<u32>, Option<String>) {
        let page = parse(range).unwrap().cut((1..=5).collect(), &KEYS).unwrap();
        (page.items, page.next)
    }

    #[test]
    fn the_forms_that_clients_send_are_read() {
        let all = ["version ..; max=15, order=desc", "version ..; order=desc,max=15", "version ..;order=desc;max=15"];
        for text in all {
            let range = parse(text).unwrap();
            assert_eq!((range.max, range.order, range.attribute.as_deref()), (15, Order::Descending, Some("version")), "{text}");
        }
        assert_eq!(parse("id ..; max=1000;").unwrap().max, 1000);
        assert_eq!(parse(""), Some(Range::default()));
        for bad in ["version", "version 1", "version ..; max=0", "version ..; max=1001", "version ..; x=1", "..", "v ..; max"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn following_next_range_shows_each_item_once() {
        for (first, expected) in [("name ..; max=2", [1, 2, 3, 4, 5]), ("name ..; max=2, order=desc", [5, 4, 3, 2, 1])] {
            let (mut seen, mut next) = cut(first);
            while let Some(range) = next {
                let (items, then) = cut(&range);
                seen.extend(items);
                next = then;
            }
            assert_eq!(seen, expected, "{first}");
        }
    }

    #[test]
    fn bounds_are_values() {
        assert_eq!(cut("name n2..n4").0, [2, 3, 4]);
        assert_eq!(cut("name ]n2..n4[").0, [3]);
        assert_eq!(cut("name n2..; order=desc").0, [5, 4, 3, 2]);
        assert_eq!(cut("id ..87").0, [5, 4, 3]);
        assert_eq!(cut("name n9..").0, Vec::<u32>::new());
        assert_eq!(cut("name ..; max=5").1, None, "a complete list has no next range");
        assert!(matches!(parse("size ..").unwrap().cut(vec![1], &KEYS), Err(ApiError::BadRange(_))));
    }

    #[test]
    fn numbers_become_a_window() {
        let window = |text: &str| parse(text).unwrap().window("number", &["created_at"]);
        let all = Window { from: 0, to: u32::MAX, order: Order::Descending, most: 16 };
        assert_eq!(window("number ..; max=15, order=desc").unwrap(), all);
        assert_eq!(window("created_at ..; max=15, order=desc").unwrap(), all);
        let some = window("number ]2..9[; max=15").unwrap();
        assert_eq!((some.from, some.to), (3, 8));
        assert_eq!(window("number ..0[").unwrap().most, 0);
        for bad in ["created_at 2012..", "number x..", "number ..-1", "name .."] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }
}
