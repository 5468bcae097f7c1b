//! Books in memory, which change and fail when told to.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use domain::{
    id::RecordId,
    sync::{Entity, Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery, Record},
};

/// Objects on a page; small, so that few objects make many pages.
pub(crate) const PAGE: usize = 10;

#[derive(Default)]
pub(crate) struct InMemoryLedger {
    objects: Mutex<Vec<Record>>,
    faults: Mutex<Vec<LedgerError>>,
    /// What happens in the books while the next page is on its way.
    meanwhile: Mutex<Option<Record>>,
    pages: AtomicUsize,
    fetches: AtomicUsize,
    /// Kinds of objects whose scope nobody was granted.
    closed: Mutex<Vec<Entity>>,
}

impl InMemoryLedger {
    /// Puts an object into the books, or a new version in place of the old.
    pub(crate) fn put(&self, record: Record) {
        let mut objects = self.objects.lock().unwrap();
        objects.retain(|object| object.id != record.id);
        objects.push(record);
    }

    pub(crate) fn remove(&self, id: &str) {
        self.objects.lock().unwrap().retain(|object| object.id.as_str() != id);
    }

    /// Makes the next call fail.
    pub(crate) fn fail_next(&self, error: LedgerError) {
        self.faults.lock().unwrap().push(error);
    }

    /// Changes an object right after the next page was read.
    pub(crate) fn change_meanwhile(&self, record: Record) {
        *self.meanwhile.lock().unwrap() = Some(record);
    }

    /// From now on reading these takes a scope that the connection lacks.
    pub(crate) fn close(&self, entity: Entity) {
        self.closed.lock().unwrap().push(entity);
    }

    pub(crate) fn pages(&self) -> usize {
        self.pages.load(Ordering::SeqCst)
    }

    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    fn fault(&self) -> Result<(), LedgerError> {
        self.faults.lock().unwrap().pop().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Ledger for InMemoryLedger {
    async fn page(&self, _: LedgerCall<'_>, query: PageQuery) -> Result<LedgerPage, LedgerError> {
        self.pages.fetch_add(1, Ordering::SeqCst);
        self.fault()?;
        let mut found: Vec<_> = self.objects.lock().unwrap().clone();
        found.retain(|object| object.entity == query.entity);
        found.retain(|object| query.after.is_none_or(|after| object.updated_at >= after));
        found.sort_by_key(|object| (object.updated_at, object.id.clone()));
        let records: Vec<_> =
            found.into_iter().skip(usize::try_from(query.skip).unwrap()).take(PAGE).collect();
        if let Some(changed) = self.meanwhile.lock().unwrap().take() {
            self.put(changed);
        }
        let newest = records.iter().map(|record| record.updated_at).max();
        Ok(LedgerPage { more: records.len() == PAGE, records, newest, ..LedgerPage::default() })
    }

    async fn fetch(&self, _: LedgerCall<'_>, _: &str, ids: &[RecordId]) -> Result<Fetched, LedgerError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        self.fault()?;
        let objects = self.objects.lock().unwrap();
        let mut fetched = Fetched::default();
        for id in ids {
            match objects.iter().find(|object| object.id == *id) {
                Some(object) => fetched.records.push(object.clone()),
                None => fetched.missing.push(id.clone()),
            }
        }
        Ok(fetched)
    }

    fn missing_scope(&self, entity: Entity, _: &[String]) -> Option<&'static str> {
        self.closed.lock().unwrap().contains(&entity).then_some("books.read")
    }

    fn entities(&self, word: &str) -> &'static [Entity] {
        if word == "invoice" { &[Entity::Invoices] } else { &[] }
    }
}
