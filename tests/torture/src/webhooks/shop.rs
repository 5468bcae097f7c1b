//! The world around receiver and consumer: what is stored, what the books hold, and what was told of it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    access::AccessTokens,
    clock::Clock,
    connection::{ConnectOutcome, ConnectionKey, ConnectionStore as _, NewConnection, PlacedCompany},
    id::{DeliveryId, RecordId},
    provider::Provider,
    refresh::{
        DisconnectAnswer, DisconnectMessage, RefreshAnswer, RefreshInvoker, RefreshMessage, RefreshPolicy,
        policy::later,
    },
    sealing::TokenSealer,
    secret::{AccessToken, RefreshToken},
    store::StoreError,
    sync::{Entity, Record, RecordPlace},
    token::TokenSet,
};
use futures::FutureExt as _;
use harness::{
    memory::{
        InMemoryConnections, InMemoryDataKeys, InMemoryDeliveries, InMemoryIdempotency, InMemoryRecords,
        InMemorySubscriptions,
    },
    sample,
};
use jiff::Timestamp;

use super::{
    WebhookFlaw, WebhookPlan,
    books::Books,
    company::{Company, PROVIDERS},
    queue::Queue,
};
use crate::{
    chance::Chance,
    executor::{ProcessId, Scheduler},
    faults::Faults,
    world::at,
};

/// How long access tokens last: nobody refreshes here.
const TOKEN_LIFE: Duration = Duration::from_hours(10 * 365 * 24);

/// What is expected of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Expected {
    /// It has its effect.
    Effect,
    /// It has none.
    Nothing,
    /// The provider refuses its object.
    Refused,
}

/// A record in a tenant's copy of a company's books.
pub(super) type Written = (RecordPlace, Entity, RecordId);

/// What was told so far.
#[derive(Default)]
pub(super) struct Told {
    pub(super) sent: u64,
    pub(super) attempts: u64,
    pub(super) spoilt: u64,
    pub(super) kills: u64,
    pub(super) failed_calls: u64,
    pub(super) fetches: u64,
    /// Every event that was sent, its provider, and what is expected of it.
    pub(super) events: BTreeMap<String, (Provider, Expected)>,
    pub(super) accepted: BTreeSet<DeliveryId>,
    /// By which deliveries each event was completed.
    pub(super) completed: HashMap<String, BTreeSet<DeliveryId>>,
    /// Of each company of a tenant: records that changed, records that were announced.
    pub(super) changes: BTreeMap<RecordPlace, (u64, u64)>,
    /// The greatest version of each record that was written.
    pub(super) written: HashMap<Written, u64>,
    /// Records that changed and whose change was not announced yet.
    pub(super) silent: BTreeSet<Written>,
    /// What must not be.
    pub(super) incidents: Vec<String>,
    pub(super) digest: u64,
}

pub(super) struct Shop {
    pub(super) plan: WebhookPlan,
    pub(super) chance: Arc<Chance>,
    pub(super) time: Arc<Scheduler>,
    pub(super) faults: Faults,
    pub(super) connections: Arc<InMemoryConnections>,
    pub(super) access: Arc<AccessTokens>,
    pub(super) records: InMemoryRecords,
    pub(super) seen: InMemoryIdempotency,
    pub(super) log: InMemoryDeliveries,
    pub(super) subscriptions: InMemorySubscriptions,
    pub(super) queue: Queue,
    pub(super) books: Books,
    told: Mutex<Told>,
    numbers: AtomicU64,
}

impl Shop {
    pub(super) fn new(plan: WebhookPlan) -> Arc<Self> {
        let chance = Arc::new(Chance::new(plan.seed));
        let time = Arc::new(Scheduler::new(chance.clone()));
        let faults = Faults::new((plan.faults.clone(), plan.strain), chance.clone(), time.clone());
        let connections = Arc::new(InMemoryConnections::new(1));
        let keys = Arc::new(InMemoryDataKeys::default());
        let sealer = || TokenSealer::new("torture".to_owned(), keys.clone(), chance.clone());
        let access = Arc::new(AccessTokens {
            connections: connections.clone(),
            sealer: sealer(),
            refresh: Arc::new(Nobody),
            clock: Arc::new(Time(time.clone())),
            policy: RefreshPolicy::default(),
        });
        let books = Books::new(plan.companies);
        for company in 0..plan.companies {
            for tenant in 0..Company(company).tenants() {
                connect(&connections, &sealer(), (Company(company), tenant));
            }
        }
        for released in (0..PROVIDERS.len()).map(|of| Company(of).released()) {
            let key = connect(&connections, &sealer(), (released, 0));
            let route = (released.provider(), &released.id());
            connections.release_route(&key, route, u64::MAX).now_or_never().unwrap().unwrap();
        }
        Arc::new(Self {
            chance,
            time,
            faults,
            connections,
            access,
            records: InMemoryRecords::default(),
            seen: InMemoryIdempotency::default(),
            log: InMemoryDeliveries::default(),
            subscriptions: InMemorySubscriptions::default(),
            queue: Queue::default(),
            books,
            told: Mutex::default(),
            numbers: AtomicU64::new(0),
            plan,
        })
    }

    pub(super) fn has_flaw(&self, flaw: WebhookFlaw) -> bool {
        self.plan.flaw == Some(flaw)
    }

    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A process that was not there before.
    pub(super) fn process(&self) -> ProcessId {
        ProcessId(self.number())
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(Time(self.time.clone()))
    }

    pub(super) fn now(&self) -> Timestamp {
        at(self.time.now_ms())
    }

    /// The id that a write has each time it is sent.
    pub(super) fn write_id<'a>(&self, write_id: &'a str) -> Cow<'a, str> {
        if self.has_flaw(WebhookFlaw::UnknownWrites) {
            format!("w_{}", self.number()).into()
        } else {
            write_id.into()
        }
    }

    /// Notes that a record was written, which must never be older than what was written before.
    pub(super) fn wrote(&self, place: &RecordPlace, record: &Record) {
        let mut told = self.told();
        let key = (place.clone(), record.entity, record.id.clone());
        let greatest = told.written.entry(key).or_default();
        if record.version < *greatest {
            let (entity, id) = (record.entity.as_str(), &record.id);
            let went =
                format!("{entity} {id} of {} goes back from {greatest} to {}", place.company, record.version);
            told.incidents.push(went);
        } else {
            *greatest = record.version;
        }
    }

    /// Takes to the digest what happened.
    pub(super) fn happened(&self, what: u64) {
        let now = self.time.now_ms().unsigned_abs();
        let mut told = self.told();
        told.digest = (told.digest.rotate_left(5) ^ now ^ what << 40).wrapping_mul(0x0100_0000_01b3);
    }

    pub(super) fn kill(&self, process: ProcessId) {
        self.time.kill(process);
        self.told().kills += 1;
    }
}

fn connect(
    connections: &InMemoryConnections,
    sealer: &TokenSealer,
    (company, tenant): (Company, usize),
) -> ConnectionKey {
    let (key, provider) = (company.key(tenant), company.provider());
    let issued_at = at(0);
    let tokens = TokenSet {
        access: AccessToken::new(format!("access {tenant}")),
        refresh: RefreshToken::new(format!("refresh {tenant}")),
        access_expires_at: later(issued_at, TOKEN_LIFE),
        refresh_expires_at: None,
        hard_expires_at: None,
        scopes: None,
    };
    let pair = sealer.seal_under_new_keys((&key, provider), 1, &tokens).now_or_never().unwrap().unwrap();
    let mut connection = sample::connection(&key);
    connection.provider = provider;
    let mut set = sample::tokens(1, issued_at, 0);
    (set.access, set.refresh) = (pair.access, pair.refresh);
    set.access_expires_at = tokens.access_expires_at;
    connection.tokens = Some(set);
    connection.used_at = tokens.access_expires_at;
    let id = company.place(tenant).company;
    let named = domain::connection::Company { id, provider_id: company.id(), name: "Books".to_owned() };
    let companies = vec![PlacedCompany { company: named, from: None }];
    let new = NewConnection { connection, companies, replaces: None, shared: true };
    let outcome = connections.connect(&new).now_or_never().unwrap().unwrap();
    assert_eq!(outcome, ConnectOutcome::Stored);
    key
}

/// Nobody is asked to refresh: the tokens outlast the run.
struct Nobody;

#[async_trait]
impl RefreshInvoker for Nobody {
    async fn invoke(
        &self,
        _: &RefreshMessage,
        _: Duration,
    ) -> Result<Option<Vec<RefreshAnswer>>, StoreError> {
        Ok(None)
    }

    async fn disconnect(
        &self,
        _: &DisconnectMessage,
        _: Duration,
    ) -> Result<Option<DisconnectAnswer>, StoreError> {
        Ok(None)
    }
}

/// Virtual time as a clock.
struct Time(Arc<Scheduler>);

#[async_trait]
impl Clock for Time {
    fn now(&self) -> Timestamp {
        at(self.0.now_ms())
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}
