//! Consuming webhook events: once each, by fetching what changed.
//!
//! A batch of messages is taken apart into companies; each company gets one look-up of its routes, one token and one fetch
//! for all objects of a kind. An event is begun, has its effect, is announced and is completed, in this order: whoever dies
//! in between leaves it in progress, and the next worker, which sees that, does all of it again. Records take nothing that
//! is not newer, so only the announcement may come twice, and it never stays away.

mod bring;
mod company;
mod heard;
mod outcome;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;

pub use heard::Heard;
pub use outcome::{Consumed, EVENT_RECEIVES, Next};
use outcome::{Outcome, Verdict};

use super::{Ledger, RecordStore};
use crate::{
    access::AccessTokens,
    clock::Clock,
    connection::ConnectionStore,
    entropy::Entropy,
    error::ErrorCode,
    event::EventBus,
    id::{DeliveryId, ProviderCompanyId},
    limits::Limits,
    provider::Provider,
    store::chain,
    tenant::TenantStore,
    webhook::{
        DeliveryLog, DeliveryPart, EventMessage, IdempotencyStore, Subscription, Subscriptions, WebhookEvent,
    },
};

/// How old an event may be by default when it comes: providers try again for days, not for a month.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_hours(30 * 24);
/// Companies that are worked on side by side; each has one request to its provider at a time.
const COMPANIES_AT_ONCE: usize = 8;
/// Messages that are closed side by side: as many as a batch has.
const MESSAGES_AT_ONCE: usize = 10;

/// Consumes webhook events.
pub struct EventConsumer {
    /// Tenants, for some of whom nothing is done.
    pub tenants: Arc<dyn TenantStore>,
    /// Access tokens.
    pub access: Arc<AccessTokens>,
    /// Routes from companies to connections.
    pub connections: Arc<dyn ConnectionStore>,
    /// The books of each provider that is configured.
    pub ledgers: HashMap<Provider, Arc<dyn Ledger>>,
    /// The providers' limits.
    pub limits: Arc<Limits>,
    /// Records.
    pub records: Arc<dyn RecordStore>,
    /// Which events had their effect.
    pub seen: Arc<dyn IdempotencyStore>,
    /// The log of deliveries.
    pub log: Arc<dyn DeliveryLog>,
    /// When subscriptions were heard last.
    pub subscriptions: Arc<dyn Subscriptions>,
    /// The bus.
    pub bus: Arc<dyn EventBus>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// An event that is older than this when it comes is recorded and not applied.
    pub max_age: Duration,
    /// What of the subscriptions was noted already.
    pub heard: Heard,
}

/// A message as the queue hands it out.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The message.
    pub message: EventMessage,
    /// How often it was handed out, this time included.
    pub receives: u32,
}

/// Where an event is in a batch: its message, and which one of it.
type Slot = (usize, usize);

/// An event with what its message says of it.
#[derive(Clone, Copy)]
struct Item<'a> {
    slot: Slot,
    event: &'a WebhookEvent,
    by: &'a DeliveryId,
    received_at: Timestamp,
    /// Whether its message came for the first time.
    is_first: bool,
}

impl EventConsumer {
    /// Consumes a batch of messages, beginning nothing that might not end before `deadline`; tells of each message, in
    /// their order, what became of it.
    pub async fn consume(&self, messages: &[Incoming], deadline: Timestamp) -> Vec<Consumed> {
        let companies = by_company(messages);
        let work: Vec<_> =
            companies.into_iter().map(|(company, items)| self.company(company, items, deadline)).collect();
        let worked: Vec<_> = stream::iter(work).buffer_unordered(COMPANIES_AT_ONCE).collect().await;
        let mut outcomes: HashMap<Slot, Outcome> = worked.into_iter().flatten().collect();
        let closing = messages.iter().enumerate().map(|(place, incoming)| {
            let of_message = 0..incoming.message.events.len();
            let outcomes = of_message.map(|event| outcomes.remove(&(place, event))).collect();
            self.close(incoming, outcomes)
        });
        let closing: Vec<_> = closing.collect();
        stream::iter(closing).buffered(MESSAGES_AT_ONCE).collect().await
    }

    /// Notes in the log what became of a message.
    ///
    /// While the log is away the message comes again: every event is then completed by its own delivery, which counts as
    /// applied, and nothing is done twice. The last time it is a dead letter, for what the log does not know of would look
    /// as if it were lost; to put it back repeats nothing either.
    async fn close(&self, incoming: &Incoming, outcomes: Vec<Option<Outcome>>) -> Consumed {
        let Incoming { message, receives } = incoming;
        let Verdict { tally, reason, mut next } = Verdict::of(incoming, outcomes, self.clock.now());
        let part = DeliveryPart {
            delivery: message.delivery_id.clone(),
            part: (message.part, message.parts),
            provider: message.provider,
            received_at: message.received_at,
            correlation: message.correlation_id.clone(),
            tally,
            reason,
            unreadable: message.unreadable.clone(),
            noted_at: self.clock.now(),
        };
        if let Err(error) = self.log.note(&part).await {
            tracing::warn!(deliveryId = %part.delivery, error = chain(&error), "Delivery is not noted");
            next = match next {
                Next::Done if *receives < EVENT_RECEIVES => Next::Again { after: None },
                Next::Done => Next::Bury(format!("{}: deliveries", ErrorCode::StorageUnavailable.name())),
                next => next,
            };
        }
        if !matches!(next, Next::Again { .. }) {
            self.count_refused(message).await;
        }
        self.note_heard(message).await;
        Consumed { tally, next }
    }

    /// Counts what the receiver refused, once the message does not come again: a number that was added cannot be taken
    /// back, and a few that are missing harm nobody.
    async fn count_refused(&self, message: &EventMessage) {
        if message.refused.is_empty() {
            return;
        }
        if let Err(error) = self.log.count_refused(&message.refused, message.received_at).await {
            tracing::warn!(error = chain(&error), "Refused deliveries are not counted");
        }
    }

    /// Notes that the subscriptions of a message were heard; what is lost is noted with the next one.
    async fn note_heard(&self, message: &EventMessage) {
        let at = message.received_at;
        let of_event = |event: &WebhookEvent| Subscription::of(message.provider, &event.provider_company_id);
        for subscription in message.events.iter().map(of_event) {
            if !self.heard.is_news(&subscription, at) {
                continue;
            }
            match self.subscriptions.note_heard(&subscription, at).await {
                Ok(()) => self.heard.noted(subscription, at),
                Err(error) => {
                    tracing::warn!(%subscription, error = chain(&error), "Subscription is not noted");
                    return;
                }
            }
        }
    }
}

/// The events of a batch by provider and company.
fn by_company(messages: &[Incoming]) -> BTreeMap<(Provider, &ProviderCompanyId), Vec<Item<'_>>> {
    let mut companies: BTreeMap<_, Vec<Item<'_>>> = BTreeMap::new();
    for (place, Incoming { message, receives }) in messages.iter().enumerate() {
        for (number, event) in message.events.iter().enumerate() {
            let (slot, by, is_first) = ((place, number), &message.delivery_id, *receives <= 1);
            let item = Item { slot, event, by, received_at: message.received_at, is_first };
            companies.entry((message.provider, &event.provider_company_id)).or_default().push(item);
        }
    }
    companies
}
