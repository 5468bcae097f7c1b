//! When a connection is refreshed: pure decisions over times.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    connection::SealedTokens,
    entropy::{self, Entropy},
};

/// The times that govern refreshing; checked against each other when the configuration is read.
#[derive(Clone, Copy, Debug)]
pub struct RefreshPolicy {
    /// How long before its end an access token is refreshed (`REFRESH_LEAD_SECONDS`).
    pub lead: Duration,
    /// How long a POST to a token endpoint may take (`REFRESH_POST_TIMEOUT_SECONDS`).
    pub post_timeout: Duration,
    /// How long a lease lasts (`REFRESH_LEASE_SECONDS`); longer than the function may live, so that it never runs out
    /// under a live worker.
    pub lease: Duration,
}

/// Thirty minutes: a customer's outage of half an hour is survived with every token still good.
pub const DEFAULT_LEAD: Duration = Duration::from_mins(30);
/// Providers have answered after tens of seconds; giving up early loses tokens, since they still commit.
pub const DEFAULT_POST_TIMEOUT: Duration = Duration::from_secs(45);
/// Above the function's hard timeout of 75 s, with room for clocks that differ.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(105);

/// A claimed connection whose message is lost is due again after this time; above SQS's usual delivery, below any lead.
pub const CLAIM: Duration = Duration::from_mins(5);
/// A manual refresh joins one that succeeded this recently.
pub const JOIN: Duration = Duration::from_secs(10);
/// Our own backoff never grows beyond this.
const MAX_BACKOFF: Duration = Duration::from_mins(15);
/// A provider that asks for more patience than this is asked again all the same.
const MAX_ASKED: Duration = Duration::from_hours(1);
/// Kept free at the end of a lease, so that clocks that differ by as much never let two workers hold one.
pub(super) const LEASE_MARGIN: Duration = Duration::from_secs(2);
/// The first backoff of scheduled retries; the sweep comes once a minute, so less would change nothing.
const FIRST_BACKOFF: Duration = Duration::from_mins(1);
/// Due times are spread by up to this share of the lead, so that connections made together do not stay together.
const JITTER_SHARE: u32 = 10;

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self { lead: DEFAULT_LEAD, post_timeout: DEFAULT_POST_TIMEOUT, lease: DEFAULT_LEASE }
    }
}

impl RefreshPolicy {
    /// The lead for a token of this life: never more than a third of it, or Xero's 30-minute tokens would always be due.
    #[must_use]
    pub fn lead_for(&self, issued_at: Timestamp, expires_at: Timestamp) -> Duration {
        let life = expires_at.duration_since(issued_at);
        let third = Duration::try_from(life).unwrap_or_default() / 3;
        self.lead.min(third)
    }

    /// Whether an access token should be replaced now.
    #[must_use]
    pub fn needs_refresh(&self, tokens: &SealedTokens, now: Timestamp) -> bool {
        let lead = self.lead_for(tokens.issued_at, tokens.access_expires_at);
        now >= earlier(tokens.access_expires_at, lead)
    }

    /// Whether the sweep was right to look at a token set: due times are spread ahead of the lead.
    #[must_use]
    pub fn is_due(&self, tokens: &SealedTokens, now: Timestamp) -> bool {
        let lead = self.lead_for(tokens.issued_at, tokens.access_expires_at);
        now >= earlier(tokens.access_expires_at, lead + lead / JITTER_SHARE)
    }

    /// When the sweep should look at a token set again.
    #[must_use]
    pub fn due_at(&self, issued_at: Timestamp, expires_at: Timestamp, entropy: &dyn Entropy) -> Timestamp {
        let lead = self.lead_for(issued_at, expires_at);
        let jitter = u64::try_from((lead / JITTER_SHARE).as_millis()).unwrap_or_default();
        earlier(expires_at, lead + Duration::from_millis(entropy::up_to(entropy, jitter)))
    }
}

/// When to try again after `failures` failures in a row: doubling from a minute to a quarter of an hour, or when the
/// provider asked, with up to a second of jitter.
#[must_use]
pub fn retry_at(now: Timestamp, failures: u32, asked: Option<Duration>, entropy: &dyn Entropy) -> Timestamp {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(MAX_BACKOFF);
    let wait = asked.map_or(doubled, |asked| asked.min(MAX_ASKED).max(doubled));
    later(now, wait + Duration::from_millis(entropy::up_to(entropy, 1000)))
}

/// `at` moved forward, never beyond the end of time.
#[must_use]
pub fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// `at` moved back, never beyond the beginning of time.
#[must_use]
pub fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_hour_token_is_led_by_twenty_minutes_because_a_third_is_the_cap() {
        let policy = RefreshPolicy::default();

        assert_eq!(policy.lead_for(at(0), at(3600)), Duration::from_mins(20));
    }

    #[test]
    fn a_day_token_is_led_by_the_configured_lead() {
        assert_eq!(RefreshPolicy::default().lead_for(at(0), at(86_400)), DEFAULT_LEAD);
    }

    #[test]
    fn a_token_that_was_born_dead_has_no_lead() {
        assert_eq!(RefreshPolicy::default().lead_for(at(10), at(0)), Duration::ZERO);
    }

    #[test]
    fn due_exactly_at_the_margin() {
        assert_eq!(RefreshPolicy::default().due_at(at(0), at(3600), &Zeros), at(2400));
    }

    #[test]
    fn backoff_doubles_from_a_minute_to_its_cap_and_honors_retry_after() {
        let waits: Vec<i64> = [1, 2, 3, 4, 5, 6, 40]
            .map(|failures| retry_at(at(0), failures, None, &Zeros).as_second())
            .to_vec();
        assert_eq!(waits, [60, 120, 240, 480, 900, 900, 900]);

        assert_eq!(retry_at(at(0), 1, Some(Duration::from_mins(5)), &Zeros), at(300));
        assert_eq!(retry_at(at(0), 1, Some(Duration::from_secs(1_000_000_000)), &Zeros), at(3600));
    }
}
