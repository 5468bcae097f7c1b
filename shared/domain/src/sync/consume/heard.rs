//! What one worker has noted of subscriptions, so that a busy one does not note it with every message.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::{
    refresh::policy::later,
    webhook::{HEARD_NOTED, Subscription},
};

/// Subscriptions that are remembered; with more everything is forgotten, which costs a few notes.
const REMEMBERED: usize = 10_000;

/// When each subscription was noted last by this worker.
#[derive(Debug, Default)]
pub struct Heard(Mutex<HashMap<Subscription, Timestamp>>);

impl Heard {
    /// Whether it is worth a note that a subscription was heard at `at`.
    pub(super) fn is_news(&self, subscription: &Subscription, at: Timestamp) -> bool {
        self.noted_at().get(subscription).is_none_or(|noted| later(*noted, HEARD_NOTED) < at)
    }

    /// Remembers that it was noted.
    pub(super) fn noted(&self, subscription: Subscription, at: Timestamp) {
        let mut noted = self.noted_at();
        if noted.len() >= REMEMBERED {
            noted.clear();
        }
        noted.insert(subscription, at);
    }

    fn noted_at(&self) -> MutexGuard<'_, HashMap<Subscription, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
