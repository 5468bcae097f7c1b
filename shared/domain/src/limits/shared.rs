//! Budgets as many workers change them.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Budget, BudgetPlace, BudgetStore, Held, HeldBy, UsageStore};
use crate::{
    clock::Clock,
    entropy::{self, Entropy},
    refresh::{Breakers, policy::later},
    store::{StoreError, chain},
};

/// How often a change is tried that another worker's came between.
const TRIES: usize = 10;
/// When to try again where others' changes came between each time.
const CROWD_PAUSE: Duration = Duration::from_millis(500);
/// When to try again where the table does not answer.
///
/// Nothing is sent meanwhile: without the table no record could be stored either, and all workers at once, each without
/// knowing of the others, would be throttled within seconds.
const STORE_PAUSE: Duration = Duration::from_secs(30);

/// What the limits need of the world.
#[derive(Clone)]
pub struct LimitPorts {
    /// Where budgets are shared.
    pub budgets: Arc<dyn BudgetStore>,
    /// Where usage is metered.
    pub usage: Arc<dyn UsageStore>,
    /// The breakers of the data APIs.
    pub breakers: Arc<Breakers>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// What is to become of a budget.
pub(super) enum Change<T> {
    /// It is to be stored.
    Store(Budget, T),
    /// It stays.
    Leave(T),
}

impl LimitPorts {
    /// A number that nobody else draws, and never zero.
    pub(super) fn number(&self) -> u64 {
        u64::from_le_bytes(entropy::bytes(&*self.entropy)).max(1)
    }

    /// Decides over a budget, beginning with what is `known` of it, until no other worker's change comes between.
    pub(super) async fn change<T>(
        &self,
        place: &BudgetPlace,
        known: &mut Option<Budget>,
        decide: impl Fn(&Budget, Timestamp) -> Change<T>,
    ) -> Result<T, Held> {
        for _ in 0..TRIES {
            let before = match known.take() {
                Some(before) => before,
                None => self.load(place).await?,
            };
            let (mut next, decided) = match decide(&before, self.clock.now()) {
                Change::Store(next, decided) => (next, decided),
                Change::Leave(decided) => {
                    *known = Some(before);
                    return Ok(decided);
                }
            };
            next.version = self.number();
            let stored = self.budgets.replace(place, before.version, &next).await;
            match stored.map_err(|error| self.unanswered(&error))? {
                None => {
                    *known = Some(next);
                    return Ok(decided);
                }
                Some(theirs) => *known = Some(theirs),
            }
        }
        Err(Held { until: later(self.clock.now(), CROWD_PAUSE), by: HeldBy::Budget })
    }

    /// Reads a budget.
    pub(super) async fn load(&self, place: &BudgetPlace) -> Result<Budget, Held> {
        self.budgets.load(place).await.map_err(|error| self.unanswered(&error))
    }

    fn unanswered(&self, error: &StoreError) -> Held {
        tracing::error!(error = chain(error), "The providers' limits are not known");
        Held { until: later(self.clock.now(), STORE_PAUSE), by: HeldBy::Store }
    }
}
