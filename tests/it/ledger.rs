//! Books in memory, which change and fail when told to.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    id::RecordId,
    sync::{Changes, Entity, Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery, Record, Told},
};
use futures::future::BoxFuture;
use jiff::Timestamp;
use tests::sample;

/// Objects on a page; small, so that few objects make many pages.
pub(crate) const PAGE: usize = 10;
/// How long a throttled fetch is told to wait.
pub(crate) const THROTTLE: Duration = Duration::from_secs(20);
/// How far back the feed of changes tells.
pub(crate) const REACH: Duration = Duration::from_hours(24 * 29);

/// What somebody else does.
pub(crate) type Elsewhere = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

#[derive(Default)]
pub(crate) struct InMemoryLedger {
    objects: Mutex<Vec<Record>>,
    faults: Mutex<Vec<LedgerError>>,
    /// What happens in the books while the next page is on its way.
    meanwhile: Mutex<Option<Record>>,
    pages: AtomicUsize,
    /// The page that cannot be read, counted from 0, and why.
    bad_page: Mutex<Option<(usize, LedgerError)>>,
    fetches: AtomicUsize,
    /// What each fetch asked for.
    asked: Mutex<Vec<(String, Vec<String>)>>,
    /// Objects that cannot be had, though others can.
    broken: Mutex<HashMap<String, fn() -> LedgerError>>,
    /// How many objects are had before the provider throttles, until it is asked again.
    limit: Mutex<Option<usize>>,
    /// Kinds of objects whose scope nobody was granted.
    closed: Mutex<Vec<Entity>>,
    /// What was deleted, and when.
    deleted: Mutex<Vec<(Entity, RecordId, Timestamp)>>,
    /// How many objects the feed of changes tells of at once; there is none without it.
    feed: Mutex<Option<usize>>,
    feeds: AtomicUsize,
    counts: AtomicUsize,
    told: Mutex<Option<Told>>,
    /// What no list has, though it is there.
    hidden: Mutex<Vec<String>>,
    /// What somebody else does while the next page is on its way.
    elsewhere: Mutex<Option<Elsewhere>>,
    whole_every: Mutex<Option<Duration>>,
}

impl InMemoryLedger {
    /// Puts an object into the books, or a new version in place of the old.
    pub(crate) fn put(&self, record: Record) {
        let mut objects = self.objects.lock().unwrap();
        objects.retain(|object| (object.entity, &object.id) != (record.entity, &record.id));
        objects.push(record);
    }

    /// Puts an invoice of version 1 into the books for each of these ids.
    pub(crate) fn fill(&self, ids: &[&str]) {
        for id in ids {
            self.put(sample::invoice(id, sample::at(-10), 1));
        }
    }

    pub(crate) fn remove(&self, id: &str) {
        self.objects.lock().unwrap().retain(|object| object.id.as_str() != id);
    }

    /// Deletes an object at a time, of which the feed of changes tells.
    pub(crate) fn delete(&self, id: &str, at: Timestamp) {
        let objects = self.objects.lock().unwrap().clone();
        let gone = objects.into_iter().filter(|object| object.id.as_str() == id);
        self.deleted.lock().unwrap().extend(gone.map(|object| (object.entity, object.id, at)));
        self.remove(id);
    }

    /// Leaves an object out of every list from now on.
    pub(crate) fn hide(&self, id: &str) {
        self.hidden.lock().unwrap().push(id.to_owned());
    }

    /// Does something while the next page is on its way.
    pub(crate) fn meanwhile(&self, act: Elsewhere) {
        *self.elsewhere.lock().unwrap() = Some(act);
    }

    /// Everything in the books, by kind and id.
    pub(crate) fn all(&self) -> Vec<Record> {
        let mut all = self.objects.lock().unwrap().clone();
        all.sort_by_key(|object| (object.entity, object.id.clone()));
        all
    }

    /// From now on there is a feed of changes, which tells of so many objects at once.
    pub(crate) fn feed(&self, room: usize) {
        *self.feed.lock().unwrap() = Some(room);
    }

    /// From now on pages tell this much.
    pub(crate) fn tell(&self, told: Told) {
        *self.told.lock().unwrap() = Some(told);
    }

    /// From now on the books are to be read whole so often.
    pub(crate) fn whole_every(&self, every: Duration) {
        *self.whole_every.lock().unwrap() = Some(every);
    }

    /// How often the feed was asked, and how often objects were counted.
    pub(crate) fn feeds_and_counts(&self) -> (usize, usize) {
        (self.feeds.load(Ordering::SeqCst), self.counts.load(Ordering::SeqCst))
    }

    /// Makes the next call fail.
    pub(crate) fn fail_next(&self, error: LedgerError) {
        self.faults.lock().unwrap().push(error);
    }

    /// Makes one page of all that are asked for fail.
    pub(crate) fn fail_at_page(&self, page: usize, error: LedgerError) {
        *self.bad_page.lock().unwrap() = Some((page, error));
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

    /// What each fetch asked for so far: a word and ids.
    pub(crate) fn asked(&self) -> Vec<(String, Vec<String>)> {
        self.asked.lock().unwrap().clone()
    }

    /// From now on this object alone cannot be had.
    pub(crate) fn break_object(&self, id: &str, error: fn() -> LedgerError) {
        self.broken.lock().unwrap().insert(id.to_owned(), error);
    }

    /// The next fetch is throttled after so many objects.
    pub(crate) fn throttle_after(&self, objects: usize) {
        *self.limit.lock().unwrap() = Some(objects);
    }

    /// From now on every object can be had.
    pub(crate) fn mend(&self) {
        self.broken.lock().unwrap().clear();
    }

    fn fault(&self) -> Result<(), LedgerError> {
        self.faults.lock().unwrap().pop().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Ledger for InMemoryLedger {
    async fn page(&self, _: LedgerCall<'_>, query: PageQuery) -> Result<LedgerPage, LedgerError> {
        let page = self.pages.fetch_add(1, Ordering::SeqCst);
        if let Some((_, error)) = self.bad_page.lock().unwrap().take_if(|(bad, _)| *bad == page) {
            return Err(error);
        }
        self.fault()?;
        let elsewhere = self.elsewhere.lock().unwrap().take();
        if let Some(act) = elsewhere {
            act().await;
        }
        let mut found: Vec<_> = self.objects.lock().unwrap().clone();
        found.retain(|object| object.entity == query.entity);
        found.retain(|object| !self.hidden.lock().unwrap().contains(&object.id.to_string()));
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

    async fn fetch(&self, _: LedgerCall<'_>, word: &str, ids: &[RecordId]) -> Result<Fetched, LedgerError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        self.asked.lock().unwrap().push((word.to_owned(), ids.iter().map(ToString::to_string).collect()));
        self.fault()?;
        let (objects, broken) = (self.objects.lock().unwrap(), self.broken.lock().unwrap());
        let mut fetched = Fetched::default();
        let limit = self.limit.lock().unwrap().take();
        fetched.stopped = limit.map(|_| LedgerError::Throttled { retry_after: Some(THROTTLE) });
        for id in ids.iter().take(limit.unwrap_or(usize::MAX)) {
            let is_asked =
                |object: &&Record| object.id == *id && self.entities(word).contains(&object.entity);
            let found: Vec<_> = objects.iter().filter(is_asked).cloned().collect();
            match broken.get(id.as_str()) {
                Some(error) => fetched.failed.push((id.clone(), error())),
                None if found.is_empty() => fetched.missing.push(id.clone()),
                None => fetched.records.extend(found),
            }
        }
        Ok(fetched)
    }

    fn changes_reach(&self) -> Option<Duration> {
        self.feed.lock().unwrap().map(|_| REACH)
    }

    async fn changes(
        &self,
        _: LedgerCall<'_>,
        entities: &[Entity],
        since: Timestamp,
    ) -> Result<Changes, LedgerError> {
        self.feeds.fetch_add(1, Ordering::SeqCst);
        self.fault()?;
        let room = self.feed.lock().unwrap().unwrap_or_default();
        let is_asked = |entity: &Entity, at: &Timestamp| entities.contains(entity) && *at >= since;
        let mut records = self.objects.lock().unwrap().clone();
        records.retain(|object| is_asked(&object.entity, &object.updated_at));
        records.sort_by_key(|object| object.updated_at);
        records.truncate(room);
        let mut deleted = self.deleted.lock().unwrap().clone();
        deleted.retain(|(entity, _, at)| is_asked(entity, at));
        deleted.truncate(room - records.len());
        let is_all = records.len() + deleted.len() < room;
        let complete = if is_all { entities.to_vec() } else { vec![] };
        Ok(Changes { records, deleted, unreadable: 0, complete })
    }

    async fn miscounted(
        &self,
        _: LedgerCall<'_>,
        expected: &[(Entity, u64)],
    ) -> Result<Vec<Entity>, LedgerError> {
        self.counts.fetch_add(1, Ordering::SeqCst);
        self.fault()?;
        let objects = self.objects.lock().unwrap();
        let count = |entity| objects.iter().filter(|object| object.entity == entity).count() as u64;
        let off = expected.iter().filter(|(entity, expected)| count(*entity) != *expected);
        Ok(off.map(|(entity, _)| *entity).collect())
    }

    fn told(&self, _: Entity) -> Told {
        self.told.lock().unwrap().unwrap_or(Told::Changes)
    }

    fn whole_every(&self) -> Option<Duration> {
        *self.whole_every.lock().unwrap()
    }

    fn word(&self, entity: Entity) -> &'static str {
        if entity == Entity::Invoices { "invoice" } else { "contact" }
    }

    fn missing_scope(&self, entity: Entity, _: &[String]) -> Option<&'static str> {
        self.closed.lock().unwrap().contains(&entity).then_some("books.read")
    }

    fn entities(&self, word: &str) -> &'static [Entity] {
        match word {
            "invoice" => &[Entity::Invoices],
            "contact" => &[Entity::Customers, Entity::Vendors],
            _ => &[],
        }
    }
}
