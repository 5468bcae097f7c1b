//! The books of every company: what the provider knows, and how it tells.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    id::RecordId,
    provider::Provider,
    sync::{Entity, Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery, Record, Told},
};

use super::{
    company::{Company, PROVIDERS},
    ports::Caller,
};
use crate::{faults::Course, world::at};

/// Objects of a company whose requests the provider refuses begin so.
pub(super) const POISON: &str = "poison";
/// Of so many objects asked for one cannot be had, though the others can.
const ALONE: usize = 500;

/// One object as the provider knows it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Object {
    pub(super) version: u64,
    pub(super) changed_ms: i64,
    pub(super) is_deleted: bool,
    /// Whether a rightly signed event told of it.
    pub(super) is_told: bool,
}

/// The objects of each company, by the provider's word and id.
pub(super) type Objects = BTreeMap<(&'static str, String), Object>;

pub(super) struct Books(Mutex<BTreeMap<String, Objects>>);

impl Books {
    pub(super) fn new(companies: usize) -> Self {
        Self(Mutex::new(
            (0..companies).map(|company| (Company(company).id().to_string(), Objects::new())).collect(),
        ))
    }

    pub(super) fn all(&self) -> MutexGuard<'_, BTreeMap<String, Objects>> {
        self.0.lock().unwrap()
    }
}

/// The words that a provider has for what is kept.
pub(super) fn words(provider: Provider) -> [&'static str; 2] {
    match provider {
        Provider::QuickBooks => ["invoice", "customer"],
        Provider::Xero | Provider::Zoho => ["invoice", "contact"],
    }
}

/// The lists that an object is in: a contact is a customer, a vendor, or one first and with time both.
pub(super) fn lists(word: &str, id: &str, object: Object) -> &'static [Entity] {
    let number: u64 = id.parse().unwrap_or_default();
    match (word, number % 3, object.version) {
        ("invoice", ..) => &[Entity::Invoices],
        ("contact", 1, _) => &[Entity::Vendors],
        ("contact", 2, 3..) => &[Entity::Customers, Entity::Vendors],
        _ => &[Entity::Customers],
    }
}

fn record(entity: Entity, id: &RecordId, object: Object) -> Record {
    Record {
        entity,
        id: id.clone(),
        updated_at: at(object.changed_ms),
        version: object.version,
        deleted: false,
        document_number: None,
        total: None,
        currency: None,
        counterparty: None,
        status: None,
        raw: "{}".to_owned(),
        digest: None,
    }
}

/// The books of one provider, by its place among them.
pub(super) struct Shelf {
    pub(super) caller: Arc<Caller>,
    pub(super) provider: usize,
}

#[async_trait]
impl Ledger for Shelf {
    async fn page(&self, _: LedgerCall<'_>, _: PageQuery) -> Result<LedgerPage, LedgerError> {
        Err(LedgerError::Refused { status: 400 })
    }

    async fn fetch(
        &self,
        call: LedgerCall<'_>,
        word: &str,
        ids: &[RecordId],
    ) -> Result<Fetched, LedgerError> {
        let shop = &self.caller.shop;
        shop.told().fetches += 1;
        let (course, takes) = shop.faults.of_provider(self.provider);
        self.caller.risk(takes);
        let before = shop.chance.lasting(Duration::ZERO..=takes);
        shop.time.sleep(before).await;
        let fetched = self.read(call, word, ids);
        // What was read is held back, and grows old.
        shop.time.sleep(takes.saturating_sub(before)).await;
        match course {
            Course::Answered => Ok(fetched),
            Course::Throttled(retry_after) => Err(LedgerError::Throttled { retry_after }),
            _ => Err(LedgerError::Unavailable("made to fail".into())),
        }
    }

    async fn miscounted(&self, _: LedgerCall<'_>, _: &[(Entity, u64)]) -> Result<Vec<Entity>, LedgerError> {
        Ok(Vec::new())
    }

    fn told(&self, _: Entity) -> Told {
        Told::Changes
    }

    fn word(&self, entity: Entity) -> &'static str {
        if entity == Entity::Invoices { "invoice" } else { "contact" }
    }

    fn missing_scope(&self, _: Entity, _: &[String]) -> Option<&'static str> {
        None
    }

    fn entities(&self, word: &str) -> &'static [Entity] {
        match self.word(word) {
            Some("invoice") => &[Entity::Invoices],
            Some("customer") => &[Entity::Customers],
            Some("contact") => &[Entity::Customers, Entity::Vendors],
            _ => &[],
        }
    }
}

impl Shelf {
    fn word(&self, word: &str) -> Option<&'static str> {
        words(PROVIDERS[self.provider]).into_iter().find(|known| *known == word)
    }

    fn read(&self, call: LedgerCall<'_>, word: &str, ids: &[RecordId]) -> Fetched {
        let shop = &self.caller.shop;
        let word = self.word(word).unwrap_or_default();
        let all = shop.books.all();
        let objects = &all[call.company.as_str()];
        let mut fetched = Fetched::default();
        for id in ids {
            if id.as_str().starts_with(POISON) {
                fetched.failed.push((id.clone(), LedgerError::Refused { status: 400 }));
                continue;
            }
            if !shop.faults.is_calm() && shop.chance.below(ALONE) == 0 {
                let alone = LedgerError::Unavailable("this one alone".into());
                fetched.failed.push((id.clone(), alone));
                continue;
            }
            match objects.get(&(word, id.to_string())) {
                Some(object) if !object.is_deleted => {
                    let entities = lists(word, id.as_str(), *object);
                    fetched.records.extend(entities.iter().map(|entity| record(*entity, id, *object)));
                }
                _ => fetched.missing.push(id.clone()),
            }
        }
        fetched
    }
}
