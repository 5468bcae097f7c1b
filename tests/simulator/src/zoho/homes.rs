//! What organizations of a data center have in common: country, currency and time zone.

use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::locations::Location;

/// The usual country of a data center's organizations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    pub(crate) country: &'static str,
    pub(crate) currency: &'static str,
    pub(crate) zone_name: &'static str,
    /// The time zone as a rule, so that no time zone database is needed.
    rule: &'static str,
}

const EASTERN: &str = "EST5EDT,M3.2.0,M11.1.0";

impl Home {
    pub(crate) fn of(location: Location) -> Self {
        let (country, currency, zone_name, rule) = match location {
            Location::Us => ("US", "USD", "America/New_York", EASTERN),
            Location::Eu => ("DE", "EUR", "Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"),
            Location::In => ("IN", "INR", "Asia/Kolkata", "IST-5:30"),
            Location::Au => ("AU", "AUD", "Australia/Sydney", "AEST-10AEDT,M10.1.0,M4.1.0/3"),
            Location::Jp => ("JP", "JPY", "Asia/Tokyo", "JST-9"),
            Location::Ca => ("CA", "CAD", "America/Toronto", EASTERN),
            Location::Sa => ("SA", "SAR", "Asia/Riyadh", "<+03>-3"),
            Location::Cn => ("CN", "CNY", "Asia/Shanghai", "CST-8"),
        };
        Self { country, currency, zone_name, rule }
    }

    /// Writes a time as Zoho does: to the second, with an offset without a colon.
    pub(crate) fn time(self, at: Timestamp) -> String {
        self.zoned(at).strftime("%Y-%m-%dT%H:%M:%S%z").to_string()
    }

    /// Writes the date that a time falls on.
    pub(crate) fn date(self, at: Timestamp) -> String {
        self.zoned(at).strftime("%Y-%m-%d").to_string()
    }

    /// Tells whether summer time applies.
    pub(crate) fn has_summer_time(self, at: Timestamp) -> bool {
        self.zone().to_offset_info(at).dst().is_dst()
    }

    /// Returns the seconds until 23:59:59, when the daily quota begins anew.
    pub(crate) fn seconds_left_today(self, at: Timestamp) -> i64 {
        let now = self.zoned(at);
        let time = now.time();
        let gone = i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second());
        86_399 - gone
    }

    fn zoned(self, at: Timestamp) -> Zoned {
        at.to_zoned(self.zone())
    }

    fn zone(self) -> TimeZone {
        TimeZone::posix(self.rule).unwrap_or(TimeZone::UTC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_offset_of_the_organization() {
        let at: Timestamp = "2026-06-09T13:47:43Z".parse().unwrap();

        assert_eq!(Home::of(Location::Us).time(at), "2026-06-09T09:47:43-0400");
        assert_eq!(Home::of(Location::Eu).time(at), "2026-06-09T15:47:43+0200");
        assert_eq!(Home::of(Location::In).time(at), "2026-06-09T19:17:43+0530");
        assert!(Home::of(Location::Us).has_summer_time(at));
    }

    #[test]
    fn the_daily_quota_ends_at_midnight_of_the_organization() {
        let at: Timestamp = "2026-06-10T03:59:00Z".parse().unwrap();

        assert_eq!(Home::of(Location::Us).seconds_left_today(at), 59);
        assert_eq!(Home::of(Location::Us).date(at), "2026-06-09");
    }
}
