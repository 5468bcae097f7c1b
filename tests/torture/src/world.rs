//! The world around the engine: what is stored, what the providers know, who is alive, and what happened so far.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    clock::Clock,
    connection::ConnectionKey,
    entropy::Entropy,
    refresh::{RefreshPolicy, Warmth},
};
use harness::memory::{InMemoryBreakers, InMemoryConnections, InMemorySweepLog};
use jiff::Timestamp;

use crate::{
    chance::Chance,
    executor::{ProcessId, Scheduler},
    faults::Faults,
    plan::{Flaw, Plan},
    provider::{Grant, KINDS, Kind, Place},
    queue::Queues,
    report::{Row, Totals},
    worker::Process,
};

/// The beginning of virtual time: a Sunday in 2030.
const BEGINNING_S: i64 = 1_900_000_800;
/// Shards of the due index: more than one, so that there is an order among them to get wrong.
pub(crate) const DUE_SHARDS: u32 = 2;

/// How often a worker that has done its work is not called again.
const RETIRES: f64 = 0.005;
/// Incidents that are kept; one is enough to replay.
const INCIDENTS: usize = 20;

/// Everything but the engine.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) chance: Arc<Chance>,
    pub(crate) time: Arc<Scheduler>,
    pub(crate) faults: Faults,
    pub(crate) connections: InMemoryConnections,
    pub(crate) breakers: InMemoryBreakers,
    pub(crate) sweeps: InMemorySweepLog,
    pub(crate) queues: Queues,
    pub(crate) keys: Vec<ConnectionKey>,
    /// Workers that wait for their next call.
    pub(crate) idle: Mutex<Vec<Arc<Process>>>,
    killed: Mutex<BTreeSet<ProcessId>>,
    grants: Mutex<Vec<Grant>>,
    ledger: Mutex<Ledger>,
    numbers: AtomicU64,
}

/// What happened so far.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) rows: [Row; 4],
    pub(crate) totals: Totals,
    pub(crate) digest: u64,
    pub(crate) trace: Vec<String>,
    /// What must not be, when and on which connection.
    pub(crate) incidents: Vec<(usize, String)>,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        let chance = Arc::new(Chance::new(plan.seed));
        let time = Arc::new(Scheduler::new(chance.clone()));
        let faults = Faults::new((plan.faults.clone(), plan.strain), chance.clone(), time.clone());
        let keys = (0..plan.connections).map(key).collect();
        let world = Self {
            chance,
            time,
            faults,
            connections: InMemoryConnections::new(DUE_SHARDS),
            breakers: InMemoryBreakers::default(),
            sweeps: InMemorySweepLog::default(),
            queues: Queues::default(),
            keys,
            idle: Mutex::default(),
            killed: Mutex::default(),
            grants: Mutex::default(),
            ledger: Mutex::default(),
            numbers: AtomicU64::new(0),
            plan,
        };
        for connection in 0..world.plan.connections {
            let grant = world.new_grant(connection);
            world.grants().push(grant);
        }
        Arc::new(world)
    }

    /// A grant of a customer.
    pub(crate) fn new_grant(&self, connection: usize) -> Grant {
        let grant = Grant::new(kind(connection), (connection, self.number()), self.time.now_ms());
        if self.has_flaw(Flaw::NoGrace) { grant.without_grace() } else { grant }
    }

    /// When connections are refreshed.
    pub(crate) fn policy(&self) -> RefreshPolicy {
        let warmth = if self.plan.always_warm { Warmth::Always } else { Warmth::Adaptive };
        RefreshPolicy { warmth, ..RefreshPolicy::default() }
    }

    /// A number that was not given before.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn entropy(&self) -> Arc<dyn Entropy> {
        self.chance.clone()
    }

    pub(crate) fn has_flaw(&self, flaw: Flaw) -> bool {
        self.plan.flaw == Some(flaw)
    }

    pub(crate) fn grants(&self) -> MutexGuard<'_, Vec<Grant>> {
        self.grants.lock().unwrap()
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// Refreshes so far.
    pub(crate) fn cycles(&self) -> u64 {
        self.ledger().rows.iter().map(|row| row.cycles).sum()
    }

    /// Whether nothing goes wrong any more.
    pub(crate) fn is_calm(&self) -> bool {
        self.faults.is_calm()
    }

    /// Whether a worker lives.
    pub(crate) fn is_alive(&self, process: ProcessId) -> bool {
        !self.killed.lock().unwrap().contains(&process)
    }

    /// Counts something of one connection's kind.
    pub(crate) fn count(&self, connection: usize, count: impl FnOnce(&mut Row)) {
        count(&mut self.ledger().rows[kind(connection) as usize]);
    }

    /// Takes to the digest what happened.
    pub(crate) fn happened(&self, what: u64, connection: usize) {
        let now = self.time.now_ms().unsigned_abs();
        let mut ledger = self.ledger();
        for part in [now, what, connection as u64] {
            // FNV-1a, in steps of eight bytes.
            ledger.digest = (ledger.digest.rotate_left(5) ^ part).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Tells the story of the connection that is traced.
    pub(crate) fn tell(&self, connection: usize, story: impl FnOnce() -> String) {
        if self.plan.trace == Some(connection) {
            let line = format!("{} {}", self.now(), story());
            self.ledger().trace.push(line);
        }
    }

    /// Any worker that is idle.
    pub(crate) fn take_idle(&self) -> Option<Arc<Process>> {
        let mut idle = self.idle.lock().unwrap();
        let place = self.chance.below(idle.len());
        (!idle.is_empty()).then(|| idle.swap_remove(place))
    }

    /// A worker waits for its next call, unless there are enough of those, or it has lived long enough.
    pub(crate) fn put_idle(&self, process: Arc<Process>) {
        let mut idle = self.idle.lock().unwrap();
        if idle.len() < self.plan.workers && !self.chance.happens(RETIRES) {
            idle.push(process);
        }
    }

    /// Notes something that must not be.
    pub(crate) fn incident(&self, connection: usize, what: &str) {
        self.tell(connection, || what.to_owned());
        let told = format!("{}: {}: {what}", self.now(), kind(connection).as_str());
        let incidents = &mut self.ledger().incidents;
        if incidents.len() < INCIDENTS {
            incidents.push((connection, told));
        }
    }

    /// Kills a worker: whatever it had in hand is gone.
    pub(crate) fn kill(&self, process: ProcessId, place: Place) {
        if !self.killed.lock().unwrap().insert(process) {
            return;
        }
        self.idle.lock().unwrap().retain(|idle| idle.id != process);
        self.time.kill(process);
        self.happened(process.0, usize::MAX);
        self.ledger().totals.kills += 1;
        let lost = self.settle_hands(process, place);
        for connection in lost {
            match place {
                Place::Destroyed => self
                    .tell(connection, || format!("worker {} is killed with the answer in hand", process.0)),
                _ => self.incident(connection, "time ends with the answer in hand"),
            }
        }
    }

    /// Lays down where the answers are that a worker had in hand; the connections concerned.
    fn settle_hands(&self, process: ProcessId, place: Place) -> Vec<usize> {
        let mut concerned = vec![];
        for (connection, grant) in self.grants().iter_mut().enumerate() {
            for token in grant.tokens.iter_mut().filter(|token| token.place == Place::InHand(process)) {
                token.place = place;
                concerned.push(connection);
            }
        }
        for &connection in &concerned {
            self.count(connection, |row| match place {
                Place::Destroyed => row.destroyed += 1,
                _ => row.dropped += 1,
            });
        }
        concerned
    }

    /// A worker that lives has ended its work: what it has in hand now it has dropped.
    pub(crate) fn hands_are_empty(&self, process: ProcessId) {
        for connection in self.settle_hands(process, Place::Dropped) {
            self.incident(connection, "its worker lives and has dropped the answer");
        }
    }

    /// A new token set has come to a durable place.
    pub(crate) fn is_durable(&self, connection: usize, fingerprint: &str) {
        if let Some(token) = self.grants()[connection].named(fingerprint) {
            token.place = Place::Durable;
        }
    }
}

/// The instant so many milliseconds after the beginning.
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(BEGINNING_S * 1000 + ms).unwrap()
}

/// The milliseconds from the beginning to an instant.
pub(crate) fn ms_at(instant: Timestamp) -> i64 {
    instant.as_millisecond() - BEGINNING_S * 1000
}

/// Of which kind a connection's provider is: a quarter each.
pub(crate) fn kind(connection: usize) -> Kind {
    KINDS[connection % KINDS.len()]
}

/// Whether a connection is used all day: four of five are.
pub(crate) fn is_busy(connection: usize) -> bool {
    !(connection / KINDS.len()).is_multiple_of(5)
}

fn key(connection: usize) -> ConnectionKey {
    ConnectionKey {
        tenant: format!("tenant_{connection}").parse().unwrap(),
        connection: format!("conn_{connection}").parse().unwrap(),
    }
}

/// The number of a connection.
pub(crate) fn index(key: &ConnectionKey) -> usize {
    key.connection.as_str().trim_start_matches("conn_").parse().unwrap()
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        at(self.time.now_ms())
    }

    async fn sleep(&self, duration: Duration) {
        self.time.sleep(duration).await;
    }
}
