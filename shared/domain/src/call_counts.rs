//! How often our own API is called: by whom in a minute, about whom in a month.

use std::fmt;

use async_trait::async_trait;
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use crate::{
    id::{ApiKeyId, TenantId},
    store::StoreError,
};

/// How long the count of a month is kept, in days: a year, and the month in which it is looked back on.
pub const MONTHS_KEPT_DAYS: u32 = 400;

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
}
