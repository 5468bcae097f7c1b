//! A clock that many workers share with a server: it moves on when all of them sleep, to the next one that wakes.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use domain::{clock::Clock, refresh::policy::later};
use jiff::Timestamp;
use tokio::sync::{Notify, oneshot};

/// Such a clock.
pub(super) struct Turns {
    state: Mutex<State>,
    all_sleep: Notify,
}

struct State {
    now: Timestamp,
    awake: usize,
    /// Who wakes when, in the order in which they went to sleep.
    sleepers: BTreeMap<(Timestamp, u64), oneshot::Sender<()>>,
    slept: u64,
}

impl Turns {
    pub(super) fn at(now: Timestamp) -> Arc<Self> {
        let state = State { now, awake: 0, sleepers: BTreeMap::new(), slept: 0 };
        Arc::new(Self { state: Mutex::new(state), all_sleep: Notify::new() })
    }

    /// Starts somebody who may sleep.
    pub(super) fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        self.state.lock().unwrap().awake += 1;
        let time = self.clone();
        tokio::spawn(async move {
            work.await;
            time.one_less();
        });
    }

    fn one_less(&self) {
        let mut state = self.state.lock().unwrap();
        state.awake -= 1;
        if state.awake == 0 {
            self.all_sleep.notify_one();
        }
    }

    /// Moves on until everybody has ended; `told` tells the server of each new time before anybody wakes.
    pub(super) async fn run<F: Future<Output = ()>>(&self, told: impl Fn(Timestamp) -> F) {
        loop {
            self.all_sleep.notified().await;
            let next = self.state.lock().unwrap().sleepers.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = next else { return };
            told(next).await;
            let mut state = self.state.lock().unwrap();
            state.now = next;
            let later = state.sleepers.split_off(&(next, u64::MAX));
            let woken = std::mem::replace(&mut state.sleepers, later);
            state.awake = woken.len();
            for sleeper in woken.into_values() {
                sleeper.send(()).unwrap();
            }
        }
    }
}

#[async_trait]
impl Clock for Turns {
    fn now(&self) -> Timestamp {
        self.state.lock().unwrap().now
    }

    async fn sleep(&self, duration: Duration) {
        let (wake, woken) = oneshot::channel();
        {
            let mut state = self.state.lock().unwrap();
            let place = (later(state.now, duration), state.slept);
            state.slept += 1;
            state.sleepers.insert(place, wake);
        }
        self.one_less();
        woken.await.unwrap();
    }
}
