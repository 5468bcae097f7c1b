//! A clock that moves only when told to.

use std::{sync::Mutex, time::Duration};

use async_trait::async_trait;
use domain::{clock::Clock, refresh::policy::later};
use jiff::Timestamp;

/// A clock that moves only when told to, or by whoever sleeps on it.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves on by `duration`.
    pub fn advance(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = later(*now, duration);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    /// Moves the clock on and lets others run once, so that a test never waits and a loop of sleeps still ends.
    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
        tokio::task::yield_now().await;
    }
}
