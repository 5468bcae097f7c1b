//! Each thing that is true of a connection and matters, in a sentence of its own.

use std::time::Duration;

use jiff::Timestamp;

use super::{Facts, NextAttempt};
use crate::{
    connection::{ConnectionState, LastAttempt, SealedTokens},
    refresh::{AttemptFailure, BreakerState, FailureClass, Warmth},
    scope,
};

/// A time as it stands in a sentence: to the second.
pub(super) fn at(time: Timestamp) -> String {
    format!("{time:.0}")
}

impl Facts<'_> {
    pub(super) fn sentences(&self) -> Vec<String> {
        let Some(tokens) = self.tokens().filter(|_| self.connection.state.is_refreshable()) else {
            return self.sentences_of_an_end();
        };
        let state = (self.connection.state == ConnectionState::Pending).then(|| {
            "The product's backend has not confirmed the connection: its tokens are kept alive and used by nobody until it does."
                .to_owned()
        });
        let lacks_scope = self.connection.reason.as_deref() == Some(scope::INSUFFICIENT);
        let scopes = lacks_scope.then(|| {
            "The customer granted fewer scopes than were asked for: what needs the others fails until the customer connects again and allows them."
                .to_owned()
        });
        [
            state,
            scopes,
            Some(self.access_token(tokens)),
            Some(self.use_and_warmth(tokens)),
            self.lease(),
            self.last_attempt(),
            self.failures_in_a_row(),
            self.breaker_state(),
            self.outage(),
            self.spent_budget(),
            self.next(),
            self.refresh_token_end(tokens),
            self.grant_end(tokens),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What there is to say of a connection whose tokens nobody uses any more.
    fn sentences_of_an_end(&self) -> Vec<String> {
        let name = self.provider();
        let reason = self.connection.reason.as_deref();
        let mut sentences = vec![match (self.connection.state, &self.connection.last) {
            (ConnectionState::Disconnected, _) => {
                return vec![format!(
                    "The grant has ended at {name}, and nothing is left of its tokens and keys."
                )];
            }
            (ConnectionState::Disconnecting, _) => format!(
                "Its end was asked for: nobody gets its tokens any more, and {name} is asked to end the grant until it has."
            ),
            (_, Some(LastAttempt { ended_at, failure: Some(failure), .. }))
                if failure.class == FailureClass::Dead =>
            {
                let code = failure.code.as_deref().unwrap_or("a refusal");
                format!("The customer must connect again: {name} answered {code} at {}.", at(*ended_at))
            }
            _ => format!("The customer must connect again: {}.", reason.unwrap_or("no tokens are stored")),
        }];
        if self.connection.state == ConnectionState::Disconnecting {
            sentences
                .extend(reason.map(|reason| format!("When it was last tried, {reason} stood in the way.")));
            sentences.extend(self.lease());
            sentences.extend(self.next());
        } else if let Some(tokens) = self.tokens() {
            sentences.push(format!(
                "Nothing is sent any more, and the access token, which {}, is given to nobody.",
                self.ends(tokens.access_expires_at)
            ));
        }
        sentences
    }

    fn ends(&self, time: Timestamp) -> String {
        format!("{} at {}", if time <= self.now { "ended" } else { "ends" }, at(time))
    }

    fn access_token(&self, tokens: &SealedTokens) -> String {
        let ends = at(tokens.access_expires_at);
        if self.is_expired() {
            format!("The access token ended at {ends}.")
        } else {
            format!("The access token is good until {ends}.")
        }
    }

    fn use_and_warmth(&self, tokens: &SealedTokens) -> String {
        let used_at = at(self.connection.used_at);
        if self.policy.warmth == Warmth::Always {
            return format!(
                "Every connection is kept warm, that is with a good access token at any time; this one was used at {used_at} or after."
            );
        }
        if self.is_warm() {
            return format!(
                "It was used at {used_at} or after, so it is kept warm, that is with a good access token at any time."
            );
        }
        let every = span(self.policy.keep_alive_within(tokens));
        format!(
            "No use of it was noted since {used_at}; it is refreshed at least every {every} to keep it alive, and at once when it is used and its token has ended."
        )
    }

    fn lease(&self) -> Option<String> {
        let lease = self.connection.lease.as_ref()?;
        let (until, started_at) = (at(lease.expires_at), at(lease.started_at));
        let is_live = lease.expires_at > self.now;
        Some(match (self.is_lease_settled(lease), is_live) {
            (true, true) => format!(
                "The lease is kept until {until}, so that nobody sends a token while {} may still be busy with the last one.",
                self.provider()
            ),
            (true, false) => format!("The lease that was kept for the lost answer ended at {until}."),
            (false, true) => format!(
                "A worker holds the lease until {until}, for an attempt that began at {started_at}: nobody else touches the tokens. Should it be lost, the attempt is recovered after that."
            ),
            (false, false) => format!(
                "An attempt that began at {started_at} never ended: its worker was lost. Its lease ended at {until}; the message that it left on the refresh queue brings another, which recovers it with the stored token or the one before."
            ),
        })
    }

    fn last_attempt(&self) -> Option<String> {
        let last = self.connection.last.as_ref()?;
        let ended_at = at(last.ended_at);
        let Some(failure) = &last.failure else {
            return Some(format!("The last attempt succeeded at {ended_at}."));
        };
        let failed = format!("The last attempt failed at {ended_at} {}", with(failure));
        if self.standing_failure().is_none() {
            return Some(format!("{failed}; that is over: a token set was stored that it did not know."));
        }
        Some(format!("{failed}: {}.", failure.meaning()))
    }

    fn failures_in_a_row(&self) -> Option<String> {
        let failures = self.connection.attempts.failed_in_a_row;
        (failures > 1).then(|| format!("{failures} attempts in a row have failed."))
    }

    fn breaker_state(&self) -> Option<String> {
        let name = self.provider();
        let is_over = |until: Timestamp| until <= self.now;
        Some(match self.breaker {
            BreakerState::Closed => return None,
            BreakerState::Open { until } if is_over(until) => {
                format!("The circuit breaker of {name} is open, and since {} one call may try.", at(until))
            }
            BreakerState::Open { until } => {
                format!("The circuit breaker of {name} is open until {}: nothing is sent to it.", at(until))
            }
            BreakerState::HalfOpen { until } if is_over(until) => format!(
                "The call that tried whether {name} is back was lost; since {} another may try.",
                at(until)
            ),
            BreakerState::HalfOpen { until } => format!(
                "The circuit breaker of {name} is half open: one call tries whether it is back, and the others wait for it, until {} at most.",
                at(until)
            ),
        })
    }

    fn outage(&self) -> Option<String> {
        self.is_outage.then(|| {
            format!("So many refreshes at {} fail that no connection is given up meanwhile.", self.provider())
        })
    }

    fn spent_budget(&self) -> Option<String> {
        let (budget, free_at) = self.budget()?;
        let (calls, window) = (budget.calls, span(budget.window));
        Some(format!("{calls} calls within {window} are spent: the next goes at {}.", at(free_at)))
    }

    fn next(&self) -> Option<String> {
        let is_again = self.standing_failure().is_some()
            || self.connection.lease.is_some()
            || self.connection.state == ConnectionState::Disconnecting;
        // The sweep passes over a provider whose breaker is open; ending asks it all the same.
        let is_held = self.breaker != BreakerState::Closed && self.connection.state.is_refreshable();
        let held =
            if is_held { format!(", if {} answers again by then", self.provider()) } else { String::new() };
        Some(match self.next_attempt() {
            NextAttempt::None => return None,
            NextAttempt::At { at: due } if due <= self.now => format!("It has been due since {}.", at(due)),
            NextAttempt::At { at: due } if is_again => format!("It is tried again at {}{held}.", at(due)),
            NextAttempt::At { at: due } => format!("It is refreshed next at {}{held}.", at(due)),
            NextAttempt::Slot { at: Some(visit), every_minutes } => format!(
                "The sweep comes by every {every_minutes} minutes, and refreshes it at about {}{held}.",
                at(visit)
            ),
            NextAttempt::Slot { at: None, every_minutes } => format!(
                "The sweep comes by every {every_minutes} minutes; next time it finds that nobody uses the connection, and leaves it to be kept alive."
            ),
        })
    }

    fn refresh_token_end(&self, tokens: &SealedTokens) -> Option<String> {
        let ends = tokens.refresh_expires_at?;
        Some(format!("Unless it is used before, the refresh token {}.", self.ends(ends)))
    }

    fn grant_end(&self, tokens: &SealedTokens) -> Option<String> {
        let ends = tokens.hard_expires_at?;
        let name = self.provider();
        Some(format!(
            "{name} ends this grant at {} whatever is done: the customer must connect again before.",
            at(ends)
        ))
    }
}

/// What is known of a failure.
fn with(failure: &AttemptFailure) -> String {
    let class = failure.class.as_str();
    failure.code.as_ref().map_or_else(|| format!("({class})"), |code| format!("with {code} ({class})"))
}

/// A span of time in the greatest unit of which it is a whole number.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(3600, "hours"), (60, "minutes")];
    let unit = units.into_iter().find(|(length, _)| seconds.is_multiple_of(*length));
    let (length, unit) = unit.unwrap_or((1, "seconds"));
    match (seconds / length, unit) {
        (1, unit) => format!("1 {}", unit.trim_end_matches('s')),
        (number, unit) => format!("{number} {unit}"),
    }
}
