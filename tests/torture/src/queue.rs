//! The queues: each message comes at least once, in any order, until somebody is done with it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    connection::ConnectionKey,
    refresh::{Delayed, MAX_DELAY, RecoveryQueue, RefreshMessage, RefreshQueue, SpilledTokens},
    store::StoreError,
};

use crate::{
    caller::Caller,
    executor::ENVIRONMENT,
    faults::Service::Queue,
    plan::Flaw,
    worker::{self, Work},
    world::{World, index},
};

/// How a queue hands its messages out, as the template says.
struct Terms {
    /// A message that nobody was done with comes again after this time. On the refresh queue after the longest life of a
    /// lease, so that whoever takes it finds the lease free.
    visibility: Duration,
    /// So often a message is received, then it goes to the dead letters.
    receives: u32,
    /// Messages that a worker gets at once at most.
    batch: usize,
}

const REFRESH: Terms = Terms { visibility: Duration::from_mins(4), receives: 5, batch: 5 };
const RECOVERY: Terms = Terms { visibility: Duration::from_secs(80), receives: 1000, batch: 10 };
/// Messages are gathered for so long before a worker gets them.
const WINDOW: Duration = Duration::from_secs(1);
/// The first wait of a message that is to come again.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// By how much each wait exceeds the one before.
const WAIT_GROWTH: u32 = 4;
/// The longest wait.
const MAX_WAIT: Duration = Duration::from_hours(1);
/// A message that comes twice does so within this time.
const TWICE_WITHIN: Duration = Duration::from_mins(10);

/// What a message says.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Refresh these.
    Refresh(RefreshMessage),
    /// Complete this.
    Spilled(Arc<SpilledTokens>),
}

impl Body {
    fn terms(&self) -> &'static Terms {
        match self {
            Self::Refresh(_) => &REFRESH,
            Self::Spilled(_) => &RECOVERY,
        }
    }
}

struct Message {
    body: Body,
    receives: u32,
    /// Rises whenever it is said anew when the message comes.
    receipt: u64,
}

/// Both queues.
#[derive(Default)]
pub(crate) struct Queues(Mutex<State>);

#[derive(Default)]
struct State {
    messages: BTreeMap<u64, Message>,
    /// Those that are gathered for a worker, by whether they are on the recovery queue.
    gathered: [Vec<u64>; 2],
}

/// A message that was handed to a worker.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) id: u64,
    pub(crate) body: Body,
}

/// How one message ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Handled {
    /// It had its effect.
    Done,
    /// It is to come again, after this time or when its turn is.
    Retry(Option<Duration>),
}

#[async_trait]
impl RefreshQueue for Caller {
    async fn send(&self, messages: &[Delayed]) -> Result<(), StoreError> {
        self.call((Queue, "send"), || {
            Box::pin(async {
                for Delayed { message, delay } in messages {
                    put(&self.world, &Body::Refresh(message.clone()), (*delay).min(MAX_DELAY));
                }
                Ok(())
            })
        })
        .await
    }
}

#[async_trait]
impl RecoveryQueue for Caller {
    async fn spill(&self, spilled: &SpilledTokens) -> Result<(), StoreError> {
        let connection = index(&spilled.key);
        let sent = self
            .call((Queue, "spill"), || {
                Box::pin(async {
                    if !self.world.has_flaw(Flaw::LostRecovery) {
                        put(&self.world, &Body::Spilled(Arc::new(spilled.clone())), Duration::ZERO);
                    }
                    self.world.is_durable(connection, &spilled.tokens.refresh_fingerprint);
                    self.world.count(connection, |row| row.spilled += 1);
                    Ok(())
                })
            })
            .await;
        self.world.tell(connection, || {
            format!("worker {} spills generation {}: {sent:?}", self.process.0, spilled.tokens.generation)
        });
        sent
    }
}

/// Puts a message into its queue; now and then it comes twice.
fn put(world: &Arc<World>, body: &Body, delay: Duration) {
    let mut delays = vec![delay];
    if world.faults.duplicates() {
        delays.push(delay + world.chance.lasting(Duration::ZERO..=TWICE_WITHIN));
        world.ledger().totals.duplicates += 1;
    }
    for delay in delays {
        let id = world.number();
        let message = Message { body: body.clone(), receives: 0, receipt: 0 };
        world.queues.0.lock().unwrap().messages.insert(id, message);
        come(world, (id, 0), delay);
    }
}

/// Lets a message come after some time, unless it is said otherwise until then.
fn come(world: &Arc<World>, (id, receipt): (u64, u64), after: Duration) {
    let world = world.clone();
    world.time.clone().spawn(ENVIRONMENT, async move {
        world.time.sleep(after).await;
        if world.queues.receive(&world, (id, receipt)) {
            world.time.sleep(WINDOW).await;
            hand_out(&world);
        }
    });
}

/// Gives everything that was gathered to workers.
fn hand_out(world: &Arc<World>) {
    let batches: Vec<_> = {
        let mut state = world.queues.0.lock().unwrap();
        let [due, spilled] = std::mem::take(&mut state.gathered);
        let received = |id: &u64| {
            let body = state.messages.get(id)?.body.clone();
            Some(Received { id: *id, body })
        };
        due.chunks(REFRESH.batch)
            .chain(spilled.chunks(RECOVERY.batch))
            .map(|ids| ids.iter().filter_map(received).collect::<Vec<_>>())
            .collect()
    };
    for batch in batches {
        worker::invoke(world, Work::Batch(batch));
    }
}

impl Queues {
    /// A message comes; whether it is the first to be gathered.
    fn receive(&self, world: &Arc<World>, (id, receipt): (u64, u64)) -> bool {
        let mut state = self.0.lock().unwrap();
        let Some(message) = state.messages.get_mut(&id).filter(|message| message.receipt == receipt) else {
            return false;
        };
        let terms = message.body.terms();
        if message.receives == terms.receives {
            state.messages.remove(&id);
            drop(state);
            world.ledger().totals.dead_letters += 1;
            return false;
        }
        message.receives += 1;
        message.receipt += 1;
        come(world, (id, message.receipt), terms.visibility);
        let queue = usize::from(matches!(message.body, Body::Spilled(_)));
        state.gathered[queue].push(id);
        state.gathered.iter().map(Vec::len).sum::<usize>() == 1
    }

    /// A worker has ended its work on a message.
    pub(crate) fn handled(&self, world: &Arc<World>, id: u64, handled: Handled) {
        let mut state = self.0.lock().unwrap();
        match handled {
            Handled::Done => drop(state.messages.remove(&id)),
            Handled::Retry(after) => {
                let Some(message) = state.messages.get_mut(&id) else { return };
                message.receipt += 1;
                let times = message.receives.saturating_sub(1);
                let wait = after.unwrap_or(FIRST_WAIT * WAIT_GROWTH.pow(times)).min(MAX_WAIT);
                come(world, (id, message.receipt), wait);
            }
        }
    }

    /// Whether a token set of a connection is on the recovery queue.
    pub(crate) fn recovers(&self, key: &ConnectionKey) -> bool {
        let is_its =
            |message: &Message| matches!(&message.body, Body::Spilled(spilled) if spilled.key == *key);
        self.0.lock().unwrap().messages.values().any(is_its)
    }
}
