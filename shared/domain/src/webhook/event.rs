//! Events of webhooks, and the message that carries them from the `webhook` function to the `sync` function.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Refused;
use crate::{
    id::{CompanyId, ConnectionId, CorrelationId, DeliveryId, ProviderCompanyId, RecordId},
    provider::Provider,
    store::StoreError,
};

/// The version of the message written here.
pub const EVENTS_VERSION: u32 = 2;

/// One change in one company's books, as a provider announced it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookEvent {
    /// What makes the event the same event when it comes again.
    pub key: String,
    /// The company, by the provider's id.
    pub provider_company_id: ProviderCompanyId,
    /// The connection that the address belongs to, where each has its own (Zoho); the event is nobody's once the
    /// connection no longer has the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// The kind of object in the provider's own lower-case word (`invoice`).
    pub entity: String,
    /// The object.
    pub id: RecordId,
    /// What happened to it.
    pub operation: Operation,
    /// When it happened by the provider's clock, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
}

/// What happened to an object; a hint only, since what counts is what the provider says when it is asked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// It was made.
    Created,
    /// It was changed, voided, or sent by mail; or the provider does not say.
    Updated,
    /// It was deleted, or merged into another.
    Deleted,
    /// Another object was merged into it.
    Merged,
}

/// A part of one delivery on its way to the consumer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventMessage {
    /// The version of this shape.
    pub v: u32,
    /// The webhook request that brought the events.
    pub delivery_id: DeliveryId,
    /// Which part of the delivery this is, from 1.
    pub part: u32,
    /// In how many parts the delivery travels.
    pub parts: u32,
    /// The provider that sent it.
    pub provider: Provider,
    /// When it came.
    pub received_at: Timestamp,
    /// What ties its log lines together.
    pub correlation_id: CorrelationId,
    /// The events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<WebhookEvent>,
    /// How many elements of the delivery were not understood; told by its first part.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unknown: u64,
    /// The beginning of a body that was rightly signed and could not be read; then there are no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<Unreadable>,
    /// Deliveries that were refused since the last message, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
}

/// A body that was rightly signed and could not be read, kept for somebody to look at.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unreadable {
    /// Its first bytes in base64, at most [`MAX_KEPT_BODY`] of them.
    pub body: String,
    /// How many bytes it had.
    pub size: u64,
    /// Why it could not be read; no part of it is repeated.
    pub reason: String,
}

/// How much of an unreadable body is kept: enough to see what it is, and small beside what a message may hold.
pub const MAX_KEPT_BODY: usize = 32 * 1024;

/// Why a message is not understood; it goes to the dead-letter queue with these words.
#[derive(Debug, Error)]
pub enum EventMessageError {
    /// Not JSON, or not of the shape.
    #[error("the message is not of the known shape")]
    Shape(#[source] serde_json::Error),
    /// A version that is not known here.
    #[error("the message has version {0}, known is {EVENTS_VERSION}")]
    Version(u32),
}

impl EventMessage {
    /// Reads a message.
    pub fn parse(body: &str) -> Result<Self, EventMessageError> {
        #[derive(Deserialize)]
        struct Versioned {
            v: u32,
        }
        let Versioned { v } = serde_json::from_str(body).map_err(EventMessageError::Shape)?;
        if v != EVENTS_VERSION {
            return Err(EventMessageError::Version(v));
        }
        serde_json::from_str(body).map_err(EventMessageError::Shape)
    }

    /// The line that the message waits in: one for each company, so that none waits behind another's flood. A part with
    /// events of several companies, and one with none, has a line of its own.
    #[must_use]
    pub fn line(&self) -> String {
        let mut companies = self.events.iter().map(|event| &event.provider_company_id);
        match companies.next() {
            Some(first) if companies.all(|other| other == first) => {
                CompanyId::of(self.provider, first).to_string()
            }
            _ => format!("{}-{}", self.delivery_id, self.part),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls with")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// Where verified events are made durable.
#[async_trait]
pub trait EventQueue: Send + Sync {
    /// Sends up to ten messages with one call, all or an error; after an error the provider sends the delivery again.
    async fn send(&self, messages: &[EventMessage]) -> Result<(), StoreError>;
}
