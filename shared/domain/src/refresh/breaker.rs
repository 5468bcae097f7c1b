//! The circuit breaker of one endpoint of a provider: pure transitions. Sharing it among workers is the business of `breakers`.

use std::time::Duration;

use jiff::Timestamp;

use super::policy::later;

/// What of a provider fails by itself, and has a breaker by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// Where tokens are refreshed.
    Token,
    /// The data API.
    Books,
}

impl Endpoint {
    /// The name in answers, events and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Books => "books",
        }
    }
}

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct BreakerSettings {
    /// Failures of the provider in a row that open it (`BREAKER_FAILURES`).
    pub failures: u32,
    /// How long it stays open before one call may try (`BREAKER_RESET_SECONDS`).
    pub reset: Duration,
    /// How long a call that tries may take; then the next may.
    pub probe: Duration,
}

/// Three: one may be a hiccup, and two of them meet by chance.
pub const DEFAULT_FAILURES: u32 = 3;
/// A minute: a provider that restarts is found soon, and one that is down is asked once a minute.
pub const DEFAULT_RESET: Duration = Duration::from_mins(1);

/// Whether calls may pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BreakerState {
    /// They may.
    Closed,
    /// They may not, until a time at which one may try.
    Open {
        /// That time.
        until: Timestamp,
    },
    /// One call is trying; the others may not, until a time at which it counts as lost.
    HalfOpen {
        /// That time.
        until: Timestamp,
    },
}

impl BreakerState {
    /// The name in answers, tables and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half_open",
        }
    }

    /// Until when calls are held back; none when they pass.
    #[must_use]
    pub fn until(self) -> Option<Timestamp> {
        match self {
            Self::Closed => None,
            Self::Open { until } | Self::HalfOpen { until } => Some(until),
        }
    }
}

/// The breaker of one endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Breaker {
    /// Whether calls may pass.
    pub state: BreakerState,
    /// Failures of the provider in a row.
    pub failures: u32,
    /// Whose request failed last, as a digest, where requests are about somebody.
    pub failed_for: Option<u32>,
    /// When it last opened or closed.
    pub changed_at: Option<Timestamp>,
    /// Rises with each change, so that of two workers that change it at once one notices.
    pub version: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: BreakerState::Closed, failures: 0, failed_for: None, changed_at: None, version: 0 }
    }
}

/// Whether a call may pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    /// It may.
    Pass,
    /// It may as the one that tries, once the breaker that lets it is stored.
    Probe(Breaker),
    /// Not before this time.
    Wait(Timestamp),
}

impl Breaker {
    /// Whether a call may pass now.
    #[must_use]
    pub fn admit(self, settings: &BreakerSettings, now: Timestamp) -> Admission {
        match self.state.until() {
            None => Admission::Pass,
            Some(until) if until > now => Admission::Wait(until),
            Some(_) => {
                let state = BreakerState::HalfOpen { until: later(now, settings.probe) };
                Admission::Probe(Self { state, ..self }.next())
            }
        }
    }

    /// The breaker after the provider failed.
    ///
    /// Calls that were under way when it opened change nothing any more.
    #[must_use]
    pub fn after_failure(self, settings: &BreakerSettings, now: Timestamp) -> Self {
        let failures = self.failures.saturating_add(1);
        let opens = match self.state {
            BreakerState::Closed => failures >= settings.failures,
            BreakerState::HalfOpen { .. } => true,
            BreakerState::Open { .. } => return self,
        };
        if !opens {
            return Self { failures, ..self }.next();
        }
        let state = BreakerState::Open { until: later(now, settings.reset) };
        Self { state, failures, changed_at: Some(now), ..self }.next()
    }

    /// The breaker after the provider failed over one company's books.
    ///
    /// One company may be offline by itself, as one of Xero's organizations is: of several failures in a row over the same
    /// one only the first counts, and it takes a second one to open the breaker.
    #[must_use]
    pub fn after_failure_for(self, whom: u32, settings: &BreakerSettings, now: Timestamp) -> Self {
        if self.state == BreakerState::Closed && self.failed_for == Some(whom) {
            return self;
        }
        let settings = BreakerSettings { failures: settings.failures.max(2), ..*settings };
        let next = self.after_failure(&settings, now);
        if next == self { self } else { Self { failed_for: Some(whom), ..next } }
    }

    /// The breaker after the provider answered, whatever it said.
    #[must_use]
    pub fn after_answer(self, now: Timestamp) -> Self {
        match self.state {
            BreakerState::Closed if self.failures == 0 => self,
            BreakerState::Closed => Self { failures: 0, failed_for: None, ..self }.next(),
            // A call from before it opened, which is no proof that the provider is back.
            BreakerState::Open { .. } => self,
            BreakerState::HalfOpen { .. } => {
                let state = BreakerState::Closed;
                Self { state, failures: 0, failed_for: None, changed_at: Some(now), ..self }.next()
            }
        }
    }

    fn next(self) -> Self {
        Self { version: self.version + 1, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings =
        BreakerSettings { failures: DEFAULT_FAILURES, reset: DEFAULT_RESET, probe: Duration::from_secs(105) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn failed(times: usize) -> Breaker {
        (0..times).fold(Breaker::default(), |breaker, _| breaker.after_failure(&SETTINGS, at(0)))
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        assert_eq!(failed(2).state, BreakerState::Closed);
        assert_eq!(failed(3).state, BreakerState::Open { until: at(60) });
        assert_eq!(failed(2).after_answer(at(0)).after_failure(&SETTINGS, at(0)).state, BreakerState::Closed);
    }

    #[test]
    fn after_a_minute_one_call_tries_and_the_others_wait_for_it() {
        let open = failed(3);

        assert_eq!(open.admit(&SETTINGS, at(59)), Admission::Wait(at(60)));
        let Admission::Probe(trying) = open.admit(&SETTINGS, at(60)) else { panic!("one may try") };
        assert_eq!(trying.admit(&SETTINGS, at(61)), Admission::Wait(at(165)));
        assert!(
            matches!(trying.admit(&SETTINGS, at(165)), Admission::Probe(_)),
            "the one that tried is lost"
        );
    }

    #[test]
    fn the_call_that_tries_closes_it_or_opens_it_for_another_minute() {
        let Admission::Probe(trying) = failed(3).admit(&SETTINGS, at(60)) else { panic!("one may try") };

        assert_eq!(trying.after_answer(at(61)).admit(&SETTINGS, at(61)), Admission::Pass);
        assert_eq!(trying.after_failure(&SETTINGS, at(70)).state, BreakerState::Open { until: at(130) });
    }

    #[test]
    fn one_company_that_fails_by_itself_opens_nothing_and_a_second_one_does() {
        let fail = |breaker: Breaker, whom: u32| breaker.after_failure_for(whom, &SETTINGS, at(0));
        let over = |companies: &[u32]| companies.iter().copied().fold(Breaker::default(), fail);

        assert_eq!(over(&[1; 50]).state, BreakerState::Closed);
        assert_eq!(over(&[1, 1, 2, 2]).state, BreakerState::Closed);
        assert_eq!(over(&[1, 1, 2, 2, 1]).state, BreakerState::Open { until: at(60) });
        assert_eq!(over(&[1, 2, 3]).state, BreakerState::Open { until: at(60) });
        let answered = over(&[1, 2]).after_answer(at(0));
        assert_eq!(fail(answered, 1).state, BreakerState::Closed, "the row was broken");
        let soon = BreakerSettings { failures: 1, ..SETTINGS };
        assert_eq!(Breaker::default().after_failure_for(1, &soon, at(0)).state, BreakerState::Closed);
        let Admission::Probe(trying) = over(&[1, 2, 3]).admit(&SETTINGS, at(60)) else {
            panic!("one may try")
        };
        let failed_again = trying.after_failure_for(3, &SETTINGS, at(61));
        assert_eq!(failed_again.state, BreakerState::Open { until: at(121) }, "whoever tries decides");
    }

    #[test]
    fn calls_that_were_under_way_when_it_opened_neither_close_it_nor_keep_it_open_longer() {
        assert_eq!(failed(3).after_failure(&SETTINGS, at(50)), failed(3));
        assert_eq!(failed(3).after_answer(at(50)), failed(3));
    }
}
