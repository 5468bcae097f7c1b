//! How a refresh is asked for across functions: the message, and the answer to a direct invocation.

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{RefreshOutcome, RefreshReport, Trigger};
use crate::{
    connection::ConnectionKey,
    id::{ApiKeyId, CompanyId, CorrelationId},
    provider::Provider,
    store::StoreError,
};

/// The version of the message written here.
pub const MESSAGE_VERSION: u32 = 1;
/// Connections in one message: a worker refreshes them in two rounds, so that a million cost ten thousand messages, in a
/// thousand calls to SQS.
pub const MAX_CONNECTIONS: usize = 100;

/// Asks for connections to be refreshed; the body on the refresh queue and of a direct invocation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshMessage {
    /// The version of this shape.
    pub v: u32,
    /// Which connections.
    pub connections: Vec<ConnectionKey>,
    /// What set it off.
    pub reason: Trigger,
}

/// Why a message is not understood; it goes to the dead-letter queue with these words.
#[derive(Debug, Error)]
pub enum MessageError {
    /// Not JSON, or not of the shape.
    #[error("the message is not of the known shape")]
    Shape(#[source] serde_json::Error),
    /// A version that is not known here.
    #[error("the message has version {0}, known is {MESSAGE_VERSION}")]
    Version(u32),
    /// Too many connections, or none.
    #[error("the message names {0} connections, allowed are 1 to {MAX_CONNECTIONS}")]
    Count(usize),
}

impl RefreshMessage {
    /// Asks for `connections`.
    #[must_use]
    pub fn new(connections: Vec<ConnectionKey>, reason: Trigger) -> Self {
        Self { v: MESSAGE_VERSION, connections, reason }
    }

    /// Reads a message; a connection named twice is kept once.
    pub fn parse(body: &str) -> Result<Self, MessageError> {
        serde_json::from_str::<Self>(body).map_err(MessageError::Shape)?.checked()
    }

    /// Checks what the shape alone does not.
    pub fn checked(mut self) -> Result<Self, MessageError> {
        if self.v != MESSAGE_VERSION {
            return Err(MessageError::Version(self.v));
        }
        if self.connections.is_empty() || self.connections.len() > MAX_CONNECTIONS {
            return Err(MessageError::Count(self.connections.len()));
        }
        // In the order in which they came: the most urgent first.
        let mut seen = HashSet::new();
        self.connections.retain(|key| seen.insert(key.clone()));
        Ok(self)
    }
}

/// How one refresh ended, in a form that crosses functions.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshResult {
    /// A new token set is stored.
    Refreshed,
    /// The stored token set is good: nothing was needed, or another worker did it.
    Fresh,
    /// Another worker is still at it.
    Running,
    /// The grant is dead, or the connection is in no state to be refreshed.
    Dead,
    /// The provider asks for patience, or is known to ask for it.
    Throttled,
    /// The provider failed so often that it is left in peace for a while; nothing was sent.
    CircuitOpen,
    /// Something failed that may pass.
    Failed,
    /// There is no such connection.
    Missing,
}

/// The answer for one connection.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefreshAnswer {
    /// Whose connection, and which.
    #[serde(flatten)]
    pub key: ConnectionKey,
    /// Its provider, where it is known.
    pub provider: Option<Provider>,
    /// How it ended.
    pub result: RefreshResult,
    /// When the stored access token ends.
    pub expires_at: Option<Timestamp>,
    /// The class of the failure.
    pub error_class: Option<String>,
    /// When it will be tried again.
    pub retry_at: Option<Timestamp>,
}

impl RefreshAnswer {
    /// The answer for a connection of which nothing could be read or settled.
    #[must_use]
    pub fn unavailable(key: &ConnectionKey) -> Self {
        let error_class = Some("store_unavailable".to_owned());
        Self {
            key: key.clone(),
            provider: None,
            result: RefreshResult::Failed,
            expires_at: None,
            error_class,
            retry_at: None,
        }
    }
}

impl From<&RefreshReport> for RefreshAnswer {
    fn from(report: &RefreshReport) -> Self {
        let (result, error_class, retry_at) = match &report.outcome {
            RefreshOutcome::Refreshed => (RefreshResult::Refreshed, None, None),
            RefreshOutcome::Fresh => (RefreshResult::Fresh, None, None),
            RefreshOutcome::Running { until } => (RefreshResult::Running, None, Some(*until)),
            RefreshOutcome::NotRefreshable { state } => {
                (RefreshResult::Dead, Some(state.as_str().to_owned()), None)
            }
            RefreshOutcome::Missing => (RefreshResult::Missing, None, None),
            RefreshOutcome::HeldBack { until } => {
                (RefreshResult::CircuitOpen, Some("circuit_open".to_owned()), Some(*until))
            }
            RefreshOutcome::OverBudget { until } => {
                (RefreshResult::Throttled, Some("over_budget".to_owned()), Some(*until))
            }
            RefreshOutcome::NoTime => (RefreshResult::Failed, Some("no_time_left".to_owned()), None),
            RefreshOutcome::Failed { failure, retry_at } => {
                let result = match failure.class {
                    super::FailureClass::Dead => RefreshResult::Dead,
                    super::FailureClass::Throttled => RefreshResult::Throttled,
                    _ => RefreshResult::Failed,
                };
                (result, Some(failure.class.as_str().to_owned()), *retry_at)
            }
        };
        let (provider, expires_at) = (report.provider, report.expires_at);
        Self { key: report.key.clone(), provider, result, expires_at, error_class, retry_at }
    }
}

/// Asks for a connection, or one company of it, to be ended; the body of a direct invocation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisconnectMessage {
    /// The version of this shape.
    pub v: u32,
    /// Which connection.
    pub disconnect: ConnectionKey,
    /// Only this company of it; without one the whole connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company_id: Option<CompanyId>,
    /// Whether it is to be forgotten once it has ended, which only the end of its tenant does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forget: bool,
    /// The API key that asked for it, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<ApiKeyId>,
    /// What ties the request's log lines together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<CorrelationId>,
}

impl DisconnectMessage {
    /// Asks for a whole connection to be ended.
    #[must_use]
    pub fn of(key: ConnectionKey) -> Self {
        Self {
            v: MESSAGE_VERSION,
            disconnect: key,
            company_id: None,
            forget: false,
            actor: None,
            correlation_id: None,
        }
    }

    /// Checks what the shape alone does not.
    pub fn checked(self) -> Result<Self, MessageError> {
        if self.v == MESSAGE_VERSION { Ok(self) } else { Err(MessageError::Version(self.v)) }
    }
}

/// How far ending a connection came.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DisconnectResult {
    /// The connection has ended: revoked, tokens and keys destroyed.
    Disconnected,
    /// It is marked, its tokens are no longer used, and ending it at the provider is tried until it is done.
    Disconnecting,
    /// It has ended, and nothing of it is kept.
    Forgotten,
    /// One company was taken off; the others stay.
    CompanyRemoved,
    /// One company of several could not be taken off at the provider: nothing has changed.
    CompanyKept,
    /// There is no such connection, or it has no such company.
    Missing,
}

/// The answer to a [`DisconnectMessage`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DisconnectAnswer {
    /// How far it came.
    pub result: DisconnectResult,
    /// The class of the failure that kept it from ending.
    pub error_class: Option<String>,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
}

/// Reaches the one function that may refresh and revoke.
#[async_trait]
pub trait RefreshInvoker: Send + Sync {
    /// Asks for a refresh and waits at most `wait` for its answers; none when it takes longer (it goes on all the same).
    async fn invoke(
        &self,
        message: &RefreshMessage,
        wait: Duration,
    ) -> Result<Option<Vec<RefreshAnswer>>, StoreError>;

    /// Asks for a connection to be ended and waits at most `wait`; none when it takes longer (it goes on all the same).
    async fn disconnect(
        &self,
        message: &DisconnectMessage,
        wait: Duration,
    ) -> Result<Option<DisconnectAnswer>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_reads_as_documented() {
        let body = r#"{"v":1,"connections":[{"tenantId":"t","connectionId":"c"}],"reason":"scheduled"}"#;

        let message = RefreshMessage::parse(body).unwrap();

        assert_eq!(message.connections.len(), 1);
        assert_eq!(serde_json::to_string(&message).unwrap(), body);
    }

    #[test]
    fn connections_stay_in_the_order_of_their_urgency_and_come_once() {
        let named = |id: &str| format!(r#"{{"tenantId":"t","connectionId":"{id}"}}"#);
        let all = ["c9", "c1", "c9", "c5"].map(named).join(",");

        let message =
            RefreshMessage::parse(&format!(r#"{{"v":1,"connections":[{all}],"reason":"scheduled"}}"#));

        let ids: Vec<_> =
            message.unwrap().connections.into_iter().map(|key| key.connection.to_string()).collect();
        assert_eq!(ids, ["c9", "c1", "c5"]);
    }

    #[test]
    fn whatever_is_not_understood_is_refused_with_its_reason() {
        for (body, reason) in [
            ("", "the message is not of the known shape"),
            (
                r#"{"v":1,"connections":[],"reason":"scheduled"}"#,
                "the message names 0 connections, allowed are 1 to 100",
            ),
            (
                r#"{"v":9,"connections":[{"tenantId":"t","connectionId":"c"}],"reason":"manual"}"#,
                "the message has version 9, known is 1",
            ),
            (
                r#"{"v":1,"connections":[{"tenantId":"t#","connectionId":"c"}],"reason":"manual"}"#,
                "the message is not of the known shape",
            ),
        ] {
            assert_eq!(RefreshMessage::parse(body).unwrap_err().to_string(), reason, "{body}");
        }
    }
}
