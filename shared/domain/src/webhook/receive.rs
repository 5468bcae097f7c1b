//! Receiving one webhook: verify, split, make durable; only then acknowledge.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;

use super::{
    EVENTS_VERSION, EventMessage, EventQueue, MAX_KEPT_BODY, RefusalReason, Refused, SentTo, Unreadable,
    Verified, WebhookEvent, quickbooks, reading::Parsed, refusals::Refusals, signature::SignatureMismatch,
    xero, zoho,
};
use crate::{
    clock::Clock,
    entropy::Entropy,
    id::{CorrelationId, DeliveryId, Ids},
    provider::Provider,
    secret::WebhookSecret,
    store::StoreError,
};

/// SQS takes ten messages in one call.
const MAX_MESSAGES: usize = 10;
/// More events than any provider sends; and, at less than 600 bytes each, all of them fit the 1 MiB of one batch call.
pub const MAX_EVENTS: usize = 1000;

/// The live secrets of each provider that is configured; Zoho's are the keys that addresses are derived from.
pub type WebhookSecrets = HashMap<Provider, Vec<WebhookSecret>>;

/// Receives webhooks.
pub struct WebhookReceiver {
    queue: Arc<dyn EventQueue>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    refusals: Refusals,
}

/// A webhook that is acknowledged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Its id.
    pub delivery: DeliveryId,
    /// How many events were made durable.
    pub events: usize,
    /// How many elements were not understood.
    pub unknown: u64,
    /// Why its body could not be read; no part of it is repeated.
    pub unreadable: Option<String>,
}

/// Why a webhook is not acknowledged.
#[derive(Debug, Error)]
pub enum ReceiveError {
    /// The provider is not configured.
    #[error("no webhook secret is configured for {0}")]
    NotConfigured(Provider),
    /// It is not the provider's, or more than is taken.
    #[error("the webhook is refused: {}", .0.as_str())]
    Refused(RefusalReason),
    /// The events could not be made durable; the provider must send them again.
    #[error("the events could not be made durable")]
    Queue(#[from] StoreError),
}

impl ReceiveError {
    /// Whether other secrets than those that were used could have verified the webhook.
    #[must_use]
    pub fn may_be_rotation(&self) -> bool {
        match self {
            Self::NotConfigured(_)
            | Self::Refused(RefusalReason::BadSignature | RefusalReason::UnknownAddress) => true,
            Self::Refused(RefusalReason::TooLarge) | Self::Queue(_) => false,
        }
    }
}

impl From<SignatureMismatch> for ReceiveError {
    fn from(SignatureMismatch: SignatureMismatch) -> Self {
        Self::Refused(RefusalReason::BadSignature)
    }
}

/// What is to be made durable of a delivery.
#[derive(Default)]
struct Content {
    parsed: Parsed,
    unreadable: Option<Unreadable>,
}

impl WebhookReceiver {
    /// Sends events to this queue.
    #[must_use]
    pub fn new(queue: Arc<dyn EventQueue>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { queue, clock, entropy, refusals: Refusals::default() }
    }

    /// Counts a delivery that is refused; the next message tells how many were.
    pub fn count_refused(&self, provider: Provider, reason: RefusalReason) {
        self.refusals.count(provider, reason);
    }

    /// Makes a delivery durable with one call, or with none where it says nothing at all. A body that cannot be read is
    /// kept for somebody to look at, since sending it again would not help.
    pub async fn receive(
        &self,
        verified: &Verified<'_>,
        correlation: &CorrelationId,
    ) -> Result<Accepted, ReceiveError> {
        let delivery = Ids::new(&*self.clock, &*self.entropy).delivery();
        let content = content(verified, &delivery);
        let Parsed { events, unknown } = &content.parsed;
        if events.len() > MAX_EVENTS {
            return Err(ReceiveError::Refused(RefusalReason::TooLarge));
        }
        let accepted = Accepted {
            delivery,
            events: events.len(),
            unknown: *unknown,
            unreadable: content.unreadable.as_ref().map(|unreadable| unreadable.reason.clone()),
        };
        if !events.is_empty() || *unknown > 0 || content.unreadable.is_some() {
            let empty = EventMessage {
                v: EVENTS_VERSION,
                delivery_id: accepted.delivery.clone(),
                part: 1,
                parts: 1,
                provider: verified.request.to.provider(),
                received_at: self.clock.now(),
                correlation_id: correlation.clone(),
                events: Vec::new(),
                unknown: 0,
                unreadable: None,
                refused: Vec::new(),
            };
            self.send(parts(&empty, content)).await?;
        }
        Ok(accepted)
    }

    /// Sends the parts of a delivery; the first takes along how many deliveries were refused.
    async fn send(&self, mut parts: Vec<EventMessage>) -> Result<(), StoreError> {
        let refused: Vec<Refused> = self.refusals.take();
        if let Some(first) = parts.first_mut() {
            first.refused.clone_from(&refused);
        }
        let sent = self.queue.send(&parts).await;
        if sent.is_err() {
            self.refusals.give_back(refused);
        }
        sent
    }
}

/// What a verified body says.
fn content(Verified { request, address }: &Verified<'_>, delivery: &DeliveryId) -> Content {
    let parsed = match (request.to, address) {
        (SentTo::Xero, _) => xero::parse(request.body),
        (SentTo::Zoho(_), Some(address)) => zoho::parse(request, address, delivery),
        _ => quickbooks::parse(request.body),
    };
    match parsed {
        Ok(parsed) => Content { parsed, unreadable: None },
        Err(error) => {
            let kept = &request.body[..request.body.len().min(MAX_KEPT_BODY)];
            let size = request.body.len() as u64;
            let unreadable = Unreadable { body: STANDARD.encode(kept), size, reason: error.0 };
            Content { parsed: Parsed::default(), unreadable: Some(unreadable) }
        }
    }
}

/// The parts that a delivery travels in: one for each company, so that each waits in its company's line; the last of ten
/// holds the events of all companies that have fewest, where there are more.
fn parts(empty: &EventMessage, content: Content) -> Vec<EventMessage> {
    let mut groups: Vec<_> = by_company(content.parsed.events);
    if groups.len() > MAX_MESSAGES {
        // A stable sort: of companies with as many events, those that came first keep a part of their own.
        groups.sort_by_key(|events| std::cmp::Reverse(events.len()));
        let rest = groups.split_off(MAX_MESSAGES - 1);
        groups.push(rest.concat());
    }
    if groups.is_empty() {
        groups.push(Vec::new());
    }
    let parts = u32::try_from(groups.len()).unwrap_or(u32::MAX);
    let part = |(part, events)| EventMessage { part, parts, events, ..empty.clone() };
    let mut messages: Vec<_> = (1..).zip(groups).map(part).collect();
    if let Some(first) = messages.first_mut() {
        first.unknown = content.parsed.unknown;
        first.unreadable = content.unreadable;
    }
    messages
}

/// The events of each company, companies in the order in which they come first.
fn by_company(events: Vec<WebhookEvent>) -> Vec<Vec<WebhookEvent>> {
    let mut places = BTreeMap::new();
    let mut groups: Vec<Vec<WebhookEvent>> = Vec::new();
    for event in events {
        let place = *places.entry(event.provider_company_id.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(event),
            None => groups.push(vec![event]),
        }
    }
    groups
}

#[cfg(test)]
mod tests;
