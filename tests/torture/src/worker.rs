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
        RefreshReport, Refresher, SpilledTokens, Sweep, Trigger,
        policy::{DEFAULT_LEASE, earlier, later},
    },
    sealing::TokenSealer,
    store::StoreError,
    token::TokenEndpoint,
};
use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::{
    caller::{Caller, MachineClock},
    connect::DEPLOYMENT,
    executor::{ENVIRONMENT, ProcessId},
    faults::FaultKind,
    provider::Place,
    queue::{Body, Handled, Received},
    world::{DUE_SHARDS, World, index},
};

/// After which a function is killed.
const FUNCTION_LIFE: Duration = Duration::from_secs(75);
/// Kept back from it for the history, events and metrics of the last refresh.
const CLOSING_TIME: Duration = Duration::from_secs(3);
/// A message that only came too late, or too early, comes again after this time at least.
const SOON: Duration = Duration::from_secs(5);
/// A token set that the table still does not take comes again this often.
const RECOVER_AGAIN: Duration = Duration::from_secs(15);
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

/// Calls a worker that is idle, or a new one where there is none: a worker does one thing at a time.
pub(crate) fn invoke(world: &Arc<World>, work: Work) {
    let process = world.take_idle().unwrap_or_else(|| Arc::new(Process::new(world)));
    let (world, id) = (world.clone(), process.id);
    let ends_at = later(process.clock.machine_now(), FUNCTION_LIFE);
    let is_done = Arc::new(AtomicBool::new(false));
    let (time, of, done) = (world.time.clone(), world.clone(), is_done.clone());
    time.spawn(id, async move {
        process.run(work, ends_at).await;
        done.store(true, Ordering::Relaxed);
        of.put_idle(process);
    });
    time.spawn(ENVIRONMENT, async move {
        world.time.sleep(FUNCTION_LIFE).await;
        if !is_done.load(Ordering::Relaxed) && world.is_alive(id) {
            world.ledger().totals.overruns += 1;
            world.kill(id, Place::Dropped);
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
            shards: DUE_SHARDS,
            owner: format!("sweep-{}", id.0),
        };
        Self { id, clock, refresher, sweep, caller }
    }

    /// One invocation, which ends by itself before `ends_at` by the machine's clock.
    async fn run(&self, work: Work, ends_at: Timestamp) {
        if self.refresher.set_clock().await.is_err() {
            return;
        }
        let deadline = earlier(self.clock.of_machine(ends_at), CLOSING_TIME);
        match work {
            Work::Batch(messages) => self.batch(messages, deadline).await,
            Work::Direct(message, tell) => {
                let reports = self.refresh_all(pairs(&message).collect(), deadline).await;
                let answers = reports.iter().zip(&message.connections).map(|(report, key)| match report {
                    Ok(report) => RefreshAnswer::from(report),
                    Err(_) => RefreshAnswer::unavailable(key),
                });
                // Whoever asked may have given up.
                let _unheard = tell.map(|tell| tell.send(answers.collect()));
            }
            Work::Sweep => {
                // The next one goes on where this one failed.
                let _next_goes_on = self.sweep.run(&self.refresher.breakers, deadline).await.is_err();
            }
        }
        self.caller.world.hands_are_empty(self.id);
        self.refresher.breakers.flush().await;
    }

    /// The messages of a batch, all that they name side by side; each ends by itself.
    async fn batch(&self, messages: Vec<Received>, deadline: Timestamp) {
        let world = &self.caller.world;
        let mut due = vec![];
        for Received { id, body } in messages {
            match body {
                Body::Refresh(asked) => due.push((id, asked)),
                Body::Spilled(spilled) => {
                    let handled = self.complete(&spilled).await;
                    world.queues.handled(world, id, handled);
                }
            }
        }
        let asked = due.iter().flat_map(|(_, message)| pairs(message)).collect();
        let reports = self.refresh_all(asked, deadline).await;
        let mut rest = reports.as_slice();
        for (id, message) in &due {
            let (own, others) = rest.split_at(message.connections.len());
            rest = others;
            world.queues.handled(world, *id, self.settled(message.reason, own));
        }
    }

    /// A message comes again where something could not be settled, or not be looked at yet.
    fn settled(&self, reason: Trigger, reports: &[Result<RefreshReport, StoreError>]) -> Handled {
        if reports.iter().any(Result::is_err) {
            return Handled::Retry(None);
        }
        let now = self.clock.now();
        let waits = reports.iter().flatten().filter_map(|report| match report.outcome {
            RefreshOutcome::NoTime => Some(SOON),
            RefreshOutcome::Running { until } if reason == Trigger::Recovery => {
                Some(Duration::try_from(until.duration_since(now)).unwrap_or_default().max(SOON))
            }
            _ => None,
        });
        waits.max().map_or(Handled::Done, |wait| Handled::Retry(Some(wait)))
    }

    async fn refresh_all(
        &self,
        asked: Vec<(&ConnectionKey, Trigger)>,
        deadline: Timestamp,
    ) -> Vec<Result<RefreshReport, StoreError>> {
        join_all(asked.into_iter().map(|(key, trigger)| self.refresh_one(key, trigger, deadline))).await
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
        report
    }

    /// A token set that the table did not take comes back from the recovery queue.
    async fn complete(&self, spilled: &SpilledTokens) -> Handled {
        match self.refresher.complete(spilled).await {
            Ok(CompleteOutcome::Superseded) => {
                self.caller.world.count(index(&spilled.key), |row| row.superseded += 1);
                Handled::Done
            }
            Ok(CompleteOutcome::Stored | CompleteOutcome::Standing) => Handled::Done,
            Err(_) => Handled::Retry(Some(RECOVER_AGAIN)),
        }
    }
}

/// What a message asks for.
fn pairs(message: &RefreshMessage) -> impl Iterator<Item = (&ConnectionKey, Trigger)> {
    message.connections.iter().map(|key| (key, message.reason))
}

/// The engine, on everything that a worker calls.
fn refresher(caller: &Arc<Caller>) -> Refresher {
    let world = &caller.world;
    let breaker = BreakerSettings { failures: DEFAULT_FAILURES, reset: DEFAULT_RESET, probe: DEFAULT_LEASE };
    let outage = OutageSettings { share: DEFAULT_SHARE, minimum: DEFAULT_MINIMUM, window: DEFAULT_WINDOW };
    let endpoint = |provider| (provider, caller.clone() as Arc<dyn TokenEndpoint>);
    Refresher {
        store: caller.clone(),
        connections: caller.clone(),
        endpoints: Provider::ALL.into_iter().map(endpoint).collect(),
        revocations: HashMap::new(),
        breakers: Breakers::new(caller.clone(), caller.clock.clone(), caller.clone(), (breaker, outage)),
        sealer: TokenSealer::new(DEPLOYMENT.to_owned(), caller.clone(), world.entropy()),
        queue: caller.clone(),
        recovery: caller.clone(),
        attempts: caller.clone(),
        bus: caller.clone(),
        audit: caller.clone(),
        clock: caller.clock.clone(),
        entropy: world.entropy(),
        policy: world.policy(),
        owner: format!("worker-{}", caller.process.0),
    }
}
