//! Receiving one webhook: verify, split, make durable; only then acknowledge.

use std::{collections::HashMap, sync::Arc};

use thiserror::Error;

use super::{
    EVENTS_VERSION, EventMessage, EventQueue, WebhookEvent, quickbooks,
    signature::{SignatureMismatch, verify_base64},
};
use crate::{
    clock::Clock,
    entropy::Entropy,
    id::{CorrelationId, DeliveryId, Ids},
    provider::Provider,
    secret::WebhookSecret,
    store::StoreError,
};

/// The greatest body taken; Intuit's greatest delivery is 100 events in about 1 MB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// SQS takes ten messages in one call.
const MAX_MESSAGES: usize = 10;
/// Events that share a message at least, so that small deliveries stay one message.
const MIN_EVENTS_PER_MESSAGE: usize = 10;
/// More events than any provider sends; all of them fit one batch call.
const MAX_EVENTS: usize = 1000;

/// Receives webhooks.
pub struct WebhookReceiver {
    /// The live secrets of each provider that is configured.
    pub secrets: HashMap<Provider, Vec<WebhookSecret>>,
    /// Where events are made durable.
    pub queue: Arc<dyn EventQueue>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

/// A webhook that is acknowledged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Its id.
    pub delivery: DeliveryId,
    /// How many events were made durable.
    pub events: usize,
    /// How many elements were not understood.
    pub unknown: usize,
}

/// Why a webhook has no effect.
#[derive(Debug, Error)]
pub enum ReceiveError {
    /// The provider is not configured.
    #[error("no webhook secret is configured for {0}")]
    NotConfigured(Provider),
    /// The signature is missing, repeated or wrong.
    #[error("the signature is missing or wrong")]
    Signature,
    /// The signature is right and the body is not what the provider documents; sending it again would not help.
    #[error("the body of a rightly signed webhook cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// The signature is right and there are more events than one batch call can make durable.
    #[error("the webhook has {0} events, taken are at most {MAX_EVENTS}")]
    TooMany(usize),
    /// The events could not be made durable; the provider must send them again.
    #[error("the events could not be made durable")]
    Queue(#[from] StoreError),
}

impl From<SignatureMismatch> for ReceiveError {
    fn from(SignatureMismatch: SignatureMismatch) -> Self {
        Self::Signature
    }
}

impl WebhookReceiver {
    /// Receives the raw bytes of one request with the one value of its signature header.
    pub async fn receive(
        &self,
        provider: Provider,
        body: &[u8],
        signature: Option<&str>,
        correlation: &CorrelationId,
    ) -> Result<Accepted, ReceiveError> {
        let secrets = self.secrets.get(&provider).ok_or(ReceiveError::NotConfigured(provider))?;
        verify_base64(body, signature.ok_or(ReceiveError::Signature)?, secrets)?;
        let (events, unknown) = quickbooks::parse(body).map_err(ReceiveError::Unreadable)?;
        if events.len() > MAX_EVENTS {
            return Err(ReceiveError::TooMany(events.len()));
        }
        let delivery = Ids::new(&*self.clock, &*self.entropy).delivery();
        let accepted = Accepted { delivery: delivery.clone(), events: events.len(), unknown };
        if !events.is_empty() {
            self.queue.send(&self.messages(provider, &delivery, correlation, &events)).await?;
        }
        Ok(accepted)
    }

    fn messages(
        &self,
        provider: Provider,
        delivery: &DeliveryId,
        correlation: &CorrelationId,
        events: &[WebhookEvent],
    ) -> Vec<EventMessage> {
        let received_at = self.clock.now();
        let each = events.len().div_ceil(MAX_MESSAGES).max(MIN_EVENTS_PER_MESSAGE);
        let parts = u32::try_from(events.chunks(each).count()).unwrap_or(u32::MAX);
        let message = |(part, events): (u32, &[WebhookEvent])| EventMessage {
            v: EVENTS_VERSION,
            delivery_id: delivery.clone(),
            part,
            parts,
            provider,
            received_at,
            correlation_id: correlation.clone(),
            events: events.to_vec(),
            unknown: 0,
            unreadable: None,
            refused: Vec::new(),
        };
        (1..).zip(events.chunks(each)).map(message).collect()
    }
}
