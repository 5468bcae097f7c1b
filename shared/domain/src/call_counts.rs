//! How often our own API is called: by whom in a minute, about whom in a month.

use std::{fmt, net::IpAddr};

use async_trait::async_trait;
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use sha2::{Digest as _, Sha256};

use crate::{
    id::{ApiKeyId, TenantId},
    store::StoreError,
};

/// How long the count of a month is kept, in days: a year, and the month in which it is looked back on.
pub const MONTHS_KEPT_DAYS: u32 = 400;

/// How many bytes of a hash stand for a source: so few that each stands for hundreds of addresses and names nobody, and so
/// many that strangers rarely meet.
const SOURCE_BYTES: usize = 3;
/// The part of an IPv6 address that one customer of a network has (RFC 6177): the rest is theirs to choose.
const PREFIX_BITS: u32 = 64;
const MINUTE: i64 = 60;

/// What is counted within a minute.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Counted {
    /// Calls with a key.
    Calls(ApiKeyId),
    /// Refused attempts with a key of this id.
    RefusedKey(ApiKeyId),
    /// Refused attempts from a source, by a short hash that stands for many addresses and so for no person.
    RefusedSource(String),
}

impl Counted {
    /// Refused attempts from an address. It is another hash each minute, so that nobody is followed by it, and who meets a
    /// stranger meets another one next.
    #[must_use]
    pub fn refused_from(address: &str, now: Timestamp) -> Self {
        let network = match address.parse().map(|address: IpAddr| address.to_canonical()) {
            Ok(IpAddr::V6(address)) => (address.to_bits() >> (u128::BITS - PREFIX_BITS)).to_string(),
            Ok(IpAddr::V4(_)) | Err(_) => address.to_owned(),
        };
        let digest = Sha256::digest(format!("{} {network}", now.as_second().div_euclid(MINUTE)));
        Self::RefusedSource(hex::encode(&digest[..SOURCE_BYTES]))
    }
}

/// A calendar month (UTC).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Month(Date);

impl Month {
    /// The month of an instant.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(TimeZone::UTC.to_datetime(at).date().first_of_month())
    }

    /// The month of a day.
    #[must_use]
    pub fn of_day(day: Date) -> Self {
        Self(day.first_of_month())
    }

    /// When the next month begins.
    #[must_use]
    pub fn ends_at(self) -> Timestamp {
        let next = self.0.saturating_add(1.month());
        next.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |at| at.timestamp())
    }
}

impl fmt::Display for Month {
    /// As `2026-11`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

/// A tenant's calls in a month, as one more came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CallsOfMonth {
    /// How many there are, with this one where it is among them.
    pub calls: u64,
    /// Whether this one is among them: not where there are as many as there may be.
    pub counted: bool,
    /// Whether somebody noted that the tenant is near its limit.
    pub told: bool,
}

/// Where calls are counted.
#[async_trait]
pub trait CallCounts: Send + Sync {
    /// Counts one more in the minute of `now`; gives how many there are with it.
    async fn add(&self, counted: &Counted, now: Timestamp) -> Result<u64, StoreError>;

    /// Counts one more call about a tenant, unless there are `limit` already.
    async fn add_to_month(
        &self,
        tenant: &TenantId,
        month: Month,
        limit: Option<u64>,
    ) -> Result<CallsOfMonth, StoreError>;

    /// Notes that a tenant was found near its limit; false where somebody noted it before.
    async fn mark_told(&self, tenant: &TenantId, month: Month) -> Result<bool, StoreError>;

    /// How many calls there were about a tenant in a month.
    async fn month(&self, tenant: &TenantId, month: Month) -> Result<u64, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_that_of_utc_and_ends_where_the_next_begins() {
        let month = Month::of("2026-12-31T23:59:59.999Z".parse().unwrap());

        assert_eq!(month.to_string(), "2026-12");
        assert_eq!(month.ends_at().to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(Month::of(month.ends_at()).to_string(), "2027-01");
    }

    #[test]
    fn a_source_is_a_network_for_a_minute_and_names_nobody() {
        let (now, later) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(60).unwrap());
        let of = |address| Counted::refused_from(address, now);

        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), Counted::refused_from("192.0.2.1", later));
        let Counted::RefusedSource(source) = of("192.0.2.1") else { panic!("it is a source") };
        assert_eq!(source.len(), 6);
    }
}
