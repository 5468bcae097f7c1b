//! Sums of connections in memory.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use domain::{
    id::TenantId,
    refresh::{KeptTally, TallyStore},
    store::StoreError,
};
use jiff::Timestamp;

/// Sums of connections in memory.
#[derive(Debug, Default)]
pub struct InMemoryTallies(Mutex<HashMap<Option<TenantId>, Held>>);

#[derive(Debug, Default)]
struct Held {
    owner: Option<(String, Timestamp)>,
    kept: KeptTally,
}

#[async_trait]
impl TallyStore for InMemoryTallies {
    async fn find(&self, tenant: Option<&TenantId>) -> Result<KeptTally, StoreError> {
        let tallies = self.0.lock().unwrap();
        Ok(tallies.get(&tenant.cloned()).map(|held| held.kept.clone()).unwrap_or_default())
    }

    async fn claim(
        &self,
        tenant: Option<&TenantId>,
        owner: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Option<KeptTally>, StoreError> {
        let mut tallies = self.0.lock().unwrap();
        let held = tallies.entry(tenant.cloned()).or_default();
        if held.owner.as_ref().is_some_and(|(held_by, until)| held_by != owner && *until > now) {
            return Ok(None);
        }
        held.owner = Some((owner.to_owned(), until));
        Ok(Some(held.kept.clone()))
    }

    async fn save(&self, tenant: Option<&TenantId>, owner: &str, kept: &KeptTally) -> Result<(), StoreError> {
        let mut tallies = self.0.lock().unwrap();
        let held = tallies.entry(tenant.cloned()).or_default();
        if held.owner.as_ref().is_some_and(|(held_by, _)| held_by == owner) {
            *held = Held { owner: None, kept: kept.clone() };
        }
        Ok(())
    }
}
