//! How often our own API is called, in memory.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use domain::{
    call_counts::{CallCounts, CallsOfMonth, Counted, Month},
    id::TenantId,
    store::StoreError,
};
use jiff::Timestamp;

/// How often our own API is called, in memory; can be told to fail, and counts how often it is asked.
#[derive(Debug, Default)]
pub struct InMemoryCallCounts {
    minutes: Mutex<HashMap<(Counted, i64), u64>>,
    months: Mutex<HashMap<(TenantId, Month), CallsOfMonth>>,
    is_down: AtomicBool,
    adds: AtomicUsize,
}

impl InMemoryCallCounts {
    /// Makes every further call fail.
    pub fn go_down(&self) {
        self.is_down.store(true, Ordering::Relaxed);
    }

    /// How often something was counted in a minute.
    #[must_use]
    pub fn adds(&self) -> usize {
        self.adds.load(Ordering::Relaxed)
    }

    fn asked(&self, operation: &'static str) -> Result<(), StoreError> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable { operation, source: "made to fail".into() });
        }
        Ok(())
    }
}

#[async_trait]
impl CallCounts for InMemoryCallCounts {
    async fn add(&self, counted: &Counted, now: Timestamp) -> Result<u64, StoreError> {
        self.adds.fetch_add(1, Ordering::Relaxed);
        self.asked("add")?;
        let mut minutes = self.minutes.lock().unwrap();
        let count = minutes.entry((counted.clone(), now.as_second().div_euclid(60))).or_default();
        *count += 1;
        Ok(*count)
    }

    async fn add_to_month(
        &self,
        tenant: &TenantId,
        month: Month,
        limit: Option<u64>,
    ) -> Result<CallsOfMonth, StoreError> {
        self.asked("add_to_month")?;
        let mut months = self.months.lock().unwrap();
        let none = CallsOfMonth { calls: 0, counted: true, told: false };
        let stored = months.entry((tenant.clone(), month)).or_insert(none);
        if limit.is_some_and(|limit| stored.calls >= limit) {
            return Ok(CallsOfMonth { counted: false, ..*stored });
        }
        stored.calls += 1;
        Ok(*stored)
    }

    async fn mark_told(&self, tenant: &TenantId, month: Month) -> Result<bool, StoreError> {
        self.asked("mark_told")?;
        let mut months = self.months.lock().unwrap();
        let none = CallsOfMonth { calls: 0, counted: true, told: false };
        let stored = months.entry((tenant.clone(), month)).or_insert(none);
        Ok(!std::mem::replace(&mut stored.told, true))
    }

    async fn month(&self, tenant: &TenantId, month: Month) -> Result<u64, StoreError> {
        self.asked("month")?;
        let months = self.months.lock().unwrap();
        Ok(months.get(&(tenant.clone(), month)).map_or(0, |stored| stored.calls))
    }
}
