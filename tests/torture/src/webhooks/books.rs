//! The books of every company: what the provider knows, and how it tells.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use domain::{
    id::RecordId,
    sync::{Entity, Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery, Record},
};

use super::{ports::Caller, shop::realm};
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
        Self(Mutex::new((0..companies).map(|company| (realm(company), Objects::new())).collect()))
    }

    pub(super) fn all(&self) -> MutexGuard<'_, BTreeMap<String, Objects>> {
        self.0.lock().unwrap()
    }
}

/// The kind of a word.
pub(super) fn entity(word: &str) -> Entity {
    if word == "invoice" { Entity::Invoices } else { Entity::Customers }
}

fn record(word: &str, id: &RecordId, object: Object) -> Record {
    Record {
        entity: entity(word),
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
    }
}

#[async_trait]
impl Ledger for Caller {
    async fn page(&self, _: LedgerCall<'_>, _: PageQuery) -> Result<LedgerPage, LedgerError> {
        Err(LedgerError::Refused { status: 400 })
    }

    async fn fetch(
        &self,
        call: LedgerCall<'_>,
        word: &str,
        ids: &[RecordId],
    ) -> Result<Fetched, LedgerError> {
        let shop = &self.shop;
        shop.told().fetches += 1;
        let (course, takes) = shop.faults.of_provider(0);
        self.risk(takes);
        shop.time.sleep(takes / 2).await;
        let fetched = self.read(call, word, ids);
        // What was read grows old on its way.
        shop.time.sleep(takes / 2).await;
        match course {
            Course::Answered => Ok(fetched),
            Course::Throttled(retry_after) => Err(LedgerError::Throttled { retry_after }),
            _ => Err(LedgerError::Unavailable("made to fail".into())),
        }
    }

    fn missing_scope(&self, _: Entity, _: &[String]) -> Option<&'static str> {
        None
    }

    fn entities(&self, word: &str) -> &'static [Entity] {
        match word {
            "invoice" => &[Entity::Invoices],
            "customer" => &[Entity::Customers],
            _ => &[],
        }
    }
}

impl Caller {
    fn read(&self, call: LedgerCall<'_>, word: &str, ids: &[RecordId]) -> Fetched {
        let shop = &self.shop;
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
            let found = objects.iter().find(|((of, object), _)| *of == word && object == id.as_str());
            match found {
                Some((_, object)) if !object.is_deleted => fetched.records.push(record(word, id, *object)),
                _ => fetched.missing.push(id.clone()),
            }
        }
        fetched
    }
}
