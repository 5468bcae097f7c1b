//! Refused deliveries, counted in memory until a message takes the numbers along: a stranger's request costs no call.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{RefusalReason, Refused};
use crate::provider::Provider;

/// Numbers of refused deliveries; as many as there are providers and reasons, however many deliveries there were.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<BTreeMap<(Provider, RefusalReason), u64>>);

impl Refusals {
    pub(super) fn count(&self, provider: Provider, reason: RefusalReason) {
        self.add(Refused { provider, reason, count: 1 });
    }

    /// Takes all numbers out.
    pub(super) fn take(&self) -> Vec<Refused> {
        let counts = std::mem::take(&mut *self.counts());
        counts.into_iter().map(|((provider, reason), count)| Refused { provider, reason, count }).collect()
    }

    /// Puts numbers back that could not be told.
    pub(super) fn give_back(&self, refused: Vec<Refused>) {
        for refused in refused {
            self.add(refused);
        }
    }

    fn add(&self, Refused { provider, reason, count }: Refused) {
        let mut counts = self.counts();
        let sum = counts.entry((provider, reason)).or_default();
        *sum = sum.saturating_add(count);
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<(Provider, RefusalReason), u64>> {
        // A count is whole whatever became of the thread that held it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
