//! When a connection is refreshed: pure decisions over times.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    connection::{Connection, Due, SealedTokens, Slot, WHEELS},
    entropy::{self, Entropy},
    id::ConnectionId,
};

/// Which connections are kept warm, that is with an access token that is good at any time (`REFRESH_POLICY`).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Warmth {
    /// `adaptive`: those that were used within a day; the others are kept alive and refreshed when they are used.
    #[default]
    Adaptive,
    /// `always`: all.
    Always,
}

impl Warmth {
    /// The name in settings, answers and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Always => "always",
        }
    }
}

/// The times that govern refreshing; checked against each other when the configuration is read.
#[derive(Clone, Copy, Debug)]
pub struct RefreshPolicy {
    /// Which connections are kept warm.
    pub warmth: Warmth,
    /// How often a connection is refreshed that nobody uses (`KEEP_ALIVE_HOURS`).
    pub keep_alive: Duration,
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

/// Once a day: far inside the 60 days of Xero's refresh tokens and the 100 of Intuit's, so that weeks of failures cost no
/// connection.
pub const DEFAULT_KEEP_ALIVE: Duration = Duration::from_hours(24);
/// A connection that was used within this time is kept warm.
pub const USED_KEEPS_WARM: Duration = Duration::from_hours(24);
/// A keep-alive never waits for more than this share of a refresh token's life.
const KEEP_ALIVE_SHARE: u32 = 4;
/// Between the sweep that comes by and the refresh may pass this much: the queue's waiting and the spread over a minute.
/// A token that would not outlast the next turn of its wheel by as much is refreshed in this one.
const VISIT_SLACK: Duration = Duration::from_mins(5);
/// By how much a token's life may fall short of whole minutes.
const ROUNDING: Duration = Duration::from_secs(30);
/// A connection is looked at a little before its time by a clock that is a little behind.
const EARLY: Duration = Duration::from_secs(10);
/// A manual refresh joins one that succeeded this recently.
pub const JOIN: Duration = Duration::from_secs(10);
/// Our own backoff never grows beyond this.
const MAX_BACKOFF: Duration = Duration::from_mins(15);
/// A provider that asks for more patience than this is asked again all the same.
const MAX_ASKED: Duration = Duration::from_hours(1);
/// Kept free at the end of a lease: two workers that tell time by the table's clock differ by this much, when its answers
/// came quickly; the room between the function's life and the lease is for those that did not.
pub(super) const LEASE_MARGIN: Duration = Duration::from_secs(3);
/// The first backoff of scheduled retries; the sweep comes once a minute, so less would change nothing.
const FIRST_BACKOFF: Duration = Duration::from_mins(1);
/// Due times are spread by up to this share of the lead, so that connections made together do not stay together.
const JITTER_SHARE: u32 = 10;

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self {
            warmth: Warmth::Adaptive,
            keep_alive: DEFAULT_KEEP_ALIVE,
            lead: DEFAULT_LEAD,
            post_timeout: DEFAULT_POST_TIMEOUT,
            lease: DEFAULT_LEASE,
        }
    }
}

impl RefreshPolicy {
    /// The policy for one connection: where its tenant has a wish, that goes before the deployment's.
    #[must_use]
    pub fn of(&self, connection: &Connection) -> Self {
        Self { warmth: connection.warmth.unwrap_or(self.warmth), ..*self }
    }

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
        self.is_in_lead(tokens.issued_at, tokens.access_expires_at, now)
    }

    /// Whether the lead of a token with this life has begun.
    #[must_use]
    pub fn is_in_lead(&self, issued_at: Timestamp, expires_at: Timestamp, now: Timestamp) -> bool {
        now >= earlier(expires_at, self.lead_for(issued_at, expires_at))
    }

    /// Whether a connection that was last used at `used_at` is kept warm.
    #[must_use]
    pub fn is_warm(&self, used_at: Timestamp, now: Timestamp) -> bool {
        self.warmth == Warmth::Always || now < later(used_at, USED_KEEPS_WARM)
    }

    /// Whether a visit of the sweep, which found the connection at `due`, is the moment to refresh it.
    #[must_use]
    pub fn is_due(
        &self,
        due: Option<Due>,
        tokens: &SealedTokens,
        used_at: Timestamp,
        now: Timestamp,
    ) -> bool {
        match due {
            Some(Due::At(at)) => at <= later(now, EARLY),
            Some(Due::Slot(slot)) if self.is_warm(used_at, now) => {
                let next_visit = later(now, Duration::from_mins(slot.period.into()) + VISIT_SLACK);
                next_visit > tokens.access_expires_at
            }
            Some(Due::Slot(_)) | None => false,
        }
    }

    /// Where the sweep finds a connection next, after all went well.
    #[must_use]
    pub fn next(
        &self,
        connection: &ConnectionId,
        tokens: &SealedTokens,
        used_at: Timestamp,
        entropy: &dyn Entropy,
    ) -> Due {
        let now = tokens.issued_at;
        if !self.is_warm(used_at, now) {
            return Due::At(self.keep_alive_at(tokens, entropy));
        }
        let lead = self.lead_for(now, tokens.access_expires_at);
        match wheel(now, earlier(tokens.access_expires_at, lead)) {
            Some(period) => Due::Slot(Slot::of(connection, period)),
            None => Due::At(self.lead_at(tokens, entropy)),
        }
    }

    /// When a token is refreshed that fits no wheel: a little before its lead begins.
    fn lead_at(&self, tokens: &SealedTokens, entropy: &dyn Entropy) -> Timestamp {
        let lead = self.lead_for(tokens.issued_at, tokens.access_expires_at);
        earlier(tokens.access_expires_at, lead + up_to(lead / JITTER_SHARE, entropy))
    }

    /// When an idle connection is refreshed: within the second half of the time that it may wait, so that connections that
    /// were made, or fell idle, together spread over the day.
    #[must_use]
    pub fn keep_alive_at(&self, tokens: &SealedTokens, entropy: &dyn Entropy) -> Timestamp {
        let wait = self.keep_alive_within(tokens);
        later(tokens.issued_at, wait / 2 + up_to(wait / 2, entropy))
    }

    /// For how long at most an idle connection waits for its refresh.
    #[must_use]
    pub fn keep_alive_within(&self, tokens: &SealedTokens) -> Duration {
        let lives = tokens.refresh_expires_at.map(|ends| ends.duration_since(tokens.issued_at));
        let share = lives.map(|lives| Duration::try_from(lives).unwrap_or_default() / KEEP_ALIVE_SHARE);
        share.map_or(self.keep_alive, |share| self.keep_alive.min(share))
    }
}

/// The slowest wheel that turns at least once between two times, unless even that turns too often: then a time of its own
/// is the cheaper.
fn wheel(from: Timestamp, until: Timestamp) -> Option<u16> {
    // A token of an hour, less the moment that its answer took, is a token of an hour.
    let minutes = later(until, ROUNDING).duration_since(from).as_mins();
    let slowest = i64::from(WHEELS[0]);
    WHEELS.into_iter().find(|&period| i64::from(period) <= minutes).filter(|_| minutes < 2 * slowest)
}

/// A random part of a span of time.
fn up_to(span: Duration, entropy: &dyn Entropy) -> Duration {
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(entropy::up_to(entropy, ms))
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

    fn tokens(life: i64) -> SealedTokens {
        SealedTokens {
            generation: 1,
            access: vec![],
            refresh: vec![],
            refresh_fingerprint: String::new(),
            issued_at: at(0),
            refreshed: true,
            access_expires_at: at(life),
            refresh_expires_at: Some(at(60 * 86_400)),
            hard_expires_at: None,
            keys_made_at: at(0),
            previous: None,
        }
    }

    fn next(policy: &RefreshPolicy, life: i64, used_at: i64) -> Due {
        policy.next(&"conn_1".parse().unwrap(), &tokens(life), at(used_at), &Zeros)
    }

    #[test]
    fn warm_connections_turn_with_the_slowest_wheel_that_their_lead_allows() {
        let policy = RefreshPolicy::default();
        let period = |life| match next(&policy, life, 0) {
            Due::Slot(slot) => Some(slot.period),
            Due::At(_) => None,
        };

        assert_eq!(period(3600), Some(40), "an hour, led by a third");
        assert_eq!(period(3590), Some(40), "an hour, less the time of the answer");
        assert_eq!(period(1800), Some(20), "Xero's half hour");
        assert_eq!(period(600), None, "too short for any wheel");
        assert_eq!(period(86_400), None, "a day's token would be looked at far too often");
        assert_eq!(next(&policy, 600, 0), Due::At(at(400)));
        assert_eq!(next(&policy, 86_400, 0), Due::At(at(86_400 - 1800)));
    }

    #[test]
    fn an_idle_connection_is_kept_alive_daily_unless_all_are_kept_warm() {
        let policy = RefreshPolicy::default();
        let day_before = -86_400;

        assert_eq!(
            next(&policy, 3600, day_before),
            Due::At(at(12 * 3600)),
            "jittered over the second half day"
        );
        let always = RefreshPolicy { warmth: Warmth::Always, ..policy };
        assert!(matches!(next(&always, 3600, day_before), Due::Slot(_)));
    }

    #[test]
    fn a_keep_alive_stays_well_inside_the_refresh_tokens_life() {
        let policy = RefreshPolicy { keep_alive: Duration::from_hours(24 * 365), ..RefreshPolicy::default() };

        assert_eq!(policy.keep_alive_at(&tokens(3600), &Zeros), at(60 * 86_400 / 8));
    }

    #[test]
    fn a_visit_refreshes_what_would_not_outlast_the_next_turn_and_nothing_else() {
        let policy = RefreshPolicy::default();
        let slot = Some(Due::Slot(Slot { period: 40, minute: 0 }));
        let visited = |now| policy.is_due(slot, &tokens(3600), at(0), at(now));

        assert!(!visited(0) && !visited(15 * 60), "refreshed on demand a moment ago");
        assert!(visited(16 * 60) && visited(40 * 60) && visited(3600));
        let idle = at(40 * 60 - 86_400);
        assert!(!policy.is_due(slot, &tokens(3600), idle, at(40 * 60)), "nobody uses it");
    }

    #[test]
    fn no_connection_on_a_wheel_can_run_out_between_two_visits() {
        let policy = RefreshPolicy::default();
        for (life, period) in [(3600, 40), (1800, 20)] {
            let slot = Some(Due::Slot(Slot { period, minute: 0 }));
            for age in 0..=life / 60 {
                let refreshed = policy.is_due(slot, &tokens(life), at(0), at(age * 60));
                let next_visit = (age + i64::from(period)) * 60;
                assert!(refreshed || next_visit < life, "aged {age} minutes of {life} s");
            }
        }
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
