//! The variables of refreshing, each checked by itself and against the others.

use std::time::Duration;

use domain::refresh::{
    BreakerSettings, DEFAULT_FAILURES, DEFAULT_MINIMUM, DEFAULT_RESET, DEFAULT_SHARE, DEFAULT_WINDOW,
    OutageSettings, RefreshPolicy, Warmth,
    policy::{DEFAULT_KEEP_ALIVE, DEFAULT_LEAD, DEFAULT_LEASE, DEFAULT_POST_TIMEOUT},
};

use super::Variables;

/// The `refresh` function lives for 75 seconds: what is before and after a POST needs the rest.
const MAX_POST_TIMEOUT: Duration = Duration::from_mins(1);
/// A lease outlasts the POST under it by this at least, for opening, saving and clocks that differ; the engine stores
/// nothing once the lease is about to end, so that a short lease costs an attempt and never a token.
const LEASE_ROOM: Duration = Duration::from_secs(5);
/// A worker that was lost is followed when its lease ends: twice, well within the 30 minutes for which Xero takes a former
/// token, and by a message that SQS delays for 15 minutes at most.
const MAX_LEASE: Duration = Duration::from_mins(10);
/// A month: half of what Xero's refresh tokens live.
const MAX_KEEP_ALIVE_HOURS: u64 = 24 * 30;
/// More would be no breaker any more: a provider that is down fails at least so often in a minute.
const MAX_BREAKER_FAILURES: u32 = 1000;
/// An hour: attempts are counted by the minute, and forgotten after an hour; and a provider that is back is not kept
/// waiting for longer.
const MAX_WATCHED: Duration = Duration::from_hours(1);
/// The table names so many connections that failed within a minute and no more: a greater minimum might never be reached.
const MAX_OUTAGE_MINIMUM: usize = 200;
/// What the deployment's auditors may ask for: ten years.
const MAX_HISTORY_DAYS: u64 = 3660;
/// 13 months: the same month of the year before can be looked up.
const DEFAULT_HISTORY_DAYS: u64 = 400;

impl Variables<'_> {
    /// When connections are refreshed (`REFRESH_POLICY`, `KEEP_ALIVE_HOURS`, `REFRESH_LEAD_SECONDS`,
    /// `REFRESH_POST_TIMEOUT_SECONDS`, `REFRESH_LEASE_SECONDS`).
    pub fn refresh_policy(&mut self) -> RefreshPolicy {
        let policy = RefreshPolicy {
            warmth: self.warmth(),
            keep_alive: self.keep_alive(),
            lead: self.seconds("REFRESH_LEAD_SECONDS", DEFAULT_LEAD),
            post_timeout: self.seconds("REFRESH_POST_TIMEOUT_SECONDS", DEFAULT_POST_TIMEOUT),
            lease: self.seconds("REFRESH_LEASE_SECONDS", DEFAULT_LEASE),
        };
        if policy.lease < policy.post_timeout + LEASE_ROOM {
            self.refuse("REFRESH_LEASE_SECONDS", "must be REFRESH_POST_TIMEOUT_SECONDS and 5 more, at least");
        }
        if policy.lease > MAX_LEASE {
            self.refuse(
                "REFRESH_LEASE_SECONDS",
                "must be at most 600, for a lost worker to be followed soon enough",
            );
        }
        if policy.post_timeout > MAX_POST_TIMEOUT {
            self.refuse(
                "REFRESH_POST_TIMEOUT_SECONDS",
                "must be at most 60, within the function's timeout of 75",
            );
        }
        policy
    }

    /// When a provider is left in peace, and when it counts as out (`BREAKER_FAILURES`, `BREAKER_RESET_SECONDS`,
    /// `OUTAGE_SHARE`, `OUTAGE_MINIMUM`, `OUTAGE_WINDOW_SECONDS`); the call that tries whether it is back has the time of a
    /// lease.
    pub fn breakers(&mut self, policy: &RefreshPolicy) -> (BreakerSettings, OutageSettings) {
        let breaker = BreakerSettings {
            failures: self.within("BREAKER_FAILURES", DEFAULT_FAILURES, 1..=MAX_BREAKER_FAILURES),
            reset: self.watched("BREAKER_RESET_SECONDS", DEFAULT_RESET),
            probe: policy.lease,
        };
        let outage = OutageSettings {
            share: self.outage_share(),
            minimum: self.within("OUTAGE_MINIMUM", DEFAULT_MINIMUM, 1..=MAX_OUTAGE_MINIMUM),
            window: self.watched("OUTAGE_WINDOW_SECONDS", DEFAULT_WINDOW),
        };
        (breaker, outage)
    }

    /// How long attempts and acts are kept (`HISTORY_DAYS`).
    pub fn history_retention(&mut self) -> Duration {
        let days = self.within("HISTORY_DAYS", DEFAULT_HISTORY_DAYS, 1..=MAX_HISTORY_DAYS);
        Duration::from_hours(24 * days)
    }

    fn warmth(&mut self) -> Warmth {
        match self.optional("REFRESH_POLICY").as_deref() {
            None | Some("adaptive") => Warmth::Adaptive,
            Some("always") => Warmth::Always,
            Some(_) => {
                self.refuse("REFRESH_POLICY", "must be adaptive or always");
                Warmth::default()
            }
        }
    }

    fn keep_alive(&mut self) -> Duration {
        let default = DEFAULT_KEEP_ALIVE.as_secs() / 3600;
        Duration::from_hours(self.within("KEEP_ALIVE_HOURS", default, 1..=MAX_KEEP_ALIVE_HOURS))
    }

    fn watched(&mut self, name: &str, default: Duration) -> Duration {
        Duration::from_secs(self.within(name, default.as_secs(), 1..=MAX_WATCHED.as_secs()))
    }

    fn outage_share(&mut self) -> f64 {
        let form = "a number above 0, and at most 1";
        let share = self.parsed("OUTAGE_SHARE", DEFAULT_SHARE, form);
        // What is no number at all is not above 0, either.
        if !(share > 0.0 && share <= 1.0) {
            self.refuse("OUTAGE_SHARE", &format!("must be {form}"));
        }
        share
    }
}

#[cfg(test)]
mod tests;
