//! A clock that moves only when told to, one that moves with the runtime's paused time, and one that never shows the same
//! moment twice.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    clock::{Clock, SystemClock},
    refresh::policy::later,
};
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

/// A clock that shows the time of a paused runtime (`#[tokio::test(start_paused = true)]`): hours pass as soon as everybody
/// sleeps, in the order in which they wake.
#[derive(Clone, Copy, Debug)]
pub struct PausedClock {
    began_at: Timestamp,
    began: tokio::time::Instant,
}

impl PausedClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { began_at: now, began: tokio::time::Instant::now() }
    }
}

#[async_trait]
impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        later(self.began_at, self.began.elapsed())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The machine's clock without a millisecond that comes twice: ids of one test are then in the order of their making.
#[derive(Clone, Copy, Debug)]
pub struct RisingClock;

static LAST_SHOWN: AtomicI64 = AtomicI64::new(0);

#[async_trait]
impl Clock for RisingClock {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now().as_millisecond();
        let rise = |last: i64| now.max(last + 1);
        let last = LAST_SHOWN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(rise(last)));
        Timestamp::from_millisecond(rise(last.unwrap())).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration).await;
    }
}
