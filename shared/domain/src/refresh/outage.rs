//! Whether a provider is out rather than one connection ended: then no verdict is passed, and no notice given.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use crate::id::ConnectionId;

/// What counts as an outage.
#[derive(Clone, Copy, Debug)]
pub struct OutageSettings {
    /// The share of attempts that must fail, above 0 and up to 1 (`OUTAGE_SHARE`).
    pub share: f64,
    /// On how many connections they must fail (`OUTAGE_MINIMUM`).
    pub minimum: usize,
    /// Within how much time (`OUTAGE_WINDOW_SECONDS`).
    pub window: Duration,
}

impl OutageSettings {
    /// The minute since 1970 from which on attempts count at `now`.
    #[must_use]
    pub fn first_minute(&self, now: Timestamp) -> i64 {
        let window = i64::try_from(self.window.as_secs().div_ceil(60)).unwrap_or(i64::MAX);
        minute(now).saturating_sub(window)
    }
}

impl Default for OutageSettings {
    fn default() -> Self {
        Self { share: DEFAULT_SHARE, minimum: DEFAULT_MINIMUM, window: DEFAULT_WINDOW }
    }
}

/// Half: customers who end their connections are a small part of any day.
pub const DEFAULT_SHARE: f64 = 0.5;
/// Ten: fewer may well have been ended by the same accountant.
pub const DEFAULT_MINIMUM: usize = 10;
/// Five minutes: an outage is seen as long as it lasts, and forgotten soon after.
pub const DEFAULT_WINDOW: Duration = Duration::from_mins(5);
/// Connections that failed are remembered up to this many times [`OutageSettings::minimum`] a minute: beyond it is known
/// that they are enough, and the item stays small.
pub(super) const REMEMBERED: usize = 4;

/// What came of attempts at one provider.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Attempts that were answered with a token set or failed; one for each refresh, however often it was tried.
    pub attempts: u64,
    /// Those that failed.
    pub failed: u64,
    /// The connections on which they failed.
    pub failing: BTreeSet<ConnectionId>,
}

impl Tally {
    /// Adds one attempt.
    pub fn count(&mut self, connection: &ConnectionId, failed: bool) {
        self.attempts += 1;
        if failed {
            self.failed += 1;
            self.failing.insert(connection.clone());
        }
    }

    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.failed += other.failed;
        self.failing.extend(other.failing.iter().cloned());
    }

    /// Whether this much failing at once is the provider's doing. One connection that fails again and again is one.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "attempts within minutes are far below 2^52")]
    pub fn is_outage(&self, settings: &OutageSettings) -> bool {
        self.failing.len() >= settings.minimum
            && self.failed as f64 >= settings.share * self.attempts.max(self.failed) as f64
    }
}

/// The minute since 1970 in which attempts are counted together.
#[must_use]
pub(super) fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: OutageSettings =
        OutageSettings { share: DEFAULT_SHARE, minimum: DEFAULT_MINIMUM, window: DEFAULT_WINDOW };

    fn tally(good: usize, bad: usize) -> Tally {
        let mut tally = Tally::default();
        for number in 0..good + bad {
            tally.count(&format!("conn_{number}").parse().unwrap(), number >= good);
        }
        tally
    }

    #[test]
    fn half_of_many_connections_failing_is_an_outage() {
        assert!(tally(10, 10).is_outage(&SETTINGS));
        assert!(!tally(11, 10).is_outage(&SETTINGS), "fewer than half");
        assert!(!tally(0, 9).is_outage(&SETTINGS), "fewer than ten");
    }

    #[test]
    fn a_lone_connection_is_no_outage_however_often_it_fails() {
        let mut tally = Tally::default();
        for _ in 0..100 {
            tally.count(&"conn_1".parse().unwrap(), true);
        }

        assert!(!tally.is_outage(&SETTINGS));
    }
}
