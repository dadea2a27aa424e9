//! Times on the wire: UTC, whole seconds, `2012-01-01T12:00:00Z`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

const FORMAT: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// A point in time; reads any RFC 3339 form, writes Heroku's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp(pub OffsetDateTime);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.to_offset(UtcOffset::UTC).format(FORMAT).map_err(ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        OffsetDateTime::parse(&text, &Rfc3339).map(Self).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn whole_seconds_of_utc() {
        let json = serde_json::to_string(&Timestamp(datetime!(2012-01-01 13:00:00.987 +1))).unwrap();
        assert_eq!(json, "\"2012-01-01T12:00:00Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap().0, datetime!(2012-01-01 12:00 UTC));
    }
}
