//! Workers: processes of the refresh function around the real engine, each with a clock of its own, until they are killed.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{
    clock::{Clock as _, CorrectedClock},
    connection::ConnectionKey,
    provider::Provider,
    refresh::{
        BreakerSettings, Breakers, CompleteOutcome, DEFAULT_FAILURES, DEFAULT_MINIMUM, DEFAULT_RESET,
        DEFAULT_SHARE, DEFAULT_WINDOW, OutageSettings, RefreshAnswer, RefreshMessage, RefreshOutcome,
        RefreshPolicy, RefreshReport, Refresher, SpilledTokens, Sweep, Trigger,
        policy::{DEFAULT_LEASE, earlier, later},
    },
    sealing::TokenSealer,
    store::StoreError,
    token::TokenEndpoint,
};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::{
    caller::{Caller, MachineClock},
    connect::DEPLOYMENT,
    executor::{ENVIRONMENT, ProcessId},
    faults::FaultKind,
    queue::{Body, Handled, Received},
    world::{World, index},
};

/// After which a function is killed.
const FUNCTION_LIFE: Duration = Duration::from_secs(75);
/// Kept back from it for the history, events and metrics of the last refresh.
const CLOSING_TIME: Duration = Duration::from_secs(3);
/// Connections that one invocation refreshes at once.
const AT_ONCE: usize = 100;
/// A message whose time had run out comes again soon, which is no fault of its own.
const NO_TIME: Duration = Duration::from_secs(5);
/// By how much machines' clocks are wrong at most.
const SKEW_MS: i64 = 2 * 60 * 1000;

/// One process.
pub(crate) struct Process {
    pub(crate) id: ProcessId,
    clock: Arc<CorrectedClock>,
    refresher: Refresher,
    sweep: Sweep,
    caller: Arc<Caller>,
}

/// What a worker is called for.
pub(crate) enum Work {
    /// Messages of a queue.
    Batch(Vec<Received>),
    /// A direct invocation; its caller may have gone.
    Direct(RefreshMessage, Option<oneshot::Sender<Vec<RefreshAnswer>>>),
    /// The minute.
    Sweep,
}

/// Calls the worker in a place, which is begun where there is none.
pub(crate) fn invoke(world: &Arc<World>, slot: usize, work: Work) {
    let process = {
        let mut slots = world.slots.lock().unwrap();
        slots[slot].get_or_insert_with(|| Arc::new(Process::new(world))).clone()
    };
    let (world, is_done) = (world.clone(), Arc::new(AtomicBool::new(false)));
    let (time, id, done) = (world.time.clone(), process.id, is_done.clone());
    let ends_at = later(process.clock.machine_now(), FUNCTION_LIFE);
    time.spawn(id, async move {
        process.run(work, ends_at).await;
        done.store(true, Ordering::Relaxed);
    });
    time.spawn(ENVIRONMENT, async move {
        world.time.sleep(FUNCTION_LIFE).await;
        if !is_done.load(Ordering::Relaxed) && world.is_alive(id) {
            world.ledger().totals.overruns += 1;
            world.kill(id);
        }
    });
}

impl Process {
    fn new(world: &Arc<World>) -> Self {
        let id = ProcessId(world.number());
        let skew_ms =
            if world.faults.has(FaultKind::Clocks) { world.chance.within(-SKEW_MS..=SKEW_MS) } else { 0 };
        {
            let mut ledger = world.ledger();
            ledger.totals.skew_ms = ledger.totals.skew_ms.max(skew_ms.unsigned_abs());
        }
        let machine = MachineClock { world: world.clone(), skew_ms };
        let clock = Arc::new(CorrectedClock::new(Arc::new(machine)));
        let caller = Arc::new(Caller { world: world.clone(), process: id, clock: clock.clone() });
        let refresher = refresher(&caller);
        let sweep = Sweep {
            index: caller.clone(),
            queue: caller.clone(),
            log: caller.clone(),
            clock: clock.clone(),
            shards: world.due_shards(),
            owner: format!("sweep-{}", id.0),
        };
        Self { id, clock, refresher, sweep, caller }
    }

    /// One invocation, which ends by itself before `ends_at` by the machine's clock.
    async fn run(&self, work: Work, ends_at: Timestamp) {
        let deadline = || earlier(self.clock.of_machine(ends_at), CLOSING_TIME);
        match work {
            Work::Batch(messages) => self.batch(messages, deadline()).await,
            Work::Direct(message, tell) => {
                let reports = self.refresh_all(&message, deadline()).await;
                let answers = reports.iter().zip(&message.connections).map(|(report, key)| match report {
                    Ok(report) => RefreshAnswer::from(report),
                    Err(_) => RefreshAnswer::unavailable(key),
                });
                // Whoever asked may have given up.
                let _unheard = tell.map(|tell| tell.send(answers.collect()));
            }
            Work::Sweep => {
                // The next one goes on where this one failed.
                let _next_goes_on = self.sweep.run(&self.refresher.breakers, deadline()).await.is_err();
            }
        }
        self.refresher.breakers.flush().await;
    }

    /// Messages side by side, each ended by itself.
    async fn batch(&self, messages: Vec<Received>, deadline: Timestamp) {
        let handled = stream::iter(messages).map(|message| async move {
            let handled = match &message.body {
                Body::Refresh(asked) => self.refresh_message(asked, deadline).await,
                Body::Spilled(spilled) => self.complete(spilled).await,
            };
            (message.id, handled)
        });
        let handled: Vec<_> = handled.buffer_unordered(AT_ONCE).collect().await;
        let world = &self.caller.world;
        for (id, handled) in handled {
            world.queues.handled(world, id, handled);
        }
    }

    /// A message comes again where something could not be settled, or not be waited for.
    async fn refresh_message(&self, message: &RefreshMessage, deadline: Timestamp) -> Handled {
        let reports = self.refresh_all(message, deadline).await;
        let waits = reports.iter().filter_map(|report| match report {
            Err(StoreError::Unavailable { .. }) => Some(None),
            Ok(RefreshReport { outcome: RefreshOutcome::NoTime, .. }) => Some(Some(NO_TIME)),
            Ok(RefreshReport { outcome: RefreshOutcome::Running { until }, .. })
                if message.reason == Trigger::Recovery =>
            {
                Some(Some(until.duration_since(self.clock.now()).try_into().unwrap_or_default()))
            }
            _ => None,
        });
        waits.max().map_or(Handled::Done, Handled::Retry)
    }

    async fn refresh_all(
        &self,
        message: &RefreshMessage,
        deadline: Timestamp,
    ) -> Vec<Result<RefreshReport, StoreError>> {
        stream::iter(&message.connections)
            .map(|key| self.refresh_one(key, message.reason, deadline))
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    async fn refresh_one(
        &self,
        key: &ConnectionKey,
        trigger: Trigger,
        deadline: Timestamp,
    ) -> Result<RefreshReport, StoreError> {
        let report = self.refresher.refresh(key, trigger, deadline).await;
        let world = &self.caller.world;
        world.tell(index(key), || {
            let outcome = report.as_ref().map(|report| &report.outcome);
            format!("worker {} ends {trigger:?} with {outcome:?}", self.id.0)
        });
        world.hand_is_empty(index(key), self.id);
        report
    }

    /// A token set that the table did not take comes back from the recovery queue.
    async fn complete(&self, spilled: &SpilledTokens) -> Handled {
        let completed = async {
            let used_at = match self.refresher.connections.find(&spilled.key).await? {
                Some(connection) => connection.used_at,
                None => spilled.tokens.issued_at,
            };
            let due = self.refresher.policy.next(
                &spilled.key.connection,
                &spilled.tokens,
                used_at,
                &*self.refresher.entropy,
            );
            let write_id = format!("complete-{}", self.caller.world.number());
            self.refresher.store.complete(spilled, due, &write_id).await
        };
        match completed.await {
            Ok(CompleteOutcome::Superseded) => {
                self.caller.world.count(index(&spilled.key), |row| row.superseded += 1);
                Handled::Done
            }
            Ok(CompleteOutcome::Stored) => Handled::Done,
            Err(_) => Handled::Retry(None),
        }
    }
}

/// The engine, on everything that a worker calls.
fn refresher(caller: &Arc<Caller>) -> Refresher {
    let world = &caller.world;
    let breaker =
        BreakerSettings { failures: DEFAULT_FAILURES, reset: DEFAULT_RESET, probe: DEFAULT_LEASE };
    let outage =
        OutageSettings { share: DEFAULT_SHARE, minimum: DEFAULT_MINIMUM, window: DEFAULT_WINDOW };
    let endpoint = |provider| (provider, caller.clone() as Arc<dyn TokenEndpoint>);
    Refresher {
        store: caller.clone(),
        connections: caller.clone(),
        endpoints: Provider::ALL.into_iter().map(endpoint).collect(),
        revocations: HashMap::new(),
        breakers: Breakers::new(
            caller.clone(),
            caller.clock.clone(),
            caller.clone(),
            (breaker, outage),
        ),
        sealer: TokenSealer::new(DEPLOYMENT.to_owned(), caller.clone(), world.entropy()),
        queue: caller.clone(),
        recovery: caller.clone(),
        attempts: caller.clone(),
        bus: caller.clone(),
        audit: caller.clone(),
        clock: caller.clock.clone(),
        entropy: world.entropy(),
        policy: RefreshPolicy::default(),
        owner: format!("worker-{}", caller.process.0),
    }
}
