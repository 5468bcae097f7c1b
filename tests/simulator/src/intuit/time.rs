//! Intuit writes times with the offset of its home on the Pacific coast.

use std::sync::LazyLock;

use jiff::{Timestamp, Zoned, tz::TimeZone};

use crate::clock;

/// The Pacific zone as a rule, so that no time zone database is needed.
const PACIFIC: &str = "PST8PDT,M3.2.0,M11.1.0";

/// Writes a time to the second, as in `MetaData`.
pub(crate) fn pacific(at: Timestamp) -> String {
    zoned(at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Writes a time to the millisecond, as in the `time` member of answers.
pub(crate) fn pacific_millis(at: Timestamp) -> String {
    zoned(at).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// Writes the date, as in `TxnDate`.
pub(crate) fn pacific_date(at: Timestamp) -> String {
    zoned(at).strftime("%Y-%m-%d").to_string()
}

/// Reads a time with an offset, or a date and time (or a date) of the Pacific coast.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    clock::read(text, zone)
}

fn zoned(at: Timestamp) -> Zoned {
    at.to_zoned(zone())
}

fn zone() -> TimeZone {
    static ZONE: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::posix(PACIFIC).unwrap_or(TimeZone::UTC));
    ZONE.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_follows_daylight_saving() {
        assert_eq!(pacific("2026-01-15T12:00:00Z".parse().unwrap()), "2026-01-15T04:00:00-08:00");
        assert_eq!(
            pacific_millis("2026-07-15T12:00:00.5Z".parse().unwrap()),
            "2026-07-15T05:00:00.500-07:00"
        );
    }

    #[test]
    fn a_time_without_offset_is_pacific() {
        assert_eq!(parse("2026-11-01").unwrap().to_string(), "2026-11-01T07:00:00Z");
        assert_eq!(parse("2026-01-01T00:00:00").unwrap().to_string(), "2026-01-01T08:00:00Z");
        assert_eq!(parse("2026-01-01T00:00:00+00:00").unwrap().to_string(), "2026-01-01T00:00:00Z");
        assert!(parse("soon").is_none());
    }
}
