//! Events of webhooks, and the message that carries them from the `webhook` function to the `sync` function.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    id::{CorrelationId, DeliveryId, ProviderCompanyId, RecordId},
    provider::Provider,
    store::StoreError,
};

/// The version of the message written here.
pub const EVENTS_VERSION: u32 = 1;

/// One change in one company's books, as a provider announced it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEvent {
    /// What makes the event the same event when it comes again.
    pub key: String,
    /// The company, by the provider's id.
    pub provider_company_id: ProviderCompanyId,
    /// The kind of object in the provider's own lower-case word (`invoice`).
    pub entity: String,
    /// The object.
    pub id: RecordId,
    /// What happened to it.
    pub operation: Operation,
    /// When it happened by the provider's clock, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// It was made.
    Created,
    /// It was changed, voided, or sent by mail.
    Updated,
    /// It was deleted.
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
    /// The provider that sent it.
    pub provider: Provider,
    /// When it came.
    pub received_at: Timestamp,
    /// What ties its log lines together.
    pub correlation_id: CorrelationId,
    /// The events.
    pub events: Vec<WebhookEvent>,
}

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
        let message: Self = serde_json::from_str(body).map_err(EventMessageError::Shape)?;
        match message.v {
            EVENTS_VERSION => Ok(message),
            version => Err(EventMessageError::Version(version)),
        }
    }
}

/// Where verified events are made durable.
#[async_trait]
pub trait EventQueue: Send + Sync {
    /// Sends up to ten messages with one call, all or an error; after an error the provider sends the delivery again.
    async fn send(&self, messages: &[EventMessage]) -> Result<(), StoreError>;
}
