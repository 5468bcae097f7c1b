//! The ways in which Xero writes times.

use jiff::{Timestamp, tz::TimeZone};

use crate::clock;

/// Writes a time with seven fraction digits and no zone, as connections have it.
pub(crate) fn seven_digits(at: Timestamp) -> String {
    let seconds = at.strftime("%Y-%m-%dT%H:%M:%S");
    format!("{seconds}.{:07}", at.subsec_nanosecond().unsigned_abs() / 100)
}

/// Writes a time with milliseconds and no zone, as webhooks have it.
pub(crate) fn milliseconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}

/// Writes the end of a token as the API's refusal has it.
pub(crate) fn american(at: Timestamp) -> String {
    at.strftime("%m/%d/%Y %H:%M:%S").to_string()
}

/// Writes a time in the form of Microsoft's old JSON.
pub(crate) fn slash_date(at: Timestamp) -> String {
    format!("/Date({}+0000)/", at.as_millisecond())
}

/// Writes a time without fraction and zone, as members that end in `String` have it.
pub(crate) fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Writes the day in the form of Microsoft's old JSON: the time of its beginning.
pub(crate) fn slash_day(at: Timestamp) -> String {
    parse(&day(at)).map_or_else(|| slash_date(at), slash_date)
}

/// Writes the day as members that end in `String` have it.
pub(crate) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT00:00:00").to_string()
}

/// Reads a time in any form that Xero takes or writes; without a zone it is UTC.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        let digits = inner.split('+').next()?;
        return Timestamp::from_millisecond(digits.parse().ok()?).ok();
    }
    clock::read(text, || TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_form_is_the_documented_one() {
        let at = "2026-04-20T11:47:10.336544Z".parse().unwrap();

        assert_eq!(seven_digits(at), "2026-04-20T11:47:10.3365440");
        assert_eq!(milliseconds(at), "2026-04-20T11:47:10.336");
        assert_eq!(american(at), "04/20/2026 11:47:10");
        assert_eq!(slash_date(at), "/Date(1776685630336+0000)/");
    }

    #[test]
    fn every_form_is_read_as_utc() {
        for text in
            ["2026-04-16", "2026-04-16T00:00:00", "2026-04-16T00:00:00Z", "/Date(1776297600000+0000)/"]
        {
            assert_eq!(parse(text).unwrap().to_string(), "2026-04-16T00:00:00Z", "{text}");
        }
        assert!(parse("soon").is_none());
    }
}
