//! Why a connection is in its state, in fields and in words: pure, from what is stored.

mod sentences;
mod situation;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    BreakerState, Budget, FailureClass, OutageSettings, ProviderHealth, RefreshPolicy, TokenHealth,
    policy::later,
};
use crate::{
    connection::{Connection, ConnectionKey, ConnectionState, Due, LastAttempt, Lease, SealedTokens, Slot},
    id::AttemptId,
    provider::Provider,
};

/// Turns of a wheel that are looked through for the next refresh: a token outlives no more than six of the quickest.
const TURNS: i64 = 8;

/// Why a connection is in its state.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Whose connection, and which.
    #[serde(flatten)]
    pub key: ConnectionKey,
    /// Its provider.
    pub provider: Provider,
    /// Where in its life cycle it is.
    pub state: ConnectionState,
    /// What is wrong with it, as a stable word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How its access token stands.
    pub health: TokenHealth,
    /// All in one sentence.
    pub summary: String,
    /// Each thing that is true of it and matters, in a sentence of its own.
    pub explanation: Vec<String>,
    /// What the reader should do.
    pub next_action: NextAction,
    /// When its tokens were last used, as far as it was noted.
    pub last_used_at: Timestamp,
    /// Whether it is kept warm.
    pub warm: bool,
    /// When the access token ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_expires_at: Option<Timestamp>,
    /// When the refresh token ends unless it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<Timestamp>,
    /// When the grant ends whatever is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_expires_at: Option<Timestamp>,
    /// When it is refreshed next.
    pub next_attempt: NextAttempt,
    /// The newest attempt that came to an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<AttemptSeen>,
    /// Failures since the last success.
    pub failures_in_a_row: u32,
    /// Who may touch its tokens now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseSeen>,
    /// The breaker of its provider.
    pub breaker: BreakerSeen,
    /// Whether so much fails at the provider that no connection is given up.
    pub provider_outage: bool,
}

/// What the reader should do.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextAction {
    /// As a stable word.
    pub kind: ActionKind,
    /// In words.
    pub message: String,
}

/// What the reader should do, as a stable word.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Nothing: all is well, or over.
    None,
    /// Nothing: it mends itself.
    Wait,
    /// Confirm the connection.
    Confirm,
    /// Let the customer connect again.
    Reconnect,
    /// Check the provider's credentials.
    CheckConfiguration,
    /// Check the KMS key.
    CheckKey,
}

/// When a connection is refreshed next.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum NextAttempt {
    /// At a time.
    At {
        /// That time.
        at: Timestamp,
    },
    /// When the sweep comes by and the token would not outlast the next time that it does.
    Slot {
        /// When that is, to the minute; none when it is no longer used and will be kept alive only.
        #[serde(skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
        /// How often the sweep comes by.
        #[serde(rename = "everyMinutes")]
        every_minutes: u16,
    },
    /// Never: nothing is to be done.
    None,
}

/// An attempt that came to an end.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptSeen {
    /// The attempt.
    pub id: AttemptId,
    /// When it ended.
    pub ended_at: Timestamp,
    /// `success` or `failed`.
    pub outcome: &'static str,
    /// The class of its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_class: Option<&'static str>,
    /// The provider's error code, where it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The provider's trace id, where it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// A lease, whether it still holds or has run out.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseSeen {
    /// When it runs out.
    pub until: Timestamp,
    /// When its attempt began.
    pub started_at: Timestamp,
    /// The attempt it was taken for.
    pub attempt: AttemptId,
}

/// The breaker of a provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BreakerSeen {
    /// `closed`, `open` or `half_open`.
    pub state: &'static str,
    /// Until when calls are held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl From<BreakerState> for BreakerSeen {
    fn from(state: BreakerState) -> Self {
        Self { state: state.as_str(), until: state.until() }
    }
}

/// Says why a connection is in its state at `now`, given what is known of its provider.
#[must_use]
pub fn explain(
    connection: &Connection,
    (health, settings): (&ProviderHealth, &OutageSettings),
    policy: &RefreshPolicy,
    now: Timestamp,
) -> Explanation {
    let (breaker, policy) = (health.breaker.state, &policy.of(connection));
    let facts = Facts { connection, breaker, is_outage: health.tally.is_outage(settings), policy, now };
    let situation = facts.situation();
    let tokens = facts.tokens();
    Explanation {
        key: connection.key.clone(),
        provider: connection.provider,
        state: connection.state,
        reason: connection.reason.clone(),
        health: TokenHealth::of(&connection.into(), policy, now),
        summary: facts.summary(situation),
        explanation: facts.sentences(),
        next_action: facts.next_action(situation),
        last_used_at: connection.used_at,
        warm: facts.is_warm(),
        access_expires_at: tokens.map(|tokens| tokens.access_expires_at),
        refresh_expires_at: tokens.and_then(|tokens| tokens.refresh_expires_at),
        grant_expires_at: tokens.and_then(|tokens| tokens.hard_expires_at),
        next_attempt: facts.next_attempt(),
        last_attempt: connection.last.as_ref().map(attempt_seen),
        failures_in_a_row: connection.attempts.failed_in_a_row,
        lease: connection.lease.as_ref().map(lease_seen),
        breaker: breaker.into(),
        provider_outage: facts.is_outage,
    }
}

fn attempt_seen(last: &LastAttempt) -> AttemptSeen {
    let failure = last.failure.as_ref();
    AttemptSeen {
        id: last.id.clone(),
        ended_at: last.ended_at,
        outcome: if failure.is_none() { "success" } else { "failed" },
        error_class: failure.map(|failure| failure.class.as_str()),
        error_code: failure.and_then(|failure| failure.code.clone()),
        trace_id: failure.and_then(|failure| failure.trace_id.clone()),
    }
}

fn lease_seen(lease: &Lease) -> LeaseSeen {
    LeaseSeen { until: lease.expires_at, started_at: lease.started_at, attempt: lease.attempt.clone() }
}

/// What an explanation is made of.
struct Facts<'a> {
    connection: &'a Connection,
    breaker: BreakerState,
    is_outage: bool,
    policy: &'a RefreshPolicy,
    now: Timestamp,
}

impl<'a> Facts<'a> {
    fn tokens(&self) -> Option<&'a SealedTokens> {
        self.connection.tokens.as_ref()
    }

    fn is_warm(&self) -> bool {
        self.policy.is_warm(self.connection.used_at, self.now)
    }

    /// Whether the access token has ended.
    fn is_expired(&self) -> bool {
        self.tokens().is_some_and(|tokens| tokens.access_expires_at <= self.now)
    }

    /// Whether the newest attempt is that of the lease: it ended without knowing what the provider did.
    fn is_lease_settled(&self, lease: &Lease) -> bool {
        self.connection.last.as_ref().is_some_and(|last| last.id == lease.attempt)
    }

    /// How the newest attempt failed, while that is still how things stand: a token set that was stored since, by
    /// connecting again or by the recovery queue, leaves it behind.
    fn standing_failure(&self) -> Option<FailureClass> {
        let last = self.connection.last.as_ref()?;
        let class = last.failure.as_ref()?.class;
        let is_replaced = self.tokens().is_none_or(|tokens| tokens.issued_at > last.ended_at);
        // A verdict that does not show in the state was taken back.
        (!is_replaced && class != FailureClass::Dead).then_some(class)
    }

    /// When the provider's budget of calls allows the next; none when that is now.
    fn budget(&self) -> Option<(Budget, Timestamp)> {
        let budget = Budget::of(self.connection.provider)?;
        Some((budget, budget.free_at(&self.connection.calls, self.now)?))
    }

    /// Whether a refresh is wanted now, or would be by whoever used the connection.
    fn is_wanted(&self) -> bool {
        let is_late =
            |tokens| self.is_expired() || (self.is_warm() && self.policy.needs_refresh(tokens, self.now));
        self.tokens().is_some_and(is_late)
            || matches!(self.connection.due, Some(Due::At(due)) if due <= self.now)
    }

    fn next_attempt(&self) -> NextAttempt {
        match self.connection.due {
            None => NextAttempt::None,
            Some(Due::At(at)) => NextAttempt::At { at },
            Some(Due::Slot(slot)) => {
                NextAttempt::Slot { at: self.refreshing_visit(slot), every_minutes: slot.period }
            }
        }
    }

    /// When the sweep next comes by and refreshes.
    fn refreshing_visit(&self, slot: Slot) -> Option<Timestamp> {
        let (tokens, first) = (self.tokens()?, self.next_visit(slot));
        let turn = Duration::from_mins(slot.period.into());
        let visits = (0..TURNS).scan(first, |visit, _| Some(std::mem::replace(visit, later(*visit, turn))));
        let used_at = self.connection.used_at;
        let mut visits =
            visits.filter(|&visit| self.policy.is_due(Some(Due::Slot(slot)), tokens, used_at, visit));
        visits.next()
    }

    /// When the sweep next comes by, to the minute.
    fn next_visit(&self, slot: Slot) -> Timestamp {
        let (minute, period) = (self.now.as_second().div_euclid(60), i64::from(slot.period.max(1)));
        let ahead = (i64::from(slot.minute) - minute).rem_euclid(period);
        Timestamp::from_second((minute + ahead) * 60).unwrap_or(Timestamp::MAX)
    }
}
