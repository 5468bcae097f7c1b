//! The sweep's marks in memory.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use domain::{
    provider::Provider,
    refresh::{ClaimOutcome, SweepLog, SweepProgress},
    store::StoreError,
};
use jiff::Timestamp;

/// The sweep's marks in memory.
#[derive(Debug, Default)]
pub struct InMemorySweepLog {
    last: Mutex<Option<Timestamp>>,
    walks: Mutex<HashMap<Provider, Walk>>,
}

#[derive(Debug, Default)]
struct Walk {
    owner: Option<(String, Timestamp)>,
    progress: Option<SweepProgress>,
}

#[async_trait]
impl SweepLog for InMemorySweepLog {
    async fn note(&self, at: Timestamp) -> Result<(), StoreError> {
        *self.last.lock().unwrap() = Some(at);
        Ok(())
    }

    async fn last(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(*self.last.lock().unwrap())
    }

    async fn claim(
        &self,
        provider: Provider,
        owner: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<ClaimOutcome, StoreError> {
        let mut walks = self.walks.lock().unwrap();
        let walk = walks.entry(provider).or_default();
        if walk.owner.as_ref().is_some_and(|(held_by, until)| held_by != owner && *until > now) {
            return Ok(ClaimOutcome::Held);
        }
        walk.owner = Some((owner.to_owned(), until));
        Ok(ClaimOutcome::Claimed(walk.progress.clone()))
    }

    async fn advance(
        &self,
        provider: Provider,
        owner: &str,
        (progress, ends): (&SweepProgress, bool),
    ) -> Result<bool, StoreError> {
        let mut walks = self.walks.lock().unwrap();
        let walk = walks.entry(provider).or_default();
        if walk.owner.as_ref().is_none_or(|(held_by, _)| held_by != owner) {
            return Ok(ends && walk.progress.as_ref() == Some(progress));
        }
        walk.progress = Some(progress.clone());
        if ends {
            walk.owner = None;
        }
        Ok(true)
    }
}
