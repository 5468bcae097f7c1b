//! A sliding window of the virtual clock: when something was done lately.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// The times at which something was done, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window(VecDeque<Timestamp>);

impl Window {
    /// Returns how often it was done within a span that ends now, and forgets what is older.
    pub(crate) fn count(&mut self, now: Timestamp, span: SignedDuration) -> usize {
        while self.0.front().is_some_and(|at| now.duration_since(*at) >= span) {
            self.0.pop_front();
        }
        self.0.len()
    }

    /// Returns how often it was done within a shorter span than the one that is counted.
    pub(crate) fn latest(&self, now: Timestamp, span: SignedDuration) -> usize {
        self.0.iter().rev().take_while(|at| now.duration_since(**at) < span).count()
    }

    pub(crate) fn note(&mut self, now: Timestamp) {
        self.0.push_back(now);
    }
}
