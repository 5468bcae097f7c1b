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

impl AttemptFailure {
    /// What it means for a person who reads of it.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        match (self.class, self.code.as_deref()) {
            (FailureClass::Dead, _) => {
                "the provider refuses the refresh token; the customer must connect again"
            }
            (FailureClass::Configuration, Some("provider_not_configured")) => {
                "the provider is not configured; nothing was sent"
            }
            (FailureClass::Configuration, _) => {
                "the provider does not accept this product's credentials; check them"
            }
            (FailureClass::Throttled, _) => "the provider asked for patience; it is tried again later",
            (FailureClass::Transient, None) => {
                "the provider could not be reached; nothing was lost, and it is tried again later"
            }
            (FailureClass::Transient, Some("key_service_unavailable")) => {
                "the key service did not answer; nothing was sent, and it is tried again later"
            }
            (FailureClass::Transient, Some("store_unavailable")) => {
                "the provider refused, and whether the token was replaced meanwhile could not be read; it is tried again later"
            }
            (FailureClass::Transient, Some("no_time_left")) => {
                "no time was left to hear another answer; it is tried again later"
            }
            (FailureClass::Transient, Some("circuit_open")) => {
                "the provider failed so often meanwhile that nothing is sent to it for now; it is tried again later"
            }
            (FailureClass::Transient, Some("invalid_grant" | "invalid_code")) => {
                "the provider refused, which is no verdict while so much fails or the token before could not be tried; it is tried again later"
            }
            (FailureClass::Transient, Some(_)) => {
                "the provider failed; nothing was lost, and it is tried again later"
            }
            (FailureClass::Unknown, Some("worker_lost")) => {
                "its worker was lost; the attempt after it recovers what it may have left behind"
            }
            (FailureClass::Unknown, _) => {
                "the provider's answer was lost; it is recovered when the lease has ended"
            }
            (FailureClass::LostRace, _) => "another worker settled this connection",
            (FailureClass::Sealing, _) => "the sealed token or its key could not be used; check the KMS key",
        }
    }
}

impl RefreshAttempt {
    /// How long it took, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        u64::try_from(self.completed_at.duration_since(self.started_at).as_millis()).unwrap_or_default()
    }
}
