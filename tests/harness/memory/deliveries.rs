//! The log of deliveries, in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use async_trait::async_trait;
use domain::{
    id::DeliveryId,
    provider::Provider,
    store::StoreError,
    webhook::{
        Delivery, DeliveryLog, DeliveryPage, DeliveryPart, DeliveryQuery, RefusalReason, Refused,
        RefusedOnDay, Unreadable,
    },
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{bad_cursor, page};

/// The log of deliveries, in memory.
#[derive(Debug, Default)]
pub struct InMemoryDeliveries {
    parts: Mutex<BTreeMap<DeliveryId, BTreeMap<u32, DeliveryPart>>>,
    refused: Mutex<HashMap<(Provider, Date, RefusalReason), u64>>,
}

#[async_trait]
impl DeliveryLog for InMemoryDeliveries {
    async fn note(&self, part: &DeliveryPart) -> Result<(), StoreError> {
        let mut parts = self.parts.lock().unwrap();
        parts.entry(part.delivery.clone()).or_default().insert(part.part.0, part.clone());
        Ok(())
    }

    async fn find(&self, id: &DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let parts = self.parts.lock().unwrap();
        Ok(parts.get(id).and_then(|parts| Delivery::of(parts.values().cloned().collect())))
    }

    async fn list(
        &self,
        query: DeliveryQuery,
        limit: u32,
        from: Option<&str>,
    ) -> Result<DeliveryPage, StoreError> {
        let from: Option<DeliveryId> = from.map(|from| from.parse().map_err(|_| bad_cursor())).transpose()?;
        let parts = self.parts.lock().unwrap();
        let wanted = |delivery: &Delivery| {
            from.as_ref().is_none_or(|from| delivery.id < *from)
                && query.provider.is_none_or(|provider| delivery.provider == provider)
                && query.status.is_none_or(|status| delivery.status() == status)
        };
        let found = parts.values().rev().filter_map(|parts| Delivery::of(parts.values().cloned().collect()));
        let found = found.filter(wanted).map(without_body);
        let (deliveries, more) = page(found.collect(), limit);
        let next = deliveries.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(DeliveryPage { deliveries, next })
    }

    async fn count_refused(&self, refused: &[Refused], at: Timestamp) -> Result<(), StoreError> {
        let day = at.to_zoned(TimeZone::UTC).date();
        let mut counts = self.refused.lock().unwrap();
        for Refused { provider, reason, count } in refused {
            *counts.entry((*provider, day, *reason)).or_default() += count;
        }
        Ok(())
    }

    async fn list_refused(&self, provider: Provider) -> Result<Vec<RefusedOnDay>, StoreError> {
        let counts = self.refused.lock().unwrap();
        let of_provider = counts.iter().filter(|((of, ..), _)| *of == provider);
        let mut found: Vec<_> = of_provider
            .map(|((provider, day, reason), count)| RefusedOnDay {
                day: *day,
                refused: Refused { provider: *provider, reason: *reason, count: *count },
            })
            .collect();
        found.sort_by_key(|on_day| (std::cmp::Reverse(on_day.day), on_day.refused.reason));
        Ok(found)
    }
}

fn without_body(delivery: Delivery) -> Delivery {
    let unreadable = delivery.unreadable.map(|unreadable| Unreadable { body: String::new(), ..unreadable });
    Delivery { unreadable, ..delivery }
}
