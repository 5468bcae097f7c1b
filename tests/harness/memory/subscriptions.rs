//! When subscriptions were heard last, in memory.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use domain::{
    refresh::policy::later,
    store::StoreError,
    webhook::{HEARD_NOTED, SILENCE_REPORTED, Subscription, Subscriptions},
};
use jiff::Timestamp;

/// When subscriptions were heard last, in memory.
#[derive(Debug, Default)]
pub struct InMemorySubscriptions {
    heard: Mutex<HashMap<Subscription, Timestamp>>,
    reported: Mutex<HashMap<Subscription, Timestamp>>,
}

#[async_trait]
impl Subscriptions for InMemorySubscriptions {
    async fn note_heard(&self, subscription: &Subscription, at: Timestamp) -> Result<(), StoreError> {
        let mut heard = self.heard.lock().unwrap();
        if heard.get(subscription).is_none_or(|noted| later(*noted, HEARD_NOTED) < at) {
            heard.insert(subscription.clone(), at);
        }
        Ok(())
    }

    async fn last_heard(&self, subscription: &Subscription) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.heard.lock().unwrap().get(subscription).copied())
    }

    async fn claim_report(&self, subscription: &Subscription, now: Timestamp) -> Result<bool, StoreError> {
        let mut reported = self.reported.lock().unwrap();
        let is_free = reported.get(subscription).is_none_or(|last| later(*last, SILENCE_REPORTED) <= now);
        if is_free {
            reported.insert(subscription.clone(), now);
        }
        Ok(is_free)
    }
}
