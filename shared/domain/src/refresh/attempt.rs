//! The record of one attempt to refresh.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ChainLink;
use crate::{connection::ConnectionKey, id::AttemptId, provider::Provider};

/// What set an attempt off.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The sweep found the connection due.
    Scheduled,
    /// Somebody asked for it through the API.
    Manual,
    /// Somebody needed an access token and the stored one was due.
    OnDemand,
    /// An earlier attempt never ended.
    Recovery,
}

impl Trigger {
    /// The name in answers and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Manual => "manual",
            Self::OnDemand => "on_demand",
            Self::Recovery => "recovery",
        }
    }
}

/// The class of a failed attempt.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The provider's own verdict: the grant is dead.
    Dead,
    /// The provider refuses our app; operators must act, the customer need not.
    Configuration,
    /// The provider asks for patience.
    Throttled,
    /// A failure that will pass; nothing was committed.
    Transient,
    /// The answer was lost: the provider may have committed.
    Unknown,
    /// Another worker has the lease.
    LostRace,
    /// The sealed token could not be opened, or its key not be had.
    Sealing,
}

impl FailureClass {
    /// The name in answers, tables, events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Configuration => "configuration",
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::Unknown => "unknown",
            Self::LostRace => "lost_race",
            Self::Sealing => "sealing",
        }
    }

    /// What the class means for a person who reads the history.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Dead => "the provider refuses the refresh token; the customer must connect again",
            Self::Configuration => "the provider does not accept this product's credentials; check them",
            Self::Throttled => "the provider asked for patience; it is tried again later",
            Self::Transient => "the provider failed; it is tried again later",
            Self::Unknown => "the provider's answer was lost; it is recovered when the lease has ended",
            Self::LostRace => "another worker settled this connection",
            Self::Sealing => "the sealed token or its key could not be used; check the KMS key",
        }
    }
}

/// One attempt to refresh one connection, for the history.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefreshAttempt {
    /// The attempt; time-ordered.
    pub id: AttemptId,
    /// Whose connection, and which.
    pub key: ConnectionKey,
    /// The connection's provider.
    pub provider: Provider,
    /// What set it off.
    pub trigger: Trigger,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub completed_at: Timestamp,
    /// How it failed; none when it succeeded.
    pub failure: Option<AttemptFailure>,
    /// Failures in a row before this attempt.
    pub retry: u32,
    /// Its place in the connection's hash chain; none for an attempt that lost its lease, and with it the right to add to
    /// the chain.
    pub link: Option<ChainLink>,
}

/// How an attempt failed, in forms safe to show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttemptFailure {
    /// The class.
    pub class: FailureClass,
    /// The provider's error code, where it gave one.
    pub code: Option<String>,
    /// The provider's trace id, where it gave one.
    pub trace_id: Option<String>,
}

impl RefreshAttempt {
    /// How long it took, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        u64::try_from(self.completed_at.duration_since(self.started_at).as_millis()).unwrap_or_default()
    }
}
