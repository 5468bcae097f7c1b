//! A consumer with one connected company, its books, and messages to give it.

use std::{sync::Arc, time::Duration};

use domain::{
    authorization::Connector,
    clock::Clock as _,
    connection::ConnectionKey,
    entropy::SystemEntropy,
    event::{Event, EventKind},
    provider::Provider,
    refresh::policy::later,
    sync::{
        Consumed, DEFAULT_MAX_AGE, Entity, EventConsumer, Heard, Incoming, Ledger, RecordPlace,
        RecordStore as _,
    },
    webhook::{Begin, EVENTS_VERSION, EventMessage, IdempotencyStore as _, Operation, WebhookEvent},
};
use tests::{memory::limits, sample};

use super::ports::Ports;
use crate::{
    ledger::InMemoryLedger,
    world::{REDIRECT_URI, World},
};

pub(super) const REALM: &str = "4620816365";
/// Plenty of time.
const LONG: Duration = Duration::from_mins(5);

pub(super) struct Desk {
    pub(super) world: World,
    pub(super) key: ConnectionKey,
    pub(super) ledger: Arc<InMemoryLedger>,
    pub(super) ports: Arc<Ports>,
    pub(super) consumer: EventConsumer,
}

impl Desk {
    pub(super) async fn new() -> Self {
        let world = World::new();
        let key = connect(&world, REALM).await;
        let (ledger, ports) = (Arc::<InMemoryLedger>::default(), Arc::<Ports>::default());
        let books = |provider| (provider, ledger.clone() as Arc<dyn Ledger>);
        let consumer = EventConsumer {
            tenants: world.tenants.clone(),
            access: Arc::new(world.access()),
            connections: world.connections.clone(),
            ledgers: [Provider::QuickBooks, Provider::Zoho].map(books).into(),
            limits: limits(&(world.clock.clone() as _)),
            records: ports.clone(),
            seen: ports.clone(),
            log: ports.clone(),
            subscriptions: ports.clone(),
            bus: ports.clone(),
            clock: world.clock.clone(),
            entropy: Arc::new(SystemEntropy),
            max_age: DEFAULT_MAX_AGE,
            heard: Heard::default(),
        };
        Self { world, key, ledger, ports, consumer }
    }

    /// Consumes a batch with plenty of time; every message comes for the first time.
    pub(super) async fn consume(&self, messages: &[EventMessage]) -> Vec<Consumed> {
        self.receive(messages, 1).await
    }

    /// The same for messages that come for the so-manieth time.
    pub(super) async fn receive(&self, messages: &[EventMessage], receives: u32) -> Vec<Consumed> {
        let deadline = later(self.world.clock.now(), LONG);
        let incoming = |message: &EventMessage| Incoming { message: message.clone(), receives };
        let batch: Vec<_> = messages.iter().map(incoming).collect();
        self.consumer.consume(&batch, deadline).await
    }

    /// Consumes one message that comes for the so-manieth time.
    pub(super) async fn once(&self, message: &EventMessage, receives: u32) -> Consumed {
        self.receive(std::slice::from_ref(message), receives).await.remove(0)
    }

    pub(super) fn place(&self) -> RecordPlace {
        place(&self.key)
    }

    /// Ids and versions of what is stored as not deleted.
    pub(super) async fn stored(&self, entity: Entity) -> Vec<(String, u64)> {
        self.stored_of(&self.key, entity).await
    }

    pub(super) async fn stored_of(&self, key: &ConnectionKey, entity: Entity) -> Vec<(String, u64)> {
        let page = self.ports.records.list(&place(key), entity, 1000, None).await.unwrap();
        let stands = page.records.into_iter().filter(|record| !record.deleted);
        stands.map(|record| (record.id.to_string(), record.version)).collect()
    }

    /// Whose records were announced since the last time it was asked, and how many.
    pub(super) fn announced(&self) -> Vec<(ConnectionKey, u64)> {
        let of = |event: Event| {
            assert_eq!(event.kind, EventKind::RecordsChanged);
            (event.key.unwrap(), event.records.unwrap())
        };
        self.ports.bus.take().into_iter().map(of).collect()
    }

    /// Whether nothing was ever noted of an event.
    pub(super) async fn is_untouched(&self, key: &str) -> bool {
        let begin = self.ports.seen.begin(Provider::QuickBooks, key, self.world.clock.now()).await.unwrap();
        begin == Begin::Started { again: false }
    }
}

/// Connects a new tenant to the books of a realm, which others may be connected to as well.
pub(super) async fn connect(world: &World, realm: &str) -> ConnectionKey {
    let tenant = sample::tenant();
    let state = format!("state of {tenant}");
    world.begun(&tenant, &state, "browser").await;
    let connector = Connector { shared_companies: true, ..world.connector() };
    let callback = World::callback(Provider::QuickBooks, &state, Some("browser"), Some(realm));
    connector.complete(callback, REDIRECT_URI).await.unwrap().key
}

fn place(key: &ConnectionKey) -> RecordPlace {
    RecordPlace { tenant: key.tenant.clone(), company: format!("quickbooks_{REALM}").parse().unwrap() }
}

/// A delivery of its own with these events.
pub(super) fn delivery(id: &str, events: &[WebhookEvent]) -> EventMessage {
    EventMessage {
        v: EVENTS_VERSION,
        delivery_id: id.parse().unwrap(),
        part: 1,
        parts: 1,
        provider: Provider::QuickBooks,
        received_at: sample::NOW,
        correlation_id: "corr_1".parse().unwrap(),
        events: events.to_vec(),
        unknown: 0,
        unreadable: None,
        refused: vec![],
    }
}

/// The end of an invoice.
pub(super) fn deleted(key: &str, id: &str) -> WebhookEvent {
    WebhookEvent { operation: Operation::Deleted, ..event(key, id) }
}

/// An invoice has changed.
pub(super) fn event(key: &str, id: &str) -> WebhookEvent {
    WebhookEvent {
        key: key.to_owned(),
        provider_company_id: REALM.parse().unwrap(),
        connection_id: None,
        entity: "invoice".to_owned(),
        id: id.parse().unwrap(),
        operation: Operation::Updated,
        occurred_at: Some(sample::NOW),
    }
}
