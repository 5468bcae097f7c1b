//! Budgets and usage in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use domain::{
    id::TenantId,
    limits::{Budget, BudgetPlace, BudgetStore, Usage, UsageStore},
    provider::Provider,
    store::StoreError,
};
use jiff::civil::Date;

/// Budgets in memory.
#[derive(Debug, Default)]
pub struct InMemoryBudgets {
    state: Mutex<HashMap<BudgetPlace, Budget>>,
    down: Mutex<bool>,
    calls: AtomicUsize,
}

impl InMemoryBudgets {
    /// Makes every call fail, or no longer.
    pub fn set_down(&self, down: bool) {
        *self.down.lock().unwrap() = down;
    }

    /// How often it was read or written, whatever became of it.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn with<T>(&self, place: &BudgetPlace, work: impl FnOnce(&mut Budget) -> T) -> Result<T, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if *self.down.lock().unwrap() {
            return Err(StoreError::Unavailable { operation: "budgets", source: "made to fail".into() });
        }
        Ok(work(self.state.lock().unwrap().entry(place.clone()).or_default()))
    }
}

#[async_trait]
impl BudgetStore for InMemoryBudgets {
    async fn load(&self, place: &BudgetPlace) -> Result<Budget, StoreError> {
        self.with(place, |stored| stored.clone())
    }

    async fn replace(
        &self,
        place: &BudgetPlace,
        before: u64,
        next: &Budget,
    ) -> Result<Option<Budget>, StoreError> {
        self.with(place, |stored| {
            if stored.version == before {
                *stored = next.clone();
            }
            (stored.version != next.version).then(|| stored.clone())
        })
    }
}

/// Usage in memory.
#[derive(Debug, Default)]
pub struct InMemoryUsage(Mutex<BTreeMap<(TenantId, Date, Provider), Usage>>);

#[async_trait]
impl UsageStore for InMemoryUsage {
    async fn erase(&self, tenant: &TenantId) -> Result<(), StoreError> {
        self.0.lock().unwrap().retain(|(of, _, _), _| of != tenant);
        Ok(())
    }

    async fn add(
        &self,
        tenant: &TenantId,
        (provider, day): (Provider, Date),
        usage: &Usage,
    ) -> Result<(), StoreError> {
        let mut all = self.0.lock().unwrap();
        let used = all.entry((tenant.clone(), day, provider)).or_default();
        used.calls += usage.calls;
        used.bytes += usage.bytes;
        Ok(())
    }

    async fn list(
        &self,
        tenant: &TenantId,
        (first, last): (Date, Date),
    ) -> Result<Vec<(Date, Provider, Usage)>, StoreError> {
        let all = self.0.lock().unwrap();
        let days = all.iter().filter(|((whose, day, _), _)| whose == tenant && (first..=last).contains(day));
        Ok(days.map(|((_, day, provider), usage)| (*day, *provider, *usage)).collect())
    }
}
