//! Where time comes from, and how a clock that is wrong is put right.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// The present, and waiting for later; injected so that tests need not sleep.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Returns after `duration` has passed on this clock.
    async fn sleep(&self, duration: Duration);

    /// Whether it can be relied on: a machine's own clock may be wrong by minutes before anything put it right.
    fn is_set(&self) -> bool {
        true
    }

    /// What this clock shows at an instant that the machine told by its own clock.
    fn of_machine(&self, at: Timestamp) -> Timestamp {
        at
    }
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    /// In whole milliseconds, as instants are stored, so that an answer and what is read later are the same.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Servers stamp whole seconds: what they stamped happened up to this much after the stamp.
pub const STAMP: Duration = Duration::from_secs(1);
/// A correction of this many milliseconds is worth a line in the log: no clock that is kept right needs one.
const WORTH_TELLING_MS: u64 = 2000;

/// The machine's clock, put right by the time that one server stamps on its answers: so that all who talk to that server
/// agree, however wrong their own clocks are.
///
/// An answer does not say what time it is, only between which bounds: it was stamped after the question was sent and
/// before it came, within the second that the stamp names. As long as the clock is within the bounds it stays as it is;
/// otherwise it moves to the nearer one. So a clock that is right is left alone, a slow answer says little instead of
/// something wrong, and each further answer can only bring a steady clock nearer.
///
/// After an answer the error is at most [`STAMP`] and that answer's round trip, so that two workers whose calls take up to
/// five seconds differ by at most twelve. Of a steady clock it never grows again, and shrinks towards the shortest round
/// trip.
pub struct CorrectedClock {
    machine: Arc<dyn Clock>,
    /// What is added to the machine's clock, in milliseconds.
    offset_ms: AtomicI64,
    is_set: AtomicBool,
}

impl CorrectedClock {
    /// Shows what `machine` shows, until an answer says otherwise.
    #[must_use]
    pub fn new(machine: Arc<dyn Clock>) -> Self {
        Self { machine, offset_ms: AtomicI64::new(0), is_set: AtomicBool::new(false) }
    }

    /// The present as the machine's own clock shows it, for [`Self::observe`].
    #[must_use]
    pub fn machine_now(&self) -> Timestamp {
        self.machine.now()
    }

    /// Learns from an answer that the server stamped with `server`, in whole seconds, to a question that was `sent` and
    /// whose answer was `received` by the machine's own clock.
    pub fn observe(&self, server: Timestamp, sent: Timestamp, received: Timestamp) {
        if received < sent {
            // Somebody set the machine's clock back meanwhile: nothing follows from the two.
            return;
        }
        let latest = server.saturating_add(STAMP).unwrap_or(server);
        let lowest = server.as_millisecond() - received.as_millisecond();
        let highest = latest.as_millisecond() - sent.as_millisecond();
        let within = |offset: i64| offset.clamp(lowest, highest);
        let before = self.offset_ms.update(Ordering::Relaxed, Ordering::Relaxed, within);
        let after = within(before);
        self.is_set.store(true, Ordering::Relaxed);
        if after.abs_diff(before) >= WORTH_TELLING_MS {
            tracing::warn!(offsetMs = after, formerOffsetMs = before, "This machine's clock is wrong");
        }
    }
}

#[async_trait]
impl Clock for CorrectedClock {
    fn now(&self) -> Timestamp {
        self.of_machine(self.machine.now())
    }

    async fn sleep(&self, duration: Duration) {
        self.machine.sleep(duration).await;
    }

    /// Once an answer said what time it is.
    fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    fn of_machine(&self, at: Timestamp) -> Timestamp {
        let offset = SignedDuration::from_millis(self.offset_ms.load(Ordering::Relaxed));
        at.saturating_add(offset).unwrap_or(at)
    }
}

impl fmt::Debug for CorrectedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorrectedClock").field("offset_ms", &self.offset_ms).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
