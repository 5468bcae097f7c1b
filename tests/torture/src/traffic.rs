//! What goes on around the workers: the minute's clock, those who use tokens, those who press buttons.

use std::{pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    access::{AccessError, AccessTokens},
    clock::CorrectedClock,
    refresh::{DisconnectAnswer, DisconnectMessage, RefreshAnswer, RefreshInvoker, RefreshMessage, Trigger},
    sealing::TokenSealer,
    store::StoreError,
};
use futures::future::{Either, select};
use tokio::sync::oneshot;

use crate::{
    caller::{Caller, MachineClock},
    connect::DEPLOYMENT,
    endpoint,
    executor::ENVIRONMENT,
    provider::ms,
    worker::{self, Work},
    world::{World, is_busy},
};

const MINUTE: Duration = Duration::from_mins(1);
/// A busy connection is used once in so many minutes, on average: a few times a day.
const BUSY_USE: f64 = 180.0;
/// Any other once in so many: every other day, so that it falls idle in between.
const IDLE_USE: f64 = 48.0 * 60.0;
/// Somebody presses the button of one connection once in so many minutes.
const MANUAL: f64 = 4.0 * 24.0 * 60.0;
/// Once in so many minutes fifty press that of the same connection at once.
const CROWD: f64 = 12.0 * 60.0;
/// How many that are.
const CROWD_SIZE: usize = 50;
/// Within what time they do: all at once,
const CROWD_WITHIN: Duration = Duration::from_secs(2);
/// or again and again, which is more often than Zoho allows.
const IMPATIENCE: Duration = Duration::from_mins(10);

/// Calls the sweep once a minute, and now and then not, or twice.
pub(crate) async fn sweeps(world: Arc<World>) {
    loop {
        for _ in 0..world.faults.sweeps() {
            worker::invoke(&world, Work::Sweep);
        }
        let missed = u32::try_from(world.faults.sweepless_minutes()).unwrap_or_default();
        world.time.sleep(MINUTE * (1 + missed)).await;
    }
}

/// What a customer does.
#[derive(Clone, Copy)]
enum Act {
    /// Uses a connection, through another function.
    Use,
    /// Presses the button of a connection, and does not wait for the answer.
    Press,
}

/// Uses and refreshes connections until nothing goes wrong any more.
pub(crate) async fn customers(world: Arc<World>) {
    let all: Vec<_> = (0..world.plan.connections).collect();
    let (busy, idle): (Vec<_>, Vec<_>) = all.iter().partition(|connection| is_busy(**connection));
    while !world.is_calm() {
        for (connections, rate, act) in
            [(&busy, BUSY_USE, Act::Use), (&idle, IDLE_USE, Act::Use), (&all, MANUAL, Act::Press)]
        {
            let mean = f64::from(u32::try_from(connections.len()).unwrap()) / rate;
            for _ in 0..world.chance.times(mean) {
                soon(&world, MINUTE, (act, connections[world.chance.below(connections.len())]));
            }
        }
        if world.chance.happens(1.0 / CROWD) {
            let connection = world.chance.below(all.len());
            let within = if world.chance.happens(0.5) { CROWD_WITHIN } else { IMPATIENCE };
            for _ in 0..CROWD_SIZE {
                soon(&world, within, (Act::Press, connection));
            }
        }
        world.time.sleep(MINUTE).await;
    }
}

/// Lets a customer do something at some moment of a time that begins now.
fn soon(world: &Arc<World>, within: Duration, (act, connection): (Act, usize)) {
    let after = world.chance.within(0..=ms(within));
    let world = world.clone();
    world.time.clone().spawn(ENVIRONMENT, async move {
        world.time.sleep(Duration::from_millis(after.unsigned_abs())).await;
        match act {
            Act::Use => {
                is_served(&world, connection).await;
            }
            Act::Press => {
                let keys = vec![world.keys[connection].clone()];
                worker::invoke(&world, Work::Direct(RefreshMessage::new(keys, Trigger::Manual), None));
            }
        }
    });
}

/// Whether a connection has a working access token, as other functions see it.
pub(crate) async fn is_served(world: &Arc<World>, connection: usize) -> bool {
    let machine = MachineClock { world: world.clone(), skew_ms: 0 };
    let clock = Arc::new(CorrectedClock::new(Arc::new(machine)));
    let caller = Arc::new(Caller { world: world.clone(), process: ENVIRONMENT, clock: clock.clone() });
    let tokens = AccessTokens {
        connections: caller.clone(),
        sealer: TokenSealer::new(DEPLOYMENT.to_owned(), caller.clone(), world.entropy()),
        refresh: caller,
        clock,
        policy: world.policy(),
    };
    let given: Result<_, AccessError> = tokens.access_token(&world.keys[connection]).await;
    world.tell(connection, || format!("is used: {:?}", given.as_ref().map(|_| "served")));
    let is_good = given.as_ref().is_ok_and(|access| endpoint::accepts(world, connection, &access.token));
    let totals = &mut world.ledger().totals;
    match given {
        Ok(_) if is_good => totals.uses += 1,
        Ok(_) => totals.bad_tokens += 1,
        Err(_) => totals.unserved += 1,
    }
    is_good
}

#[async_trait]
impl RefreshInvoker for Caller {
    async fn invoke(
        &self,
        message: &RefreshMessage,
        wait: Duration,
    ) -> Result<Option<Vec<RefreshAnswer>>, StoreError> {
        let world = &self.world;
        let (tell, told) = oneshot::channel();
        worker::invoke(world, Work::Direct(message.clone(), Some(tell)));
        match select(told, pin!(world.time.sleep(wait))).await {
            Either::Left((Ok(answers), _)) => Ok(Some(answers)),
            Either::Left((Err(_), _)) => {
                Err(StoreError::Unavailable { operation: "invoke", source: "the worker was killed".into() })
            }
            Either::Right(_) => Ok(None),
        }
    }

    async fn disconnect(
        &self,
        _message: &DisconnectMessage,
        _wait: Duration,
    ) -> Result<Option<DisconnectAnswer>, StoreError> {
        Ok(None)
    }
}
