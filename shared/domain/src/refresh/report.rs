//! How one refresh ended.

use jiff::{SignedDuration, Timestamp};

use super::AttemptFailure;
use crate::{
    connection::{Connection, ConnectionKey, ConnectionState},
    provider::Provider,
};

/// How one refresh ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefreshReport {
    /// Whose connection, and which.
    pub key: ConnectionKey,
    /// Its provider, where it was read.
    pub provider: Option<Provider>,
    /// When the stored access token ends, where it was read.
    pub expires_at: Option<Timestamp>,
    /// How long the attempt took; none when nothing was attempted.
    pub duration_ms: Option<u64>,
    /// What the access token that was replaced had left: less than nothing where it had ended. None where none was replaced.
    pub replaced_left: Option<SignedDuration>,
    /// What happened.
    pub outcome: RefreshOutcome,
}

/// What became of one refresh.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RefreshOutcome {
    /// A new token set is stored.
    Refreshed,
    /// Nothing was needed, or another worker did it meanwhile.
    Fresh,
    /// Another worker is still at it.
    Running {
        /// When its lease runs out.
        until: Timestamp,
    },
    /// The connection is in a state in which nothing is refreshed.
    NotRefreshable {
        /// That state.
        state: ConnectionState,
    },
    /// There is no such connection.
    Missing,
    /// The provider's breaker is open; nothing was sent.
    HeldBack {
        /// When the sweep tries again.
        until: Timestamp,
    },
    /// The calls that the provider allows for one refresh token are spent; nothing was sent.
    OverBudget {
        /// When the next is allowed.
        until: Timestamp,
    },
    /// No time was left to hear a provider's answer; nothing was sent, and nothing changed.
    NoTime,
    /// It failed.
    Failed {
        /// How.
        failure: AttemptFailure,
        /// When the sweep tries again.
        retry_at: Option<Timestamp>,
    },
}

impl RefreshOutcome {
    /// The name in logs and metrics; a failure has that of its class.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Refreshed => "refreshed",
            Self::Fresh => "fresh",
            Self::Running { .. } => "running",
            Self::NotRefreshable { .. } => "not_refreshable",
            Self::Missing => "missing",
            Self::HeldBack { .. } => "held_back",
            Self::OverBudget { .. } => "over_budget",
            Self::NoTime => "no_time",
            Self::Failed { failure, .. } => failure.class.as_str(),
        }
    }
}

impl RefreshReport {
    /// A report of something other than an attempt.
    pub(super) fn new(key: &ConnectionKey, connection: Option<&Connection>, outcome: RefreshOutcome) -> Self {
        let tokens = connection.and_then(|connection| connection.tokens.as_ref());
        Self {
            key: key.clone(),
            provider: connection.map(|connection| connection.provider),
            expires_at: tokens.map(|tokens| tokens.access_expires_at),
            duration_ms: None,
            replaced_left: None,
            outcome,
        }
    }
}
