//! A worker as services see it: each of its calls takes time, may fail, and may be its last.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    clock::{Clock, CorrectedClock},
    store::StoreError,
};
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::{
    executor::{ENVIRONMENT, ProcessId},
    faults::{Fate, Service},
    plan::Flaw,
    provider::Place,
    world::{World, at},
};

/// How long the SDK waits for the answer of one try; what takes longer, an earlier try was lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Somebody who calls services.
pub(crate) struct Caller {
    pub(crate) world: Arc<World>,
    pub(crate) process: ProcessId,
    pub(crate) clock: Arc<CorrectedClock>,
}

/// What is called: of which service, and by which name.
pub(crate) type Call = (Service, &'static str);

impl Caller {
    /// A call of a service: on its way there, done, and on its way back.
    ///
    /// `act` does what the service does, at once; it is done twice where the SDK sends twice.
    pub(crate) async fn call<'a, T: Send, E: From<StoreError> + Send>(
        &self,
        (service, operation): Call,
        mut act: impl FnMut() -> BoxFuture<'a, Result<T, E>> + Send,
    ) -> Result<T, E> {
        let (fate, takes) = self.world.faults.of_call(service);
        self.risk(takes);
        let attempt = takes.min(ATTEMPT_TIMEOUT);
        self.world.time.sleep(takes.saturating_sub(attempt)).await;
        let sent = self.clock.machine_now();
        self.world.time.sleep(attempt / 2).await;
        self.world.happened(fate as u64, operation.len());
        let done = match fate {
            Fate::Refused | Fate::Down => None,
            Fate::Twice => {
                // What it comes to the first time is what nobody hears.
                drop(act().await);
                Some(act().await)
            }
            Fate::Done | Fate::Lost | Fate::Slow => Some(act().await),
        };
        let stamp = self.world.now();
        self.world.time.sleep(attempt / 2).await;
        if service == Service::Table && !matches!(fate, Fate::Down | Fate::Lost) {
            self.observe(stamp, sent);
        }
        match done {
            Some(done) if fate != Fate::Lost => done,
            _ => {
                self.world.ledger().totals.failed_calls += 1;
                Err(StoreError::Unavailable { operation, source: "made to fail".into() }.into())
            }
        }
    }

    /// Perhaps kills the worker at some moment of a time that begins now.
    pub(crate) fn risk(&self, during: Duration) {
        if self.process == ENVIRONMENT || !self.world.faults.kills() {
            return;
        }
        let (world, process) = (self.world.clone(), self.process);
        let after = self.world.chance.lasting(Duration::ZERO..=during);
        self.world.time.spawn(ENVIRONMENT, async move {
            world.time.sleep(after).await;
            world.kill(process, Place::Destroyed);
        });
    }

    /// The answer bore the time, in whole seconds as in every `Date`.
    fn observe(&self, stamp: Timestamp, sent: Timestamp) {
        let received = self.clock.machine_now();
        // A clock that hears only of itself stays as wrong as it is.
        let stamp = if self.world.has_flaw(Flaw::UncorrectedClocks) { received } else { stamp };
        self.clock.observe(Timestamp::from_second(stamp.as_second()).unwrap(), sent, received);
    }
}

/// The clock of one machine, always wrong by the same time.
pub(crate) struct MachineClock {
    pub(crate) world: Arc<World>,
    pub(crate) skew_ms: i64,
}

#[async_trait]
impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        at(self.world.time.now_ms() + self.skew_ms)
    }

    async fn sleep(&self, duration: Duration) {
        self.world.time.sleep(duration).await;
    }
}
