//! Consuming webhook events: once each, by fetching what changed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Entity, Fetched, Ledger, LedgerError, RecordPlace, RecordStore, RunError, books::Books};
use crate::{
    access::{AccessError, AccessTokens},
    clock::Clock,
    connection::{ConnectionKey, ConnectionStore, Route},
    event::{Event, EventBus, EventKind, announce},
    id::CompanyId,
    provider::Provider,
    refresh::policy::later,
    store::chain,
    webhook::{Begin, EventMessage, IdempotencyStore, WebhookEvent},
};

/// What one event may need at most: a wait for a token, a fetch and a few writes.
const EVENT_TIME: Duration = Duration::from_mins(1);

/// Consumes webhook events.
pub struct EventConsumer {
    /// Access tokens.
    pub access: Arc<AccessTokens>,
    /// Routes from companies to connections.
    pub connections: Arc<dyn ConnectionStore>,
    /// The books of each provider that is configured.
    pub ledgers: HashMap<Provider, Arc<dyn Ledger>>,
    /// Records.
    pub records: Arc<dyn RecordStore>,
    /// Which events had their effect.
    pub seen: Arc<dyn IdempotencyStore>,
    /// The bus.
    pub bus: Arc<dyn EventBus>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// What became of the events of one message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Consumed {
    /// Events that were fetched and changed a record, or found it newer already.
    pub applied: u64,
    /// Events that had their effect before.
    pub duplicate: u64,
    /// Events of companies that nobody connected, or whose connection is gone.
    pub unknown_company: u64,
    /// Events of kinds that are not kept.
    pub ignored: u64,
    /// Events that must be tried again.
    pub retry: u64,
}

enum Effect {
    Applied,
    UnknownCompany,
    Ignored,
}

impl EventConsumer {
    /// Consumes the events of a message until `deadline` is near; while any is to be tried again, the message must come
    /// again.
    pub async fn consume(&self, message: &EventMessage, deadline: Timestamp) -> Consumed {
        let mut consumed = Consumed::default();
        for event in &message.events {
            if later(self.clock.now(), EVENT_TIME) > deadline {
                consumed.retry += 1;
                continue;
            }
            match self.once(message, event).await {
                Ok(Some(Effect::Applied)) => consumed.applied += 1,
                Ok(Some(Effect::UnknownCompany)) => consumed.unknown_company += 1,
                Ok(Some(Effect::Ignored)) => consumed.ignored += 1,
                Ok(None) => consumed.duplicate += 1,
                Err(Retry) => consumed.retry += 1,
            }
        }
        consumed
    }

    /// Applies an event unless it had its effect before.
    async fn once(&self, message: &EventMessage, event: &WebhookEvent) -> Result<Option<Effect>, Retry> {
        let (provider, by) = (message.provider, &message.delivery_id);
        let now = self.clock.now();
        match self.seen.begin(provider, &event.key, now).await.map_err(Retry::because)? {
            Begin::Completed { .. } => return Ok(None),
            Begin::InProgress => return Err(Retry),
            Begin::Started { .. } => {}
        }
        match self.apply(provider, event).await {
            Ok(effect) => {
                let completed = self.seen.complete(provider, &event.key, by, self.clock.now()).await;
                completed.map_err(Retry::because)?;
                Ok(Some(effect))
            }
            Err(error) => {
                // Left in progress when this fails too; the record runs out by itself.
                self.seen.abandon(provider, &event.key).await.map_err(Retry::because)?;
                Err(Retry::because(error))
            }
        }
    }

    async fn apply(&self, provider: Provider, event: &WebhookEvent) -> Result<Effect, RunError> {
        let Some(ledger) = self.ledgers.get(&provider) else { return Ok(Effect::Ignored) };
        let Some(&entity) = ledger.entities(&event.entity).first() else { return Ok(Effect::Ignored) };
        let routes = self.connections.find_routes(provider, &event.provider_company_id).await?;
        let mut effect = Effect::UnknownCompany;
        for route in routes.into_iter().filter(|route| !route.released) {
            if self.apply_to(&route, (provider, &**ledger), (event, entity)).await? {
                effect = Effect::Applied;
            }
        }
        Ok(effect)
    }

    /// Brings one connection's record up to date; false when the connection is gone or has no right to the company.
    async fn apply_to(
        &self,
        route: &Route,
        (provider, ledger): (Provider, &dyn Ledger),
        (event, entity): (&WebhookEvent, Entity),
    ) -> Result<bool, RunError> {
        let place = RecordPlace { tenant: route.key.tenant.clone(), company: route.company.clone() };
        let changed = match self.fetch(ledger, &route.key, event).await {
            Ok(fetched) if !fetched.records.is_empty() => {
                self.records.put_if_newer(&place, &fetched.records).await? > 0
            }
            Ok(_) => {
                let at = event.occurred_at.unwrap_or_else(|| self.clock.now());
                self.records.mark_deleted(&place, (entity, &event.id), at).await?
            }
            Err(
                RunError::Access(AccessError::Missing | AccessError::NotUsable(_))
                | RunError::Ledger(LedgerError::Forbidden),
            ) => return Ok(false),
            Err(error) => return Err(error),
        };
        if changed {
            self.announce(&route.key, provider, route.company.clone()).await;
        }
        Ok(true)
    }

    /// The object as it is now, with one new token if the provider refuses the stored one.
    async fn fetch(
        &self,
        ledger: &dyn Ledger,
        key: &ConnectionKey,
        event: &WebhookEvent,
    ) -> Result<Fetched, RunError> {
        let mut books = Books::open(&self.access, key, ledger, &event.provider_company_id).await?;
        books.fetch(&event.entity, std::slice::from_ref(&event.id)).await
    }

    async fn announce(&self, key: &ConnectionKey, provider: Provider, company: CompanyId) {
        let mut event = Event::new(EventKind::RecordsChanged, key, provider, self.clock.now());
        event.company_id = Some(company);
        event.records = Some(1);
        announce(&*self.bus, &event).await;
    }
}

/// An event must be tried again; why is in the log.
struct Retry;

impl Retry {
    fn because(error: impl std::error::Error) -> Self {
        tracing::warn!(error = chain(&error), "Event is tried again");
        Self
    }
}
